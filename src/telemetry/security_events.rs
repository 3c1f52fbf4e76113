//! Security events, and the transmitters that send them.

use std::error::Error;

use super::Throttle;
#[cfg(feature = "tracing")]
use crate::chain::Chain;

/// Reports an authentic event that ends nothing although it may have been meant to. With a
/// `remedy`, the configuration is the reason.
pub(crate) fn event_ignored(
    throttle: &Throttle,
    event: &'static str,
    reason: &'static str,
    remedy: Option<&'static str>,
) {
    #[cfg(feature = "tracing")]
    match remedy {
        None => tracing::debug!(event, reason, "security event ends nothing"),
        Some(remedy) => {
            if let Some(suppressed) = throttle.admit(reason) {
                tracing::warn!(event, reason, remedy, suppressed, "security event ends nothing");
            }
        }
    }
}

/// Reports that a transmitter has changed the status of its stream.
pub(crate) fn stream_status(issuer: &str, status: &'static str) {
    #[cfg(feature = "tracing")]
    if status == "enabled" {
        tracing::info!(issuer, status, "stream of security events is enabled");
    } else {
        tracing::error!(issuer, status, "stream of security events has stopped");
    }
}

/// Reports that events could not be fetched.
pub(crate) fn polling_failed(throttle: &Throttle, issuer: &str, error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit("polling") {
        tracing::error!(issuer, error = %Chain(error), suppressed, "security events not fetched");
    }
}

/// Reports that events are fetched and taken again.
pub(crate) fn polling_again(issuer: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(issuer, "security events are fetched again");
}
