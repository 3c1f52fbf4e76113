//! Promise: a replica forgets nothing that it knows, and re-sends what the log has lost.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use test_support::{
    at, clock, identity,
    replica::{Cursor, Following, SharedLog},
};
use tokio::time::{Instant, sleep};
use tower_logout::{
    Replica, RevocationStore,
    clock::Clock,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{FollowError, Followed, ReplicaOptions, RevocationLog, SnapshotSink, StoreError},
};

use super::support::{MAX_STALENESS, MILLISECOND, eventually, now, ready, revoke, token};

#[tokio::test(start_paused = true)]
async fn what_a_log_has_lost_is_re_sent() {
    let log = SharedLog::new();
    let nodes = [ready(&log).await, ready(&log).await];
    let mut revocations = Vec::new();
    for jti in 0..20 {
        revocations.push(revoke(&nodes[jti % 2], &jti.to_string()).await);
    }
    eventually("both know all", || nodes.iter().all(|node| node.len() == 20)).await;
    let writes = log.writes();
    for _ in 0..10 {
        log.flush();
        assert_eq!(log.len(), 0);
        for revocation in &revocations {
            eventually("the log has it so", || log.holds(revocation)).await;
        }
        for node in &nodes {
            assert_eq!(node.len(), 20);
            assert!(node.health().is_fresh());
        }
        sleep(Duration::from_secs(10)).await;
    }
    let repeated = log.writes() - writes;
    assert!((200..=300).contains(&repeated), "mostly, one found that the other had been there: {repeated} writes");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_replaced_is_trusted_once_the_nodes_had_time_to_re_send() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    log.following(Following::Fails);
    sleep(MAX_STALENESS * 2).await;
    log.flush();
    log.following(Following::Works);
    let began = Instant::now();
    eventually("the log has it so", || log.snapshots() == 2).await;
    while !node.health().is_fresh() {
        assert!(began.elapsed() < Duration::from_secs(60), "the log is never trusted");
        assert!(node.is_revoked(&token("1")).await.is_err());
        sleep(MILLISECOND * 10).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!node.is_revoked(&token("1")).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_no_other_node_may_know_is_re_sent_at_once() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    log.following(Following::Fails);
    let only_here = revoke(&node, "1").await;
    log.flush();
    log.following(Following::Works);
    eventually("the log has it so", || log.snapshots() == 2).await;
    let began = Instant::now();
    eventually("the log has it so", || log.holds(&only_here)).await;
    assert!(began.elapsed() < MILLISECOND * 10, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_other_nodes_may_not_have_read_is_re_sent_at_once() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let mut revocations = Vec::new();
    for jti in 0..100 {
        revocations.push(revoke(&node, &jti.to_string()).await);
    }
    sleep(Duration::from_secs(10)).await;
    log.flush();
    eventually("the node knows", || log.snapshots() == 2).await;
    let began = Instant::now();
    eventually("the log has all of it", || revocations.iter().all(|revocation| log.holds(revocation))).await;
    assert!(began.elapsed() < MILLISECOND * 10, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_log_is_not_trusted_before_this_node_has_re_sent_its_losses() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    revoke(&node, "1").await;
    log.following(Following::Fails);
    sleep(MAX_STALENESS * 2).await;
    log.reject_writes(true);
    log.flush();
    log.following(Following::Works);
    eventually("the node knows", || log.snapshots() == 2).await;
    sleep(Duration::from_secs(20)).await;
    assert!(!node.health().is_fresh(), "other nodes may know more, and be no further");
    assert!(node.is_revoked(&token("2")).await.is_err());
    log.reject_writes(false);
    eventually("it is trusted", || node.health().is_fresh()).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_keeps_what_it_knows_even_if_the_log_has_lost_it() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let old = revoke(&node, "1").await;
    // So that the entry is neither recent nor still to be read back.
    sleep(Duration::from_secs(60)).await;
    log.reject_writes(true);
    log.flush();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        assert_eq!(now(&node, &token("1")), Some(true), "{:?} after the loss", began.elapsed());
        sleep(MILLISECOND).await;
    }
    assert_eq!(log.snapshots(), 2, "the second did not show it");
    log.reject_writes(false);
    eventually("the log has it so", || log.holds(&old)).await;
}

/// A node that writes to one server and follows another until it is told to reconnect.
struct Split {
    written: SharedLog,
    followed: SharedLog,
    is_healed: AtomicBool,
}

#[async_trait]
impl RevocationStore for Split {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let is_healed = self.is_healed.load(Ordering::SeqCst);
        (if is_healed { &self.followed } else { &self.written }).revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.followed.is_revoked(token).await
    }
}

#[async_trait]
impl RevocationLog for Split {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        self.followed.snapshot(into).await
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        self.followed.follow(cursor, wait).await
    }

    fn reconnect(&self) {
        self.is_healed.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_server_accepted_and_another_lacks_is_re_sent_to_the_other() {
    let (written, followed) = (SharedLog::new(), SharedLog::new());
    let split = Split { written: written.clone(), followed: followed.clone(), is_healed: AtomicBool::new(false) };
    let node = Replica::start(split);
    node.ready().await.unwrap();
    let revocation = revoke(&node, "1").await;
    assert!(written.holds(&revocation));
    eventually("the other has it, too", || followed.holds(&revocation)).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_lost_before_its_node_read_it_back_is_re_sent() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let seen = revoke(&node, "seen").await;
    sleep(Duration::from_secs(2)).await;
    log.following(Following::Fails);
    let lost = revoke(&node, "lost").await;
    log.lose(&[lost]);
    assert!(!log.holds(&lost));
    let writes = log.writes();
    log.following(Following::Works);
    eventually("the log has it so", || log.holds(&lost)).await;
    assert!(log.holds(&seen));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(log.writes() - writes, 1, "once, and only what was lost");
    assert_eq!(log.snapshots(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_lost_is_not_re_sent() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    for jti in 0..100 {
        revoke(&node, &jti.to_string()).await;
        if jti % 10 == 0 {
            sleep(MILLISECOND * 300).await;
        }
    }
    // Two callers repeat the revocation: the log has it already and reports nothing new.
    let revocation = Revocation::of_token(&token("7"));
    let again = tokio::join!(node.revoke(&revocation), node.revoke(&revocation));
    assert_eq!((again.0.unwrap(), again.1.unwrap()), (Outcome::Already, Outcome::Already));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(log.writes(), 102);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_twice_is_re_sent_twice() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let revocation = revoke(&node, "1").await;
    log.reject_writes(true);
    log.flush();
    eventually("the node knows", || log.snapshots() == 2).await;
    log.following(Following::Fails);
    log.reject_writes(false);
    eventually("it is re-sent", || log.holds(&revocation)).await;
    log.lose(&[revocation]);
    log.following(Following::Works);
    eventually("and again", || log.holds(&revocation)).await;
    assert_eq!(log.snapshots(), 2);
}

/// The node that has written it first may be gone.
#[tokio::test(start_paused = true)]
async fn what_another_node_wrote_and_this_one_confirmed_is_re_sent_at_once() {
    let log = SharedLog::new();
    let writer = ready(&log).await;
    let node = ready(&log).await;
    let revocation = revoke(&writer, "1").await;
    assert_eq!(node.revoke(&revocation).await.unwrap(), Outcome::Already);
    drop(writer);
    sleep(Duration::from_secs(5)).await;
    log.flush();
    let snapshots = log.snapshots();
    eventually("the node knows", || log.snapshots() > snapshots).await;
    let began = Instant::now();
    eventually("the log has it again", || log.holds(&revocation)).await;
    assert!(began.elapsed() < MILLISECOND * 10, "{:?}", began.elapsed());
}

/// A log is emptied, written to by a node that has not noticed, and emptied again.
#[tokio::test(start_paused = true)]
async fn what_was_found_in_the_log_is_re_sent_at_once_when_it_is_lost_soon_after() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    log.following(Following::Fails);
    log.flush();
    let only_here = revoke(&node, "1").await;
    log.following(Following::Works);
    eventually("the node knows", || log.snapshots() == 2).await;
    sleep(Duration::from_secs(5)).await;
    log.flush();
    eventually("the node knows", || log.snapshots() == 3).await;
    let began = Instant::now();
    eventually("the log has it again", || log.holds(&only_here)).await;
    assert!(began.elapsed() < MILLISECOND * 10, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn re_sending_is_retried_until_the_log_accepts() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let revocation = revoke(&node, "1").await;
    log.reject_writes(true);
    log.flush();
    eventually("the log has it so", || log.writes() > 5).await;
    log.reject_writes(false);
    eventually("the log has it so", || log.holds(&revocation)).await;
}

#[tokio::test(start_paused = true)]
async fn at_most_fifty_thousand_a_second_are_re_sent_and_no_expired_ones() {
    let clock = clock();
    let log = SharedLog::new();
    let node = ReplicaOptions::new().clock(clock.clone()).start(log.clone());
    node.ready().await.unwrap();
    let soon = clock.now().saturating_add(Duration::from_secs(60));
    for jti in 0..3000 {
        let expires = if jti % 2 == 0 { at(4_000_000_000) } else { soon };
        node.revoke(&Revocation::of_token(&identity(&jti.to_string(), expires))).await.unwrap();
    }
    clock.advance(Duration::from_secs(200));
    // All other nodes have read what this node revoked half a minute ago.
    sleep(Duration::from_secs(40)).await;
    let writes = log.writes();
    log.flush();
    eventually("the log has it so", || log.writes() > writes).await;
    let began = Instant::now();
    eventually("the log has it so", || log.len() == 1500).await;
    assert!(began.elapsed() >= MILLISECOND * 30, "{:?}", began.elapsed());
    sleep(Duration::from_secs(10)).await;
    assert_eq!(log.writes() - writes, 1500, "the other half has expired");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_has_lost_its_end_is_read_again_from_there() {
    let log = SharedLog::new();
    let nodes = [ready(&log).await, ready(&log).await];
    for jti in 0..100 {
        revoke(&nodes[jti % 2], &jti.to_string()).await;
        sleep(MILLISECOND * 100).await;
    }
    let before = log.writes();
    // The last entries are lost, and another one has the place of the first of them.
    log.roll_back(95);
    let other = revoke(&log, "other").await;
    eventually("all of it is back", || log.len() == 101).await;
    eventually("all nodes know the other one", || nodes.iter().all(|node| node.len() == 101)).await;
    assert!(log.holds(&other));
    assert_eq!(log.snapshots(), 2, "only those of the start");
    assert_eq!(log.writes() - before, 6, "only what was lost, and each once");
    sleep(MAX_STALENESS * 2).await;
    assert!(nodes.iter().all(|node| node.health().is_fresh()), "the log is trusted again");
}
