//! [`Alarm`]: a flag that wakes whoever waits for it.

use std::{
    sync::{Arc, PoisonError},
    task::{Wake, Waker},
};

use crate::set::sync::{AtomicBool, Mutex, Ordering};

/// Raised by any number of threads, lowered by one that waits. It is a waker itself: what it wakes is the waker that was set last.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    raised: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Alarm {
    /// To be called without a lock: whoever is woken may do anything at once.
    pub(crate) fn raise(&self) {
        if self.raised.swap(true, Ordering::AcqRel) {
            return;
        }
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// Whether it was raised. Afterwards it is not.
    pub(crate) fn lower(&self) -> bool {
        self.is_raised() && self.raised.swap(false, Ordering::AcqRel)
    }

    /// The same; if it was not, the waker is woken when it is.
    pub(crate) fn lower_or_wake(&self, waker: &Waker) -> bool {
        if self.lower() {
            return true;
        }
        let mut kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &*kept {
            Some(kept) if kept.will_wake(waker) => None,
            _ => kept.replace(waker.clone()),
        };
        drop(kept);
        // Without the lock: this may be the last of a task, and drop all that it holds.
        drop(before);
        // It may have been raised before the waker was there to be woken.
        self.lower()
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.raise();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raise();
    }
}
