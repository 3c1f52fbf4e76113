//! [`ManualClock`]: a clock for tests.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::clock::{Clock, Timestamp};

/// Clock that a test controls. Clones show the same time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_logout::clock::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
/// clock.advance(Duration::from_millis(1500));
/// assert_eq!(clock.now().as_unix_millis(), 1_458_786_001_500);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<tokio::sync::watch::Sender<Timestamp>>);

impl ManualClock {
    /// Creates a clock that shows `now` until it is set or advanced.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(tokio::sync::watch::Sender::new(now)))
    }

    /// Sets the time to `now`, which may be earlier.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(now);
    }

    /// Advances the time.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.saturating_add(by));
    }

    /// Returns the number of [`sleep_until`](Clock::sleep_until) calls that are waiting for this
    /// clock.
    ///
    /// Tests use it to wait until another task sleeps, instead of sleeping themselves.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.0.receiver_count()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut time = self.0.subscribe();
        Box::pin(async move {
            // Fails only if the sender is dropped, and `self` holds it.
            let _ = time.wait_for(|now| *now >= deadline).await;
        })
    }
}
