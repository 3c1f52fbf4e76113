//! [`Upkeep`]: when to purge a shared server, by whichever of its clients.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A schedule: about every ten seconds, with jitter so that the nodes of a fleet take turns.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// `None` before the first time, which is due at once.
    due: Mutex<Option<Instant>>,
}

impl Upkeep {
    /// Whether the caller is to do it now.
    pub(super) fn is_due(&self) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = due.is_none_or(|due| due <= now);
        if is_due {
            *due = Some(now + INTERVAL / 2 + INTERVAL.mul_f64(fastrand::f64()));
        }
        is_due
    }
}

const INTERVAL: Duration = Duration::from_secs(10);
