//! Promise: `PostgresStore` passes the conformance suite on further versions too.

use std::sync::atomic::{AtomicU64, Ordering};

use test_support::servers::PostgresEngine::{self, Postgres13, Postgres18};
use test_support::servers::{PostgresOptions, PostgresServer};
use tokio::sync::OnceCell;
use tower_logout::{PostgresStore, conformance};

use super::support::{Shared, postgres_options};

conformance! {
    #[ignore = "needs the servers that scripts/setup.sh installs"]
    postgres_13 => store(Postgres13).await;
    #[ignore = "needs the servers that scripts/setup.sh installs"]
    postgres_18 => store(Postgres18).await;
}

/// A store with a schema of its own.
async fn store(engine: PostgresEngine) -> PostgresStore {
    static SERVERS: Shared<PostgresServer> = [const { OnceCell::const_new() }; 3];
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let extra = vec!["max_connections=200".to_owned()];
    let start = || PostgresServer::start(PostgresOptions { engine, extra, ..PostgresOptions::default() });
    let server = SERVERS[engine as usize].get_or_init(start).await;
    let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let store = postgres_options().schema(schema).connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    store
}
