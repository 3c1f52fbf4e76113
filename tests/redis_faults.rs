//! Promise: whatever happens to Redis or to the way there, no node lets a token pass that was logged out longer than `max_staleness`
//! ago, and no logout is answered 200 that Redis has not stored.
//!
//! Logouts run on node A and checks on both while each fault comes and goes; [`fleet_support::Traffic`] watches every answer.
#![cfg(all(feature = "redis", feature = "test-util", feature = "aws-lc-rs", target_os = "linux"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;
mod fleet_support;
mod servers;

use std::{sync::Arc, time::Duration};

use fleet_support::{
    MAX_STALENESS, Node, TIMEOUT, Traffic, eventually, identity_of, new_token, nothing_is_missing, token_at,
};
use http::StatusCode;
use servers::{FaultProxy, RedisOptions, RedisServer, redis_installed};
use tokio::time::timeout;
use tower_logout::{
    Clock, Health, RedisStore, ReplicaOptions, Revocation, RevocationKey, RevocationStore, SystemClock, Timestamp,
};

/// Two nodes, each with a way of its own to one Redis.
struct Fleet {
    redis: RedisServer,
    way_a: FaultProxy,
    way_b: FaultProxy,
    a: Arc<Node<RedisStore>>,
    b: Arc<Node<RedisStore>>,
}

impl Fleet {
    async fn start(persist: bool) -> Self {
        let redis = RedisServer::start(RedisOptions { persist, ..RedisOptions::default() }).await;
        let (way_a, way_b) = (FaultProxy::start(redis.addr()).await, FaultProxy::start(redis.addr()).await);
        let (a, b) = (node(&way_a).await, node(&way_b).await);
        Self { redis, way_a, way_b, a, b }
    }

    async fn traffic(&self) -> Traffic {
        Traffic::start(&self.a, &self.b).await
    }

    async fn nothing_is_missing(&self, tokens: &[String]) {
        let direct = store(&self.redis.url()).await;
        nothing_is_missing(&[&self.a, &self.b], tokens, &direct).await;
    }
}

async fn node(way: &FaultProxy) -> Arc<Node<RedisStore>> {
    Node::start(store(&url(way)).await).await
}

fn url(way: &FaultProxy) -> String {
    format!("redis://{}", way.addr())
}

async fn store(url: &str) -> RedisStore {
    RedisStore::options().timeout(TIMEOUT).connect(url).await.unwrap()
}

