//! Promise: PgBouncer in front of every version works: session mode as it is, transaction mode with
//! `poll_only`, also when the server behind it is killed.

use test_support::{
    fleet::{Node, TIMEOUT, Traffic, faults::Backend, nothing_is_missing},
    servers::{PgBouncer, PostgresEngine},
};
use tower_logout::{PostgresStore, store::PostgresStoreOptions};

use super::support::Postgres;

on_every! { postgres;
    session_mode
    transaction_mode_with_polling
}

async fn session_mode(engine: PostgresEngine) {
    works(engine, "pool_mode=session", PostgresStore::options).await;
}

async fn transaction_mode_with_polling(engine: PostgresEngine) {
    works(engine, "pool_mode=transaction", || PostgresStore::options().poll_only()).await;
}

async fn works(engine: PostgresEngine, mode: &str, options: fn() -> PostgresStoreOptions) {
    let server = Postgres::on(engine).await;
    // By default, a pooler waits for 15 seconds before it tries a server again.
    let pooler = PgBouncer::before(&server.0, &[mode, "server_login_retry=1"]).await;
    let store = || options().timeout(TIMEOUT).connect_lazily(pooler.url()).unwrap();
    let rejects_all_that_was_revoked = async {
        let (a, b) = (Node::start(store()).await, Node::start(store()).await);
        let mut traffic = Traffic::start(&a, &b).await;
        traffic.until_logouts(100).await;
        server.kill();
        traffic.until_failed_logouts(5).await;
        server.restart().await;
        traffic.until_logouts(50).await;
        let tokens = traffic.stop().await;
        nothing_is_missing(&[&a, &b], &tokens, &store()).await;
    };
    tokio::select! {
        () = rejects_all_that_was_revoked => {}
        () = pooler.supervise() => {}
    }
}
