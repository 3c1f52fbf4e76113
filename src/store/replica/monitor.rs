//! [`ReplicaMonitor`]: a handle for readiness probes.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use tokio::{sync::watch, task::JoinSet};

use super::{Health, view::View};
use crate::store::StoreError;

/// Handle that reports the readiness and health of a [`Replica`](crate::Replica).
///
/// It has no type parameters and is cheap to clone, so that an application can keep it in its state
/// after the replica was passed to a layer. It does not keep the replica alive.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "redis")]
/// # async fn start() -> Result<(), tower_logout::store::StoreError> {
/// use tower_logout::{RedisStore, Replica, store::ReplicaMonitor};
///
/// #[derive(Clone)]
/// struct AppState {
///     replica: ReplicaMonitor,
/// }
///
/// let replica = Replica::start(RedisStore::connect("redis://127.0.0.1:6379").await?);
/// let state = AppState { replica: replica.monitor() };
/// // … the replica becomes the store of the application …
/// state.replica.ready().await?;
/// assert!(state.replica.health().is_fresh());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReplicaMonitor {
    view: Weak<View>,
    /// Only counted, never upgraded: a monitor must not keep the tasks running.
    tasks: Weak<JoinSet<()>>,
    health: watch::Receiver<Health>,
}

impl ReplicaMonitor {
    pub(super) fn new(view: &Arc<View>, tasks: &Arc<JoinSet<()>>) -> Self {
        Self { view: Arc::downgrade(view), tasks: Arc::downgrade(tasks), health: view.subscribe() }
    }

    /// Waits until the first snapshot is loaded. Checks are answered from then on.
    ///
    /// While the server of the log is down, unreachable or slow, the call keeps waiting, and
    /// [`Health::last_error`] reports the reason. Wrap the call in a timeout if startup must not
    /// wait.
    ///
    /// # Errors
    ///
    /// * [`StoreError`] of the kind [`Misconfigured`](crate::store::StoreErrorKind::Misconfigured)
    ///   or [`Damaged`](crate::store::StoreErrorKind::Damaged) if the log cannot be read without
    ///   intervention, for example because a table or a permission is missing. The error names the
    ///   remedy. The replica keeps retrying: `ready` can be called again, and no restart is needed
    ///   once the cause is removed.
    /// * [`StoreError`] if the replica was dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let failures = || self.view().map(|view| view.failures());
        // The obstacle that an earlier attempt has found may be removed by now.
        let failures_before = failures();
        let is_settled = |health: &Health| match health {
            Health::Loading { .. } => health.obstacle().is_some() && failures() > failures_before,
            _ => true,
        };
        let health = self.watch().wait_for(is_settled).await.map(|health| health.clone());
        match health {
            Ok(health) if self.view().is_some() => health.obstacle().map_or(Ok(()), |error| Err(error.clone())),
            _ => Err(StoreError::new("snapshot", ReplicaDropped)),
        }
    }

    /// Returns the current state of the replica.
    #[must_use]
    pub fn health(&self) -> Health {
        self.view().map_or(Health::Stopped, |view| view.health())
    }

    /// Returns a channel that receives every change of the health: the loading progress, each
    /// confirmation that nothing is missing, and the moment at which the view becomes too old.
    ///
    /// The staleness in a value is that of the moment at which the value was sent. The last value
    /// is [`Health::Stopped`]; the channel is then closed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Health> {
        let mut health = self.health.clone();
        health.mark_unchanged();
        health
    }

    /// Returns `None` once the replica was dropped, even if its tasks have not ended yet.
    fn view(&self) -> Option<Arc<View>> {
        self.view.upgrade().filter(|_| self.tasks.strong_count() > 0)
    }
}

impl fmt::Debug for ReplicaMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaMonitor").field("health", &self.health()).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the replica was dropped and no longer follows its log; keep it for as long as its monitor is used")]
struct ReplicaDropped;
