//! Promise: `RedisStore` passes the conformance suite on further versions too.

use std::sync::atomic::{AtomicU64, Ordering};

use test_support::servers::RedisEngine::{self, Redis6, Valkey9};
use tokio::sync::OnceCell;
use tower_logout::{RedisStore, conformance};

use super::support::{Redis, Shared, redis_options};

conformance! {
    #[ignore = "needs the servers that scripts/setup.sh installs"]
    redis_6_2 => store(Redis6).await;
    #[ignore = "needs the servers that scripts/setup.sh installs"]
    valkey_9 => store(Valkey9).await;
}

/// A store with a prefix of its own.
async fn store(engine: RedisEngine) -> RedisStore {
    static SERVERS: Shared<Redis> = [const { OnceCell::const_new() }; 3];
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let server = SERVERS[engine as usize].get_or_init(|| Redis::on(engine)).await;
    let prefix = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    redis_options().prefix(prefix).connect(&server.0.url()).await.unwrap()
}
