//! [`Notifier`]: wakes the followers after a revocation was committed.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::{session::Session, statements::NOTIFY};

/// Sends notifications, one at a time. At most one more is pending, which covers all revocations
/// that were committed meanwhile.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    state: AtomicU8,
    last_started: Mutex<Option<Instant>>,
}

impl Notifier {
    /// Notifies in the background, on the session that has committed. While callers wait for a
    /// connection, notifications are sent less often.
    ///
    /// A lost notification only causes a delay, because followers also read at intervals.
    pub(super) fn notify(self: &Arc<Self>, mut session: Session, channel: Arc<str>, limit: Duration) {
        if (session.is_awaited() && self.has_notified_recently()) || !self.begin() {
            return;
        }
        *self.last_started.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut turn = Turn { notifier: Arc::clone(self), finished: false };
        tokio::spawn(async move {
            while !turn.finished {
                let sent = timeout(limit, session.query(NOTIFY, &[(&&*channel, Type::TEXT)])).await;
                if !matches!(sent, Ok(Ok(_))) {
                    return;
                }
                turn.advance();
            }
        });
    }

    fn has_notified_recently(&self) -> bool {
        let last = *self.last_started.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < MIN_INTERVAL)
    }

    /// Returns whether the caller must notify. Otherwise the task that is already sending sends
    /// another notification.
    fn begin(&self) -> bool {
        let next = |state| match state {
            IDLE => Some(SENDING),
            SENDING => Some(PENDING),
            _ => None,
        };
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(IDLE)
    }
}

/// The right to notify, which ends when it is dropped, even by a cancelled task.
struct Turn {
    notifier: Arc<Notifier>,
    finished: bool,
}

impl Turn {
    /// Continues if a revocation was committed after the last notification was sent.
    fn advance(&mut self) {
        let next = |state| Some(if state == PENDING { SENDING } else { IDLE });
        self.finished = self.notifier.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) != Ok(PENDING);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.finished {
            self.notifier.state.store(IDLE, Ordering::Release);
        }
    }
}

/// The minimum interval of notifications while callers wait for a connection.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// States of a [`Notifier`].
const IDLE: u8 = 0;
const SENDING: u8 = 1;
const PENDING: u8 = 2;
