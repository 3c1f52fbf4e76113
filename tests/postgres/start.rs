//! Promise: `PostgresStore` tries what it will need when it starts, and an error says what is
//! missing, where, and what to do.

use std::{path::Path, sync::Arc, time::Duration};

use test_support::{
    postgres::{assert_says, chain, of, options, plain, served, token, until},
    servers::{FaultProxy, PostgresOptions, PostgresServer},
};
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    store::{Health, ReplicaOptions, StoreErrorKind},
};

// Rights and tables

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn each_missing_right_is_named_with_the_grant_that_it_needs() {
    let server = served().await;
    for (right, object) in [
        ("select", "tower_logout.revocation"),
        ("insert", "tower_logout.revocation"),
        ("update", "tower_logout.revocation"),
        ("delete", "tower_logout.revocation"),
        ("select", "tower_logout.state"),
        ("update", "tower_logout.state"),
        ("usage", "schema tower_logout"),
    ] {
        server.psql(&format!("revoke {right} on {object} from plain")).await;
        let error = options().connect(&plain(&server)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
        assert_says::<()>(Err(error), &[&format!("run `grant {right} on {object} to plain`"), "permission denied"]);
        // The suggested statement works.
        server.psql(&format!("grant {right} on {object} to plain")).await;
        options().connect(&plain(&server)).await.unwrap();
    }
    server.psql("revoke all on tower_logout.revocation from plain").await;
    assert_says(
        options().connect(&plain(&server)).await,
        &["`grant select, insert, update, delete on tower_logout.revocation to plain`"],
    );
    server.psql("grant all on tower_logout.revocation to plain").await;
    for function in [
        "pg_notify(text, text)",
        "pg_current_xact_id()",
        "row_security_active(text)",
        "set_config(text, text, boolean)",
    ] {
        server.psql(&format!("revoke execute on function {function} from public")).await;
        assert_says(options().connect(&plain(&server)).await, &["permission denied for function"]);
        server.psql(&format!("grant execute on function {function} to public")).await;
    }
}

/// Rights on columns instead of tables are sufficient as well.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn the_documents_grants_are_enough() {
    let server = PostgresServer::start(PostgresOptions::default()).await;
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/postgres-layout.md")).unwrap();
    let blocks = || document.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = |part: &str| blocks().find(|block| block.contains(part)).unwrap();
    server.psql(block("create table")).await;
    server.psql("create role app_user login").await;
    server.psql(&block("grant usage").replace("to app", "to app_user")).await;
    let store = options().connect(&server.url().replace("app@", "app_user@")).await.unwrap();
    store.migrate().await.unwrap();
    store.revoke(&of("a")).await.unwrap();
    assert!(store.is_revoked(&token("a")).await.unwrap());
    server.psql("insert into tower_logout.revocation values (decode(repeat('ff', 16), 'hex'), 1, 1, pg_current_xact_id(), '3')").await;
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    until("it is pruned", async || server.psql("select count(*) from tower_logout.revocation").await == "1").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn the_trial_at_the_start_leaves_nothing_behind() {
    let server = served().await;
    for _ in 0..5 {
        options().connect(&server.url()).await.unwrap();
    }
    assert_eq!(server.psql("select count(*) from tower_logout.revocation").await, "0");
    assert_eq!(server.psql("select purged_through from tower_logout.state").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn unexpected_tables_are_an_error_at_the_start() {
    let server = served().await;
    for (broken, mended) in [
        (
            "alter table tower_logout.revocation rename raised_in to other",
            "alter table tower_logout.revocation rename other to raised_in",
        ),
        (
            "alter table tower_logout.state rename purged_through to other",
            "alter table tower_logout.state rename other to purged_through",
        ),
        (
            "alter table tower_logout.revocation drop constraint revocation_pkey",
            "alter table tower_logout.revocation add primary key (key)",
        ),
        (
            "alter table tower_logout.revocation alter issued_through type text",
            "alter table tower_logout.revocation alter issued_through type bigint using 0",
        ),
        ("alter table tower_logout.revocation add more int not null", "alter table tower_logout.revocation drop more"),
    ] {
        let running = options().connect(&server.url()).await.unwrap();
        if broken.contains("type text") {
            server.psql("alter table tower_logout.revocation drop constraint revocation_issued_through_check").await;
        }
        server.psql(broken).await;
        let error = options().connect(&server.url()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured, "{broken}: {error:?}");
        assert_says::<()>(
            Err(error),
            &["do not have the layout that this store needs", "compare them with the layout"],
        );
        running.revoke(&of("a")).await.unwrap_err();
        server.psql(mended).await;
        options().connect(&server.url()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_accepts_no_writes_is_an_error_at_the_start() {
    let server = served().await;
    let running = options().connect(&server.url()).await.unwrap();
    server.psql("alter database app set default_transaction_read_only = on").await;
    assert_says(options().connect(&server.url()).await, &["it is read-only", "`default_transaction_read_only`"]);
    server.psql("begin read write; alter database app reset default_transaction_read_only; commit").await;
    running.revoke(&of("a")).await.unwrap();
    server.psql("alter role plain set default_transaction_read_only = on").await;
    assert_says(options().connect(&plain(&server)).await, &["it is read-only"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn without_migrate_the_first_call_fails_and_after_it_everything_is_tried() {
    let server = PostgresServer::start(PostgresOptions::default()).await;
    let store = options().connect(&server.url()).await.unwrap();
    for _ in 0..2 {
        assert_says(store.is_revoked(&token("a")).await, &["call `PostgresStore::migrate`"]);
        assert_says(store.revoke(&of("a")).await, &["call `PostgresStore::migrate`"]);
    }
    store.migrate().await.unwrap();
    store.revoke(&of("a")).await.unwrap();
    // Tables without any rights: the owner has granted none.
    server.psql("create role plain login; grant usage on schema tower_logout to plain").await;
    assert_says(
        options().connect(&plain(&server)).await,
        &["grant select, insert, update, delete on tower_logout.revocation to plain"],
    );
}

// Servers

/// The output of `version()`, shadowed in another schema as other PostgreSQL-compatible servers
/// report it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn servers_that_are_not_postgresql_are_rejected_by_name() {
    let server = served().await;
    server.psql("alter role plain set search_path = others, pg_catalog; create schema others; grant usage on schema others to plain").await;
    for version in [
        "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)",
        "PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit",
    ] {
        server
            .psql(&format!(
                "create or replace function others.version() returns text language sql as $$ select '{version}' $$"
            ))
            .await;
        let error = options().connect(&plain(&server)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
        assert_says::<()>(Err(error), &["is not PostgreSQL", version, "use PostgreSQL 13 or later"]);
    }
    // A server with the name of PostgreSQL that lacks its functions.
    server.psql("drop function others.version; create function others.pg_try_advisory_xact_lock_shared(bigint) returns boolean language plpgsql as $$ \
                 begin raise exception 'unsupported' using errcode = '0A000'; end $$").await;
    assert_says(options().connect(&plain(&server)).await, &["is not PostgreSQL", "unsupported"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_reset_of_the_statistics_is_no_crash() {
    let server = served().await;
    let replica = ReplicaOptions::new().max_staleness(Duration::from_secs(2)).reject_when_stale();
    let replica = replica.start(options().connect(&server.url()).await.unwrap());
    replica.ready().await.unwrap();
    for round in 0..10 {
        server.psql("select pg_stat_reset_shared('bgwriter'), pg_stat_reset_shared('archiver'), pg_stat_reset_shared('wal'), pg_stat_reset()").await;
        replica.revoke(&of(&round.to_string())).await.unwrap();
        // The replica follows on and takes no new snapshot, which would make it wait for two
        // seconds.
        let mut health = replica.monitor().watch();
        health.changed().await.unwrap();
        health.changed().await.unwrap();
        assert!(replica.health().staleness().unwrap() < Duration::from_secs(2));
        assert!(!replica.is_revoked(&token("b")).await.unwrap());
    }
}

// Addresses

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_error_says_where_it_wanted_to_connect_and_what_to_do() {
    let server = served().await;
    let port = server.port();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let asked = |rest: &str| format!("postgres://hunter1:hunter2@{rest}");
    server.psql("create role hunter1 login").await;
    let secret = PostgresServer::start(PostgresOptions {
        files: vec![(
            "pg_hba.conf".into(),
            "host app app 127.0.0.1/32 trust\nhost all hunter1 127.0.0.1/32 scram-sha-256\n".into(),
        )],
        ..PostgresOptions::default()
    })
    .await;
    secret.psql("create role hunter1 login password 'other'; create role other login").await;
    let cases: [(String, &[&str]); 11] = [
        (
            asked(&format!("127.0.0.1:{nowhere}/app")),
            &[&format!("127.0.0.1:{nowhere}, database `app`"), "no server listens at this address", "start the server"],
        ),
        (
            asked("no-such-host.invalid/app"),
            &["no-such-host.invalid:5432, database `app`", "the host name cannot be resolved"],
        ),
        (asked(&format!("127.0.0.1:{port}/nothing")), &["database `nothing`", "there is no such database: create it"]),
        (asked(&format!("127.0.0.1:{port}")), &[&format!("127.0.0.1:{port}, the database named like the user")]),
        (
            format!("host=/no/such/directory port={port} user=app dbname=app"),
            &["socket /no/such/directory/.s.PGSQL", "start the server"],
        ),
        (asked(&format!("127.0.0.1:{}/app", secret.port())), &["the password is missing or wrong"]),
        (format!("postgres://hunter1@127.0.0.1:{}/app", secret.port()), &["the password is missing or wrong"]),
        (format!("postgres://other@127.0.0.1:{}/app", secret.port()), &["may not connect", "`pg_hba.conf`"]),
        (format!("postgres://absent@127.0.0.1:{port}/app"), &["may not connect", "does not exist"]),
        (
            format!("host=127.0.0.1,no-such-host.invalid port={nowhere},99 user=app dbname=app"),
            &[&format!("127.0.0.1:{nowhere} or no-such-host.invalid:99, database `app`")],
        ),
        (
            format!("host=localhost hostaddr=127.0.0.1 port={nowhere} user=app dbname=app"),
            &[&format!("localhost:{nowhere} (at 127.0.0.1)")],
        ),
    ];
    for (url, texts) in cases {
        let error = options().connect(&url).await.unwrap_err();
        for said in [chain(&error), format!("{error:?}")] {
            for text in texts {
                assert!(said.contains(text), "{text:?} is not in: {said}");
            }
            assert!(!said.contains("hunter2"), "{said}");
            // The server may name the user; the store does not.
            let own = said.split("db error").next().unwrap();
            assert!(!own.contains("hunter1"), "{said}");
        }
        assert_says(options().connect_lazily(&url).unwrap().is_revoked(&token("a")).await, texts);
    }
    let proxy = FaultProxy::start(server.addr()).await;
    proxy.half_open();
    let url = format!("postgres://app:hunter2@127.0.0.1:{}/app", proxy.port());
    let where_to = format!("127.0.0.1:{}, database `app`", proxy.port());
    let late = PostgresStore::options().timeout(Duration::from_millis(200)).connect(&url).await;
    assert_says(late, &[&where_to, "did not answer within 200ms", "unreachable or too slow"]);
    proxy.garbage();
    assert_says(options().connect(&url).await, &[&where_to]);
    proxy.refuse();
    assert_says(options().connect(&url).await, &[&where_to, "the connection was closed while it was opened"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn each_text_is_there_once() {
    let server = served().await;
    let error = options().connect(&format!("{}x", server.url())).await.unwrap_err();
    let said = format!("{error:?}");
    for text in ["cannot connect to PostgreSQL", "does not exist", "create it"] {
        assert_eq!(said.matches(text).count(), 1, "{said}");
    }
}

// Starting before the server

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_replica_starts_before_the_server_and_is_ready_once_it_runs() {
    let server = served().await;
    server.kill();
    let replica = Replica::start(options().connect_lazily(server.url()).unwrap());
    assert_says(replica.is_revoked(&token("a")).await, &["first snapshot"]);
    assert_says(replica.revoke(&of("a")).await, &["no server listens at this address"]);
    assert!(matches!(replica.health(), Health::Loading { .. }));
    server.restart().await;
    replica.ready().await.unwrap();
    replica.revoke(&of("a")).await.unwrap();
    assert!(replica.is_revoked(&token("a")).await.unwrap());
    assert!(!replica.is_revoked(&token("b")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_replica_starts_before_the_tables_and_is_ready_once_they_exist() {
    let server = PostgresServer::start(PostgresOptions::default()).await;
    let replica = Arc::new(Replica::start(options().connect_lazily(server.url()).unwrap()));
    assert_says(replica.ready().await, &["call `PostgresStore::migrate`"]);
    replica.log().migrate().await.unwrap();
    until("it is ready", async || replica.ready().await.is_ok()).await;
    replica.revoke(&of("a")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_lazy_store_tries_its_rights_at_the_first_connection() {
    let server = served().await;
    server.psql("revoke insert on tower_logout.revocation from plain").await;
    let store = options().connect_lazily(plain(&server)).unwrap();
    for _ in 0..2 {
        assert_says(store.is_revoked(&token("a")).await, &["grant insert on tower_logout.revocation to plain"]);
    }
    server.psql("grant insert on tower_logout.revocation to plain").await;
    assert!(!store.is_revoked(&token("a")).await.unwrap());
    // Invalid options are an error without a server.
    assert_says(options().connect_lazily("postgres://app@/app?sslmode=no"), &["`sslmode` is"]);
    assert_says(options().connections(0).connect_lazily(server.url()), &["at least one connection"]);
}
