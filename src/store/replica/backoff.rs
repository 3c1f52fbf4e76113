//! [`Backoff`]: the pauses between attempts.

use std::time::Duration;

use tokio::time::sleep;

/// A pause that doubles with each failure, up to half a second, with jitter so that nodes do not
/// retry at the same time.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(Duration::from_millis(50))
    }

    pub(super) async fn wait(&mut self) {
        sleep(self.0 / 2 + (self.0 / 2).mul_f64(fastrand::f64())).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(500));
    }
}
