//! Requests to introspection endpoints.

use std::error::Error;

use super::Throttle;
#[cfg(feature = "tracing")]
use crate::chain::Chain;

/// Reports what the authorization server has said about a token.
pub(crate) fn introspected(result: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_introspections_total", "result" => result).increment(1);
}

/// Reports that the authorization server did not say whether a token is active.
pub(crate) fn introspection_failed(throttle: &Throttle, result: &'static str, error: &(dyn Error + 'static)) {
    introspected(result);
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit(result) {
        tracing::error!(result, error = %Chain(error), suppressed, "introspection failed");
    }
}
