//! Promise: a replica answers from a complete view that is no older than `max_staleness`, or not
//! from memory at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use test_support::{
    at, clock, identity,
    replica::{Cursor, Following, SharedLog},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tower_logout::{
    Replica, RevocationStore,
    clock::Clock,
    conformance,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{FollowError, Followed, Health, ReplicaOptions, RevocationLog, SnapshotSink, StoreError},
};

use super::support::{MAX_STALENESS, MILLISECOND, eventually, now, ready, revoke, token};

conformance! {
    replica => ready(&SharedLog::new()).await;
    erased => Arc::new(ready(&SharedLog::new()).await) as Arc<dyn RevocationStore>;
    stale => {
        let log = SharedLog::new();
        let replica = ReplicaOptions::new().max_staleness(Duration::ZERO).start(log);
        replica.ready().await.unwrap();
        replica
    };
}

fn why_not(replica: &impl RevocationStore, token: &TokenIdentity) -> String {
    why(&replica.is_revoked_now(token).unwrap().unwrap_err())
}

fn why(error: &StoreError) -> String {
    error.cause().to_string()
}

async fn until(health: &mut watch::Receiver<Health>, condition: impl FnMut(&Health) -> bool) {
    timeout(Duration::from_secs(60), health.wait_for(condition)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_check_is_answered_before_the_first_snapshot_is_in() {
    let log = SharedLog::new();
    for jti in ["1", "2"] {
        revoke(&log, jti).await;
    }
    log.pages(Some(0));
    let replica = Replica::start(log.clone());
    let mut health = replica.monitor().watch();
    for loaded in 0..=2 {
        let has_loaded =
            |health: &Health| matches!(health, Health::Loading { loaded: l, expected: Some(2), .. } if *l == loaded);
        until(&mut health, has_loaded).await;
        assert!(!replica.health().is_fresh());
        assert_eq!(replica.health().staleness(), None);
        for jti in ["1", "2", "other"] {
            assert!(why_not(&replica, &token(jti)).contains("not loaded its first snapshot yet"));
            assert!(replica.is_revoked(&token(jti)).await.is_err());
        }
        // A revocation at this step is not in the snapshot and must not be lost.
        revoke(&log, &format!("during {loaded}")).await;
        log.pages(Some(usize::try_from(loaded).unwrap() + 1));
    }
    log.pages(None);
    replica.ready().await.unwrap();
    assert!(replica.health().is_fresh());
    eventually("all that was revoked", || replica.len() == 5).await;
    for jti in ["1", "2", "during 0", "during 1", "during 2"] {
        assert_eq!(now(&replica, &token(jti)), Some(true), "{jti}");
    }
    assert_eq!(now(&replica, &token("other")), Some(false));
    assert_eq!(log.checks(), 0, "a node that loads does not ask the log either");
}

#[tokio::test(start_paused = true)]
async fn a_view_is_as_old_as_the_question_not_as_the_answer() {
    let log = SharedLog::new();
    revoke(&log, "1").await;
    log.pages(Some(0));
    let replica = Replica::start(log.clone());
    sleep(MAX_STALENESS + MILLISECOND).await;
    log.following(Following::Hangs);
    log.pages(None);
    replica.ready().await.unwrap();
    assert!(!replica.health().is_fresh(), "what was revoked while the snapshot was read is not known yet");
    assert_eq!(now(&replica, &token("1")), Some(true));
    assert_eq!(now(&replica, &token("2")), None);

    log.following(Following::Works);
    let mut health = replica.monitor().watch();
    let silence = Duration::from_secs(1);
    for _ in 0..10 {
        until(&mut health, |health| health.staleness() == Some(silence)).await;
        health.changed().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_fails_is_taken_again() {
    let log = SharedLog::new();
    revoke(&log, "1").await;
    log.fail_snapshots(3);
    let replica = ready(&log).await;
    assert_eq!(log.snapshots(), 4);
    assert_eq!(now(&replica, &token("1")), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_on_one_node_is_enforced_on_all() {
    let log = SharedLog::new();
    let nodes = [ready(&log).await, ready(&log).await, ready(&log).await];
    let began = Instant::now();
    revoke(&nodes[0], "1").await;
    assert_eq!(now(&nodes[0], &token("1")), Some(true), "at once where it was revoked");
    eventually("the others hear of it", || nodes.iter().all(|node| now(node, &token("1")) == Some(true))).await;
    assert!(began.elapsed() < Duration::from_secs(1), "the log said so, not the next heartbeat");
    assert_eq!(log.snapshots(), 3);
}

#[tokio::test(start_paused = true)]
async fn past_max_staleness_the_log_is_asked() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    let known = revoke(&replica, "known").await;
    log.following(Following::Hangs);
    let mut health = replica.monitor().watch();
    revoke(&log, "unknown").await;
    while replica.health().is_fresh() {
        assert_eq!(now(&replica, &token("unknown")), Some(false));
        assert!(replica.health().staleness().unwrap() <= MAX_STALENESS);
        assert!(replica.generation().is_some(), "what was found valid need not be searched again");
        sleep(MILLISECOND).await;
    }
    assert_eq!(now(&replica, &token("unknown")), None, "the answer is not here any more");
    assert_eq!(replica.generation(), None, "nor for what was found valid before");
    assert!(replica.is_revoked(&token("unknown")).await.unwrap());
    assert!(!replica.is_revoked(&token("other")).await.unwrap());
    assert_eq!(log.checks(), 2);
    assert_eq!(now(&replica, &token("known")), Some(true), "what is revoked stays so: {known:?}");
    health
        .wait_for(|health| matches!(health, Health::Stale { staleness, .. } if *staleness > MAX_STALENESS))
        .await
        .unwrap();

    log.reject_checks(true);
    assert!(replica.is_revoked(&token("unknown")).await.is_err(), "503, and no pass");
    assert!(replica.is_revoked(&token("known")).await.unwrap());

    log.following(Following::Works);
    until(&mut health, Health::is_fresh).await;
    assert_eq!(now(&replica, &token("unknown")), Some(true));
    assert_eq!(log.snapshots(), 1, "the log reached back");
}

#[tokio::test(start_paused = true)]
async fn past_max_staleness_checks_are_rejected_if_configured() {
    let log = SharedLog::new();
    let replica =
        ReplicaOptions::new().max_staleness(Duration::from_millis(500)).reject_when_stale().start(log.clone());
    replica.ready().await.unwrap();
    revoke(&replica, "known").await;
    log.following(Following::Hangs);
    let mut health = replica.monitor().watch();
    until(&mut health, |health| matches!(health, Health::Stale { .. })).await;
    assert!(why_not(&replica, &token("other")).contains("at most 500ms is allowed"));
    assert_eq!(replica.generation(), None, "what was found valid before is rejected too");
    assert_eq!(now(&replica, &token("known")), Some(true));
    assert_eq!(log.checks(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_proves_nothing() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.following(Following::LagsBehind);
    let mut health = replica.monitor().watch();
    revoke(&log, "1").await;
    eventually("what the log does tell is in force", || replica.len() == 1).await;
    until(&mut health, |health| matches!(health, Health::Stale { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_for_a_while_is_followed_from_the_same_cursor() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.following(Following::Fails);
    for jti in ["1", "2", "3"] {
        revoke(&log, jti).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(replica.len(), 0);
    assert_eq!(now(&replica, &token("1")), Some(false), "not yet 5 s old");
    log.following(Following::Works);
    eventually("nothing was missed", || replica.len() == 3).await;
    assert_eq!(log.snapshots(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trimmed_log_leads_to_a_new_snapshot() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.following(Following::Fails);
    let missed = revoke(&log, "missed").await;
    log.trim();
    log.following(Following::Works);
    eventually("the snapshot has it", || replica.len() == 1).await;
    assert_eq!(now(&replica, &token("missed")), Some(true), "{missed:?}");
    assert_eq!(log.snapshots(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_to_the_log_first() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.reject_writes(true);
    assert!(replica.revoke(&Revocation::of_token(&token("1"))).await.is_err());
    assert_eq!(now(&replica, &token("1")), Some(false), "what the log did not take, no other node knows");
    assert_eq!(log.len(), 0);
    log.reject_writes(false);
    revoke(&replica, "1").await;
    assert_eq!(log.len(), 1);
    assert_eq!(now(&replica, &token("1")), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_replaced_is_not_asked() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    revoke(&log, "1").await;
    log.following(Following::Fails);
    let mut health = node.monitor().watch();
    until(&mut health, |health| matches!(health, Health::Stale { .. })).await;
    assert!(!node.is_revoked(&token("2")).await.unwrap());
    log.flush();
    let why = why(&node.is_revoked(&token("2")).await.unwrap_err());
    assert!(why.contains("may have lost revocations: it is another log"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn what_a_log_has_purged_is_rejected_by_its_followers() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let expiring = identity("1", at(test_support::NOW + 60));
    assert_eq!(now(&node, &expiring), Some(false));
    log.purge(at(test_support::NOW + 7200), &identity("2", at(test_support::NOW + 3600)));
    eventually("the node hears of it", || now(&node, &expiring) == Some(true)).await;
    assert_eq!(now(&node, &token("3")), Some(false));
}

/// A log that vouches for whatever it holds, as a log may that is never emptied.
struct Trusting {
    log: SharedLog,
    reconnects: Arc<AtomicUsize>,
}

#[async_trait]
impl RevocationStore for Trusting {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.log.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.log.is_revoked(token).await
    }
}

#[async_trait]
impl RevocationLog for Trusting {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        self.log.snapshot(into).await
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        self.log.follow(cursor, wait).await
    }

    fn reconnect(&self) {
        self.reconnects.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_with_a_known_loss_is_neither_asked_nor_kept_connected() {
    let (log, reconnects) = (SharedLog::new(), Arc::default());
    let node = Replica::start(Trusting { log: log.clone(), reconnects: Arc::clone(&reconnects) });
    node.ready().await.unwrap();
    log.following(Following::Fails);
    sleep(MAX_STALENESS * 2).await;
    assert!(!node.is_revoked(&token("1")).await.unwrap(), "it is asked while nothing speaks against it");
    log.flush();
    log.following(Following::Works);
    eventually("the node knows", || log.snapshots() == 2).await;
    assert_eq!(reconnects.load(Ordering::SeqCst), 1);
    assert!(why(&node.is_revoked(&token("1")).await.unwrap_err()).contains("may have lost revocations"));
    eventually("it is trusted", || node.health().is_fresh()).await;
}

#[tokio::test(start_paused = true)]
async fn unlimited_staleness_is_possible_and_no_panic() {
    let log = SharedLog::new();
    let clock = clock();
    let node = ReplicaOptions::new().max_staleness(Duration::MAX).clock(clock.clone()).start(log.clone());
    node.ready().await.unwrap();
    node.revoke(&Revocation::of_token(&identity("1", clock.now()))).await.unwrap();
    clock.advance(Duration::from_secs(200));
    eventually("its tasks are alive", || node.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn memory_is_freed_when_entries_expire_even_if_nothing_is_written() {
    let clock = clock();
    let log = SharedLog::new();
    let node = ReplicaOptions::new().clock(clock.clone()).start(log.clone());
    node.ready().await.unwrap();
    for jti in 0..1000 {
        let soon = identity(&jti.to_string(), clock.now().saturating_add(Duration::from_secs(60)));
        node.revoke(&Revocation::of_token(&soon)).await.unwrap();
    }
    let token = identity("7", clock.now().saturating_add(Duration::from_secs(60)));
    assert_eq!(now(&node, &token), Some(true));
    clock.advance(Duration::from_secs(200));
    eventually("they are purged", || node.is_empty()).await;
    assert_eq!(now(&node, &token), Some(true), "a clock that steps back brings no token to life");
}

#[tokio::test(start_paused = true)]
async fn the_tasks_end_with_the_replica() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    assert!(log.handles() > 1);
    drop(replica);
    eventually("the tasks have let go of the log", || log.handles() == 1).await;
}
