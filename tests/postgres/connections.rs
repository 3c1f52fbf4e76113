//! Promise: `PostgresStore` works with the connections that it can get, and one is enough for
//! everything.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use test_support::{
    fleet::{Node, new_token},
    postgres::{assert_says, of, options, plain, served, served_with, token, until},
    servers::{FaultProxy, PgBouncer, PostgresServer},
};
use tokio::task::JoinSet;
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    clock::SystemClock,
    store::{PostgresStoreOptions, ReplicaOptions},
};

/// Concurrent logouts, each with a 200, and checks meanwhile.
async fn all_log_out(node: &Arc<Node<PostgresStore>>, count: usize, round: &str) {
    let tokens: Vec<_> = (0..count).map(|number| new_token(&format!("{round} {number}"))).collect();
    let mut callers = JoinSet::new();
    for token in tokens.clone() {
        let node = Arc::clone(node);
        callers.spawn(async move {
            assert_eq!(node.visit(&token).await, StatusCode::OK);
            node.log_out(&token).await
        });
    }
    let answers = callers.join_all().await;
    let worked = answers.iter().filter(|&&status| status == StatusCode::OK).count();
    assert_eq!(worked, count, "{round}");
    for token in tokens {
        assert_eq!(node.visit(&token).await, StatusCode::UNAUTHORIZED, "{round}");
    }
}

