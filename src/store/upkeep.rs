//! When a shared server is to be tidied up, by whichever of its clients.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Due about every ten seconds, and not for all nodes of a fleet at the same time.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// At once, the first time.
    due: Mutex<Option<Instant>>,
}

impl Upkeep {
    /// Whether it is to be done now, by whoever asks.
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
