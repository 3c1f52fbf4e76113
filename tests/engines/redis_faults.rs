//! Promise: on further versions too, whatever happens to the server, no revoked token passes and
//! nothing that was acknowledged is missing afterwards.
//!
//! `tests/redis/faults.rs` has all faults, on the installed version.

use std::time::Instant;

use http::StatusCode;
use test_support::{
    fleet::{
        MAX_STALENESS, TIMEOUT,
        faults::{Backend, Fleet},
        new_token,
    },
    servers::RedisEngine,
};
use tower_logout::{RevocationStore, store::StoreErrorKind};

use super::support::{Redis, failure, of, token, until};

const FEED: &str = "{tower-logout}:v1:feed";

on_every! { further redis;
    a_server_that_is_killed_keeps_what_it_acknowledged
    a_server_that_comes_back_empty_is_told_again
    a_failover_that_loses_a_suffix
    a_server_that_hangs_is_503_in_time
    a_server_whose_memory_is_full
    a_server_that_is_flushed
    a_log_that_is_trimmed_past_a_follower
}

async fn a_server_that_is_killed_keeps_what_it_acknowledged(engine: RedisEngine) {
    let server = Redis::persistent(engine).await;
    let store = server.store().await;
    for jti in ["a", "b", "c"] {
        store.revoke(&of(jti)).await.unwrap();
    }
    drop(store);
    server.kill();
    server.restart().await;
    let store = server.store().await;
    for jti in ["a", "b", "c"] {
        assert!(store.is_revoked(&token(jti, -1)).await.unwrap(), "{jti}");
    }
    drop(store);
    let fleet = Fleet::over(server).await;
    let mut traffic = fleet.traffic().await;
    fleet.server.kill();
    traffic.until_failed_logouts(5).await;
    fleet.server.restart().await;
    fleet.recovers(traffic).await;
}

async fn a_server_that_comes_back_empty_is_told_again(engine: RedisEngine) {
    let fleet = Fleet::over(Redis::on(engine).await).await;
    let mut traffic = fleet.traffic().await;
    fleet.server.kill();
    traffic.until_failed_logouts(5).await;
    fleet.server.restart().await;
    fleet.recovers(traffic).await;
}

async fn a_failover_that_loses_a_suffix(engine: RedisEngine) {
    let fleet = Fleet::over(Redis::persistent(engine).await).await;
    let other = Redis::persistent(engine).await;
    other.0.replica_of(&fleet.server.0).await;
    let mut traffic = fleet.traffic().await;
    // From here on, the server that takes over misses what the primary acknowledges.
    other.0.promote().await;
    traffic.until_logouts(50).await;
    let last = new_token("the last that the primary took");
    assert_eq!(fleet.a.log_out(&last).await, StatusCode::OK);
    fleet.way_a.retarget(other.addr());
    fleet.way_b.retarget(other.addr());
    fleet.recovers_on(traffic, &other).await;
    fleet.nothing_is_missing(&[last], &other).await;
}

async fn a_server_that_hangs_is_503_in_time(engine: RedisEngine) {
    let fleet = Fleet::over(Redis::persistent(engine).await).await;
    let direct = Redis::connect(fleet.server.addr(), TIMEOUT).await.unwrap();
    let mut traffic = fleet.traffic().await;
    fleet.server.freeze();
    let began = Instant::now();
    assert_eq!(fleet.a.log_out(&new_token("frozen")).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(direct.is_revoked(&token("a", -1)).await.is_err());
    assert!(began.elapsed() < TIMEOUT * 12, "{:?}", began.elapsed());
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    assert!(!fleet.b.replica().health().is_fresh());
    fleet.server.thaw();
    fleet.recovers(traffic).await;
}

async fn a_server_whose_memory_is_full(engine: RedisEngine) {
    let fleet = Fleet::over(Redis::persistent(engine).await).await;
    let mut traffic = fleet.traffic().await;
    fleet.server.0.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    traffic.until_failed_logouts(20).await;
    let error = fleet.a.log().revoke(&of("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
    // Checks go on, by the store itself and on the nodes.
    assert!(!fleet.a.log().is_revoked(&token("a", -1)).await.unwrap());
    traffic.go_on_for(MAX_STALENESS * 2).await;
    fleet.a.until_fresh().await;
    fleet.b.until_fresh().await;
    let bystander = new_token("of a bystander");
    until("checks are answered", async || fleet.b.visit(&bystander).await == StatusCode::OK).await;
    assert!(traffic.failed_logouts() > 20);
    fleet.server.0.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    fleet.recovers(traffic).await;
}

async fn a_server_that_is_flushed(engine: RedisEngine) {
    let server = Redis::persistent(engine).await;
    let direct = server.store().await;
    direct.revoke(&of("direct")).await.unwrap();
    server.0.cli(&["FLUSHALL"]).await;
    let error = failure(direct.is_revoked(&token("other", -1)).await);
    assert!(error.contains("emptied"), "{error}");
    let fleet = Fleet::over(server).await;
    let mut traffic = fleet.traffic().await;
    fleet.server.0.cli(&["FLUSHALL"]).await;
    traffic.until_logouts(100).await;
    fleet.recovers(traffic).await;
}

async fn a_log_that_is_trimmed_past_a_follower(engine: RedisEngine) {
    let fleet = Fleet::over(Redis::persistent(engine).await).await;
    let mut traffic = fleet.traffic().await;
    fleet.way_b.refuse();
    traffic.until_unanswered_checks(5).await;
    traffic.until_logouts(20).await;
    fleet.server.0.cli(&["XTRIM", FEED, "MAXLEN", "3"]).await;
    fleet.way_b.pass();
    fleet.b.until_fresh().await;
    fleet.recovers(traffic).await;
}
