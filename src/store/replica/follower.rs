//! The follower: loads a snapshot of the log and follows it. When the cursor is lost, it starts
//! again.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{PATIENCE, Shared, backoff::Backoff, history::History, snapshot::SnapshotLoader};
use crate::{
    store::{FollowError, RevocationLog, StoreError},
    telemetry,
};

/// Whether the log is assumed to be complete.
enum Trust {
    Given,
    /// From this instant on, provided that this node has re-sent all revocations that the log had
    /// lost.
    From(Instant),
}

pub(super) async fn follow<L: RevocationLog>(shared: Arc<Shared<L>>) {
    let mut trust = Trust::Given;
    let mut backoff = Backoff::new();
    let mut history = History::new();
    let mut rewound = None;
    let mut rewinds = 0;
    loop {
        let is_loaded = rewound.is_none();
        let (cursor, wait) = if let Some(cursor) = rewound.take() {
            (cursor, Duration::ZERO)
        } else {
            history.clear();
            (load(&shared, &mut trust).await, shared.heartbeat)
        };
        let reason = follow_from(&shared, cursor, wait, &mut history, &mut trust).await;
        telemetry::cursor_lost(reason);
        *shared.cursor() = None;
        shared.log.reconnect();
        if let Trust::Given = trust {
            (backoff, rewinds) = (Backoff::new(), 0);
        }
        // A log that has lost its end still has what it contained some seconds ago. A snapshot of a
        // large log takes long, and all nodes would read one at once.
        let back = (rewinds < REWINDS).then(|| history.rewind(rewinds > 0, Instant::now())).flatten();
        let (cursor, read) = back.unzip();
        (rewound, rewinds) = (cursor, rewinds + 1);
        if let Some(read) = read {
            shared.knowledge.doubt(read);
        } else {
            shared.knowledge.distrust_log();
            // The cursor was lost again at once. The pause avoids a busy loop over a log that
            // contradicts itself.
            if let Trust::From(_) = trust
                && is_loaded
            {
                backoff.wait().await;
            }
        }
        trust = Trust::From(Instant::now() + GRACE);
    }
}

/// Loads a snapshot. Retries until it succeeds.
async fn load<L: RevocationLog>(shared: &Shared<L>, trust: &mut Trust) -> L::Cursor {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        let mut snapshot = SnapshotLoader::new(&shared.knowledge, &shared.view);
        match shared.log.snapshot(&mut snapshot).await {
            Ok(cursor) => {
                snapshot.find_lost(shared.clock.now());
                if let Trust::From(from) = trust {
                    // Others read a snapshot, too, before they know what to re-send.
                    *from = Instant::now() + GRACE;
                }
                shared.mark_known_through(began, trust, &cursor);
                telemetry::replica_loaded(snapshot.loaded(), began.elapsed());
                return cursor;
            }
            Err(error) => shared.record_failure(error),
        }
        backoff.wait().await;
    }
}

/// Follows until the log no longer reaches back to the cursor, and returns the evidence.
/// The first answer is waited for until `wait`.
async fn follow_from<L: RevocationLog>(
    shared: &Shared<L>,
    mut cursor: L::Cursor,
    mut wait: Duration,
    history: &mut History<L::Cursor>,
    trust: &mut Trust,
) -> &'static str {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        match shared.within(wait + PATIENCE, "follow", shared.log.follow(&cursor, wait)).await {
            Ok(followed) => {
                shared.knowledge.confirm(&followed.revocations);
                history.record(&cursor, &followed.revocations, began);
                wait = shared.heartbeat;
                // The watermark is raised before the view counts as fresh.
                shared.knowledge.raise_purge_watermark(followed.purged_through, shared.clock.now());
                cursor = followed.cursor;
                if followed.complete
                    && let Some(through) = began.checked_sub(followed.lag)
                {
                    shared.knowledge.mark_complete_through(through);
                    shared.mark_known_through(through, trust, &cursor);
                }
                telemetry::live_revocations(shared.knowledge.set().len());
                if followed.revocations.is_empty() {
                    // The pause avoids a busy loop over a log that does not wait.
                    sleep_until(began + SHORTEST_WAIT).await;
                }
                backoff = Backoff::new();
            }
            Err(FollowError::CursorLost(reason)) => return reason,
            Err(FollowError::Failed(error)) => {
                shared.record_failure(error);
                shared.knowledge.stop_doubting();
                backoff.wait().await;
            }
        }
    }
}

impl<L: RevocationLog> Shared<L> {
    /// Records that an attempt to read or follow the log has failed.
    fn record_failure(&self, error: StoreError) {
        telemetry::log_failed(error.operation(), &error, self.view.should_report(&error));
        self.view.record_failure(error);
    }

    /// Records that all revocations that the log contained at `instant` are known, unless the log
    /// may be incomplete.
    fn mark_known_through(&self, instant: Instant, trust: &mut Trust, cursor: &L::Cursor) {
        if let Trust::From(from) = *trust {
            if instant < from || !self.knowledge.is_all_resent() {
                return;
            }
            *trust = Trust::Given;
        }
        *self.cursor() = Some(cursor.clone());
        self.view.mark_known_through(instant);
    }
}

/// How often the log is read again from an earlier cursor, before a snapshot is read.
const REWINDS: u32 = 2;
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
/// For this long after a log was replaced, and after it was read again, it may lack revocations that
/// other nodes are about to re-send: they notice up to a second later.
const GRACE: Duration = Duration::from_secs(2);
