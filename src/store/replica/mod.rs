//! [`Replica`]: the set in this process that follows a shared log.

mod follower;
mod health;
mod knowledge;
mod options;
mod snapshot;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{
    clock::Clock,
    revocation::{Outcome, Revocation, TokenIdentity},
    set::RevocationSignal,
    store::{FollowError, RevocationLog, RevocationStore, StoreError, StoreErrorKind},
    telemetry,
};
pub use health::Health;
use health::{Freshness, View};
use knowledge::Knowledge;
pub use options::ReplicaOptions;

/// Answers checks from this process's memory, and follows a log that all nodes share.
///
/// A revocation on one node is refused on the others as soon as the log has told them, within milliseconds as a rule, and never
/// later than `max_staleness` (5 s): a node that has not heard from its log for longer asks it for each check, or refuses them, as
/// [configured](ReplicaOptions::refuse_when_stale). A revocation is written to the log first, then to this node's set; then the caller has its answer.
///
/// Until the first snapshot is in, every check is an error, which a client sees as 503. [`health`](Self::health) shows the
/// progress, what is wrong, and later how old the view is. The server may be started later than the service: over a store that connects
/// lazily, a replica starts, tries again and again, and is ready when the server is.
///
/// # What the log loses
///
/// What a replica knows it does not forget before its time, whatever the log says. When a log has lost what it had acknowledged, by a
/// failover or because it was emptied, every node tells it again what it knows to be missing: at once what it was told to be stored in
/// the last half minute, and then the rest, some thousand a second.
///
/// A replica whose log was replaced, restarted or trimmed trusts it again once it has told it all it knows, and two seconds later at the earliest,
/// so that the others have the time to do the same. Until then it answers from what it knew, while that is no older than `max_staleness`, and
/// refuses otherwise. A node that starts in that time cannot know what is missing: after the loss of a whole log, start new nodes when the old ones are fresh.
///
/// # Limits
///
/// Staleness is judged by the system's monotonic clock, which on Linux stands still while the machine is suspended.
///
/// # Dropping
///
/// Dropping the replica ends its tasks.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "redis")]
/// # async fn start() -> Result<(), tower_logout::StoreError> {
/// use tower_logout::{RedisStore, Replica};
///
/// let replica = Replica::start(RedisStore::connect("redis://127.0.0.1:6379").await?);
/// replica.ready().await?;
/// assert!(replica.health().is_fresh());
/// # Ok(())
/// # }
/// ```
pub struct Replica<L: RevocationLog> {
    shared: Arc<Shared<L>>,
    _tasks: JoinSet<()>,
}

struct Shared<L: RevocationLog> {
    log: L,
    /// Up to where the log has been read. None while it is not known to be the log that it was.
    cursor: Mutex<Option<L::Cursor>>,
    knowledge: Knowledge,
    view: View,
    clock: Arc<dyn Clock>,
    max_staleness: Duration,
    ask_when_stale: bool,
    /// How often the log proves that nothing is missing.
    heartbeat: Duration,
}

impl<L: RevocationLog> Replica<L> {
    /// Starts to load what the log holds, and to follow it, on tasks of its own.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time enabled.
    pub fn start(log: L) -> Self {
        ReplicaOptions::new().start(log)
    }

    fn start_with(log: L, options: ReplicaOptions) -> Self {
        let ReplicaOptions { max_staleness, ask_when_stale, clock } = options;
        let shared = Arc::new(Shared {
            log,
            cursor: Mutex::new(None),
            knowledge: Knowledge::new(),
            view: View::new(max_staleness),
            clock,
            max_staleness,
            ask_when_stale,
            heartbeat: (max_staleness / 4).clamp(Duration::from_millis(10), Duration::from_secs(1)),
        });
        let tasks = follower::spawn(&shared);
        Self { shared, _tasks: tasks }
    }
}

