//! Promise: when Sentinels or a Cluster promote another server, the nodes follow it, no revoked
//! token passes meanwhile, and the replicas re-send what the new primary lacks.

use std::sync::Arc;

use test_support::{
    fleet::{Node, TIMEOUT, Traffic, nothing_is_missing},
    servers::{RedisCluster, RedisOptions, RedisSentinels, RedisServer},
};
use tower_logout::RedisStore;

const FEED: &str = "{tower-logout}:v1:feed";

struct Group {
    master: RedisServer,
    _replicas: Vec<RedisServer>,
    sentinels: RedisSentinels,
}

impl Group {
    async fn start() -> Self {
        let options = || RedisOptions { persist: true, ..RedisOptions::default() };
        let master = RedisServer::start(options()).await;
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let replica = RedisServer::start(options()).await;
            replica.replica_of(&master).await;
            replica.until_replicating().await;
            replicas.push(replica);
        }
        let sentinels = RedisSentinels::start(&master, "tokens", 3, 2).await;
        Self { master, _replicas: replicas, sentinels }
    }

    async fn store(&self) -> RedisStore {
        let master = format!("redis://{}/0", self.sentinels.name());
        RedisStore::options().timeout(TIMEOUT).connect_sentinel(self.sentinels.urls(), &master).await.unwrap()
    }

    async fn node(&self) -> Arc<Node<RedisStore>> {
        Node::start(self.store().await).await
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn sentinels_promote_a_replica_when_the_master_is_killed() {
    let group = Group::start().await;
    let (a, b) = (group.node().await, group.node().await);
    let mut traffic = Traffic::start(&a, &b).await;
    group.master.kill();
    traffic.until_failed_logouts(5).await;
    group.sentinels.until_master_is_not(group.master.port()).await;
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, &group.store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn sentinels_promote_a_replica_while_the_master_is_frozen_and_then_thaws() {
    let group = Group::start().await;
    let (a, b) = (group.node().await, group.node().await);
    let mut traffic = Traffic::start(&a, &b).await;
    group.master.freeze();
    group.sentinels.until_master_is_not(group.master.port()).await;
    // The old primary returns and considers itself the primary until the Sentinels reconfigure it.
    group.master.thaw();
    traffic.until_logouts(100).await;
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, &group.store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn without_a_majority_of_sentinels_no_server_is_trusted() {
    let group = Group::start().await;
    let (a, b) = (group.node().await, group.node().await);
    let mut traffic = Traffic::start(&a, &b).await;
    group.sentinels.sentinel(0).freeze();
    traffic.until_logouts(100).await;
    group.sentinels.sentinel(1).freeze();
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    group.sentinels.sentinel(0).thaw();
    group.sentinels.sentinel(1).thaw();
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, &group.store().await).await;
}

async fn cluster_store(cluster: &RedisCluster) -> RedisStore {
    RedisStore::options().timeout(TIMEOUT).connect_cluster(cluster.urls()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_cluster_promotes_a_replica_when_the_master_of_the_slot_is_killed() {
    let options = RedisOptions { persist: true, ..RedisOptions::default() };
    let cluster = RedisCluster::start(3, 1, options).await;
    let (a, b) = (Node::start(cluster_store(&cluster).await).await, Node::start(cluster_store(&cluster).await).await);
    let mut traffic = Traffic::start(&a, &b).await;
    let master = cluster.node_for_key(FEED).await;
    cluster.kill(master);
    traffic.until_failed_logouts(5).await;
    cluster.until_master_is_not(master, FEED).await;
    traffic.until_logouts(50).await;
    cluster.restart(master).await;
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, &cluster_store(&cluster).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn killing_a_cluster_master_of_other_slots_has_no_effect() {
    let extra = ["--cluster-require-full-coverage", "no"].map(str::to_owned).to_vec();
    let cluster = RedisCluster::start(3, 0, RedisOptions { extra, ..RedisOptions::default() }).await;
    let (a, b) = (Node::start(cluster_store(&cluster).await).await, Node::start(cluster_store(&cluster).await).await);
    let mut traffic = Traffic::start(&a, &b).await;
    let other = (cluster.node_for_key(FEED).await + 1) % 3;
    cluster.kill(other);
    traffic.until_logouts(500).await;
    assert_eq!(traffic.failed_logouts(), 0);
    assert_eq!(traffic.unanswered_checks(), 0);
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, a.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_cluster_master_of_the_slot_without_a_replica_comes_back() {
    let cluster = RedisCluster::start(3, 0, RedisOptions { persist: true, ..RedisOptions::default() }).await;
    let (a, b) = (Node::start(cluster_store(&cluster).await).await, Node::start(cluster_store(&cluster).await).await);
    let mut traffic = Traffic::start(&a, &b).await;
    let master = cluster.node_for_key(FEED).await;
    cluster.kill(master);
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    cluster.restart(master).await;
    traffic.until_logouts(50).await;
    let tokens = traffic.stop().await;
    nothing_is_missing(&[&a, &b], &tokens, a.log()).await;
}
