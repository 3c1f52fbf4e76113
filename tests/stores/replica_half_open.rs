//! Promise: a connection that died without a sign is replaced once a call on it took too long,
//! also where the log itself does not notice.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use test_support::replica::{Cursor, SharedLog};
use tokio::time::sleep;
use tower_logout::{
    Replica, RevocationStore,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};

use crate::support::{eventually, token};

/// A log with a connection for each direction, which it keeps until it is told to reconnect.
#[derive(Clone)]
struct Kept {
    log: SharedLog,
    reads: Arc<Connection>,
    writes: Arc<Connection>,
}

#[derive(Default)]
struct Connection {
    is_half_open: AtomicBool,
    dies_at_next_use: AtomicBool,
}

impl Connection {
    async fn pass(&self) {
        if self.dies_at_next_use.swap(false, Ordering::SeqCst) {
            self.is_half_open.store(true, Ordering::SeqCst);
        }
        if self.is_half_open.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl RevocationStore for Kept {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.log.revoke(revocation).await
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        self.writes.pass().await;
        self.log.revoke_all(revocations).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.log.is_revoked(token).await
    }
}

#[async_trait]
impl RevocationLog for Kept {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        self.log.snapshot(into).await
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        self.reads.pass().await;
        self.log.follow(cursor, wait).await
    }

    fn reconnect(&self) {
        for connection in [&self.reads, &self.writes] {
            connection.is_half_open.store(false, Ordering::SeqCst);
        }
    }
}

async fn node() -> (Kept, Replica<Kept>) {
    let log = Kept { log: SharedLog::new(), reads: Arc::default(), writes: Arc::default() };
    let node = Replica::start(log.clone());
    node.ready().await.unwrap();
    (log, node)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_follows_on_a_dead_connection_becomes_fresh_again() {
    let (log, node) = node().await;
    log.reads.dies_at_next_use.store(true, Ordering::SeqCst);
    eventually("it is stale", || !node.health().is_fresh()).await;
    eventually("it is fresh", || node.health().is_fresh()).await;
    assert!(!log.reads.is_half_open.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn what_is_re_sent_on_a_dead_connection_is_sent_again() {
    let (log, node) = node().await;
    let revocation = Revocation::of_token(&token("1"));
    assert_eq!(node.revoke(&revocation).await.unwrap(), Outcome::Newly);
    sleep(Duration::from_secs(60)).await;
    log.writes.dies_at_next_use.store(true, Ordering::SeqCst);
    log.log.flush();
    eventually("the log has it again", || log.log.holds(&revocation)).await;
    assert!(!log.writes.dies_at_next_use.load(Ordering::SeqCst), "the connection was used");
}
