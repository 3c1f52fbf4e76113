//! Promise: a replica of a log of several parts is as old as the part that has not answered for
//! longest, and takes nothing for lost that this part may still report.

use std::time::Duration;

use async_trait::async_trait;
use test_support::replica::{Cursor, SharedLog};
use tokio::time::sleep;
use tower_logout::{
    RevocationStore,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{FollowError, Followed, Replica, ReplicaOptions, RevocationLog, SnapshotSink, StoreError},
};

use super::support::{MAX_STALENESS, eventually, revoke};

/// A part of it always was read completely this long before each call.
struct Lagging(SharedLog, Duration);

#[async_trait]
impl RevocationStore for Lagging {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.is_revoked(token).await
    }
}

#[async_trait]
impl RevocationLog for Lagging {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        self.0.snapshot(into).await
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        Ok(self.0.follow(cursor, wait).await?.with_lag(self.1))
    }
}

async fn lagging(log: &SharedLog, lag: Duration) -> Replica<Lagging> {
    let replica = ReplicaOptions::new().max_staleness(MAX_STALENESS).start(Lagging(log.clone(), lag));
    replica.ready().await.unwrap();
    replica
}

#[tokio::test(start_paused = true)]
async fn the_view_is_older_by_the_lag() {
    let lag = MAX_STALENESS / 2;
    let replica = lagging(&SharedLog::new(), lag).await;
    sleep(MAX_STALENESS * 3).await;
    let staleness = replica.health().staleness().unwrap();
    assert!(replica.health().is_fresh());
    assert!((lag..MAX_STALENESS).contains(&staleness), "{staleness:?}");
    // A lag from before the first snapshot says nothing new.
    for lag in [MAX_STALENESS * 2, Duration::MAX] {
        let replica = lagging(&SharedLog::new(), lag).await;
        assert!(replica.health().is_fresh());
        sleep(MAX_STALENESS * 3).await;
        assert!(!replica.health().is_fresh(), "{lag:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_part_may_still_report_is_not_lost_yet() {
    let (log, lag) = (SharedLog::new(), MAX_STALENESS / 2);
    let replica = lagging(&log, lag).await;
    let revocation = revoke(&replica, "a").await;
    log.lose(&[revocation]);
    sleep(lag.saturating_sub(Duration::from_millis(100))).await;
    assert_eq!(log.writes(), 1);
    eventually("it is written again", || log.holds(&revocation)).await;
    assert_eq!(log.writes(), 2);
}
