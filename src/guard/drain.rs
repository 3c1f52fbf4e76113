//! [`Drain`]: announces the shutdown of the service to all live streams.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, futures::OwnedNotified};

/// The announcement of a shutdown. It cannot be withdrawn, and clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    begun: AtomicBool,
    notify: Arc<Notify>,
}

impl Drain {
    pub(crate) fn begin(&self) {
        self.shared.begun.store(true, Ordering::SeqCst);
        self.shared.notify.notify_waiters();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// Resolves when the shutdown begins. Call it before [`has_begun`](Self::has_begun), so that a
    /// shutdown that begins in between is not missed.
    pub(super) fn beginning(&self) -> Pin<Box<OwnedNotified>> {
        let mut notified = Box::pin(Arc::clone(&self.shared.notify).notified_owned());
        notified.as_mut().enable();
        notified
    }
}
