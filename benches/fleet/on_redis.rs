//! A Redis without persistence, which is its fastest configuration.

use redis::{AsyncConnectionConfig, Client, Value, aio::MultiplexedConnection, cmd, pipe};
use test_support::servers::{RedisOptions, RedisServer};
use tokio::task::JoinSet;
use tower_logout::{RedisStore, RevocationStore, revocation::RevocationKey};

use crate::{
    Run,
    backend::{Backend, PATIENCE, Raw, new_revocation},
};

pub(crate) struct OnRedis(RedisServer);

impl OnRedis {
    pub(crate) fn client(&self) -> Client {
        Client::open(self.0.url()).unwrap()
    }

    /// A connection with a long timeout, for a busy machine.
    pub(crate) async fn wire(&self) -> MultiplexedConnection {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        self.client().get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }
}

impl Backend for OnRedis {
    type Log = RedisStore;
    type Raw = RawRedis;

    const NAME: &'static str = "Redis";
    const ROUND_TRIP: &'static str = "`PING`";
    const LEAST_WRITE: &'static str = "`SET`";
    const READ_ALL: &'static str = "`ZRANGE`";

    async fn start(_: &Run) -> Self {
        Self(RedisServer::start(RedisOptions::default()).await)
    }

    async fn describe(&self) -> String {
        format!("Redis {} without persistence", self.0.info("redis_version").await)
    }

    async fn store(&self) -> RedisStore {
        RedisStore::options().timeout(PATIENCE).connect(&self.0.url()).await.unwrap()
    }

    async fn raw(&self) -> RawRedis {
        RawRedis(self.wire().await)
    }

    async fn revoke_each(&self, count: u64) {
        const CALLERS: u64 = 64;
        let store = std::sync::Arc::new(self.store().await);
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let store = std::sync::Arc::clone(&store);
            callers.spawn(async move {
                for _ in 0..(count + caller) / CALLERS {
                    store.revoke(&new_revocation()).await.unwrap();
                }
            });
        }
        callers.join_all().await;
    }

    /// As if they had been written more than ten minutes ago: they are no longer in the `feed` key.
    async fn fill(&self, count: u64) {
        const AT_ONCE: u64 = 10_000;
        // Creates the other parts of the store.
        self.store().await.revoke(&new_revocation()).await.unwrap();
        let mut wire = self.wire().await;
        for first in (1..count).step_by(usize::try_from(AT_ONCE).unwrap()) {
            let mut some = pipe();
            let last = count.min(first + AT_ONCE);
            some.cmd("HINCRBY").arg(META).arg("live").arg(last - first).ignore();
            for _ in first..last {
                let revocation = new_revocation();
                let key = revocation.key();
                some.cmd("ZADD").arg(LIVE).arg(revocation.retain_until().as_unix_millis()).arg(key.as_bytes()).ignore();
            }
            let () = some.query_async(&mut wire).await.unwrap();
        }
    }

    async fn bytes(&self) -> u64 {
        self.0.memory_used().await
    }
}

#[derive(Clone)]
pub(crate) struct RawRedis(MultiplexedConnection);

impl RawRedis {
    pub(crate) fn new(wire: MultiplexedConnection) -> Self {
        Self(wire)
    }
}

impl Raw for RawRedis {
    async fn round_trip(&self) {
        let () = cmd("PING").query_async(&mut self.0.clone()).await.unwrap();
    }

    async fn write(&self, key: RevocationKey) {
        let () = cmd("SET").arg(key.as_bytes()).arg("").query_async(&mut self.0.clone()).await.unwrap();
    }

    async fn read_all(&self) {
        let mut all = cmd("ZRANGE");
        let all: Value =
            all.arg(LIVE).arg("0").arg("-1").arg("WITHSCORES").query_async(&mut self.0.clone()).await.unwrap();
        assert!(matches!(all, Value::Array(all) if !all.is_empty()));
    }
}

const LIVE: &str = "{tower-logout}:v1:live";
const META: &str = "{tower-logout}:v1:meta";
