//! Wakes those who follow, after a revocation is committed.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::{sessions::Lease, statements::NOTIFY};

/// One notification is under way at a time, and one more at most waits for its end: it tells of all that came meanwhile.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    state: AtomicU8,
    /// When the last one was begun.
    last: Mutex<Option<Instant>>,
}

impl Announcements {
    /// Tells everybody that something was committed, in the background, on the connection that did it. One that gets lost costs those who follow
    /// the time until they look by themselves. While others wait for the connection, there are few.
    pub(super) fn tell(self: &Arc<Self>, mut lease: Lease, channel: Arc<str>, patience: Duration) {
        if (lease.is_awaited() && self.has_told_lately()) || !self.begin() {
            return;
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut turn = Turn { announcements: Arc::clone(self), over: false };
        tokio::spawn(async move {
            while !turn.over {
                let told = timeout(patience, lease.query(NOTIFY, &[(&&*channel, Type::TEXT)])).await;
                if !matches!(told, Ok(Ok(_))) {
                    return;
                }
                turn.next();
            }
        });
    }

    fn has_told_lately(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < LATELY)
    }

    /// Whether the caller is the one to do it.
    fn begin(&self) -> bool {
        let next = |state| match state {
            IDLE => Some(BUSY),
            BUSY => Some(AGAIN),
            _ => None,
        };
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(IDLE)
    }
}

/// The right to notify. It ends with whoever has it, whatever becomes of them.
struct Turn {
    announcements: Arc<Announcements>,
    over: bool,
}

impl Turn {
    /// Goes on if something was committed after the last notification was sent.
    fn next(&mut self) {
        let next = |state| Some(if state == AGAIN { BUSY } else { IDLE });
        self.over = self.announcements.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) != Ok(AGAIN);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.announcements.state.store(IDLE, Ordering::Release);
        }
    }
}

const LATELY: Duration = Duration::from_millis(50);
const IDLE: u8 = 0;
const BUSY: u8 = 1;
const AGAIN: u8 = 2;
