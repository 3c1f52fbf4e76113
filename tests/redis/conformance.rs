//! Promise: `RedisStore` passes the conformance suite, directly and behind a `Replica`.

use std::sync::Arc;

use test_support::servers::{RedisOptions, RedisServer};
use tower_logout::{Replica, RevocationStore, conformance};

use super::support::store;

type Erased = Arc<dyn RevocationStore>;

conformance! {
    #[ignore = "needs redis-server"]
    direct => direct().await;
    #[ignore = "needs redis-server"]
    replica => replica().await;
}

async fn direct() -> Erased {
    Arc::new(store(shared().await).await)
}

async fn replica() -> Erased {
    let replica = Replica::start(store(shared().await).await);
    replica.ready().await.unwrap();
    Arc::new(replica)
}

/// One server for all tests that leave it intact.
async fn shared() -> &'static RedisServer {
    static SERVER: tokio::sync::OnceCell<RedisServer> = tokio::sync::OnceCell::const_new();
    SERVER.get_or_init(|| RedisServer::start(RedisOptions::default())).await
}
