//! Instants ([`Timestamp`]) and the clocks that show them ([`Clock`]).

#[cfg(feature = "test-util")]
mod manual;
mod timestamp;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

#[cfg(feature = "test-util")]
pub use manual::ManualClock;
pub use timestamp::Timestamp;

/// Source of the current time, for verifiers that check expiry and stores that remove expired
/// revocations.
///
/// [`SystemClock`] is the default everywhere. Tests control the time with `ManualClock` (feature
/// `test-util`).
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the current instant. It may step back; this crate does not require a monotonic
    /// clock.
    fn now(&self) -> Timestamp;

    /// Resolves once [`now`](Self::now) has reached `deadline`.
    ///
    /// # Panics
    ///
    /// The provided method uses Tokio's timer, and panics when polled outside a Tokio runtime with
    /// time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                let remaining = deadline.saturating_since(self.now());
                if remaining.is_zero() {
                    return;
                }
                // Waits in steps, so that it ends at most a minute late if the clock leaps forward.
                tokio::time::sleep(remaining.min(Duration::from_secs(60))).await;
            }
        })
    }
}

impl<K: Clock + ?Sized> Clock for Arc<K> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        (**self).sleep_until(deadline)
    }
}

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A time before the epoch counts as the epoch. Tokens are then issued in the future and
        // rejected.
        SystemTime::now().into()
    }
}