/// A `Replica`, and the store used directly, on a server or a pooler with few connections.
async fn works(options: impl Fn() -> PostgresStoreOptions, url: &str, what: &str) {
    let replica = || ReplicaOptions::new().max_staleness(Duration::from_secs(20)).reject_when_stale();
    let node = Node::start_with(options().connect(url).await.unwrap(), replica(), SystemClock).await;
    for count in [64, 192] {
        all_log_out(&node, count, &format!("{what}: {count}")).await;
    }
    assert!(node.replica().health().is_fresh(), "{what}");
    // The store that is asked on each check.
    let store = node.log();
    let (checks, revocations) = tokio::join!(
        async {
            for _ in 0..50 {
                assert!(!store.is_revoked(&token("nobody's")).await.unwrap());
            }
        },
        async {
            for number in 0..50 {
                store.revoke(&of(&format!("{what} {number}"))).await.unwrap();
            }
        }
    );
    let ((), ()) = (checks, revocations);
    // Revocations of other nodes arrive.
    let last = token(&format!("{what} 49"));
    until("it is heard of", async || matches!(node.replica().is_revoked_now(&last), Some(Ok(true)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn all_logouts_work_however_few_connections_the_role_has() {
    let server = served().await;
    for limit in 1..=3 {
        server.psql(&format!("alter role plain connection limit {limit}")).await;
        works(options, &plain(&server), &format!("limit {limit}")).await;
        until_gone(&server).await;
        works(|| options().poll_only(), &plain(&server), &format!("limit {limit}, polling")).await;
        until_gone(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn all_logouts_work_however_few_connections_the_database_has() {
    let server = served().await;
    server.psql("alter database app connection limit 1").await;
    works(options, &plain(&server), "the database's limit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn all_logouts_work_however_few_connections_the_server_has() {
    // Three of them are reserved for superusers.
    let server = served_with(&["max_connections=5", "max_wal_senders=0"]).await;
    works(options, &plain(&server), "max_connections").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL and PgBouncer"]
async fn all_logouts_work_through_a_pooler_with_one_connection() {
    let server = served().await;
    let transactions = PgBouncer::before(&server, &["pool_mode=transaction", "default_pool_size=1"]).await;
    works(|| options().poll_only(), &transactions.url(), "transactions").await;
    let sessions = PgBouncer::before(&server, &["pool_mode=session", "default_pool_size=1"]).await;
    works(|| options().poll_only(), &sessions.url(), "sessions, polling").await;
    let sessions = PgBouncer::before(&server, &["pool_mode=session", "default_pool_size=1"]).await;
    works(options, &sessions.url(), "sessions").await;
    let clients = PgBouncer::before(&server, &["pool_mode=transaction", "max_client_conn=1"]).await;
    works(options, &clients.url(), "max_client_conn").await;
}

/// Existing connections must suffice for a call with the default timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_connection_that_is_slow_to_open_delays_no_call() {
    let server = served().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = Arc::new(options().connect(&url).await.unwrap());
    store.revoke(&of("a")).await.unwrap();
    // Further connections are accepted and never answered.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    proxy.retarget_new(silent.local_addr().unwrap());
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for number in 0..64 {
        let store = Arc::clone(&store);
        callers.spawn(async move { store.revoke(&of(&number.to_string())).await.unwrap() });
    }
    callers.join_all().await;
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "nobody waits for a connection that is not made: {:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_listener_yields_its_connection_to_calls_that_need_one() {
    let server = served().await;
    let replica = Replica::start(options().connect(&plain(&server)).await.unwrap());
    replica.ready().await.unwrap();
    let listening =
        "select count(*) from pg_stat_activity where usename = 'plain' and query like '%follower of tower-logout%'";
    until("it listens", async || server.psql(listening).await != "0").await;
    // From now on there is one connection, which the listener holds.
    server.psql("alter role plain connection limit 1").await;
    let others = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                  where usename = 'plain' and query not like '%follower of tower-logout%'";
    assert_ne!(server.psql(others).await, "0");
    until("the others are gone", async || {
        server.psql("select count(*) from pg_stat_activity where usename = 'plain'").await == "1"
    })
    .await;
    until("a revocation works", async || replica.revoke(&of("a")).await.is_ok()).await;
    replica.revoke(&of("b")).await.unwrap();
    until("it is fresh", async || replica.health().is_fresh()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn exhausted_connections_are_reported_and_calls_work_once_one_is_free() {
    let server = served().await;
    server.psql("alter role plain connection limit 1").await;
    let (taken, connection) = tokio_postgres::connect(&plain(&server), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let options = || PostgresStore::options().timeout(Duration::from_millis(500));
    assert_says(
        options().connect(&plain(&server)).await,
        &["accepts no more connections", "raise the limit", "too many connections"],
    );
    let store = options().connect_lazily(plain(&server)).unwrap();
    assert_says(store.is_revoked(&token("a")).await, &["accepts no more connections"]);
    // A connection that becomes free is used within the timeout of the call that waits for it.
    let store = PostgresStore::options().timeout(Duration::from_secs(30)).connect_lazily(plain(&server)).unwrap();
    let waits = tokio::spawn(async move { store.is_revoked(&token("a")).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waits.is_finished());
    drop(taken);
    connection.await.unwrap().unwrap();
    assert!(!waits.await.unwrap().unwrap());
}

async fn until_gone(server: &PostgresServer) {
    let sql = "select count(*) from pg_stat_activity where usename = 'plain'";
    until("all are gone", async || server.psql(sql).await == "0").await;
}

/// Clones share one pool, one memory of what the tables held, and one set of background tasks.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn clones_are_one_store() {
    let server = served().await;
    let connections = "select count(*) from pg_stat_activity where application_name = 'tower-logout'";
    let store = options().connections(1).connect(&server.url()).await.unwrap();
    let clones = vec![store.clone(); 8];
    let mut callers = JoinSet::new();
    for (number, clone) in clones.iter().cloned().enumerate() {
        callers.spawn(async move { clone.revoke(&of(&number.to_string())).await.unwrap() });
    }
    callers.join_all().await;
    assert_eq!(server.psql(connections).await, "1", "the pool is shared");

    // Whichever clone has written a row, all of them detect its loss.
    server.psql("truncate tower_logout.revocation").await;
    for clone in &clones {
        assert_says(clone.is_revoked(&token("other")).await, &["are missing from the table"]);
    }

    drop(clones);
    assert_eq!(server.psql(connections).await, "1", "the last one has it still");
    drop(store);
    until("the connection is closed", async || server.psql(connections).await == "0").await;
}
