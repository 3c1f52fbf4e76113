//! Promise: `RedisStore` passes the conformance suite, directly and behind a `Replica`, with one
//! shard and with several, on one server and in a Cluster.

use std::sync::Arc;

use test_support::servers::{RedisCluster, RedisOptions, RedisServer};
use tower_logout::{RedisStore, Replica, RevocationStore, conformance};

use super::support::{options, store};

type Erased = Arc<dyn RevocationStore>;

conformance! {
    #[ignore = "needs redis-server"]
    direct => direct().await;
    #[ignore = "needs redis-server"]
    replica => replica().await;
    #[ignore = "needs redis-server"]
    shards => Arc::new(shards().await);
    #[ignore = "needs redis-server"]
    replica_of_shards => replica_of_shards().await;
    #[ignore = "needs redis-server"]
    shards_in_a_cluster => shards_in_a_cluster().await;
}

async fn direct() -> Erased {
    Arc::new(store(shared().await).await)
}

async fn replica() -> Erased {
    let replica = Replica::start(store(shared().await).await);
    replica.ready().await.unwrap();
    Arc::new(replica)
}

async fn shards() -> RedisStore {
    options().shards(3).connect(&shared().await.url()).await.unwrap()
}

async fn replica_of_shards() -> Erased {
    let replica = Replica::start(shards().await);
    replica.ready().await.unwrap();
    Arc::new(replica)
}

async fn shards_in_a_cluster() -> Erased {
    static CLUSTER: tokio::sync::OnceCell<RedisCluster> = tokio::sync::OnceCell::const_new();
    let cluster = CLUSTER.get_or_init(|| RedisCluster::start(3, 0, RedisOptions::default())).await;
    Arc::new(options().shards(4).connect_cluster(cluster.urls()).await.unwrap())
}

/// One server for all tests that leave it intact.
async fn shared() -> &'static RedisServer {
    static SERVER: tokio::sync::OnceCell<RedisServer> = tokio::sync::OnceCell::const_new();
    SERVER.get_or_init(|| RedisServer::start(RedisOptions::default())).await
}
