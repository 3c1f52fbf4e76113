//! [`PollerHealth`]: the state of a poller.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::endpoint::security_events::TransmitterError;

/// The state of a [`SecurityEventPoller`](super::SecurityEventPoller), for a health endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PollerHealth {
    /// Whether it polls. It ends only with its Tokio runtime, or if a closure of the application
    /// panics.
    pub is_running: bool,
    /// The time since the transmitter has answered last. `None` if it has not yet.
    pub last_answer: Option<Duration>,
    /// How many times in a row no events could be fetched or taken.
    pub failures: u32,
    /// Why, if no events could be fetched.
    pub error: Option<Arc<TransmitterError>>,
}

impl PollerHealth {
    /// Returns whether events are fetched and taken.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.is_running && self.failures == 0 && self.last_answer.is_some()
    }
}

#[derive(Debug, Default)]
pub(super) struct Observed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answered: Option<Instant>,
    failures: u32,
    error: Option<Arc<TransmitterError>>,
}

impl Observed {
    pub(super) fn health(&self, is_running: bool) -> PollerHealth {
        let State { answered, failures, error } = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last_answer = answered.map(|answered| answered.elapsed());
        PollerHealth { is_running, last_answer, failures: *failures, error: error.clone() }
    }

    /// Records an answer. Returns whether it ends a failure.
    pub(super) fn answered(&self, all_taken: bool) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let had_failed = state.failures > 0;
        state.answered = Some(Instant::now());
        state.failures = if all_taken { 0 } else { state.failures.saturating_add(1) };
        state.error = None;
        all_taken && had_failed
    }

    pub(super) fn failed(&self, error: TransmitterError) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        state.error = Some(Arc::new(error));
    }
}
