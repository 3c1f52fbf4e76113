//! Revocations, and stores that fail.

use std::{error::Error, fmt};

use super::Throttle;
#[cfg(feature = "tracing")]
use crate::chain::Chain;

/// A revocation that a store has accepted.
#[cfg_attr(not(all(feature = "tracing", feature = "metrics")), allow(dead_code))]
pub(crate) struct Revoked<'a> {
    pub(crate) key: &'a dyn fmt::Display,
    pub(crate) kind: &'static str,
    /// In ms since the Unix epoch, as is `retain_until`.
    pub(crate) issued_through: u64,
    pub(crate) retain_until: u64,
    pub(crate) outcome: &'static str,
    pub(crate) source: &'static str,
    pub(crate) actor: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
}

/// Reports that a store has accepted a revocation.
pub(crate) fn revoked(revocation: &Revoked<'_>) {
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    let Revoked { key, kind, issued_through, retain_until, outcome, source, actor, reason } = *revocation;
    #[cfg(feature = "tracing")]
    tracing::info!(%key, kind, issued_through, retain_until, outcome, source, actor, reason, "revoked");
    #[cfg(feature = "metrics")]
    count_revocation(kind, outcome, source);
}

#[cfg(feature = "metrics")]
pub(super) fn count_revocation(kind: &'static str, outcome: &'static str, source: &'static str) {
    metrics::counter!("tower_logout_revocations_total", "kind" => kind, "outcome" => outcome, "source" => source)
        .increment(1);
}

/// Reports that the application's hook was not called for a revocation.
pub(crate) fn hook_skipped(throttle: &Throttle, reason: &'static str) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit(reason) {
        tracing::warn!(reason, suppressed, "revocation hook skipped");
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_hook_skipped_total").increment(1);
}

/// Reports that the application's hook has panicked.
pub(crate) fn hook_failed(error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(error = %Chain(error), "revocation hook failed");
}

/// Reports a revocation in a store that nothing asks.
pub(crate) fn revoked_in_vain(throttle: &Throttle) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = throttle.admit("revoked in vain") {
        tracing::error!(
            remedy = "create one Logout, and use it or clones of it for the routes and for logging out",
            suppressed,
            "revocation ends nothing: its Logout guards no route, and nothing else can ask its store"
        );
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_revocations_in_vain_total").increment(1);
}

/// Reports the number of entries that a store holds in this process.
pub(crate) fn live_revocations(entries: usize) {
    #[cfg(feature = "metrics")]
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and 2^53 entries do not fit into memory")]
    metrics::gauge!("tower_logout_live_revocations").set(entries as f64);
}

/// Reports that a store has failed, or has not answered in time.
pub(crate) fn store_failed(operation: &'static str, error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(operation, error = %Chain(error), "store failed");
    count_failure(operation);
}

pub(super) fn count_failure(operation: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_store_failures_total", "operation" => operation).increment(1);
}

/// Reports that the file of a store is not at its path, or that another program has written to it.
#[cfg(feature = "redb")]
pub(crate) fn revocation_file_lost(error: &(dyn Error + 'static)) {
    #[cfg(feature = "tracing")]
    tracing::error!(error = %Chain(error), "revocation file lost");
}

/// Reports that the file is back, unchanged.
#[cfg(feature = "redb")]
pub(crate) fn revocation_file_back(path: &std::path::Path) {
    #[cfg(feature = "tracing")]
    tracing::info!(path = %path.display(), "revocation file back");
}
