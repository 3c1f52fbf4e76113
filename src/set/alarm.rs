//! [`Alarm`]: a flag that wakes the task that waits for it.

use std::{
    sync::{Arc, PoisonError},
    task::{Wake, Waker},
};

use crate::set::sync::{AtomicBool, Mutex, Ordering};

/// A flag that any number of threads raise, and one waiting task lowers.
///
/// It is a waker itself. Waking it raises it, which wakes the waker that was registered last.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    raised: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Alarm {
    /// Raises the flag. Must be called without holding a lock, because a waker may run any code.
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

    /// Lowers the flag, and returns whether it was raised.
    pub(crate) fn lower(&self) -> bool {
        self.is_raised() && self.raised.swap(false, Ordering::AcqRel)
    }

    /// Lowers the flag, and returns whether it was raised; if not, registers the waker to be woken
    /// when it is.
    pub(crate) fn lower_or_wake(&self, waker: &Waker) -> bool {
        if self.lower() {
            return true;
        }
        let mut registered = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &*registered {
            Some(registered) if registered.will_wake(waker) => None,
            _ => registered.replace(waker.clone()),
        };
        drop(registered);
        // Without the lock: dropping the last waker of a task may drop the whole task.
        drop(before);
        // The flag may have been raised before the waker was registered.
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
