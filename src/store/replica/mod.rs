//! [`Replica`]: the set in this process that follows a shared log.

mod backoff;
mod error;
mod follower;
mod health;
mod knowledge;
mod maintenance;
mod monitor;
mod options;
mod resend;
mod snapshot;
mod view;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    task::JoinSet,
    time::{Instant, error::Elapsed},
};

use crate::{
    clock::Clock,
    revocation::{Outcome, Revocation, TokenIdentity},
    set::{Generation, RevocationSignal},
    store::{FollowError, RevocationLog, RevocationStore, StoreError, StoreErrorKind},
    telemetry,
};
use error::NotReady;
pub use health::Health;
use knowledge::Knowledge;
pub use monitor::ReplicaMonitor;
pub use options::ReplicaOptions;
use view::{Freshness, View};

/// Answers checks from the memory of this process and follows a log that all nodes share.
///
/// A revocation is written to the log first and then to this node's set; then the caller has its
/// answer. The other nodes apply it as soon as the log reports it, usually within milliseconds and
/// never later than `max_staleness` (5 s): a node that has not heard from its log for longer asks
/// the log for each check, or rejects requests, as [configured](ReplicaOptions::reject_when_stale).
///
/// Until the first snapshot is loaded every check is an error, which a client receives as 503. The
/// server may be started later than the service: over a store that connects lazily, a replica
/// retries until the server is up, and is then ready.
///
/// [`monitor`](Self::monitor) returns a handle without type parameters, for readiness probes: it
/// reports the progress, what is wrong, and how old the view is.
///
/// # When the log loses revocations
///
/// A replica forgets nothing before its time, whatever the log reports. When a log has lost
/// revocations that it had acknowledged, by a failover or because it was emptied, every node
/// re-sends the ones that it knows to be missing: those acknowledged to it within the last half
/// minute at once, and then the rest, a few thousand a second.
///
/// After its log was replaced, restarted or trimmed, a replica trusts it again once it has re-sent
/// all it knows, and at the earliest after two seconds, so that the other nodes have the time to do
/// the same. Until then it answers from what it knows, provided that its view is no older than
/// `max_staleness`, and rejects requests otherwise. A node that starts in that time cannot know
/// what is missing: after a log has lost everything, start new nodes when the old ones are fresh.
///
/// # Limits
///
/// Staleness is measured by the system's monotonic clock, which on Linux stops while the machine is
/// suspended.
///
/// # Dropping
///
/// Dropping the replica ends its tasks.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "redis")]
/// # async fn start() -> Result<(), tower_logout::store::StoreError> {
/// use tower_logout::{RedisStore, Replica};
///
/// let replica = Replica::start(RedisStore::connect("redis://127.0.0.1:6379").await?);
/// replica.ready().await?;
/// assert!(replica.health().is_fresh());
/// # Ok(())
/// # }
/// ```
#[must_use = "a replica stops when it is dropped"]
pub struct Replica<L: RevocationLog> {
    shared: Arc<Shared<L>>,
    /// The tasks end when the set is dropped. Monitors only count references to it.
    tasks: Arc<JoinSet<()>>,
}

struct Shared<L: RevocationLog> {
    log: L,
    /// How far the log has been read. `None` while it may be a different log than before.
    cursor: Mutex<Option<L::Cursor>>,
    knowledge: Knowledge,
    view: Arc<View>,
    clock: Arc<dyn Clock>,
    max_staleness: Duration,
    ask_when_stale: bool,
    /// How often the log proves that nothing is missing.
    heartbeat: Duration,
}

impl<L: RevocationLog> Replica<L> {
    /// Starts to load the log and to follow it, on tasks of its own, with the default options.
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
            view: Arc::new(View::new(max_staleness)),
            clock,
            max_staleness,
            ask_when_stale,
            heartbeat: (max_staleness / 4).clamp(Duration::from_millis(10), Duration::from_secs(1)),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(follower::follow(Arc::clone(&shared)));
        tasks.spawn(resend::resend_lost(Arc::clone(&shared)));
        tasks.spawn(maintenance::maintain(Arc::clone(&shared)));
        Self { shared, tasks: Arc::new(tasks) }
    }

    /// Returns a handle that reports whether the replica is ready and how current it is, to keep
    /// once the replica itself has become the store of an application.
    #[must_use]
    pub fn monitor(&self) -> ReplicaMonitor {
        ReplicaMonitor::new(&self.shared.view, &self.tasks)
    }

    /// Waits until the first snapshot is loaded, as [`ReplicaMonitor::ready`] does.
    ///
    /// # Errors
    ///
    /// As [`ReplicaMonitor::ready`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.monitor().ready().await
    }

    /// How much the replica knows now, and how old that is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.view.health()
    }

    /// The log that the replica follows.
    #[must_use]
    pub fn log(&self) -> &L {
        &self.shared.log
    }

    /// How many revocations are known, including those that the next purge removes.
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
    /// Asks the log, unless it may have lost what other nodes have yet to re-send.
    async fn ask(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let cursor = self.cursor().clone();
        let replaced = |reason| StoreError::from(NotReady::LogReplaced { reason });
        match cursor {
            None => Err(replaced("the nodes are re-sending what they know")),
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
        // Before the set is read: a view that is too old at this moment must not count as fresh
        // later.
        let freshness = self.shared.view.freshness();
        if let Freshness::Loading = freshness {
            let because = self.shared.view.last_error().clone();
            return Some(Err(NotReady::Loading { because }.into()));
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
                Some(Err(NotReady::Stale { staleness, max_staleness, because }.into()))
            }
            Freshness::Loading | Freshness::Fresh(_) => Some(Ok(false)),
        }
    }

    fn generation(&self) -> Option<Generation> {
        match self.shared.view.freshness() {
            Freshness::Fresh(_) => self.shared.knowledge.set().generation(),
            Freshness::Loading | Freshness::Stale(_) => None,
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

fn too_late(operation: &'static str, late: Elapsed) -> StoreError {
    StoreError::new(operation, late).with_kind(StoreErrorKind::Unavailable)
}

/// A log limits the duration of its calls. One that does not is asked again after this time.
const PATIENCE: Duration = Duration::from_secs(5);