impl<L: RevocationLog> Replica<L> {
    /// Waits until the first snapshot is in: checks are answered from then on.
    ///
    /// A server that is down, out of reach or slow is waited for; [`Health::last_error`] says meanwhile what is wrong. Put a timeout around the
    /// call where a start must not wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the kind [`Misconfigured`](StoreErrorKind::Misconfigured) or [`Damaged`](StoreErrorKind::Damaged) if the log cannot be
    /// read before somebody changes something, such as a table or a right that is missing. It says what. The replica goes on trying nevertheless,
    /// so `ready` can be called again, and without a restart checks are answered once the cause is removed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let view = &self.shared.view;
        // What an earlier attempt has met may be gone.
        let (mut health, failures) = (self.watch_health(), view.failures());
        let settled = |health: &Health| match health {
            Health::Loading { .. } => health.obstacle().is_some() && view.failures() > failures,
            _ => true,
        };
        match health.wait_for(settled).await {
            Ok(health) => health.obstacle().map_or(Ok(()), |error| Err(error.clone())),
            // The sender lives in `self`.
            Err(closed) => Err(StoreError::new("snapshot", closed)),
        }
    }

    /// How much is known now, and how old it is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.view.health()
    }

    /// Shows every change of the health: progress of loading, each proof that nothing is missing, and when the view becomes too old.
    ///
    /// A staleness in it is that of the moment it was sent.
    #[must_use]
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.shared.view.subscribe()
    }

    /// The log that is followed.
    #[must_use]
    pub fn log(&self) -> &L {
        &self.shared.log
    }

    /// How many revocations are known, those included that the next purge removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.knowledge.set().len()
    }

    /// Whether no revocation is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<L: RevocationLog> Shared<L> {
    /// Asks the log, unless it may have lost what other nodes have yet to tell it.
    async fn ask(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let cursor = self.cursor().clone();
        let replaced = |reason| unavailable(NotReady::Replaced { reason });
        match cursor {
            None => Err(replaced("the nodes are telling it what they know")),
            Some(cursor) => self.log.check(&cursor, token).await.map_err(|error| match error {
                FollowError::Failed(error) => error,
                FollowError::CursorLost(reason) => replaced(reason),
            }),
        }
    }

    fn cursor(&self) -> MutexGuard<'_, Option<L::Cursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<L: RevocationLog> RevocationStore for Replica<L> {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let outcome = self.shared.log.revoke(revocation).await?;
        self.shared.knowledge.acknowledged(revocation, outcome, Instant::now());
        telemetry::live_revocations(self.len());
        Ok(outcome)
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        match self.is_revoked_now(token) {
            Some(answer) => answer,
            None => self.shared.ask(token).await,
        }
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        // Before the set is read: a view that was too old at this moment does not become younger while we look.
        let freshness = self.shared.view.freshness();
        if let Freshness::Loading = freshness {
            return Some(Err(unavailable(NotReady::Loading { because: self.shared.view.last_error().clone() })));
        }
        // What is revoked stays revoked, however old the view is.
        if self.shared.knowledge.set().is_revoked(token) {
            return Some(Ok(true));
        }
        match freshness {
            Freshness::Stale(_) if self.shared.ask_when_stale => None,
            Freshness::Stale(staleness) => {
                let max_staleness = self.shared.max_staleness;
                let because = self.shared.view.last_error().clone();
                Some(Err(unavailable(NotReady::Stale { staleness, max_staleness, because })))
            }
            Freshness::Loading | Freshness::Fresh(_) => Some(Ok(false)),
        }
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.shared.knowledge.set().watch(token))
    }
}

impl<L: RevocationLog> fmt::Debug for Replica<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("health", &self.health())
            .field("len", &self.len())
            .field("max_staleness", &self.shared.max_staleness)
            .field("ask_when_stale", &self.shared.ask_when_stale)
            .finish_non_exhaustive()
    }
}

fn unavailable(why: NotReady) -> StoreError {
    StoreError::new("check", why).with_kind(StoreErrorKind::Unavailable)
}

#[derive(Debug, thiserror::Error)]
enum NotReady {
    #[error("the replica's first snapshot is not in yet; wait for `Replica::ready`, which says why if it never comes")]
    Loading {
        #[source]
        because: Option<StoreError>,
    },
    #[error(
        "the replica has not heard from its log for {staleness:?}, and at most {max_staleness:?} is allowed: \
         the log's server is down, out of reach or too slow"
    )]
    Stale {
        staleness: Duration,
        max_staleness: Duration,
        #[source]
        because: Option<StoreError>,
    },
    #[error(
        "the log may have lost revocations: {reason}; checks are answered again a few seconds after all nodes have reached it"
    )]
    Replaced { reason: &'static str },
}
