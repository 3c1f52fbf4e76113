//! Wakes those who follow, after a revocation is committed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::{sessions::Lease, statements::NOTIFY};

/// One notification is under way at a time, and one more at most waits for its end: it tells of all that came meanwhile.
#[derive(Debug, Default)]
pub(super) struct Announcements(AtomicU8);

impl Announcements {
    /// Tells everybody that something was committed, in the background, on the connection that did it. One that gets lost costs those who follow
    /// the time until they look by themselves.
    pub(super) fn tell(self: &Arc<Self>, mut lease: Lease, channel: Arc<str>, patience: Duration) {
        if !self.begin() {
            return;
        }
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

    /// Whether the caller is the one to do it.
    fn begin(&self) -> bool {
        let next = |state| match state {
            IDLE => Some(BUSY),
            BUSY => Some(AGAIN),
            _ => None,
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(IDLE)
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
        self.over = self.announcements.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) != Ok(AGAIN);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.announcements.0.store(IDLE, Ordering::Release);
        }
    }
}

const IDLE: u8 = 0;
const BUSY: u8 = 1;
const AGAIN: u8 = 2;
