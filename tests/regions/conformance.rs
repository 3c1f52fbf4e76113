//! Promise: regions are a store like any other, however many there are and whatever their state.

use std::{sync::Arc, time::Duration};

use test_support::replica::SharedLog;
use tower_logout::{
    Replica, RevocationStore, conformance,
    store::{Regions, ReplicaOptions, StoreErrorKind},
};

use super::support::{Sides, build};

conformance! {
    home_alone => build(Regions::home(Replica::start(SharedLog::new()))).await;
    home_and_another => Sides::ready().await.regions;
    erased => Arc::new(Sides::ready().await.regions) as Arc<dyn RevocationStore>;
    stale => {
        let replica = || ReplicaOptions::new().max_staleness(Duration::ZERO).start(SharedLog::new());
        build(Regions::home(replica()).and("us", replica())).await
    };
    without_another => {
        let us = SharedLog::new();
        us.down(Some((StoreErrorKind::Unavailable, "the link is cut")));
        let regions = Regions::home(Replica::start(SharedLog::new())).and("us", Replica::start(us));
        build(regions.insecure_accept_without("us")).await
    };
}

#[cfg(target_os = "linux")]
mod with_servers {
    use std::sync::atomic::{AtomicU64, Ordering};

    use test_support::servers::{RedisOptions, RedisServer};
    use tokio::sync::OnceCell;
    use tower_logout::RedisStore;

    use super::{Duration, Regions, Replica, build, conformance};

    conformance! {
        #[ignore = "needs redis-server"]
        redis => regions().await;
    }

    /// Regions with stores of their own on two servers.
    async fn regions() -> Regions {
        static SERVERS: OnceCell<[RedisServer; 2]> = OnceCell::const_new();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let start = || RedisServer::start(RedisOptions::default());
        let servers = SERVERS.get_or_init(async || [start().await, start().await]).await;
        let prefix = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options = RedisStore::options().prefix(prefix).timeout(Duration::from_secs(10));
        let [home, us] = servers.each_ref().map(|server| options.clone().connect_lazily(server.url()).unwrap());
        build(Regions::home(Replica::start(home)).and("us", Replica::start(us))).await
    }
}
