//! [`after`]: until when a request may take.

use std::time::Duration;

use tokio::time::Instant;

use crate::guard::NO_TIMEOUT;

/// The instant at which a timeout that begins now ends, however long it is.
pub(super) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(NO_TIMEOUT)
}
