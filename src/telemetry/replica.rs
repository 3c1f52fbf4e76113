//! Replicas and the logs they follow.

use std::{error::Error, time::Duration};

/// Reports a replica's freshness before and now, and the age of its view once it has one.
pub(crate) fn replica_freshness(was_fresh: bool, is_fresh: bool, staleness: Option<Duration>) {
    let Some(staleness) = staleness else { return };
    #[cfg(feature = "tracing")]
    match (was_fresh, is_fresh) {
        (true, false) => tracing::warn!(?staleness, "replica stale"),
        (false, true) => tracing::info!(?staleness, "replica fresh"),
        _ => {}
    }
    #[cfg(feature = "metrics")]
    metrics::gauge!("tower_logout_replica_staleness_seconds").set(staleness);
}

/// Reports that a replica has loaded a snapshot.
pub(crate) fn replica_loaded(entries: u64, took: Duration) {
    #[cfg(feature = "tracing")]
    tracing::info!(entries, ?took, "snapshot loaded");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_logout_replica_snapshots_total").increment(1);
}

/// Reports that a replica cannot continue from its cursor.
pub(crate) fn cursor_lost(reason: &'static str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(reason, "cursor lost");
}

/// Reports that a log lacks revocations that it had acknowledged.
pub(crate) fn log_lost(entries: usize) {
    #[cfg(feature = "tracing")]
    tracing::warn!(entries, "log lost revocations");
}

/// Reports that a log has accepted a revocation that a replica has re-sent.
pub(crate) fn resent(kind: &'static str, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    super::store::count_revocation(kind, outcome, "resent");
}

/// Reports that a replica could not read or follow its log. It retries, so most failures are only
/// counted.
pub(crate) fn log_failed(operation: &'static str, error: &(dyn Error + 'static), is_worth_an_event: bool) {
    #[cfg(feature = "tracing")]
    if is_worth_an_event {
        tracing::error!(operation, error = %crate::chain::Chain(error), "store failed");
    }
    super::store::count_failure(operation);
}
