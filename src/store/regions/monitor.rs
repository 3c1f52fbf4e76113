//! [`RegionsMonitor`]: a handle for readiness probes.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{HOME, error::CannotAnswer};
use crate::store::{Health, ReplicaMonitor, StoreError};

/// Handle that reports the readiness and health of [`Regions`](crate::store::Regions).
///
/// It is cheap to clone, so that an application can keep it in its state after the regions were
/// passed to a layer. It does not keep the replicas alive.
///
/// # Examples
///
/// ```
/// use tower_logout::store::RegionsMonitor;
///
/// /// One line for each region, such as `us: 0.3 s`.
/// fn report(monitor: &RegionsMonitor) -> Vec<String> {
///     let age = |staleness: std::time::Duration| format!("{:.1} s", staleness.as_secs_f64());
///     let regions = monitor.regions().iter();
///     regions
///         .map(|region| {
///             let age = region.health().staleness().map_or("loading".to_owned(), age);
///             format!("{}: {age}", region.name())
///         })
///         .collect()
/// }
/// ```
#[derive(Clone)]
pub struct RegionsMonitor {
    regions: Arc<[RegionMonitor]>,
}

/// The state of a region, as [`RegionsMonitor::regions`] returns it.
#[derive(Clone)]
pub struct RegionMonitor {
    name: Arc<str>,
    is_accepted_without: bool,
    /// Until then, checks wait for the first snapshot of a region that they can do without.
    starts_until: Instant,
    replica: ReplicaMonitor,
}

impl RegionsMonitor {
    pub(super) fn new(regions: Arc<[RegionMonitor]>) -> Self {
        Self { regions }
    }

    /// Returns the regions, `home` first, then the others in the order in which they were added.
    #[must_use]
    pub fn regions(&self) -> &[RegionMonitor] {
        &self.regions
    }

    /// Returns whether checks are answered from memory: every region is fresh, except those that
    /// checks do without. Suitable as the result of a readiness probe.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.regions.iter().all(|region| region.is_done_without() || region.health().is_fresh())
    }

    /// Waits until the first snapshot of each region is loaded, except of those that checks do
    /// without. Checks are answered from then on.
    ///
    /// Wrap the call in a timeout if startup must not wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`ReplicaMonitor::ready`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn ready(&self) -> Result<(), StoreError> {
        for region in &*self.regions {
            if region.is_accepted_without {
                let mut health = region.replica.watch();
                let has_started = |health: &Health| !is_first_attempt(health);
                let _ = timeout_at(region.starts_until, health.wait_for(has_started)).await;
            } else {
                region.replica.ready().await.map_err(|error| region.cannot_answer(error))?;
            }
        }
        Ok(())
    }
}

impl RegionMonitor {
    pub(super) fn new(name: Arc<str>, is_accepted_without: bool, replica: ReplicaMonitor) -> Self {
        Self { name, is_accepted_without, starts_until: Instant::now() + START, replica }
    }

    /// Returns the name of the region; `home` for the home region.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether checks are answered without the region while the view of it is too old, as
    /// configured with
    /// [`insecure_accept_without`](crate::store::RegionsBuilder::insecure_accept_without).
    #[must_use]
    pub fn is_accepted_without(&self) -> bool {
        self.is_accepted_without
    }

    /// Returns the current state of the replica that follows the region.
    #[must_use]
    pub fn health(&self) -> Health {
        self.replica.health()
    }

    /// Returns the monitor of the replica that follows the region.
    #[must_use]
    pub fn replica(&self) -> &ReplicaMonitor {
        &self.replica
    }

    /// Whether checks do without the region now, provided that the view of it is too old.
    pub(super) fn is_done_without(&self) -> bool {
        self.is_accepted_without && !self.is_starting()
    }

    /// Names the region in an error, unless it is home.
    pub(super) fn cannot_answer(&self, error: StoreError) -> StoreError {
        let name = self.name();
        if name == HOME {
            return error;
        }
        let (operation, kind) = (error.operation(), error.kind());
        StoreError::new(operation, CannotAnswer { name: name.to_owned(), source: error }).with_kind(kind)
    }

    /// Whether the first snapshot is on its way. A node that starts does not accept what a region
    /// has revoked that can be reached.
    pub(super) fn is_starting(&self) -> bool {
        Instant::now() < self.starts_until && is_first_attempt(&self.health())
    }
}

fn is_first_attempt(health: &Health) -> bool {
    matches!(health, Health::Loading { last_error: None, .. })
}

impl fmt::Debug for RegionsMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegionsMonitor").field(&self.regions).finish()
    }
}

impl fmt::Debug for RegionMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionMonitor")
            .field("name", &self.name)
            .field("is_accepted_without", &self.is_accepted_without)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

/// How long a node that starts waits for a region that checks can do without.
const START: Duration = Duration::from_secs(10);
