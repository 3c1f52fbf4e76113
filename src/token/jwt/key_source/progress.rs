//! [`Progress`]: the attempts to fetch keys, as requests and health checks see them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use crate::token::jwt::KeySourceError;

/// The attempts of a task so far. Requests read it and ask for an attempt.
#[derive(Debug)]
pub(in crate::token::jwt) struct Progress {
    state: watch::Sender<State>,
    demand: Notify,
    cooldown: Duration,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The number of attempts that have ended.
    pub(super) ended: u64,
    /// Whether an attempt is in progress.
    pub(super) is_fetching: bool,
    /// When the last attempt began.
    began: Option<Instant>,
    /// When keys were fetched last.
    pub(super) fetched_at: Option<Instant>,
    pub(super) keys: usize,
    pub(super) skipped: usize,
    /// The members of complex subjects that a transmitter of security events calls critical.
    pub(super) critical_members: Arc<[String]>,
    /// Why the last attempt failed, or why there are no keys.
    pub(super) error: Option<Arc<KeySourceError>>,
    /// Whether the task has ended.
    has_ended: bool,
}

impl Progress {
    pub(super) fn new(cooldown: Duration) -> Self {
        // The first attempt begins with the task.
        let state = State { is_fetching: true, ..State::default() };
        Self { state: watch::Sender::new(state), demand: Notify::new(), cooldown }
    }

    /// Whether waiting for keys can help: an attempt is in progress or may begin.
    pub(in crate::token::jwt) fn may_help(&self) -> bool {
        self.may_begin(&self.state.borrow())
    }

    fn may_begin(&self, state: &State) -> bool {
        let is_over = |began: Instant| began.elapsed() >= self.cooldown;
        !state.has_ended && (state.is_fetching || state.began.is_none_or(is_over))
    }

    /// Waits for the end of the attempt in progress, or of one that begins now, if it may.
    ///
    /// # Cancel safety
    ///
    /// The attempt goes on when the future is dropped.
    pub(in crate::token::jwt) async fn next(&self) {
        let mut state = self.state.subscribe();
        let seen = {
            let state = state.borrow_and_update();
            if !self.may_begin(&state) {
                return;
            }
            if !state.is_fetching {
                self.demand.notify_one();
            }
            state.ended
        };
        let _ = timeout(LONGEST_WAIT, state.wait_for(|state| state.ended > seen || state.has_ended)).await;
    }

    /// Waits for the end of the first attempt.
    pub(in crate::token::jwt) async fn first(&self) {
        // The sender is not dropped before `self`.
        let _ = self.state.subscribe().wait_for(|state| state.ended > 0 || state.has_ended).await;
    }

    pub(in crate::token::jwt) fn error(&self) -> Option<Arc<KeySourceError>> {
        self.state.borrow().error.clone()
    }

    pub(super) fn set_critical_members(&self, members: &Arc<[String]>) {
        self.state.send_if_modified(|state| {
            if state.critical_members != *members {
                state.critical_members = Arc::clone(members);
            }
            false
        });
    }

    #[cfg(feature = "receivers")]
    pub(in crate::token::jwt) fn critical_members(&self) -> Arc<[String]> {
        Arc::clone(&self.state.borrow().critical_members)
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Asks the task for an attempt, whatever the cooldown.
    pub(in crate::token::jwt) fn purge(&self) {
        self.state.send_modify(|state| {
            state.began = None;
            state.fetched_at = None;
            state.keys = 0;
            state.error = Some(Arc::new(KeySourceError::Purged));
        });
        self.demand.notify_one();
    }

    pub(super) fn begin(&self) {
        self.state.send_modify(|state| {
            state.is_fetching = true;
            state.began = Some(Instant::now());
        });
    }

    /// Records the end of an attempt. `change` is what it has changed.
    pub(super) fn end(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            state.is_fetching = false;
            state.ended += 1;
            change(state);
        });
    }

    /// Records that no attempt will follow.
    pub(super) fn end_all(&self) {
        self.state.send_modify(|state| {
            state.has_ended = true;
            state.is_fetching = false;
            state.error = Some(Arc::new(KeySourceError::Ended));
        });
    }

    /// Resolves when an attempt is asked for and may begin.
    pub(super) async fn demanded(&self) {
        loop {
            self.demand.notified().await;
            // A request may have asked just before the last attempt began.
            if self.may_begin(&self.state.borrow()) {
                return;
            }
        }
    }
}

/// How long a request waits for keys, if its own timeout is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
