//! Tokens that a verifier rejects, and verifiers that fail.

use std::error::Error;

use super::Throttle;
#[cfg(feature = "tracing")]
use crate::chain::Chain;

/// Reports that a verifier has rejected a token.
pub(crate) fn not_verified(error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::debug!(error = %Chain(error), "token not verified");
}

/// Reports that a verifier could not determine in time whether a token is authentic.
pub(crate) fn verifier_failed(error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(error = %Chain(error), "verifier failed");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_verifier_failures_total").increment(1);
}

/// Reports that the configuration rejects a token that may be authentic.
///
/// `explain` returns a more detailed error if the token is authentic. If it returns `None` and
/// `is_uncertain` is set, the token may be forged and is not reported.
pub(crate) fn rejected_by_configuration(
    throttle: &Throttle,
    reason: &'static str,
    remedy: &'static str,
    error: &(dyn Error + 'static),
    is_uncertain: bool,
    explain: impl FnOnce() -> Option<String>,
) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit(reason) {
        match explain() {
            None if is_uncertain => throttle.retract(reason, suppressed),
            explained => {
                let error = explained.unwrap_or_else(|| Chain(error).to_string());
                tracing::warn!(reason, error, remedy, suppressed, "token rejected by the configuration");
            }
        }
    }
}

/// Reports that a key set contains a key that the verifier cannot use.
#[cfg(feature = "jwt")]
pub(crate) fn key_skipped(issuer: Option<&str>, kid: Option<&str>, reason: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::warn!(issuer, kid, reason = %Chain(reason), "key skipped");
}
