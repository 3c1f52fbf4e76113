//! Promise: `RedisStore` follows the primary that Sentinels or a Cluster name, and trusts no other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::servers::{RedisCluster, RedisOptions, RedisSentinels};
use tower_logout::{
    RedisStore, RevocationStore,
    revocation::{Outcome, Revocation},
    store::{Health, RevocationLog},
};

use super::support::{end_of, failure, is_revoked, options, patient, revoke, server, token, until, watched};

/// Concurrent checks make the Sentinels confirm the primary all the time. The follower still asks
/// them itself: otherwise it could never report that it is complete, and a stale node, which checks
/// through the log, would stay stale.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_follower_is_complete_however_many_checks_run() {
    let master = server().await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 3, 2).await;
    let options = options();
    let cursor = end_of(&options, &master).await;
    let store = Arc::new(options.connect_sentinel(sentinels.urls(), "redis://mymaster").await.unwrap());
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, cursor) = (Arc::clone(&store), cursor.clone());
        askers.spawn(async move {
            loop {
                store.check(&cursor, &token("a")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let follow = async || store.follow(&cursor, Duration::from_millis(5)).await.unwrap().complete;
    for n in 0..20 {
        let began = Instant::now();
        assert!(follow().await, "{n}");
        // The Sentinels confirm the server to the follower itself at most every 50 ms.
        let is_complete = follow().await;
        assert!(!is_complete || began.elapsed() >= Duration::from_millis(50), "{n}");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert!(askers.try_join_next().is_none());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_name_the_master_and_its_successor() {
    let master = server().await;
    let successor = server().await;
    successor.replica_of(&master).await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 3, 2).await;
    let connect = async || options().connect_sentinel(sentinels.urls(), "redis://mymaster/0").await;
    let store = patient().connect_sentinel(sentinels.urls(), "redis://mymaster").await.unwrap();
    let (replica, lost) =
        watched(patient().connect_sentinel(sentinels.urls(), "redis://mymaster").await.unwrap()).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("it is heard", async || replica.is_revoked(&token("a")).await.ok() == Some(true)).await;
    assert!(replica.health().is_fresh());
    let error = failure(options().connect_sentinel(sentinels.urls(), "redis://other")).await;
    assert!(error.contains("none of the 3 Sentinels knows a master named `other`"), "{error}");
    assert!(connect().await.is_ok());
    let all = async || successor.cli(&["ZCARD", "{tower-logout}:v1:live"]).await;
    until("the replica has it", async || all().await == "1").await;
    master.kill();
    sentinels.until_master_is_not(master.port()).await;
    until("writes go on", async || store.revoke(&Revocation::of_token(&token("b"))).await.is_ok()).await;
    until("it is heard", async || replica.is_revoked(&token("b")).await.ok() == Some(true)).await;
    assert!(is_revoked(&store, &token("a")).await);
    drop(lost);
}

/// A primary without a majority of its Sentinels still answers, but is not trusted.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_master_without_a_majority_of_its_sentinels_is_not_trusted() {
    let master = server().await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 3, 2).await;
    let connect = async || {
        RedisStore::options()
            .timeout(Duration::from_secs(1))
            .connect_sentinel(sentinels.urls(), "redis://mymaster")
            .await
    };
    let store = connect().await.unwrap();
    let (replica, _) = watched(connect().await.unwrap()).await;
    assert!(!is_revoked(&replica, &token("a")).await);
    // The loss of one Sentinel has no effect.
    sentinels.sentinel(0).kill();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!is_revoked(&store, &token("a")).await);
    assert!(replica.health().is_fresh());
    sentinels.sentinel(1).freeze();
    until("it is stale", async || matches!(replica.health(), Health::Stale { .. })).await;
    // Checks through the log fail as well.
    let error = failure(replica.is_revoked(&token("a"))).await;
    assert!(error.contains("failed to check"), "{error}");
    let error = failure(replica.find(token("a").own_key())).await;
    assert!(error.contains("failed to find"), "{error}");
    until("nor does the store", async || store.is_revoked(&token("a")).await.is_err()).await;
    let error = failure(store.revoke(&Revocation::of_token(&token("a")))).await;
    assert!(error.contains("majority"), "{error}");
    let error = failure(store.revoke_all(&[Revocation::of_token(&token("a"))])).await;
    assert!(error.contains("majority"), "{error}");
    failure(store.find(token("a").own_key())).await;
    assert_eq!(master.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "0");
    sentinels.sentinel(1).thaw();
    until("it is fresh", async || replica.health().is_fresh()).await;
    until("it is asked again", async || store.is_revoked(&token("a")).await.ok() == Some(false)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_is_followed_to_the_owner_of_the_slot() {
    let cluster = RedisCluster::start(3, 1, RedisOptions::default()).await;
    let store = patient().connect_cluster(cluster.urls()).await.unwrap();
    let (replica, _) = watched(patient().connect_cluster(&cluster.urls()[..1]).await.unwrap()).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("it is heard", async || replica.is_revoked(&token("a")).await.ok() == Some(true)).await;
    let many: Vec<_> = ["a", "x", "y"].map(|jti| Revocation::of_token(&token(jti))).into();
    assert_eq!(replica.revoke_all(&many).await.unwrap(), [Outcome::Already, Outcome::Newly, Outcome::Newly]);
    assert_eq!(store.find(many[2].key()).await.unwrap(), Some(many[2]));
    let owner = cluster.node_for_key("{tower-logout}").await;
    assert_eq!(cluster.node(owner).cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "3");
    let in_a_replica = async || {
        let mut with_it = 0;
        for node in 3..6 {
            let keys = cluster.node(node).cli(&["DBSIZE"]).await;
            with_it += u32::from(keys != "0");
        }
        with_it == 1
    };
    until("its replica has it", in_a_replica).await;
    cluster.kill(owner);
    until("it goes on elsewhere", async || store.revoke(&Revocation::of_token(&token("b"))).await.is_ok()).await;
    assert!(is_revoked(&store, &token("a")).await);
    until("it is heard", async || replica.is_revoked(&token("b")).await.ok() == Some(true)).await;
    cluster.restart(owner).await;
    // The old node takes over again, and the node that gives up its slots stays up.
    let node = cluster.node(owner);
    until("it replicates", async || node.cli(&["INFO", "replication"]).await.contains("master_link_status:up")).await;
    let mut said = None;
    let takes_over = async || {
        // The command may fail after five seconds and must then be repeated.
        if said.is_none_or(|said: Instant| said.elapsed() > Duration::from_secs(6)) {
            let _ = node.try_cli(&["CLUSTER", "FAILOVER"]).await;
            said = Some(Instant::now());
        }
        cluster.node_for_key("{tower-logout}").await == owner
    };
    until("it is the master", takes_over).await;
    until("it goes on there", async || store.revoke(&Revocation::of_token(&token("c"))).await.is_ok()).await;
    until("it is heard", async || replica.is_revoked(&token("c")).await.ok() == Some(true)).await;
    assert!(is_revoked(&store, &token("a")).await);
    // Only the policy of the node that owns the slot matters.
    let owner = cluster.node_for_key("{tower-logout}").await;
    cluster.node(owner).cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let error = failure(patient().connect_cluster(cluster.urls())).await;
    assert!(error.contains("allkeys-lru"), "{error}");
}
