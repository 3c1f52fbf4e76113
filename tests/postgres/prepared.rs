//! Promise: the server plans a revocation once for each connection, and no pooler makes it lose or
//! change one.

use std::sync::Arc;

use test_support::{
    postgres::{of, options, served, token, until},
    servers::{PgBouncer, PostgresServer},
};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};
use tower_logout::{PostgresStore, Replica, RevocationStore, revocation::Outcome};

/// A pooler that leads all clients to so many connections of the server, one transaction each.
async fn pooled(connections: usize) -> (PostgresServer, PgBouncer, PostgresStore) {
    let server = served().await;
    let size = format!("default_pool_size={connections}");
    let pooler = PgBouncer::before(&server, &["pool_mode=transaction", &size]).await;
    let store = options().connections(8).poll_only().connect(&pooler.url()).await.unwrap();
    (server, pooler, store)
}

/// Another client of the pooler.
async fn other(pooler: &PgBouncer) -> Client {
    let (client, connection) = tokio_postgres::connect(&pooler.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(client: &Client, sql: &str) -> String {
    let rows = client.simple_query(sql).await.unwrap();
    let value = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    value.unwrap().to_owned()
}

async fn revoke(store: &PostgresStore, names: std::ops::Range<usize>) {
    for name in names {
        let [one, two, three] = ["", "a", "b"].map(|kind| of(&format!("{kind} {name}")));
        assert_eq!(store.revoke(&one).await.unwrap(), Outcome::Newly);
        assert_eq!(
            store.revoke_all(&[two, one, three]).await.unwrap(),
            [Outcome::Newly, Outcome::Already, Outcome::Newly]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL and PgBouncer"]
async fn each_statement_is_planned_once_for_a_connection_of_the_server() {
    let (_server, pooler, store) = pooled(1).await;
    revoke(&store, 0..20).await;
    let other = other(&pooler).await;
    let statements = "select count(*) from pg_prepared_statements where name like 'tower_logout_%'";
    assert_eq!(number(&other, statements).await, "2");
    // The server plans the first five for their values, and then none.
    let plans = "select string_agg(concat_ws(' ', custom_plans, generic_plans), ', ') from pg_prepared_statements \
                 where name like 'tower_logout_%'";
    assert_eq!(number(&other, plans).await, "5 15, 5 15");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL and PgBouncer"]
async fn a_statement_that_is_no_longer_prepared_is_stored_all_the_same() {
    let (_server, pooler, store) = pooled(1).await;
    revoke(&store, 0..2).await;
    let other = other(&pooler).await;
    other.batch_execute("deallocate all").await.unwrap();
    revoke(&store, 2..4).await;
    assert_eq!(number(&other, "select count(*) from tower_logout.revocation").await, "12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL and PgBouncer"]
async fn each_revocation_is_stored_once_behind_a_pooler_that_changes_connections() {
    let (server, pooler, store) = pooled(4).await;
    let second = options().connections(8).poll_only().connect(&pooler.url()).await.unwrap();
    let mut callers = JoinSet::new();
    let stores = [Arc::new(store), Arc::new(second)];
    for number in 0..400 {
        let store = Arc::clone(&stores[number % 2]);
        callers.spawn(async move { store.revoke(&of(&number.to_string())).await });
    }
    for outcome in callers.join_all().await {
        assert_eq!(outcome.unwrap(), Outcome::Newly);
    }
    assert_eq!(server.psql("select count(*) from tower_logout.revocation").await, "400");
}

/// The plan of a table that is replaced is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_statement_is_planned_again_when_its_tables_have_changed() {
    let server = served().await;
    let store = options().connections(1).connect(&test_support::postgres::plain(&server)).await.unwrap();
    revoke(&store, 0..10).await;
    server.psql("alter table tower_logout.revocation rename to old").await;
    server.psql("create table tower_logout.revocation (like tower_logout.old including all)").await;
    server.psql("grant select, insert, update, delete on tower_logout.revocation to plain").await;
    revoke(&store, 0..10).await;
    assert_eq!(server.psql("select count(*) from tower_logout.revocation").await, "30");
    server.psql("alter table tower_logout.state alter layout type bigint").await;
    let changed = store.revoke(&of("changed")).await;
    server.psql("alter table tower_logout.state alter layout type integer").await;
    assert!(changed.is_err(), "the column has another type");
    revoke(&store, 10..12).await;
}

/// A name that a client library numbers may be that of another client's statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL and PgBouncer"]
async fn no_statement_has_a_name_that_another_client_of_a_pooler_could_use() {
    let server = served().await;
    let pooler = PgBouncer::before(&server, &["pool_mode=transaction", "default_pool_size=1"]).await;
    let store = options().connections(8).connect(&pooler.url()).await.unwrap();
    let node = Replica::start(store);
    node.ready().await.unwrap();
    for name in ["1", "2"] {
        let written = options().connect(&server.url()).await.unwrap();
        written.revoke_all(&[of(name), of(&format!("{name} too"))]).await.unwrap();
        until("the node knows it", async || matches!(node.is_revoked_now(&token(name)), Some(Ok(true)))).await;
    }
    node.revoke(&of("3")).await.unwrap();
    let other = other(&pooler).await;
    let names = "select string_agg(left(name, 13), ' ') from pg_prepared_statements";
    assert_eq!(number(&other, names).await, "tower_logout_ tower_logout_");
}
