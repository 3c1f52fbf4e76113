//! Promise: Sentinels and Clusters of further versions are followed to the primary that they
//! promote, and nothing is missing there.
//!
//! `tests/redis/failover.rs` has all cases, on the installed version.

use test_support::{
    fleet::{Node, TIMEOUT, Traffic, nothing_is_missing},
    servers::{RedisCluster, RedisEngine, RedisOptions, RedisSentinels},
};
use tower_logout::RedisStore;

use super::support::Redis;

const FEED: &str = "{tower-logout}:v1:feed";

on_every! { further redis;
    sentinels_promote_a_replica_when_the_primary_is_killed
    a_cluster_promotes_a_replica_when_the_primary_of_the_slot_is_killed
}

async fn sentinels_promote_a_replica_when_the_primary_is_killed(engine: RedisEngine) {
    let primary = Redis::persistent(engine).await.0;
    let replica = Redis::persistent(engine).await.0;
    replica.replica_of(&primary).await;
    let sentinels = RedisSentinels::start(&primary, "tokens", 3, 2).await;
    let store = || {
        let options = RedisStore::options().timeout(TIMEOUT);
        options.connect_sentinel_lazily(sentinels.urls(), "redis://tokens").unwrap()
    };
    let (a, b) = (Node::start(store()).await, Node::start(store()).await);
    let mut traffic = Traffic::start(&a, &b).await;
    primary.kill();
    traffic.until_failed_logouts(5).await;
    sentinels.until_master_is_not(primary.port()).await;
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, &store()).await;
}

async fn a_cluster_promotes_a_replica_when_the_primary_of_the_slot_is_killed(engine: RedisEngine) {
    let options = RedisOptions { engine, persist: true, ..RedisOptions::default() };
    let cluster = RedisCluster::start(3, 1, options).await;
    let store = || RedisStore::options().timeout(TIMEOUT).connect_cluster_lazily(cluster.urls()).unwrap();
    let (a, b) = (Node::start(store()).await, Node::start(store()).await);
    let mut traffic = Traffic::start(&a, &b).await;
    let primary = cluster.node_for_key(FEED).await;
    cluster.kill(primary);
    traffic.until_failed_logouts(5).await;
    cluster.until_master_is_not(primary, FEED).await;
    traffic.until_logouts(50).await;
    cluster.restart(primary).await;
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, &store()).await;
}
