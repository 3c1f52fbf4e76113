//! Promise: a snapshot is no proof that the log still has what was written while it was read.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use test_support::replica::{Cursor, SharedLog};
use tokio::sync::Notify;
use tower_logout::{
    Replica, RevocationStore,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};

use crate::support::{eventually, ready, revoke};

/// A log whose snapshots also have what is written while they are read.
#[derive(Clone)]
struct Slow {
    log: SharedLog,
    /// The cursor was taken.
    begun: Arc<Notify>,
    written: Arc<Notify>,
    late: Revocation,
    read: Arc<Notify>,
}

#[async_trait]
impl RevocationStore for Slow {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.log.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.log.is_revoked(token).await
    }
}

#[async_trait]
impl RevocationLog for Slow {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        let cursor = self.log.snapshot(into).await?;
        self.begun.notify_one();
        self.written.notified().await;
        into.take(&[self.late]);
        self.read.notify_one();
        Ok(cursor)
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        self.log.follow(cursor, wait).await
    }
}

/// A server that was replaced still answers the node, whose cursor the new server has, too.
#[tokio::test(start_paused = true)]
async fn what_was_written_during_a_snapshot_and_lost_before_it_is_followed_is_re_sent() {
    let log = SharedLog::new();
    revoke(&ready(&log).await, "before").await;
    let late = Revocation::of_token(&crate::support::token("late"));
    let slow = Slow { log: log.clone(), begun: Arc::default(), written: Arc::default(), late, read: Arc::default() };
    let node = Replica::start(slow.clone());
    slow.begun.notified().await;
    assert_eq!(node.revoke(&late).await.unwrap(), Outcome::Newly);
    log.lose(&[late]);
    slow.written.notify_one();
    slow.read.notified().await;
    assert!(!log.holds(&late));
    let writes = log.writes();
    eventually("the log has it again", || log.holds(&late)).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(log.writes() - writes, 1);
}
