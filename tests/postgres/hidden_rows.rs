//! Promise: when the tables are restricted, emptied or replaced, `PostgresStore` answers with an
//! error, never "not revoked".

use std::time::Duration;

use test_support::{
    postgres::{assert_says, chain, of, options, plain, served, token, until},
    servers::{PgBouncer, PostgresServer},
};
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    revocation::Outcome,
    store::{Health, ReplicaOptions},
};

async fn connect(url: &str) -> PostgresStore {
    options().connect(url).await.unwrap()
}

/// Row-level security on one of the tables, with a policy that hides everything or without one;
/// forced, as it applies to the owner too.
const NARROWINGS: [&str; 5] = [
    "alter table tower_logout.revocation enable row level security",
    "alter table tower_logout.state enable row level security",
    "alter table tower_logout.revocation enable row level security; create policy hides on tower_logout.revocation using (issued_through < 0)",
    "alter table tower_logout.revocation enable row level security; create policy shows on tower_logout.revocation using (true)",
    "alter table tower_logout.revocation enable row level security; alter table tower_logout.revocation force row level security",
];
/// One after the other: together, they would lock both tables, in another order than a store that
/// starts at the same time.
async fn widen(server: &PostgresServer) {
    for statement in [
        "drop policy if exists hides on tower_logout.revocation",
        "drop policy if exists shows on tower_logout.revocation",
        "alter table tower_logout.revocation disable row level security",
        "alter table tower_logout.revocation no force row level security",
        "alter table tower_logout.state disable row level security",
    ] {
        server.psql(statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn rows_that_are_hidden_are_an_error_at_start_and_at_run_time() {
    let server = served().await;
    let url = plain(&server);
    for row_security in ["on", "off"] {
        server.psql(&format!("alter role plain set row_security = {row_security}")).await;
        for narrowing in NARROWINGS {
            let store = connect(&url).await;
            store.revoke(&of("a")).await.unwrap();
            server.psql(narrowing).await;
            let remedy = ["row-level security", "disable row level security"];
            assert_says(store.is_revoked(&token("a")).await, &remedy);
            assert_says(store.is_revoked(&token("b")).await, &remedy);
            assert_says(store.revoke(&of("b")).await, &remedy);
            assert_says(store.revoke_all(&[of("b"), of("c")]).await, &remedy);
            assert_says(store.find(of("a").key()).await, &remedy);
            assert_says(store.find(of("b").key()).await, &remedy);
            assert_says(options().connect(&url).await, &remedy);
            // A replica that starts now does not become ready.
            let replica = Replica::start(options().connect_lazily(&url).unwrap());
            assert_says(replica.ready().await, &remedy);
            assert!(matches!(replica.health(), Health::Loading { .. }));
            widen(&server).await;
            // Nothing was lost.
            assert!(store.is_revoked(&token("a")).await.unwrap());
            assert!(!store.is_revoked(&token("b")).await.unwrap());
            until("it is ready", async || replica.ready().await.is_ok()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn forced_row_security_applies_to_the_owner() {
    let server = served().await;
    server
        .psql("alter table tower_logout.revocation owner to plain; alter table tower_logout.state owner to plain")
        .await;
    let store = connect(&plain(&server)).await;
    server.psql(NARROWINGS[0]).await;
    assert!(!store.is_revoked(&token("a")).await.unwrap(), "an owner sees all rows");
    server.psql("alter table tower_logout.revocation force row level security").await;
    assert_says(store.is_revoked(&token("a")).await, &["row-level security"]);
    server.psql("alter role plain bypassrls").await;
    assert!(!store.is_revoked(&token("a")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn rows_that_are_hidden_from_a_replica_make_it_stale_and_its_checks_errors() {
    let server = served().await;
    for options in [options(), options().poll_only()] {
        let store = options.connect(&plain(&server)).await.unwrap();
        let replica = ReplicaOptions::new().max_staleness(Duration::from_millis(500)).start(store);
        replica.ready().await.unwrap();
        for narrowing in NARROWINGS {
            server.psql(narrowing).await;
            until("it is stale", async || matches!(replica.health(), Health::Stale { .. })).await;
            assert_says(replica.is_revoked(&token("unknown")).await, &["row-level security"]);
            widen(&server).await;
            until("it is fresh", async || replica.health().is_fresh()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL and PgBouncer"]
async fn rows_that_are_hidden_are_an_error_behind_a_pooler_whose_sessions_change() {
    let server = served().await;
    // The pooler's connections belong to `plain` and change clients after each transaction.
    let bouncer = PgBouncer::before_as(&server, "plain", &["pool_mode=transaction", "default_pool_size=2"]).await;
    let store = options().poll_only().connect(&bouncer.url()).await.unwrap();
    store.revoke(&of("a")).await.unwrap();
    server.psql(NARROWINGS[0]).await;
    for _ in 0..20 {
        assert_says(store.is_revoked(&token("a")).await, &["row-level security"]);
    }
    assert_says(options().poll_only().connect(&bouncer.url()).await, &["row-level security"]);
    widen(&server).await;
    assert!(store.is_revoked(&token("a")).await.unwrap());
}

/// Statements that remove rows: all, or those that this store knows.
const LOSSES: [&str; 6] = [
    "truncate tower_logout.revocation",
    "delete from tower_logout.revocation",
    "delete from tower_logout.revocation where key = (select key from tower_logout.revocation order by changed_in desc limit 1)",
    "update tower_logout.revocation set retain_until = 1",
    "update tower_logout.revocation set issued_through = 0",
    "drop table tower_logout.revocation; create table tower_logout.revocation (like tower_logout.kept including all)",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn missing_rows_are_an_error_until_they_are_back() {
    let server = served().await;
    for loss in LOSSES {
        server.psql("create table tower_logout.kept (like tower_logout.revocation including all)").await;
        let (writes, reads) = (connect(&server.url()).await, connect(&server.url()).await);
        assert_eq!(writes.revoke(&of(loss)).await.unwrap(), Outcome::Newly);
        assert!(!reads.is_revoked(&token("other")).await.unwrap());
        server.psql("insert into tower_logout.kept select * from tower_logout.revocation").await;
        server.psql(loss).await;
        for store in [&writes, &reads] {
            if !loss.starts_with("update") {
                assert_says(store.is_revoked(&token(loss)).await, &["are missing from the table"]);
            }
            assert_says(store.is_revoked(&token("other")).await, &["are missing from the table"]);
        }
        // New revocations are rejected tokens, and lost ones are not mistaken for tokens that were
        // never revoked.
        writes.revoke(&of("later")).await.unwrap();
        assert!(writes.is_revoked(&token("later")).await.unwrap());
        assert_says(writes.is_revoked(&token("other")).await, &["are missing from the table"]);
        server
            .psql(
                "truncate tower_logout.revocation; insert into tower_logout.revocation select * from tower_logout.kept",
            )
            .await;
        assert!(reads.is_revoked(&token(loss)).await.unwrap());
        assert!(!reads.is_revoked(&token("other")).await.unwrap());
        server.psql("drop table tower_logout.kept; truncate tower_logout.revocation").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn tables_that_were_dropped_and_created_anew_are_an_error() {
    let server = served().await;
    let (knows_something, knows_nothing) = (connect(&server.url()).await, connect(&server.url()).await);
    assert!(!knows_nothing.is_revoked(&token("a")).await.unwrap());
    knows_something.revoke(&of("a")).await.unwrap();
    server.psql("drop schema tower_logout cascade").await;
    assert_says(knows_something.is_revoked(&token("a")).await, &["call `PostgresStore::migrate`"]);
    for store in [&knows_something, &knows_nothing] {
        store.migrate().await.unwrap();
        assert_says(store.is_revoked(&token("a")).await, &["are missing from the table"]);
    }
    // After a restart, the store accepts the table as it is.
    assert!(!connect(&server.url()).await.is_revoked(&token("a")).await.unwrap());
}

/// The store also knows the table by the rows of others, even if it has not read them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_truncated_table_is_an_error_for_a_store_that_has_seen_no_row() {
    let server = served().await;
    let (reads, writes) = (connect(&server.url()).await, connect(&server.url()).await);
    assert!(!reads.is_revoked(&token("a")).await.unwrap());
    writes.revoke(&of("a")).await.unwrap();
    server.psql("truncate tower_logout.revocation").await;
    assert_says(reads.is_revoked(&token("a")).await, &["are missing from the table"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_change_that_keeps_all_rows_is_no_loss() {
    let server = served().await;
    let store = connect(&server.url()).await;
    store.revoke(&of("a")).await.unwrap();
    for harmless in [
        "vacuum full tower_logout.revocation",
        "vacuum full tower_logout.state",
        "cluster tower_logout.revocation using revocation_pkey",
        "reindex table tower_logout.revocation",
        "update tower_logout.state set epoch = gen_random_uuid()",
        "alter table tower_logout.revocation add column note text",
    ] {
        server.psql(harmless).await;
        assert!(store.is_revoked(&token("a")).await.unwrap(), "{harmless}");
        assert!(!store.is_revoked(&token("b")).await.unwrap(), "{harmless}");
        store.revoke(&of(harmless)).await.unwrap();
    }
    server.restart().await;
    until("it answers again", async || store.is_revoked(&token("b")).await.is_ok()).await;
    // Deleted when due: the table is empty, and nothing is lost.
    server
        .psql("update tower_logout.state set purged_through = 9223372036854775806; delete from tower_logout.revocation")
        .await;
    assert!(store.is_revoked(&token("b")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn rows_deleted_before_their_time_are_re_sent_by_a_replica() {
    let server = served().await;
    let replica = Replica::start(connect(&server.url()).await);
    replica.ready().await.unwrap();
    replica.revoke(&of("a")).await.unwrap();
    server.psql("delete from tower_logout.revocation").await;
    until("the row is back", async || server.psql("select count(*) from tower_logout.revocation").await == "1").await;
    until("it is fresh", async || replica.health().is_fresh()).await;
    assert!(replica.is_revoked(&token("a")).await.unwrap());
    assert!(!replica.is_revoked(&token("b")).await.unwrap());
}

/// Relations that are no ordinary table, or that would not survive a crash.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_relation_in_place_of_a_table_is_an_error() {
    const PUT: [&str; 6] = [
        "create view tower_logout.NAME as select * from tower_logout.kept",
        "create materialized view tower_logout.NAME as select * from tower_logout.kept",
        "create unlogged table tower_logout.NAME (like tower_logout.kept including all)",
        "create table tower_logout.NAME (like tower_logout.kept including defaults) partition by hash (KEY); \
         create table tower_logout.part partition of tower_logout.NAME for values with (modulus 1, remainder 0)",
        "create unlogged table tower_logout.NAME (like tower_logout.kept including all); insert into tower_logout.NAME select * from tower_logout.kept",
        "create table tower_logout.NAME (key text, singleton text)",
    ];
    let server = served().await;
    for (name, key) in [("revocation", "key"), ("state", "singleton")] {
        for put in PUT {
            let store = connect(&server.url()).await;
            store.revoke(&of("a")).await.unwrap();
            assert!(!store.is_revoked(&token("b")).await.unwrap());
            server
                .psql(&format!(
                    "alter table tower_logout.{name} rename to kept; {}",
                    put.replace("NAME", name).replace("KEY", key)
                ))
                .await;
            let said =
                [store.is_revoked(&token("b")).await.unwrap_err(), options().connect(&server.url()).await.unwrap_err()];
            for error in said {
                let said = chain(&error);
                let is_told = [
                    "not both ordinary, logged tables",
                    "do not have the layout that this store needs",
                    "call `PostgresStore::migrate`",
                ];
                assert!(is_told.iter().any(|text| said.contains(text)), "{put}: {said}");
            }
            let kind =
                server.psql(&format!("select relkind from pg_class where oid = 'tower_logout.{name}'::regclass")).await;
            let drop = match kind.as_str() {
                "v" => "view",
                "m" => "materialized view",
                _ => "table",
            };
            server
                .psql(&format!(
                    "drop {drop} tower_logout.{name} cascade; alter table tower_logout.kept rename to {name}"
                ))
                .await;
            assert!(!store.is_revoked(&token("b")).await.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn tables_of_the_same_name_in_other_schemas_are_not_used() {
    let server = served().await;
    connect(&server.url()).await.revoke(&of("a")).await.unwrap();
    server
        .psql(
            "create table public.revocation (like tower_logout.revocation); create table public.state (like tower_logout.state); \
             create schema plain; create table plain.revocation (like tower_logout.revocation); \
             alter role app set search_path = plain, public, pg_catalog",
        )
        .await;
    let store = connect(&server.url()).await;
    assert!(store.is_revoked(&token("a")).await.unwrap());
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert_eq!(replica.len(), 1);
    for name in ["pg_temp", "pg_toast", "pg_catalog"] {
        assert_says(options().schema(name).connect(&server.url()).await, &["must not begin with `pg_`"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_right_that_is_taken_away_is_an_error() {
    let server = served().await;
    let store = connect(&plain(&server)).await;
    store.revoke(&of("a")).await.unwrap();
    for what in ["select on tower_logout.revocation", "select on tower_logout.state", "usage on schema tower_logout"] {
        server.psql(&format!("revoke {what} from plain")).await;
        assert_says(
            store.is_revoked(&token("b")).await,
            &["lacks rights that the store needs", "`grant`", "permission denied"],
        );
        assert_says(store.revoke(&of("b")).await, &["lacks rights that the store needs"]);
        server.psql(&format!("grant {what} to plain")).await;
        assert!(!store.is_revoked(&token("b")).await.unwrap());
    }
}

/// Statements that keep a revocation's row out of the table, or reduce it.
const SWALLOWING: [&str; 4] = [
    "create trigger swallow before insert on tower_logout.revocation for each row execute function public.swallow()",
    "create trigger swallow before insert on tower_logout.revocation for each row execute function public.weaken()",
    "create trigger swallow before update on tower_logout.revocation for each row execute function public.swallow()",
    "create rule swallow as on insert to tower_logout.revocation do instead nothing",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_revocation_that_the_table_does_not_store_is_an_error() {
    let server = served().await;
    server
        .psql(
            "create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$; \
             create function public.weaken() returns trigger language plpgsql as $$ begin new.issued_through = 0; return new; end $$",
        )
        .await;
    for swallowing in SWALLOWING {
        let store = connect(&server.url()).await;
        let weak = tower_logout::revocation::Revocation::new(
            of(swallowing).key(),
            tower_logout::clock::Timestamp::from_unix_seconds(1),
            of(swallowing).retain_until(),
        );
        store.revoke(&weak).await.unwrap();
        server.psql(swallowing).await;
        store.revoke(&of(swallowing)).await.unwrap_err();
        store.revoke_all(&[of(swallowing)]).await.unwrap_err();
        if !swallowing.contains("update") {
            store.revoke(&of("new")).await.unwrap_err();
            store.revoke_all(&[of("new"), of("newer")]).await.unwrap_err();
        }
        let said = chain(&options().connect(&server.url()).await.unwrap_err());
        assert!(
            said.contains("trigger or a rule") || said.contains("not have the layout that this store needs"),
            "{said}"
        );
        let kind = if swallowing.contains("rule") { "rule" } else { "trigger" };
        server.psql(&format!("drop {kind} swallow on tower_logout.revocation")).await;
        store.revoke(&of(swallowing)).await.unwrap();
        assert!(store.is_revoked(&token(swallowing)).await.unwrap());
    }
}

/// Rows deleted without a note in `state` would be lost before their time on a clock that steps
/// back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn nothing_is_pruned_if_the_watermark_cannot_be_written() {
    let server = served().await;
    let prune = include_str!("../../src/store/postgres/sql/prune.sql").replace("$1", "1000");
    server
        .psql(
            "create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$; \
         create trigger swallow before update on tower_logout.state for each row execute function public.swallow(); \
         insert into tower_logout.revocation values (decode(repeat('ff', 16), 'hex'), 1, 1, pg_current_xact_id(), '3')",
        )
        .await;
    assert!(server.try_psql(&prune).await.is_err());
    assert_eq!(server.psql("select count(*) from tower_logout.revocation").await, "1");
    server.psql("drop trigger swallow on tower_logout.state").await;
    assert_eq!(server.psql(&prune).await, "1");
    // An inheriting table has its own row locations, which must not be mistaken for those of this
    // table.
    server.psql(
        "insert into tower_logout.revocation select decode(repeat(to_hex(16 + n), 16), 'hex'), 1, 9223372036854775807, '3', '3' from generate_series(1, 3) n; \
         create table public.child () inherits (tower_logout.revocation); \
         insert into public.child select decode(repeat(to_hex(32 + n), 16), 'hex'), 1, 1, '3', '3' from generate_series(1, 3) n",
    ).await;
    server.psql(&prune).await;
    assert_eq!(server.psql("select count(*) from only tower_logout.revocation").await, "3");
}
