//! [`PurgeSchedule`]: determines when a client of a shared server purges it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A purge about every ten seconds, with jitter so that the nodes take turns.
#[derive(Debug, Default)]
pub(super) struct PurgeSchedule {
    /// `None` before the first purge, which is due at once.
    due: Mutex<Option<Instant>>,
}

impl PurgeSchedule {
    /// Whether a purge is due. If so, the caller starts it, and the next one is scheduled.
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
