//! [`ReplicaOptions`]: staleness and clock of a replica.

use std::{fmt, sync::Arc, time::Duration};

use super::Replica;
use crate::{
    clock::{Clock, SystemClock},
    store::RevocationLog,
};

/// Options of a [`Replica`]: staleness and clock.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_logout::{
///     Replica,
///     store::{ReplicaOptions, RevocationLog},
/// };
///
/// fn replica<L: RevocationLog>(log: L) -> Replica<L> {
///     ReplicaOptions::new().max_staleness(Duration::from_secs(2)).reject_when_stale().start(log)
/// }
/// ```
#[must_use]
pub struct ReplicaOptions {
    pub(super) max_staleness: Duration,
    pub(super) ask_when_stale: bool,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        Self { max_staleness: DEFAULT_MAX_STALENESS, ask_when_stale: true, clock: Arc::new(SystemClock) }
    }
}

impl ReplicaOptions {
    /// Creates the default options: 5 s maximum staleness, fall back to the log when stale, system
    /// clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum age of the view from which checks are answered. Default: 5 s.
    ///
    /// The log is asked to prove that nothing is missing after every quarter of this time, and at
    /// least once a second. With a value much below one second, ordinary delays make the view
    /// stale.
    pub fn max_staleness(self, max_staleness: Duration) -> Self {
        Self { max_staleness, ..self }
    }

    /// Rejects requests with 503 while the view is too old. By default, the log is asked for each
    /// check, and requests are rejected only if it does not answer.
    ///
    /// This relieves an overloaded or failing server of the checks of all nodes.
    pub fn reject_when_stale(self) -> Self {
        Self { ask_when_stale: false, ..self }
    }

    /// Sets the clock by which expired revocations are purged. It should show the same time as the
    /// verifier's clock. Default: the system's clock. Staleness is always measured with a monotonic
    /// clock.
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Starts a replica of `log` with these options. Its background tasks load the log and follow
    /// it.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime with time enabled.
    pub fn start<L: RevocationLog>(self, log: L) -> Replica<L> {
        Replica::start_with(log, self)
    }
}

impl fmt::Debug for ReplicaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaOptions")
            .field("max_staleness", &self.max_staleness)
            .field("ask_when_stale", &self.ask_when_stale)
            .field("clock", &self.clock)
            .finish()
    }
}

const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(5);
