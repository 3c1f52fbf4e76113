//! Promise: a replica answers from a whole view no older than `max_staleness`, or not from memory at all; what it knows it never
//! forgets, and tells the log again when the log has lost it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use test_support::replica::{Cursor, Feed, SharedLog};
use test_support::{at, clock, identity};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tower_logout::{
    Replica, RevocationStore,
    clock::{Clock, Timestamp},
    conformance,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{FollowError, Followed, Health, ReplicaOptions, RevocationLog, SnapshotSink, StoreError},
};

const MAX_STALENESS: Duration = Duration::from_secs(5);
const MILLISECOND: Duration = Duration::from_millis(1);

async fn ready(log: &SharedLog) -> Replica<SharedLog> {
    let replica = Replica::start(log.clone());
    replica.ready().await.unwrap();
    replica
}

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

fn token(jti: &str) -> TokenIdentity {
    identity(jti, Timestamp::MAX)
}

fn now(replica: &impl RevocationStore, token: &TokenIdentity) -> Option<bool> {
    replica.is_revoked_now(token).map(|answer| answer.unwrap())
}

fn why_not(replica: &impl RevocationStore, token: &TokenIdentity) -> String {
    why(&replica.is_revoked_now(token).unwrap().unwrap_err())
}

fn why(error: &StoreError) -> String {
    error.cause().to_string()
}

async fn revoke(store: &impl RevocationStore, jti: &str) -> Revocation {
    let revocation = Revocation::of_token(&token(jti));
    assert_eq!(store.revoke(&revocation).await.unwrap(), Outcome::Newly);
    revocation
}

/// Time stands still while anything can go on, so this waits for as long as it takes and no longer.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "never came: {what}");
        sleep(MILLISECOND).await;
    }
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
        // What is revoked at this step is neither in the snapshot nor lost.
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
    log.feed(Feed::Hangs);
    log.pages(None);
    replica.ready().await.unwrap();
    assert!(!replica.health().is_fresh(), "what was revoked while the snapshot was read is not known yet");
    assert_eq!(now(&replica, &token("1")), Some(true));
    assert_eq!(now(&replica, &token("2")), None);

    log.feed(Feed::Works);
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
async fn what_one_node_revokes_all_refuse() {
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
    log.feed(Feed::Hangs);
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

    log.refuse_checks(true);
    assert!(replica.is_revoked(&token("unknown")).await.is_err(), "503, and no pass");
    assert!(replica.is_revoked(&token("known")).await.unwrap());

    log.feed(Feed::Works);
    until(&mut health, Health::is_fresh).await;
    assert_eq!(now(&replica, &token("unknown")), Some(true));
    assert_eq!(log.snapshots(), 1, "the log reached back");
}

