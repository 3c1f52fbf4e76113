//! [`Hook`]: calls the application after each revocation, without delaying it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
};

use crate::{
    revoker::Revoked,
    telemetry::{self, Throttle},
};

/// The application's function, and the queue in front of it.
#[derive(Clone)]
pub(crate) struct Hook(Arc<Shared>);

struct Shared {
    call: Arc<Call>,
    /// The queue of the task that calls the function, once there is one.
    queue: Mutex<Option<mpsc::Sender<Revoked>>>,
    throttle: Arc<Throttle>,
}

type Call = dyn Fn(Revoked) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

impl Hook {
    pub(crate) fn new<F, Done>(call: F) -> Self
    where
        F: Fn(Revoked) -> Done + Send + Sync + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let call: Arc<Call> = Arc::new(move |revoked| Box::pin(call(revoked)));
        Self(Arc::new(Shared { call, queue: Mutex::default(), throttle: Arc::default() }))
    }

    /// Passes a revocation on. Never waits: if the queue is full, it is left out and reported.
    pub(super) fn notify(&self, revoked: Revoked) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let revoked = match queue.as_ref().map(|queue| queue.try_send(revoked.clone())) {
            Some(Ok(())) => return,
            Some(Err(TrySendError::Full(_))) => return telemetry::hook_skipped(&self.0.throttle, "its queue is full"),
            // There is no task yet, or its runtime has ended.
            Some(Err(TrySendError::Closed(revoked))) => revoked,
            None => revoked,
        };
        let Ok(runtime) = Handle::try_current() else {
            return telemetry::hook_skipped(&self.0.throttle, "the caller is outside a Tokio runtime");
        };
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        // The new queue is empty and open.
        let _ = sender.try_send(revoked);
        *queue = Some(sender);
        runtime.spawn(call_each(Arc::clone(&self.0.call), receiver));
    }
}

/// Calls the function for each revocation in the queue, one after the other, until the last sender
/// is dropped.
async fn call_each(call: Arc<Call>, mut queue: mpsc::Receiver<Revoked>) {
    while let Some(revoked) = queue.recv().await {
        let call = Arc::clone(&call);
        // A task of its own, because the function may panic.
        if let Err(error) = tokio::spawn(async move { call(revoked).await }).await {
            telemetry::hook_failed(&error);
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

/// The maximum number of revocations that wait for the function.
pub(crate) const MAX_QUEUED: usize = 1024;
