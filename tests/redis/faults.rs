//! Promise: whatever happens to Redis or the network, no node accepts a token that was revoked
//! longer than `max_staleness` ago, and no logout gets a 200 that Redis has not stored.
//!
//! Logouts run on node A and checks on both nodes while each fault comes and goes; `Traffic` checks
//! every response.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use test_support::{
    faults,
    fleet::{
        eventually,
        faults::{Backend, Fleet},
        new_token,
    },
    servers::{RedisOptions, RedisServer},
};
use tower_logout::{RedisStore, RevocationStore, clock::Timestamp, revocation::Revocation, store::StoreError};

struct Redis(RedisServer);

impl Redis {
    async fn start_with(persist: bool) -> Self {
        Self(RedisServer::start(RedisOptions { persist, ..RedisOptions::default() }).await)
    }
}

impl Backend for Redis {
    type Log = RedisStore;

    async fn start() -> Self {
        Self::start_with(true).await
    }

    fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    async fn connect(way: SocketAddr, timeout: Duration) -> Result<RedisStore, StoreError> {
        RedisStore::options().timeout(timeout).connect(&format!("redis://{way}")).await
    }

    fn kill(&self) {
        self.0.kill();
    }

    async fn restart(&self) {
        self.0.restart().await;
    }

    fn freeze(&self) {
        self.0.freeze();
    }

    fn thaw(&self) {
        self.0.thaw();
    }

    async fn entries(&self) -> usize {
        self.0.cli(&["ZCARD", "{tower-logout}:v1:live"]).await.trim().parse().unwrap()
    }
}

faults!(Redis, "needs redis-server");

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_server_that_is_killed_and_comes_back_empty() {
    let fleet = Fleet::over(Redis::start_with(false).await).await;
    fleet.survives_outages(Redis::kill).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_log_that_was_trimmed_past_the_cursor() {
    let fleet = Fleet::<Redis>::start().await;
    let mut traffic = fleet.traffic().await;
    for keep in ["0", "3"] {
        fleet.way_b.refuse();
        traffic.until_unanswered_checks(5).await;
        traffic.until_logouts(20).await;
        fleet.server.0.cli(&["XTRIM", "{tower-logout}:v1:feed", "MAXLEN", keep]).await;
        fleet.way_b.pass();
        fleet.b.until_fresh().await;
    }
    fleet.recovers(traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_server_that_is_flushed() {
    let fleet = Fleet::<Redis>::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.server.0.cli(&["FLUSHALL"]).await;
    traffic.until_logouts(100).await;
    fleet.server.0.cli(&["FLUSHALL"]).await;
    fleet.recovers(traffic).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_big_store_that_is_flushed_while_one_node_is_cut_off() {
    let fleet = Fleet::<Redis>::start().await;
    let fillers: Vec<_> = (0..20)
        .map(|filler| {
            let a = fleet.a.clone();
            tokio::spawn(async move {
                for jti in 0..1000 {
                    let filler = test_support::identity(&format!("filler {filler}/{jti}"), Timestamp::MAX);
                    a.replica().revoke(&Revocation::of_token(&filler)).await.unwrap();
                }
            })
        })
        .collect();
    for filler in fillers {
        filler.await.unwrap();
    }
    let mut traffic = fleet.traffic().await;
    fleet.way_b.refuse();
    traffic.until_logouts(20).await;
    fleet.server.0.cli(&["FLUSHALL"]).await;
    fleet.way_b.pass();
    traffic.until_logouts(200).await;
    fleet.recovers(traffic).await;
    eventually("all of it is re-sent", || fleet.b.replica().len() >= 20_000).await;
    assert!(fleet.server.entries().await >= 20_000);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_server_that_is_flushed_without_later_writes() {
    let fleet = Fleet::<Redis>::start().await;
    let mut tokens = Vec::new();
    for jti in 0..20 {
        tokens.push(new_token(&jti.to_string()));
        assert_eq!(fleet.a.log_out(&tokens[jti]).await, StatusCode::OK);
    }
    fleet.server.0.cli(&["FLUSHALL"]).await;
    fleet.nothing_is_missing(&tokens, &fleet.server).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_failover_that_loses_writes() {
    let fleet = Fleet::<Redis>::start().await;
    let other = Redis::start().await;
    other.0.replica_of(&fleet.server.0).await;
    other.0.until_replicating().await;
    let mut traffic = fleet.traffic().await;
    // From here on, the server that takes over misses what the primary acknowledges.
    other.0.promote().await;
    traffic.until_logouts(50).await;
    let last = new_token("the last that the master took");
    assert_eq!(fleet.a.log_out(&last).await, StatusCode::OK);
    fleet.way_a.retarget(other.addr());
    fleet.way_b.retarget(other.addr());
    fleet.recovers_on(traffic, &other).await;
    fleet.nothing_is_missing(&[last], &other).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_frozen_master_that_thaws_beside_its_successor() {
    let fleet = Fleet::<Redis>::start().await;
    let other = Redis::start().await;
    other.0.replica_of(&fleet.server.0).await;
    other.0.until_replicating().await;
    let mut traffic = fleet.traffic().await;
    fleet.server.freeze();
    // The name now leads to the successor; open connections stay where they are.
    fleet.way_a.retarget_new(other.addr());
    fleet.way_b.retarget_new(other.addr());
    traffic.until_failed_logouts(5).await;
    fleet.b.until_stale().await;
    other.0.promote().await;
    fleet.a.until_fresh().await;
    fleet.b.until_fresh().await;
    fleet.server.thaw();
    traffic.until_logouts(100).await;
    fleet.server.0.replica_of(&other.0).await;
    fleet.recovers_on(traffic, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_master_that_became_a_replica() {
    let fleet = Fleet::<Redis>::start().await;
    let other = Redis::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.server.0.replica_of(&other.0).await;
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.retarget(other.addr());
    fleet.way_b.retarget(other.addr());
    fleet.recovers_on(traffic, &other).await;
}
