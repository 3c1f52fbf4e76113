//! Regions that checks depend on.

use std::{error::Error, time::Duration};

/// Reports whether a region's view is fresh, and its age once there is one.
pub(crate) fn region_freshness(region: &str, is_fresh: bool, staleness: Option<Duration>) {
    #[cfg(feature = "metrics")]
    {
        metrics::gauge!("tower_logout_region_fresh", "region" => region.to_owned()).set(u8::from(is_fresh));
        if let Some(staleness) = staleness {
            metrics::gauge!("tower_logout_region_staleness_seconds", "region" => region.to_owned()).set(staleness);
        }
    }
}

/// Reports that a region's view is too old, or could not be loaded.
pub(crate) fn region_unavailable(
    region: &str,
    staleness: Option<Duration>,
    error: Option<&(dyn Error + 'static)>,
    is_accepted_without: bool,
) {
    #[cfg(feature = "tracing")]
    {
        let effect = if is_accepted_without {
            "tokens that were revoked there are accepted"
        } else {
            "checks ask its log, or are rejected with 503"
        };
        let staleness = staleness.map(tracing::field::debug);
        let error = error.map(|error| tracing::field::display(crate::chain::Chain(error)));
        tracing::warn!(region, effect, staleness, error, "region unavailable");
    }
}

/// Reports that the view of a region is fresh again.
pub(crate) fn region_available(region: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(region, "region available");
}
