//! What `PostgresStore` promises, with real servers.
#![cfg(all(feature = "postgres", feature = "test-util"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod servers;

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use servers::{PostgresOptions, PostgresServer, postgres_installed};
use tokio::sync::Mutex;
use tower_logout::{
    Outcome, PostgresStore, PostgresStoreOptions, Replica, Revocation, RevocationStore, StoreError, TokenIdentity,
    conformance,
};

conformance! {
    direct => match served(PostgresStore::options()).await { Some(it) => it, None => return };
    poll_only => match served(PostgresStore::options().poll_only()).await { Some(it) => it, None => return };
    erased => match served(PostgresStore::options()).await {
        Some(it) => Arc::new(it) as Arc<dyn RevocationStore>,
        None => return,
    };
    replica => match served(PostgresStore::options()).await { Some(it) => it.replica().await, None => return };
    polling_replica => match served(PostgresStore::options().poll_only()).await {
        Some(it) => it.replica().await,
        None => return,
    };
}

/// The server of this file, which runs as long as a test has it.
async fn server() -> Option<Arc<PostgresServer>> {
    static SERVER: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
    if !postgres_installed() {
        return None;
    }
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let options = PostgresOptions { extra: vec!["max_connections=300".into()], ..PostgresOptions::default() };
    let server = Arc::new(PostgresServer::start(options).await);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// A store, or what follows it, and the server it is on.
struct Served<S> {
    store: S,
    server: Arc<PostgresServer>,
}

async fn served(options: PostgresStoreOptions) -> Option<Served<PostgresStore>> {
    let server = server().await?;
    let store = options.schema(own_schema()).connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    Some(Served { store, server })
}

impl Served<PostgresStore> {
    async fn replica(self) -> Served<Replica<PostgresStore>> {
        let store = Replica::start(self.store);
        store.ready().await;
        Served { store, server: self.server }
    }
}

#[async_trait]
impl<S: RevocationStore> RevocationStore for Served<S> {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.store.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.store.is_revoked(token).await
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        self.store.is_revoked_now(token)
    }
}

/// A schema that no other test has, and whose name must be quoted.
fn own_schema() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("Own \"{}\"", NEXT.fetch_add(1, Ordering::Relaxed))
}
