//! Promise: `PostgresStore` creates its tables once, and rejects servers and tables that it cannot
//! use, with the remedy.

use std::{error::Error, sync::Arc, time::Duration};

use test_support::servers::PostgresServer;
use tokio::task::JoinSet;
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    revocation::Outcome,
    store::{RevocationLog, StoreError},
};

use super::support::{Observed, chain, of, options, own_schema, quoted, served, served_in_own_database, server, token};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn many_nodes_may_migrate_at_once_and_again() {
    let server = server().await;
    let schema = own_schema();
    let mut nodes = JoinSet::new();
    for _ in 0..16 {
        let (server, schema) = (Arc::clone(&server), schema.clone());
        nodes.spawn(async move {
            let store = options().schema(schema).connect(&server.url()).await.unwrap();
            store.migrate().await.map_err(|error| chain(&error)).unwrap();
            store.revoke(&of("same")).await.unwrap();
            store
        });
    }
    while let Some(node) = nodes.join_next().await {
        let store = node.unwrap();
        store.migrate().await.unwrap();
        assert!(store.is_revoked(&token("same")).await.unwrap());
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn with_existing_tables_no_right_to_create_them_is_needed() {
    let server = server().await;
    let store = options().schema("managed").connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    server
        .psql(
            "create role plain login; grant usage on schema managed to plain; \
             grant select, insert, update, delete on all tables in schema managed to plain",
        )
        .await;
    let url = server.url().replace("app@", "plain@");
    let store = options().schema("managed").connect(&url).await.unwrap();
    store.migrate().await.map_err(|error| chain(&error)).unwrap();
    assert_eq!(store.revoke(&of("a")).await.unwrap(), Outcome::Newly);
    assert!(store.is_revoked(&token("a")).await.unwrap());
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(replica.is_revoked(&token("a")).await.unwrap());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn without_tables_every_call_is_an_error_that_names_the_remedy() {
    let server = server().await;
    let store = Arc::new(options().schema(own_schema()).connect(&server.url()).await.unwrap());
    let is_told = |error: StoreError| assert!(chain(&error).contains("call `PostgresStore::migrate`"), "{error:?}");
    is_told(store.revoke(&of("a")).await.unwrap_err());
    is_told(store.is_revoked(&token("a")).await.unwrap_err());
    let log = Observed::new(Arc::clone(&store));
    let _replica = Replica::start(Arc::clone(&log));
    log.until(|seen| seen.failures.iter().any(|text| text.contains("call `PostgresStore::migrate`"))).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn without_its_state_row_every_call_is_an_error() {
    let it = served(options()).await;
    let (log, cursor) = it.cursor().await;
    assert!(!it.is_revoked(&token("a")).await.unwrap());
    it.sql("delete from {schema}.state").await;
    let is_told = |error: &dyn Error| assert!(chain(error).contains("call `PostgresStore::migrate`"), "{error:?}");
    is_told(&it.revoke(&of("a")).await.unwrap_err());
    is_told(&it.is_revoked(&token("a")).await.unwrap_err());
    is_told(&log.follow(&cursor, Duration::ZERO).await.unwrap_err());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn tables_of_a_later_version_are_rejected() {
    let it = served(options()).await;
    let (log, cursor) = it.cursor().await;
    it.sql("update {schema}.state set layout = 2").await;
    let is_told = |error: &dyn Error| assert!(chain(error).contains("layout 2"), "{error:?}");
    is_told(&it.revoke(&of("a")).await.unwrap_err());
    is_told(&it.is_revoked(&token("a")).await.unwrap_err());
    is_told(&it.store.migrate().await.unwrap_err());
    is_told(&log.follow(&cursor, Duration::ZERO).await.unwrap_err());
    is_told(&options().schema(&it.schema).connect(&it.server.url()).await.unwrap_err());
    assert_eq!(it.sql("select count(*) from {schema}.revocation").await, "0");
}

/// For teams that run their migrations with another role than the application's.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_schema_sql_is_all_that_a_role_needs_that_may_create_nothing() {
    let server = server().await;
    server.psql("create database by_hand").await;
    server.psql("create role owning login; create role \"app role\" login").await;
    server.psql("grant create on database by_hand to owning").await;
    let url = |role: &str| format!("postgres://{role}@127.0.0.1:{}/by_hand", server.port());
    let schema = own_schema();
    let sql = options().schema(&schema).schema_sql().unwrap();
    let (owner, connection) = tokio_postgres::connect(&url("owning"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let state = format!("select epoch::text, purged_through from {}.state", quoted(&schema));
    let mut states = Vec::new();
    for _ in 0..2 {
        owner.batch_execute(&sql).await.unwrap();
        let row = owner.query_one(&state, &[]).await.unwrap();
        states.push((row.get::<_, String>(0), row.get::<_, i64>(1)));
    }
    assert_eq!(states[0], states[1], "twice is as once");
    let role = url("app%20role");
    let error = match options().schema(&schema).connect(&role).await {
        Ok(store) => store.migrate().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(chain(&error).contains("permission denied"), "without the grants: {error:?}");

    let grants: Vec<_> = sql.lines().filter_map(|line| line.strip_prefix("-- grant ")).collect();
    assert_eq!(grants.len(), 3, "{sql}");
    for grant in &grants {
        owner.batch_execute(&format!("grant {}", grant.replace("to app;", "to \"app role\";"))).await.unwrap();
    }
    let rights = format!(
        "select string_agg(table_name || ' ' || privilege_type, ', ' order by table_name, privilege_type) \
         from information_schema.role_table_grants where grantee = 'app role' and table_schema = '{schema}'"
    );
    let rights: String = owner.query_one(&rights, &[]).await.unwrap().get(0);
    assert_eq!(
        rights,
        "revocation DELETE, revocation INSERT, revocation SELECT, revocation UPDATE, state SELECT, state UPDATE"
    );

    let store = options().schema(&schema).connect(&role).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.revoke(&of("a")).await.unwrap(), Outcome::Newly);
    owner.batch_execute(&sql).await.unwrap();
    assert!(store.is_revoked(&token("a")).await.unwrap());
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(replica.is_revoked(&token("a")).await.unwrap());
    assert!(options().schema("").schema_sql().is_err());
    assert!(PostgresStore::schema_sql().contains("\"tower_logout\".revocation"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn unusable_options_are_rejected_without_the_password() {
    let server = server().await;
    let url = format!("postgres://app:hunter2@127.0.0.1:{}/app", server.port());
    let store = PostgresStore::connect(&url).await.unwrap();
    assert!(!format!("{store:?} {:?}", options()).contains("hunter2"));

    let refusals = [
        (options().schema(""), url.clone(), "1 to 63 bytes"),
        (options().schema("x".repeat(64)), url.clone(), "1 to 63 bytes"),
        (options().schema("a\0b"), url.clone(), "1 to 63 bytes"),
        (options().connections(0), url.clone(), "at least one connection"),
        (options(), "postgres://app:hunter2@127.0.0.1:1/app".to_owned(), "error connecting to server"),
        (options(), format!("{url}x"), "does not exist"),
        (options(), format!("{url}?sslmode=verify"), "`verify-full`"),
        (options(), format!("{url}?sslcrl=hunter2"), "`sslcrl`, which is not supported"),
        (options(), format!("{url}?hunter2=1"), "must look like"),
        (options(), "host=x password=very hunter2=1".to_owned(), "must look like"),
        (options(), "hunter2".to_owned(), "must look like"),
        (options(), "user=app password=hunter2".to_owned(), "names no host"),
        (options(), format!("{url}?options=-cdefault_transaction_read_only%3Don"), "database does not allow writes"),
    ];
    for (options, url, text) in refusals {
        let error = options.connect(&url).await.unwrap_err();
        let said = format!("{} {error:?}", chain(&error));
        assert!(said.contains(text), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    #[cfg(not(feature = "postgres-tls"))]
    {
        let error = options().connect(&format!("{url}?sslmode=require")).await.unwrap_err();
        assert!(chain(&error).contains("the feature `postgres-tls`"), "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_standby_is_rejected() {
    let server = server().await;
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let standby = PostgresServer::standby_of(&server).await;
    let error = PostgresStore::connect(&standby.url()).await.unwrap_err();
    assert!(chain(&error).contains("does not allow writes"), "{error:?}");
    // Of several servers, the store finds the one that accepts writes.
    let both = format!("postgres://app@127.0.0.1:{},127.0.0.1:{}/app", standby.port(), server.port());
    let store = PostgresStore::connect(&both).await.unwrap();
    store.revoke(&of("a standby")).await.unwrap();
}

/// Behind a pooler, the server of a connection can become a standby while the connection stays
/// open.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_became_a_standby_is_not_trusted() {
    let it = served_in_own_database("alter database {database} set search_path = public, pg_catalog").await;
    let (log, cursor) = it.cursor().await;
    let client = it.client().await;
    client
        .batch_execute("create function public.pg_is_in_recovery() returns boolean language sql return true")
        .await
        .unwrap();
    let is_told = |error: &dyn Error| assert!(chain(error).contains("is a standby"), "{error:?}");
    is_told(&it.is_revoked(&token("a")).await.unwrap_err());
    is_told(&log.follow(&cursor, Duration::ZERO).await.unwrap_err());
    is_told(&PostgresStore::connect(&it.url).await.unwrap_err());
}
