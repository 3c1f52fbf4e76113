//! Tokens that a verifier rejects, and verifiers that fail.

use std::error::Error;
#[cfg(feature = "jwt")]
use std::{sync::Arc, time::Duration};

use super::Throttle;
#[cfg(feature = "tracing")]
use crate::chain::Chain;
#[cfg(feature = "jwt")]
use crate::clock::Timestamp;

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
pub(crate) fn key_skipped(issuer: Option<&str>, kid: Option<&str>, code: &'static str, reason: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::warn!(issuer, kid, reason = %Chain(reason), "key skipped");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_keys_skipped_total", "reason" => code).increment(1);
}

/// Reports that the keys of an issuer were fetched. `changed` are the numbers of usable and of
/// skipped keys, if the keys are other ones than before.
#[cfg(feature = "jwt")]
pub(crate) fn keys_fetched(issuer: &Arc<str>, changed: Option<(usize, usize)>, now: Timestamp) {
    #[cfg(feature = "tracing")]
    if let Some((keys, skipped)) = changed {
        tracing::info!(issuer = &**issuer, keys, skipped, "keys fetched");
    }
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("tower_logout_key_fetches_total", "issuer" => Arc::clone(issuer), "result" => "ok")
            .increment(1);
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 287,396")]
        let seconds = now.as_unix_millis() as f64 / 1000.0;
        metrics::gauge!("tower_logout_keys_fetched_seconds", "issuer" => Arc::clone(issuer)).set(seconds);
    }
}

/// Reports that the keys of an issuer could not be fetched.
#[cfg(feature = "jwt")]
pub(crate) fn keys_not_fetched(issuer: &Arc<str>, result: &'static str, error: &(dyn Error + 'static), has_keys: bool) {
    #[cfg(feature = "tracing")]
    if has_keys {
        tracing::warn!(issuer = &**issuer, error = %Chain(error), "keys not fetched: the last ones are still used");
    } else {
        tracing::error!(issuer = &**issuer, error = %Chain(error), "keys not fetched: there are none");
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_key_fetches_total", "issuer" => Arc::clone(issuer), "result" => result)
        .increment(1);
}

/// Reports that the keys of an issuer have become too old, so that its tokens cannot be verified.
#[cfg(feature = "jwt")]
pub(crate) fn keys_stale(issuer: &Arc<str>, max_stale: Duration) {
    #[cfg(feature = "tracing")]
    tracing::error!(issuer = &**issuer, ?max_stale, "keys stale");
}
