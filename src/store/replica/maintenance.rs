//! Maintenance: reports that the view has become too old, and purges expired revocations.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::Shared;
use crate::{set::RevocationSet, store::RevocationLog};

pub(super) async fn maintain<L: RevocationLog>(shared: Arc<Shared<L>>) {
    let mut signalled_stale_from = None;
    loop {
        let tick = Instant::now() + INTERVAL;
        let stale_from = shared.view.stale_from().filter(|&from| from > Instant::now());
        // One millisecond is added, because at an age of exactly `max_staleness` the view is still
        // fresh.
        sleep_until(stale_from.map_or(tick, |from| tick.min(from + Duration::from_millis(1)))).await;
        shared.view.publish();
        let stale_from = shared.view.stale_from().filter(|&from| from < Instant::now());
        if stale_from > signalled_stale_from {
            signalled_stale_from = stale_from;
            // Live streams rely on the view, so they are re-checked once each time it becomes too
            // old.
            shared.knowledge.set().signal_all();
        }
        if Instant::now() >= tick {
            let now = shared.clock.now();
            for _ in 0..RevocationSet::SHARDS / 8 {
                shared.knowledge.set().purge_next(now, |_| {});
            }
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
