use std::sync::atomic::{AtomicBool, Ordering};

use crate::telemetry::Throttle;

/// What a guard and its clones share: whether any of them guards something, and what holds back repeated events.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    guards: AtomicBool,
    throttle: Throttle,
}

impl Usage {
    /// One of the guards is, or may be, asked about requests other than logouts.
    pub(crate) fn begins(&self) {
        self.guards.store(true, Ordering::Relaxed);
    }

    /// Whether nothing but logouts can have been checked so far.
    pub(crate) fn is_idle(&self) -> bool {
        !self.guards.load(Ordering::Relaxed)
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.throttle
    }
}