/// A while with traffic after a fault, and then the reckoning.
async fn recovered(fleet: &Fleet, mut traffic: Traffic) {
    traffic.until_logouts(50).await;
    fleet.a.until_fresh().await;
    fleet.b.until_fresh().await;
    traffic.until_checks(200).await;
    let tokens = traffic.stop().await;
    fleet.nothing_is_missing(&tokens).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_kept_its_data() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    for outage in [Duration::ZERO, MAX_STALENESS * 2] {
        fleet.redis.kill();
        traffic.until_refused_logouts(5).await;
        traffic.go_on_for(outage).await;
        fleet.redis.restart().await;
        traffic.until_logouts(20).await;
    }
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_empty() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(false).await;
    let mut traffic = fleet.traffic().await;
    for outage in [Duration::ZERO, MAX_STALENESS * 2] {
        fleet.redis.kill();
        traffic.until_refused_logouts(5).await;
        traffic.go_on_for(outage).await;
        fleet.redis.restart().await;
        traffic.until_logouts(20).await;
    }
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_frozen() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    fleet.redis.freeze();
    traffic.until_refused_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    assert!(!fleet.b.replica().health().is_fresh());
    fleet.redis.thaw();
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_reset() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    for _ in 0..20 {
        fleet.way_a.reset();
        fleet.way_b.reset();
        traffic.until_logouts(10).await;
    }
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_connections() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    fleet.way_b.refuse();
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.refuse();
    traffic.until_refused_logouts(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_are_cut_after_the_request() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    assert_eq!(fleet.a.log_out(&new_token("first: the server learns the script")).await, StatusCode::OK);
    let token = new_token("cut");
    fleet.way_a.cut_after_request();
    assert_eq!(fleet.a.log_out(&token).await, StatusCode::SERVICE_UNAVAILABLE);
    fleet.way_a.pass();
    fleet.a.until_fresh().await;
    fleet.a.until_known(&token).await;
    assert_eq!(fleet.a.log_out(&token).await, StatusCode::UNAUTHORIZED, "it was stored, and the retry says so");
    fleet.b.until_known(&token).await;

    let mut traffic = fleet.traffic().await;
    fleet.way_a.cut_after_request();
    fleet.way_b.cut_after_request();
    traffic.until_refused_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_come_ten_seconds_late() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    fleet.way_b.delay_replies(Duration::from_secs(10));
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.delay_replies(Duration::from_secs(10));
    traffic.until_refused_logouts(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_are_garbage() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    fleet.way_a.garbage();
    fleet.way_b.garbage();
    traffic.until_refused_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_are_half_open() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    fleet.way_b.half_open();
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.half_open();
    traffic.until_refused_logouts(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_was_trimmed_past_the_cursor() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    for keep in ["0", "3"] {
        fleet.way_b.refuse();
        traffic.until_unanswered_checks(5).await;
        traffic.until_logouts(20).await;
        fleet.redis.cli(&["XTRIM", "{tower-logout}:v1:feed", "MAXLEN", keep]).await;
        fleet.way_b.pass();
        fleet.b.until_fresh().await;
    }
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_flushed() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut traffic = fleet.traffic().await;
    fleet.redis.cli(&["FLUSHALL"]).await;
    traffic.until_logouts(100).await;
    fleet.redis.cli(&["FLUSHALL"]).await;
    recovered(&fleet, traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_flushed_while_nobody_writes() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let mut tokens = Vec::new();
    for jti in 0..20 {
        tokens.push(new_token(&jti.to_string()));
        assert_eq!(fleet.a.log_out(&tokens[jti]).await, StatusCode::OK);
    }
    fleet.redis.cli(&["FLUSHALL"]).await;
    fleet.nothing_is_missing(&tokens).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_writes() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let other = RedisServer::start(RedisOptions { persist: true, ..RedisOptions::default() }).await;
    other.replica_of(&fleet.redis).await;
    other.until_replicating().await;
    let mut traffic = fleet.traffic().await;
    // From here on the one that takes over misses what the master acknowledges.
    other.promote().await;
    traffic.until_logouts(50).await;
    let last = new_token("the last that the master took");
    assert_eq!(fleet.a.log_out(&last).await, StatusCode::OK);
    fleet.way_a.retarget(other.addr());
    fleet.way_b.retarget(other.addr());
    traffic.until_logouts(100).await;
    fleet.a.until_fresh().await;
    fleet.b.until_fresh().await;
    let mut tokens = traffic.stop().await;
    tokens.push(last);
    let direct = store(&other.url()).await;
    nothing_is_missing(&[&fleet.a, &fleet.b], &tokens, &direct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_became_a_replica() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let other = RedisServer::start(RedisOptions { persist: true, ..RedisOptions::default() }).await;
    let mut traffic = fleet.traffic().await;
    fleet.redis.replica_of(&other).await;
    traffic.until_refused_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.retarget(other.addr());
    fleet.way_b.retarget(other.addr());
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    let direct = store(&other.url()).await;
    nothing_is_missing(&[&fleet.a, &fleet.b], &tokens, &direct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_snapshot_with_a_logout_at_every_step() {
    if !redis_installed() {
        return;
    }
    let fleet = Fleet::start(true).await;
    let filler = store(&fleet.redis.url()).await;
    for jti in 0..3000 {
        filler.revoke(&Revocation::of_token(&common::identity(&jti.to_string(), Timestamp::MAX))).await.unwrap();
    }
    let way = FaultProxy::start(fleet.redis.addr()).await;
    let log = store(&url(&way)).await;
    way.step_replies(4096);
    let c = Node::loading(log, ReplicaOptions::new().max_staleness(MAX_STALENESS), SystemClock);
    let mut tokens = Vec::new();
    while let Health::Loading { .. } = c.replica().health() {
        let token = new_token(&format!("during step {}", tokens.len()));
        let answer = c.visit(&token).await;
        let is_loading = matches!(c.replica().health(), Health::Loading { .. });
        assert!(answer == StatusCode::SERVICE_UNAVAILABLE || !is_loading, "{answer}");
        assert_eq!(fleet.a.log_out(&token).await, StatusCode::OK);
        tokens.push(token);
        let _ = timeout(Duration::from_millis(200), way.let_one_through()).await;
        assert!(tokens.len() < 2000, "the snapshot is never in");
    }
    assert!(tokens.len() > 10, "there were {} steps", tokens.len());
    way.pass();
    nothing_is_missing(&[&c, &fleet.b], &tokens, c.log()).await;
}

/// The system's clock, ahead or behind.
#[derive(Clone, Copy, Debug)]
struct Skewed {
    ahead: Duration,
    behind: Duration,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        let ahead = SystemClock.now().saturating_add(self.ahead);
        Timestamp::from_unix_millis(ahead.as_unix_millis() - u64::try_from(self.behind.as_millis()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_of_nodes_that_are_apart_by_the_skew_bound() {
    if !redis_installed() {
        return;
    }
    let redis = RedisServer::start(RedisOptions::default()).await;
    let bound = Duration::from_secs(2);
    let node = async |ahead, behind| {
        let (clock, options) = (Skewed { ahead, behind }, ReplicaOptions::new());
        let node = Node::loading_with(store(&redis.url()).await, options, clock, bound);
        node.until_fresh().await;
        node
    };
    let exact = node(Duration::ZERO, Duration::ZERO).await;
    let ahead = node(bound, Duration::ZERO).await;
    let behind = node(Duration::ZERO, bound).await;
    let now = SystemClock.now().as_unix_millis() / 1000;
    let (token, other) = (token_at("skewed", now - 10, 12), token_at("other", now - 10, 12));
    assert_eq!(exact.log_out(&token).await, StatusCode::OK);
    for node in [&ahead, &behind] {
        eventually("all know it", || matches!(node.replica().is_revoked_now(&identity_of(&token)), Some(Ok(true))))
            .await;
    }
    let (mut lived, mut visits) = (0, 0);
    while SystemClock.now() < Timestamp::from_unix_seconds(now + 2 + 6) {
        for (node, jti) in [(&ahead, "a"), (&behind, "b"), (&exact, "c")] {
            assert_eq!(node.visit(&token).await, StatusCode::UNAUTHORIZED);
            // Writes, so that the server forgets what has expired by its own clock.
            let key = RevocationKey::token_id(common::ISSUER, &format!("{jti}{visits}"));
            let soon = SystemClock.now().saturating_add(Duration::from_millis(500));
            node.log().revoke(&Revocation::new(key, Timestamp::MAX, soon)).await.unwrap();
        }
        visits += 1;
        lived += u32::from(behind.visit(&other).await == StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        lived > 100,
        "the node behind took the token that nobody logged out for as long as its clock said: {lived}"
    );
    let live = redis.cli(&["ZCARD", "{tower-logout}:v1:live"]).await;
    assert!(live.trim().parse::<u32>().unwrap() < visits, "the server forgets: {live} of {visits} times three");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_whatever_the_server_does() {
    if !redis_installed() {
        return;
    }
    let redis = RedisServer::start(RedisOptions::default()).await;
    let faults: [(&str, fn(&FaultProxy)); 6] = [
        ("half open", FaultProxy::half_open),
        ("garbage", FaultProxy::garbage),
        ("refuse", FaultProxy::refuse),
        ("reset", FaultProxy::reset),
        ("cut", FaultProxy::cut_after_request),
        ("late", |way| way.delay_replies(Duration::from_secs(600))),
    ];
    for (name, fault) in faults {
        let way = FaultProxy::start(redis.addr()).await;
        let node = node(&way).await;
        fault(&way);
        let token = identity_of(&new_token(name));
        for _ in 0..3 {
            let calls = async {
                let revoked = node.log().revoke(&Revocation::of_token(&token)).await;
                let checked = node.log().is_revoked(&token).await;
                let connected = RedisStore::options().timeout(TIMEOUT).connect(&url(&way)).await;
                (revoked.is_err(), checked.is_err(), connected.is_err())
            };
            let errors = timeout(Duration::from_secs(20), calls).await.unwrap_or_else(|_| panic!("{name}: never ends"));
            assert!(name == "reset" || errors == (true, true, true), "{name}: {errors:?}");
        }
        way.pass();
        // Following has ended, too, and begun again.
        node.until_fresh().await;
    }
    redis.freeze();
    let url = redis.url();
    let connecting = RedisStore::options().timeout(TIMEOUT).connect(&url);
    assert!(timeout(Duration::from_secs(20), connecting).await.unwrap().is_err());
}
