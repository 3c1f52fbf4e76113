//! [`Replica`]: a store in this process that follows a shared log.

mod backoff;
mod error;
mod follower;
mod health;
mod history;
mod knowledge;
mod maintenance;
mod monitor;
mod options;
mod resend;
mod snapshot;
mod store;
mod view;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};

use crate::{
    clock::Clock,
    set::RevocationSet,
    store::{RevocationLog, StoreError, StoreErrorKind},
};
pub use health::Health;
use knowledge::Knowledge;
pub use monitor::ReplicaMonitor;
pub use options::ReplicaOptions;
use view::View;

/// Store that answers checks from memory and follows a [`RevocationLog`] that all nodes share.
///
/// A revocation is written to the log and then to the set of this node before `revoke` returns.
/// Other nodes apply it as soon as the log reports it: usually within milliseconds, and at most
/// `max_staleness` (default: 5 s) later. A node whose view of the log is older than that asks the
/// log for each check, or rejects requests, as
/// [configured](ReplicaOptions::reject_when_stale).
///
/// Until the first snapshot is loaded, every check is an error, and clients receive 503. The server
/// of the log may be started later than the service: over a store that connects lazily, a replica
/// retries until the server is available, and is then ready.
///
/// [`monitor`](Self::monitor) returns a handle without type parameters, for readiness probes. It
/// reports the loading progress, the last error and the age of the view.
///
/// # When the log loses revocations
///
/// A replica keeps each revocation until it expires, whatever the log reports. When a log has lost
/// acknowledged revocations, in a failover or because it was emptied, every node re-sends those
/// that it knows to be missing: first those that were acknowledged to it within the last half
/// minute, and then the others, many with each call, together with the other nodes and no faster
/// than the log accepts them. A log that has lost only its last seconds, as after a failover, is
/// read again from an earlier position, and not as a whole.
///
/// After its log was replaced, restarted or trimmed, a replica trusts it again once it has re-sent
/// all missing revocations, and after two seconds at the earliest, so that the other nodes have
/// time to re-send theirs. Until then it answers from memory while its view is no older than
/// `max_staleness`, and rejects requests otherwise. A node that starts during this time cannot know
/// which revocations are missing: after a log has lost everything, start new nodes only once the
/// existing ones are fresh.
///
/// # Limits
///
/// Staleness is measured with the system's monotonic clock, which does not advance on Linux while
/// the machine is suspended.
///
/// # Dropping
///
/// Dropping the replica stops its background tasks.
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
    /// The background tasks, which end when the set is dropped. Monitors only count the references
    /// to it.
    tasks: Arc<JoinSet<()>>,
}

struct Shared<L: RevocationLog> {
    log: L,
    /// The position up to which the log has been read. `None` while the log may be a different one.
    cursor: Mutex<Option<L::Cursor>>,
    knowledge: Knowledge,
    view: Arc<View>,
    clock: Arc<dyn Clock>,
    max_staleness: Duration,
    ask_when_stale: bool,
    /// The interval at which the log proves that nothing is missing.
    heartbeat: Duration,
}

impl<L: RevocationLog> Replica<L> {
    /// Starts a replica of `log` with the default options. Its background tasks load the log and
    /// follow it.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime with time enabled.
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

    /// Returns a handle that reports the readiness and health of the replica. It remains usable
    /// after the replica was passed on as the store of an application.
    #[must_use]
    pub fn monitor(&self) -> ReplicaMonitor {
        ReplicaMonitor::new(&self.shared.view, &self.tasks)
    }

    /// Waits until the first snapshot is loaded. Equivalent to [`ReplicaMonitor::ready`].
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`ReplicaMonitor::ready`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.monitor().ready().await
    }

    /// Returns the current state of the replica.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.view.health()
    }

    /// Returns the log that the replica follows.
    #[must_use]
    pub fn log(&self) -> &L {
        &self.shared.log
    }

    pub(in crate::store) fn set(&self) -> &RevocationSet {
        self.shared.knowledge.set()
    }

    /// Returns the number of known revocations, including expired ones that were not purged yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.knowledge.set().len()
    }

    /// Returns whether no revocation is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<L: RevocationLog> Shared<L> {
    fn cursor(&self) -> MutexGuard<'_, Option<L::Cursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Abandons a call of the log after this time. Its connection may be half-open, so the next
    /// call gets another one.
    async fn within<T, E: From<StoreError>>(
        &self,
        limit: Duration,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        timeout(limit, call).await.unwrap_or_else(|late| {
            self.log.reconnect();
            Err(StoreError::new(operation, late).with_kind(StoreErrorKind::Unavailable).into())
        })
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

/// A log limits the duration of its calls. If it does not, a call is abandoned after this time.
const PATIENCE: Duration = Duration::from_secs(5);