#[tokio::test(start_paused = true)]
async fn past_max_staleness_checks_are_refused_if_that_is_chosen() {
    let log = SharedLog::new();
    let replica =
        ReplicaOptions::new().max_staleness(Duration::from_millis(500)).reject_when_stale().start(log.clone());
    replica.ready().await.unwrap();
    revoke(&replica, "known").await;
    log.feed(Feed::Hangs);
    let mut health = replica.monitor().watch();
    until(&mut health, |health| matches!(health, Health::Stale { .. })).await;
    assert!(why_not(&replica, &token("other")).contains("at most 500ms is allowed"));
    assert_eq!(replica.generation(), None, "what was found valid before is rejected too");
    assert_eq!(now(&replica, &token("known")), Some(true));
    assert_eq!(log.checks(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_may_lack_something_proves_nothing() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.feed(Feed::LagsBehind);
    let mut health = replica.monitor().watch();
    revoke(&log, "1").await;
    eventually("what the log does tell is in force", || replica.len() == 1).await;
    until(&mut health, |health| matches!(health, Health::Stale { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_for_a_while_is_followed_from_the_same_cursor() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.feed(Feed::Fails);
    for jti in ["1", "2", "3"] {
        revoke(&log, jti).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(replica.len(), 0);
    assert_eq!(now(&replica, &token("1")), Some(false), "not yet 5 s old");
    log.feed(Feed::Works);
    eventually("nothing was missed", || replica.len() == 3).await;
    assert_eq!(log.snapshots(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trimmed_log_leads_to_a_new_snapshot() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.feed(Feed::Fails);
    let missed = revoke(&log, "missed").await;
    log.trim();
    log.feed(Feed::Works);
    eventually("the snapshot has it", || replica.len() == 1).await;
    assert_eq!(now(&replica, &token("missed")), Some(true), "{missed:?}");
    assert_eq!(log.snapshots(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_to_the_log_first() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.refuse_writes(true);
    assert!(replica.revoke(&Revocation::of_token(&token("1"))).await.is_err());
    assert_eq!(now(&replica, &token("1")), Some(false), "what the log did not take, no other node knows");
    assert_eq!(log.len(), 0);
    log.refuse_writes(false);
    revoke(&replica, "1").await;
    assert_eq!(log.len(), 1);
    assert_eq!(now(&replica, &token("1")), Some(true));
}

#[tokio::test(start_paused = true)]
async fn what_a_log_has_lost_it_is_told_again() {
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
async fn a_log_that_was_replaced_is_not_asked() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    revoke(&log, "1").await;
    log.feed(Feed::Fails);
    let mut health = node.monitor().watch();
    until(&mut health, |health| matches!(health, Health::Stale { .. })).await;
    assert!(!node.is_revoked(&token("2")).await.unwrap());
    log.flush();
    let why = why(&node.is_revoked(&token("2")).await.unwrap_err());
    assert!(why.contains("may have lost revocations: it is another log"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_replaced_is_trusted_once_the_nodes_had_time_to_tell_it_what_they_know() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    log.feed(Feed::Fails);
    sleep(MAX_STALENESS * 2).await;
    log.flush();
    log.feed(Feed::Works);
    let began = Instant::now();
    eventually("the log has it so", || log.snapshots() == 2).await;
    while !node.health().is_fresh() {
        assert!(node.is_revoked(&token("1")).await.is_err());
        sleep(MILLISECOND * 10).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!node.is_revoked(&token("1")).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_no_other_node_may_know_is_told_at_once() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    log.feed(Feed::Fails);
    let only_here = revoke(&node, "1").await;
    log.flush();
    log.feed(Feed::Works);
    eventually("the log has it so", || log.snapshots() == 2).await;
    let began = Instant::now();
    eventually("the log has it so", || log.holds(&only_here)).await;
    assert!(began.elapsed() < MILLISECOND * 10, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_other_nodes_may_not_have_read_is_told_at_once() {
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
async fn a_log_is_not_trusted_before_this_node_has_told_it_what_it_had_lost() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    revoke(&node, "1").await;
    log.feed(Feed::Fails);
    sleep(MAX_STALENESS * 2).await;
    log.refuse_writes(true);
    log.flush();
    log.feed(Feed::Works);
    eventually("the node knows", || log.snapshots() == 2).await;
    sleep(Duration::from_secs(20)).await;
    assert!(!node.health().is_fresh(), "other nodes may know more, and be no further");
    assert!(node.is_revoked(&token("2")).await.is_err());
    log.refuse_writes(false);
    eventually("it is trusted", || node.health().is_fresh()).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_log_has_forgotten_is_refused_by_those_who_follow_it() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let expiring = identity("1", at(test_support::NOW + 60));
    assert_eq!(now(&node, &expiring), Some(false));
    log.purge(at(test_support::NOW + 7200), &identity("2", at(test_support::NOW + 3600)));
    eventually("the node hears of it", || now(&node, &expiring) == Some(true)).await;
    assert_eq!(now(&node, &token("3")), Some(false));
}

#[tokio::test(start_paused = true)]
async fn what_a_node_knows_it_keeps_though_the_log_has_lost_it() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let old = revoke(&node, "1").await;
    // So that it is neither of late nor yet to be read back.
    sleep(Duration::from_secs(60)).await;
    log.refuse_writes(true);
    log.flush();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        assert_eq!(now(&node, &token("1")), Some(true), "{:?} after the loss", began.elapsed());
        sleep(MILLISECOND).await;
    }
    assert_eq!(log.snapshots(), 2, "the second did not show it");
    log.refuse_writes(false);
    eventually("the log has it so", || log.holds(&old)).await;
}

/// A log that answers for whatever it holds now, as one may that is never emptied.
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
async fn a_log_that_is_known_to_lack_something_is_neither_asked_nor_left_connected() {
    let (log, reconnects) = (SharedLog::new(), Arc::default());
    let node = Replica::start(Trusting { log: log.clone(), reconnects: Arc::clone(&reconnects) });
    node.ready().await.unwrap();
    log.feed(Feed::Fails);
    sleep(MAX_STALENESS * 2).await;
    assert!(!node.is_revoked(&token("1")).await.unwrap(), "it is asked while nothing speaks against it");
    log.flush();
    log.feed(Feed::Works);
    eventually("the node knows", || log.snapshots() == 2).await;
    assert_eq!(reconnects.load(Ordering::SeqCst), 1);
    assert!(why(&node.is_revoked(&token("1")).await.unwrap_err()).contains("may have lost revocations"));
    eventually("it is trusted", || node.health().is_fresh()).await;
}

/// A node that writes to one server, and follows another, until it is told to connect anew.
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
async fn what_one_server_took_and_another_does_not_show_is_told_to_the_other() {
    let (written, followed) = (SharedLog::new(), SharedLog::new());
    let split = Split { written: written.clone(), followed: followed.clone(), is_healed: AtomicBool::new(false) };
    let node = Replica::start(split);
    node.ready().await.unwrap();
    let revocation = revoke(&node, "1").await;
    assert!(written.holds(&revocation));
    eventually("the other has it, too", || followed.holds(&revocation)).await;
}

#[tokio::test(start_paused = true)]
async fn staleness_without_end_is_a_choice_and_not_a_panic() {
    let log = SharedLog::new();
    let clock = clock();
    let node = ReplicaOptions::new().max_staleness(Duration::MAX).clock(clock.clone()).start(log.clone());
    node.ready().await.unwrap();
    node.revoke(&Revocation::of_token(&identity("1", clock.now()))).await.unwrap();
    clock.advance(Duration::from_secs(200));
    eventually("its tasks are alive", || node.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_lost_before_its_node_read_it_back_is_told_again() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let seen = revoke(&node, "seen").await;
    sleep(Duration::from_secs(2)).await;
    log.feed(Feed::Fails);
    let lost = revoke(&node, "lost").await;
    log.lose(&[lost]);
    assert!(!log.holds(&lost));
    let writes = log.writes();
    log.feed(Feed::Works);
    eventually("the log has it so", || log.holds(&lost)).await;
    assert!(log.holds(&seen));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(log.writes() - writes, 1, "once, and only what was lost");
    assert_eq!(log.snapshots(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_lost_is_not_told_again() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    for jti in 0..100 {
        revoke(&node, &jti.to_string()).await;
        if jti % 10 == 0 {
            sleep(MILLISECOND * 300).await;
        }
    }
    // The same again, by two callers: the log has it, and says nothing new.
    let revocation = Revocation::of_token(&token("7"));
    let again = tokio::join!(node.revoke(&revocation), node.revoke(&revocation));
    assert_eq!((again.0.unwrap(), again.1.unwrap()), (Outcome::Already, Outcome::Already));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(log.writes(), 102);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_twice_is_told_twice() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let revocation = revoke(&node, "1").await;
    log.refuse_writes(true);
    log.flush();
    eventually("the node knows", || log.snapshots() == 2).await;
    log.feed(Feed::Fails);
    log.refuse_writes(false);
    eventually("it is re-sent", || log.holds(&revocation)).await;
    log.lose(&[revocation]);
    log.feed(Feed::Works);
    eventually("and again", || log.holds(&revocation)).await;
    assert_eq!(log.snapshots(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_refuses_is_told_until_it_takes_it() {
    let log = SharedLog::new();
    let node = ready(&log).await;
    let revocation = revoke(&node, "1").await;
    log.refuse_writes(true);
    log.flush();
    eventually("the log has it so", || log.writes() > 5).await;
    log.refuse_writes(false);
    eventually("the log has it so", || log.holds(&revocation)).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_is_told_at_most_eight_thousand_a_second_and_nothing_that_has_expired() {
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
    // What a node was told half a minute ago, all others have read.
    sleep(Duration::from_secs(40)).await;
    let writes = log.writes();
    log.flush();
    eventually("the log has it so", || log.writes() > writes).await;
    let began = Instant::now();
    eventually("the log has it so", || log.len() == 1500).await;
    assert!(began.elapsed() >= MILLISECOND * 180, "{:?}", began.elapsed());
    sleep(Duration::from_secs(10)).await;
    assert_eq!(log.writes() - writes, 1500, "the other half has expired");
}

#[tokio::test(start_paused = true)]
async fn memory_falls_when_entries_expire_though_nobody_writes() {
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
