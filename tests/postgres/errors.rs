//! Promise: `kind()` of an error of `PostgresStore` says who can resolve it.

use test_support::{
    events::Events,
    postgres::{of, options, plain, served, token},
};
use tower_logout::{PostgresStore, RevocationStore, store::StoreErrorKind};

/// A trigger raises each error code of the server while the store revokes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn each_error_code_has_the_kind_of_who_can_resolve_it() {
    let server = served().await;
    let store = options().connect(&server.url()).await.unwrap();
    store.revoke(&of("before")).await.unwrap();
    server
        .psql(
            "create function public.fail() returns trigger language plpgsql as $$ begin \
                 raise exception 'injected' using errcode = (select code from public.code); end $$; \
                 create table public.code (code text); insert into public.code values ('00000'); \
                 create trigger fail before insert on tower_logout.revocation \
                     for each row execute function public.fail()",
        )
        .await;
    for (code, expected) in [
        ("53100", StoreErrorKind::Full),
        ("53200", StoreErrorKind::Unavailable),
        ("53300", StoreErrorKind::Unavailable),
        ("53400", StoreErrorKind::Misconfigured),
        ("55P03", StoreErrorKind::Unavailable),
        ("57014", StoreErrorKind::Unavailable),
        ("28000", StoreErrorKind::Misconfigured),
        ("42501", StoreErrorKind::Misconfigured),
        ("42703", StoreErrorKind::Misconfigured),
        ("25006", StoreErrorKind::Unavailable),
        ("23505", StoreErrorKind::Misconfigured),
        ("P0001", StoreErrorKind::Misconfigured),
        ("XX001", StoreErrorKind::Damaged),
        ("XX000", StoreErrorKind::Other),
    ] {
        server.psql(&format!("update public.code set code = '{code}'")).await;
        let error = store.revoke(&of("failing")).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (expected, "revoke"), "{code}: {error:?}");
        assert!(store.is_revoked(&token("before")).await.unwrap(), "checks go on");
    }
}

/// A conflict with other transactions is retried until the call's timeout.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn conflicts_without_end_are_an_outage() {
    let server = served().await;
    let store = options().timeout(std::time::Duration::from_millis(300)).connect(&server.url()).await.unwrap();
    server
        .psql(
            "create function public.fail() returns trigger language plpgsql as $$ begin \
                 raise exception 'injected' using errcode = '40001'; end $$; \
                 create trigger fail before insert on tower_logout.revocation \
                     for each row execute function public.fail()",
        )
        .await;
    assert_eq!(store.revoke(&of("a")).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn errors_of_the_store_itself_have_a_kind() {
    let server = served().await;
    let store = options().connect(&plain(&server)).await.unwrap();
    store.revoke(&of("a")).await.unwrap();
    let kind = async |store: &PostgresStore| store.is_revoked(&token("b")).await.unwrap_err().kind();

    server.psql("truncate tower_logout.revocation").await;
    assert_eq!(kind(&store).await, StoreErrorKind::Damaged, "revocations are gone");

    let store = options().connect(&plain(&server)).await.unwrap();
    server
        .psql(
            "alter table tower_logout.state drop constraint state_purged_through_check; \
                 update tower_logout.state set purged_through = -1",
        )
        .await;
    assert_eq!(kind(&store).await, StoreErrorKind::Damaged, "an instant before the epoch");
    server.psql("update tower_logout.state set purged_through = 0, layout = 0").await;
    assert_eq!(kind(&store).await, StoreErrorKind::Damaged, "no such layout");
    server.psql("update tower_logout.state set layout = 2").await;
    assert_eq!(kind(&store).await, StoreErrorKind::Misconfigured, "a later layout");
    server
        .psql("update tower_logout.state set layout = 1; alter table tower_logout.state alter layout type text")
        .await;
    assert_eq!(kind(&store).await, StoreErrorKind::Misconfigured, "another type");
    server
        .psql(
            "alter table tower_logout.state alter layout type integer using 1; \
                 alter table tower_logout.revocation enable row level security",
        )
        .await;
    assert_eq!(kind(&store).await, StoreErrorKind::Misconfigured, "hidden rows");
    server.kill();
    assert_eq!(kind(&store).await, StoreErrorKind::Unavailable, "no server");
}

#[tokio::test]
async fn an_invalid_option_is_a_misconfiguration() {
    let url = "postgres://app:hunter2@127.0.0.1:1/app";
    for (options, url) in [
        (options().schema(""), url),
        (options().connections(0), url),
        (options(), "postgres://app:hunter2@/app"),
        (options(), "hunter2"),
        (options(), "postgres://app@127.0.0.1/app?sslmode=verify"),
    ] {
        let error = options.connect_lazily(url).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Misconfigured, "open"), "{error:?}");
    }
    let error = options().connect(url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "nothing listens there: {error:?}");
}

/// Nothing awaits the deletion of expired rows, so its failure is an event.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn rows_that_a_trigger_keeps_from_being_deleted_are_reported_with_the_remedy() {
    let server = served().await;
    server
        .psql(
            "create function public.drop_row() returns trigger language plpgsql as $$ begin return null; end $$; \
             create trigger drop_row before update on tower_logout.state \
                 for each row execute function public.drop_row(); \
             insert into tower_logout.revocation \
                 values (decode(repeat('ff', 16), 'hex'), 1, 1, pg_current_xact_id(), '3')",
        )
        .await;
    let events = Events::of_this_thread();
    let store = options().connect(&server.url()).await.unwrap();
    store.revoke(&of("a")).await.unwrap();
    let reported = || events.errors().iter().map(ToString::to_string).collect::<String>();
    test_support::postgres::until("the event", async || reported().contains("trigger or a rule on `state`")).await;
    assert_eq!(server.psql("select count(*) from tower_logout.revocation").await, "2", "nothing was deleted");
}
