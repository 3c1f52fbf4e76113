//! Reports which regions can be reached.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::RegionMonitor;
use crate::{store::Health, telemetry};

/// Reports each change of a region, and an outage again at intervals, until the replica ends.
pub(super) async fn report(region: RegionMonitor) {
    let mut changes = region.replica().watch();
    let mut last_event: Option<Instant> = None;
    loop {
        // Before the state is read, so that no later change is missed.
        changes.mark_unchanged();
        let health = region.health();
        if matches!(health, Health::Stopped) {
            return;
        }
        telemetry::region_freshness(region.name(), health.is_fresh(), health.staleness());
        if health.is_fresh() {
            if last_event.take().is_some() {
                telemetry::region_available(region.name());
            }
        } else if has_failed(&health) && last_event.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            last_event = Some(Instant::now());
            telemetry::region_unavailable(
                region.name(),
                health.staleness(),
                health.last_error().map(|error| error as _),
                region.is_accepted_without(),
            );
        }
        // A log that is busy confirms its view many times a second.
        sleep(PAUSE).await;
        if let Ok(Err(_)) = timeout(REPORT_EVERY, changes.changed()).await {
            return;
        }
    }
}

/// Whether the view is too old, or could not be loaded. A first snapshot that takes its time is
/// nothing to report.
fn has_failed(health: &Health) -> bool {
    matches!(health, Health::Stale { .. }) || health.last_error().is_some()
}

const PAUSE: Duration = Duration::from_millis(100);
const REPORT_EVERY: Duration = Duration::from_secs(60);
