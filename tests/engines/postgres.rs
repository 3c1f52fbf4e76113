//! Promise: `PostgresStore` works with what `docs/postgres-layout.md` and `docs/operations.md` say,
//! on every version: the tables, the role with few rights, the example in SQL.

use test_support::servers::{PostgresEngine, PostgresOptions, PostgresServer};
use tower_logout::{Replica, RevocationStore, revocation::Outcome};

use super::support::{Postgres, block, failure, of, postgres_options, run, token, until};

const LAYOUT: &str = include_str!("../../docs/postgres-layout.md");

on_every! { postgres;
    the_version_is_the_expected_one
    the_documented_role_has_all_rights_that_are_needed
    the_documented_tables_and_example_revoke
    a_wrong_password_is_an_error_that_says_so
    a_server_that_accepts_no_writes_is_refused
}

async fn the_version_is_the_expected_one(engine: PostgresEngine) {
    let server = Postgres::empty(engine).await;
    let version = server.0.psql("show server_version").await;
    let expected = match engine {
        PostgresEngine::Postgres13 => "13.",
        PostgresEngine::Installed => "", // whatever the distribution has
        PostgresEngine::Postgres18 => "18.",
    };
    assert!(version.starts_with(expected), "{version}");
    println!("{engine:?}: {version}");
}

async fn the_documented_role_has_all_rights_that_are_needed(engine: PostgresEngine) {
    let server = Postgres::on(engine).await;
    server.0.psql("create role plain login").await;
    let url = server.0.url().replace("app@", "plain@");
    let error = failure(postgres_options().connect(&url).await);
    assert!(error.contains("grant usage on schema tower_logout to plain"), "{error}");
    let grants = block(LAYOUT, "sql", "grant usage on schema").replace("to app;", "to plain;");
    server.0.psql(&grants).await;
    let store = postgres_options().connect(&url).await.unwrap();
    let replica = Replica::start(postgres_options().connect(&url).await.unwrap());
    replica.ready().await.unwrap();
    assert_eq!(store.revoke(&of("a")).await.unwrap(), Outcome::Newly);
    assert_eq!(store.revoke_all(&[of("a"), of("b")]).await.unwrap(), [Outcome::Already, Outcome::Newly]);
    assert!(store.is_revoked(&token("a", -1)).await.unwrap());
    assert_eq!(store.find(of("b").key()).await.unwrap(), Some(of("b")));
    until("the replica knows", async || replica.is_revoked(&token("b", -1)).await.unwrap()).await;
}

async fn the_documented_tables_and_example_revoke(engine: PostgresEngine) {
    let server = Postgres::empty(engine).await;
    server.0.psql(block(LAYOUT, "sql", "create table")).await;
    let (store, replica) = (server.store().await, Replica::start(server.store().await));
    replica.ready().await.unwrap();
    assert!(!store.is_revoked(&token("a", -1)).await.unwrap());
    let directory = tempfile::tempdir().unwrap();
    let url = server.0.url();
    run(block(LAYOUT, "sh", "psql"), directory.path(), ("DATABASE_URL", &url)).await;
    assert!(store.is_revoked(&token("a", -1)).await.unwrap());
    until("the replica knows", async || replica.is_revoked(&token("a", -1)).await.unwrap()).await;
    assert!(!store.is_revoked(&token("a", 60)).await.unwrap());
    assert!(!replica.is_revoked(&token("a", 60)).await.unwrap());
}

/// Passwords are stored as the version does by default: as MD5 hashes in 13, by SCRAM later.
async fn a_wrong_password_is_an_error_that_says_so(engine: PostgresEngine) {
    let rules = "host app app 127.0.0.1/32 trust\nhost app secret 127.0.0.1/32 md5\n";
    let files = vec![("pg_hba.conf".to_owned(), rules.to_owned())];
    let server = PostgresServer::start(PostgresOptions { engine, files, ..PostgresOptions::default() }).await;
    server.psql("create role secret superuser login password 'hunter2'").await;
    let url = |password: &str| format!("postgres://secret:{password}@127.0.0.1:{}/app", server.port());
    let store = postgres_options().connect(&url("hunter2")).await.unwrap();
    store.migrate().await.unwrap();
    store.revoke(&of("a")).await.unwrap();
    let error = failure(postgres_options().connect(&url("hunter3")).await);
    assert!(error.contains("the password is missing or wrong") && !error.contains("hunter"), "{error}");
}

async fn a_server_that_accepts_no_writes_is_refused(engine: PostgresEngine) {
    let server = Postgres::on(engine).await;
    server.0.psql("alter database app set default_transaction_read_only = on").await;
    let error = failure(postgres_options().connect(&server.0.url()).await);
    assert!(error.contains("it is read-only"), "{error}");
}
