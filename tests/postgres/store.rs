//! What `PostgresStore` promises, with real servers.

use std::{
    collections::HashSet,
    error::Error,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use test_support::servers::{FaultProxy, PostgresOptions, PostgresServer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_postgres::NoTls;
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    clock::Timestamp,
    conformance,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Followed, PostgresCursor, PostgresStoreOptions, RevocationLog, SnapshotSink, StoreError},
};

conformance! {
    #[ignore = "needs PostgreSQL"]
    direct => served(options()).await;
    #[ignore = "needs PostgreSQL"]
    poll_only => served(options().poll_only()).await;
    #[ignore = "needs PostgreSQL"]
    erased => Arc::new(served(options()).await) as Arc<dyn RevocationStore>;
    #[ignore = "needs PostgreSQL"]
    replica => served(options()).await.replica().await;
    #[ignore = "needs PostgreSQL"]
    polling_replica => served(options().poll_only()).await.replica().await;
}

// Setting up

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
async fn whoever_has_the_tables_needs_no_right_to_create_them() {
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
async fn without_tables_nothing_is_answered_and_the_remedy_is_named() {
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
async fn without_its_state_the_store_answers_nothing() {
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
async fn tables_of_a_later_version_are_refused() {
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

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_cannot_be_used_is_refused_and_the_password_is_not_told() {
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
        (options(), format!("{url}?sslmode=verify-full"), "`disable` or `require`"),
        (options(), format!("{url}?sslrootcert=hunter2"), "`sslrootcert`, which is not supported"),
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
async fn a_standby_is_refused() {
    let server = server().await;
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.migrate().await.unwrap();
    let standby = PostgresServer::standby_of(&server).await;
    let error = PostgresStore::connect(&standby.url()).await.unwrap_err();
    assert!(chain(&error).contains("does not allow writes"), "{error:?}");
    // Of several, the one that takes writes is found.
    let both = format!("postgres://app@127.0.0.1:{},127.0.0.1:{}/app", standby.port(), server.port());
    let store = PostgresStore::connect(&both).await.unwrap();
    store.revoke(&of("a standby")).await.unwrap();
}

/// Behind a pooler, the server of a connection can become a standby while the connection stays.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_became_a_standby_is_not_believed() {
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

// Revoking and checking

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn exactly_one_of_four_nodes_is_told_newly_though_they_remember_for_different_times() {
    let it = served(options()).await;
    newly_once(&it).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn exactly_one_is_told_newly_in_a_serializable_database() {
    let settings = "alter database {database} set default_transaction_isolation = serializable";
    let it = served_in_own_database(settings).await;
    newly_once(&it).await;
}

async fn newly_once(it: &Served<PostgresStore>) {
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let options = options().schema(&it.schema).timeout(Duration::from_secs(20));
        nodes.push(Arc::new(options.connect(&it.url).await.unwrap()));
    }
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for caller in 0..64 {
            let node = Arc::clone(&nodes[caller % 4]);
            let key = RevocationKey::subject(ISSUER, &round.to_string());
            let until = Timestamp::from_unix_seconds(FAR + caller as u64);
            callers.spawn(async move { node.revoke(&Revocation::new(key, Timestamp::MAX, until)).await.unwrap() });
        }
        let outcomes = callers.join_all().await;
        assert_eq!(outcomes.iter().filter(|&&outcome| outcome == Outcome::Newly).count(), 1);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_check_and_a_revocation_are_one_question_each() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = options().schema(&it.schema).connect(&url).await.unwrap();
    store.revoke(&of("warm")).await.unwrap();
    let quiet = until_quiet(&proxy).await;
    for _ in 0..10 {
        store.is_revoked(&token("a").carries(RevocationKey::subject(ISSUER, "b"))).await.unwrap();
        store.revoke(&of("warm")).await.unwrap();
    }
    assert_eq!(proxy.stats().requests - quiet, 20);
    // One more wakes those who follow; its answer is not waited for.
    let quiet = until_quiet(&proxy).await;
    store.revoke(&of("new")).await.unwrap();
    until("the notification", async || proxy.stats().requests == quiet + 2).await;
}

async fn until_quiet(proxy: &FaultProxy) -> u64 {
    let mut before = 0;
    until("the proxy is quiet", async || {
        sleep(Duration::from_millis(100)).await;
        let stats = proxy.stats();
        let quiet = stats.requests == before;
        before = stats.requests;
        quiet
    })
    .await;
    before
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_end_of_time_and_what_is_near_it_are_kept() {
    let it = served(options()).await;
    let (log, mut cursor) = it.cursor().await;
    for (number, millis) in [u64::MAX, u64::MAX - 1, i64::MAX as u64 + 1, i64::MAX as u64, 0].into_iter().enumerate() {
        let instant = Timestamp::from_unix_millis(millis);
        let key = RevocationKey::subject(ISSUER, &number.to_string());
        it.revoke(&Revocation::new(key, instant, Timestamp::from_unix_seconds(FAR))).await.unwrap();
        let at = |instant| TokenIdentity::new(key, instant, Timestamp::from_unix_seconds(FAR), &Retention::default());
        assert!(it.is_revoked(&at(instant)).await.unwrap());
        let followed = log.follow(&cursor, Duration::ZERO).await.unwrap();
        let known = followed.revocations.iter().find(|known| known.key() == key).unwrap().issued_through();
        assert!(known >= instant && (millis != u64::MAX || known == Timestamp::MAX));
        cursor = followed.cursor;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_logout_waits_for_the_disk_whatever_the_database_is_set_to() {
    let it = served_in_own_database("alter database {database} set synchronous_commit = off").await;
    it.sql(
        "create table public.seen (setting text); \
         create function public.see() returns trigger language plpgsql as $$ begin \
             insert into public.seen values (current_setting('synchronous_commit')); return null; end $$; \
         create constraint trigger see after insert or update on {schema}.revocation \
             deferrable initially deferred for each row execute function public.see()",
    )
    .await;
    for (setting, expected) in
        [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
    {
        it.sql(&format!("alter database {} set synchronous_commit = {setting}; delete from public.seen", it.database))
            .await;
        let store = options().schema(&it.schema).connect(&it.url).await.unwrap();
        assert_eq!(store.revoke(&of(setting)).await.unwrap(), Outcome::Newly);
        assert_eq!(it.sql("select setting from public.seen").await, expected, "{setting}");
        // Nothing of it stays with the connection.
        let client = it.client().await;
        let rows = client.query("select current_setting('synchronous_commit')", &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, &str>(0), setting);
    }
}

// Time

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn every_call_ends_in_time_when_the_server_is_silent() {
    type Fault = fn(&FaultProxy);
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let patience = Duration::from_millis(300);
    let connect = || options().schema(&it.schema).timeout(patience).connect(&url);
    let store = Arc::new(connect().await.unwrap());
    store.revoke(&of("a")).await.unwrap();
    let log = Observed::new(Arc::clone(&store));
    let replica = Replica::start(Arc::clone(&log));
    replica.ready().await.unwrap();
    let cursor = log.cursor().await;
    drop(replica);

    let in_time = async |what: &str, call: &mut (dyn Future<Output = Option<String>> + Unpin)| {
        let error = tokio::time::timeout(SOON, call).await.unwrap_or_else(|_| panic!("{what} does not end"));
        error.unwrap_or_else(|| panic!("{what} worked"))
    };
    let faults: [(&str, Fault); 4] = [
        ("half open", FaultProxy::half_open),
        ("garbage", FaultProxy::garbage),
        ("refuse", FaultProxy::refuse),
        ("cut", FaultProxy::cut_after_request),
    ];
    for (fault, begin) in faults {
        begin(&proxy);
        let why = |error: &dyn Error| Some(format!("{fault}: {}", chain(error)));
        for _ in 0..3 {
            let check =
                &mut Box::pin(async { store.is_revoked(&token("a")).await.err().and_then(|error| why(&error)) });
            let revoke = &mut Box::pin(async { store.revoke(&of("b")).await.err().and_then(|error| why(&error)) });
            let follow = &mut Box::pin(async {
                store.follow(&cursor, Duration::ZERO).await.err().and_then(|error| why(&error))
            });
            let connect = &mut Box::pin(async { connect().await.err().and_then(|error| why(&error)) });
            let errors = [
                in_time(&format!("{fault}: check"), check).await,
                in_time(&format!("{fault}: revoke"), revoke).await,
                in_time(&format!("{fault}: follow"), follow).await,
                in_time(&format!("{fault}: connect"), connect).await,
            ];
            // Waiting for a connection ends just when the call does, and says the same.
            let is_silent = |error: &String| error.contains("did not answer within 300ms");
            assert!(fault != "half open" || errors.iter().all(is_silent), "{errors:?}");
        }
        let mut callers = JoinSet::new();
        for _ in 0..64 {
            let store = Arc::clone(&store);
            callers.spawn(async move { store.is_revoked(&token("a")).await.is_ok() });
        }
        let worked = tokio::time::timeout(SOON, callers.join_all()).await.expect("64 checks end as soon as one");
        assert!(worked.iter().all(|worked| !worked), "{fault}");

        proxy.reset();
        // A busy machine may take longer to make a connection than this store waits.
        until("it answers again", async || store.is_revoked(&token("a")).await.is_ok_and(|revoked| revoked)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_nobody_waits_for_any_more_is_cancelled_and_its_connection_not_used_again() {
    let it = served(options()).await;
    let impatient = options().schema(&it.schema).timeout(Duration::from_millis(300)).connections(2);
    let store = impatient.connect(&format!("{}?application_name=abandoned", it.url)).await.unwrap();
    let (_, cursor) = it.cursor().await;
    let mut client = it.client().await;
    let lock = client.transaction().await.unwrap();
    let table = format!("lock table {}.revocation in access exclusive mode", quoted(&it.schema));
    lock.batch_execute(&table).await.unwrap();
    for _ in 0..5 {
        let error = store.is_revoked(&token("a")).await.unwrap_err();
        assert!(chain(&error).contains("did not answer within 300ms"), "{error:?}");
        store.follow(&cursor, Duration::ZERO).await.unwrap_err();
    }
    let waiting = "select count(*) from pg_stat_activity \
                   where application_name = 'abandoned' and wait_event_type = 'Lock'";
    until("nobody waits for the lock", async || it.server.psql(waiting).await == "0").await;
    lock.rollback().await.unwrap();

    // A dropped call takes its connection with it, and leaves nothing behind that another could read.
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let other = options().schema(&it.schema).connections(1).connect(&url).await.unwrap();
    assert_eq!(proxy.connections(), 1);
    proxy.delay_replies(Duration::from_secs(60));
    tokio::time::timeout(Duration::from_millis(50), other.is_revoked(&token("a"))).await.unwrap_err();
    proxy.pass();
    assert!(!other.is_revoked(&token("a")).await.unwrap());
    until("the cancellation, and a new connection", async || proxy.connections() == 3).await;
    let store = options().schema(&it.schema).connections(2).connect(&it.url).await.unwrap();
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::from_micros(300), store.is_revoked(&token("a"))).await;
        store.revoke(&of("b")).await.unwrap();
        assert!(store.is_revoked(&token("b")).await.unwrap());
        assert!(!store.is_revoked(&token("a")).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn when_one_connection_is_silent_the_idle_ones_are_not_trusted_either() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app?application_name=silent", proxy.port());
    let options = options().schema(&it.schema).timeout(Duration::from_secs(3));
    let store = Arc::new(options.connect(&url).await.unwrap());
    while proxy.connections() < 3 {
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let store = Arc::clone(&store);
            callers.spawn(async move { store.is_revoked(&token("a")).await.unwrap() });
        }
        callers.join_all().await;
    }
    // None is still being opened: its failure, later, would be that of the next check.
    let idle = "select count(*) from pg_stat_activity where application_name = 'silent' and state = 'idle'";
    until("all are open and idle", async || it.server.psql(idle).await == proxy.connections().to_string()).await;
    let before = proxy.connections();
    proxy.half_open();
    store.is_revoked(&token("a")).await.unwrap_err();
    until("the cancellation", async || proxy.connections() == before + 1).await;
    proxy.pass();
    assert!(!store.is_revoked(&token("a")).await.unwrap());
    assert_eq!(proxy.connections(), before + 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_revocation_does_not_wait_for_ever_in_the_server_for_another() {
    let it = served(options()).await;
    let options = options().schema(&it.schema).timeout(Duration::from_millis(300));
    let store = options.connect(&format!("{}?application_name=queueing", it.url)).await.unwrap();
    it.revoke(&passing("a", 100)).await.unwrap();
    let mut client = it.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute(&format!("select from {}.revocation for update", quoted(&it.schema))).await.unwrap();
    store.revoke(&passing("a", 200)).await.unwrap_err();
    let waiting = "select count(*) from pg_stat_activity \
                   where application_name = 'queueing' and wait_event_type = 'Lock'";
    until("nobody waits for the row", async || it.server.psql(waiting).await == "0").await;
    lock.rollback().await.unwrap();
    assert_eq!(it.revoke(&passing("a", 200)).await.unwrap(), Outcome::Newly, "the one that was given up is undone");
}

// Following

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_commit_that_comes_after_a_later_one_is_not_missed_and_nothing_comes_twice() {
    for options in [options(), options().poll_only()] {
        let it = served(options).await;
        let (log, cursor) = it.cursor().await;
        let mut client = it.client().await;
        let slow = client.transaction().await.unwrap();
        insert(&slow, &it.schema, &of("slow")).await;
        it.revoke(&of("fast")).await.unwrap();
        let first = log.follow(&cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&first), [of("fast").key()].into());
        it.revoke(&of("next")).await.unwrap();
        let second = log.follow(&first.cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&second), [of("next").key()].into(), "while the slow one is open, the rest comes once");
        slow.commit().await.unwrap();
        let third = log.follow(&second.cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&third), [of("slow").key()].into());
        let fourth = log.follow(&third.cursor, Duration::ZERO).await.unwrap();
        assert!(first.complete && second.complete && third.complete && fourth.complete);
        assert_eq!(keys(&fourth), HashSet::new());
        // From an old cursor, all of it.
        let all = log.follow(&cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&all), ["slow", "fast", "next"].map(|name| of(name).key()).into());
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_revocation_wakes_whoever_follows() {
    let it = served(options()).await;
    let (log, cursor) = it.cursor().await;
    let cursor = log.follow(&cursor, Duration::ZERO).await.unwrap().cursor; // listens from here on
    for round in 0..20 {
        let name = round.to_string();
        let began = Instant::now();
        let (followed, outcome) = tokio::join!(log.follow(&cursor, Duration::from_secs(30)), async {
            sleep(Duration::from_millis(10)).await;
            it.revoke(&of(&name)).await
        });
        assert_eq!(outcome.unwrap(), Outcome::Newly);
        assert!(keys(&followed.unwrap()).contains(&of(&name).key()));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_notification_that_never_comes_costs_a_moment() {
    for options in [options(), options().poll_only()] {
        let it = served(options).await;
        let (schema, server) = (it.schema.clone(), Arc::clone(&it.server));
        let url = it.url.clone();
        let replica = it.replica().await;
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        insert(&client, &schema, &of("silent")).await;
        let began = Instant::now();
        until("the replica finds it", async || replica.is_revoked_now(&token("silent")).unwrap().unwrap()).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        drop(server);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_came_while_nobody_listened_is_found() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = options().schema(&it.schema).connect(&url).await.unwrap();
    let (log, cursor) = cursor_of(store).await;
    let cursor = log.follow(&cursor, Duration::ZERO).await.unwrap().cursor;
    for round in 0..5 {
        let name = round.to_string();
        proxy.refuse();
        log.follow(&cursor, Duration::from_secs(30)).await.unwrap_err();
        it.revoke(&of(&name)).await.unwrap();
        proxy.pass();
        let began = Instant::now();
        let followed = log.follow(&cursor, Duration::from_secs(30)).await.unwrap();
        assert!(keys(&followed).contains(&of(&name).key()), "a new connection asks at once");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

/// It listens first, and then looks for what there is: the other way round, what came between would be found by the next look only.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_comes_while_a_listener_is_made_wakes_it() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let options = options().schema(&it.schema).timeout(Duration::from_secs(30));
    let (log, mut cursor) = cursor_of(options.connect(&url).await.unwrap()).await;
    let client = it.client().await;
    for step in 0.. {
        log.reconnect();
        proxy.step_replies(16_384);
        let following = tokio::spawn({
            let (log, cursor) = (Arc::clone(&log), cursor.clone());
            async move { log.follow(&cursor, Duration::ZERO).await.unwrap() }
        });
        let patience = Duration::from_millis(300);
        for _ in 0..step {
            let _ = tokio::time::timeout(patience, proxy.let_one_through()).await;
        }
        let _ = tokio::time::timeout(patience, proxy.until(|stats| stats.waiting > 0)).await;
        let is_over = following.is_finished();
        let revocation = of(&step.to_string());
        // Not by the store, which notifies in the background: it is all over before the listener goes on.
        insert(&client, &it.schema, &revocation).await;
        client.query("select pg_notify($1, '')", &[&it.schema]).await.unwrap();
        proxy.pass();
        let mut followed = following.await.unwrap();
        if !keys(&followed).contains(&revocation.key()) {
            let began = Instant::now();
            followed = log.follow(&followed.cursor, Duration::from_secs(30)).await.unwrap();
            assert!(keys(&followed).contains(&revocation.key()));
            assert!(began.elapsed() < Duration::from_secs(10), "nobody woke it, after step {step}");
        }
        cursor = followed.cursor;
        if is_over {
            assert!(step > 3, "{step}");
            return;
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_long_absence_is_caught_up_with_in_pages() {
    let it = served(options()).await;
    let (log, start) = it.cursor().await;
    // In one transaction and in many, so that pages end within and between them.
    it.sql(&format!("insert into {{schema}}.revocation {}", rows("1, 25000"))).await;
    for number in 25_001..25_011 {
        it.sql(&format!("insert into {{schema}}.revocation {}", rows(&format!("{number}, {number}")))).await;
    }
    let (mut cursor, mut known, mut pages) = (start.clone(), HashSet::new(), 0);
    let began = Instant::now();
    loop {
        let followed = log.follow(&cursor, Duration::from_secs(30)).await.unwrap();
        let new = keys(&followed);
        assert!(new.iter().all(|key| known.insert(*key)), "nothing comes twice");
        cursor = followed.cursor;
        pages += 1;
        if pages == 1 {
            // Changed behind the reader's back, and after the page's end: it comes in the end.
            it.revoke(&of("meanwhile")).await.unwrap();
            assert!(!followed.complete);
        }
        if followed.complete {
            break;
        }
    }
    assert_eq!(known.len(), 25_011);
    assert!(known.contains(&of("meanwhile").key()));
    assert_eq!(pages, 4, "three pages, and a look at what came meanwhile");
    assert!(began.elapsed() < Duration::from_secs(25), "nobody waits while there is more");

    let replica = Replica::start(log);
    replica.ready().await.unwrap();
    assert_eq!(replica.len(), 25_011);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_different_log_needs_a_new_snapshot() {
    let server = Arc::new(PostgresServer::start(PostgresOptions::default()).await);
    let url = server.url();
    let it =
        Served { store: connect(&url, "plain").await, server, schema: "plain".into(), database: "app".into(), url };
    for options in [options(), options().poll_only()] {
        let store = options.schema("plain").connect(&it.url).await.unwrap();
        let (log, mut cursor) = cursor_of(store).await;
        let mut reasons = Vec::new();
        for change in ["truncate", "epoch", "crash", "fast shutdown", "kill"] {
            match change {
                "truncate" => drop(it.sql("truncate {schema}.revocation").await),
                "epoch" => drop(it.sql("update {schema}.state set epoch = gen_random_uuid()").await),
                "kill" => it.server.restart().await,
                "crash" => it.crash().await,
                _ => {
                    it.server.fast_shutdown();
                    it.server.restart().await;
                }
            }
            let lost = loop {
                match log.follow(&cursor, Duration::from_millis(10)).await {
                    Ok(_) => panic!("{change}: followed"),
                    Err(FollowError::CursorLost(reason)) => break reason,
                    Err(FollowError::Failed(_)) => sleep(Duration::from_millis(10)).await,
                    Err(error) => panic!("{error}"),
                }
            };
            // Asked in the log's stead, it does not answer for another one either.
            let asked = log.check(&cursor, &token("a")).await;
            assert!(matches!(asked, Err(FollowError::CursorLost(reason)) if reason == lost), "{asked:?}");
            reasons.push(lost.split(' ').next_back().unwrap());
            cursor = it.again(&log).await;
            log.follow(&cursor, Duration::ZERO).await.unwrap();
            assert!(!log.check(&cursor, &token("a")).await.unwrap());
        }
        assert_eq!(reasons, ["rewritten", "changed", "server", "server", "server"]);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_snapshot_of_two_logs_is_none() {
    let it = served(options()).await;
    it.revoke(&of("a")).await.unwrap();
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let options = options().schema(&it.schema);
    let log = Observed::new(Arc::new(options.connect(&url).await.unwrap()));
    // Between its beginning and its entries.
    proxy.step_replies(16_384);
    let _replica = Replica::start(Arc::clone(&log));
    proxy.until(|stats| stats.waiting > 0).await;
    it.sql("truncate {schema}.revocation").await;
    proxy.pass();
    log.until(|seen| seen.failures.iter().any(|text| text.contains("changed during the operation"))).await;
    log.cursor().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_a_restored_dump_holds_is_followed_again() {
    let it = served(options()).await;
    it.sql(&format!(
        "insert into {{schema}}.revocation {}; \
         update {{schema}}.revocation set changed_in = '99999999999', raised_in = '99999999999'",
        rows("1, 10")
    ))
    .await;
    let (log, cursor) = it.cursor().await;
    assert_eq!(keys(&log.follow(&cursor, Duration::ZERO).await.unwrap()).len(), 0, "they are not repeated for ever");
    it.store.migrate().await.unwrap();
    assert_eq!(keys(&log.follow(&cursor, Duration::ZERO).await.unwrap()).len(), 10);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn keys_of_a_kind_that_is_not_known_yet_concern_nobody() {
    let it = served(options()).await;
    let key = "decode(repeat('ff', 16), 'hex')";
    let insert = format!(
        "insert into {{schema}}.revocation values ({key}, 1, {}, pg_current_xact_id(), pg_current_xact_id())",
        far()
    );
    let (log, cursor) = it.cursor().await;
    it.sql(&insert).await;
    it.revoke(&of("a")).await.unwrap();
    assert_eq!(keys(&log.follow(&cursor, Duration::ZERO).await.unwrap()), [of("a").key()].into());
    let replica = Replica::start(log);
    replica.ready().await.unwrap();
    assert_eq!(replica.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn when_a_name_has_moved_to_another_server_nothing_stays_on_the_old_one() {
    let old = served(options()).await;
    let new = PostgresServer::start(PostgresOptions::default()).await;
    let options = || options().schema(&old.schema);
    let new_store = options().connect(&new.url()).await.unwrap();
    new_store.migrate().await.unwrap();
    let (_, old_cursor) = old.cursor().await;
    let (_, new_cursor) = cursor_of(new_store).await;
    let is_there = async |name: &str| {
        let keys =
            format!("select count(*) from {}.revocation where key = '\\x{}'", quoted(&old.schema), of(name).key());
        new.psql(&keys).await == "1"
    };
    let connected = async || {
        let name = Name::of(old.server.addr()).await;
        let store = Arc::new(options().connect(&name.url()).await.unwrap());
        assert!(!store.is_revoked(&token("nothing")).await.unwrap());
        (name, store)
    };
    let is_lost = |followed| assert!(matches!(followed, Err(FollowError::CursorLost(_))));

    // A new listener finds it.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    is_lost(store.follow(&old_cursor, Duration::ZERO).await);
    store.revoke(&of("found by following")).await.unwrap();
    assert!(is_there("found by following").await);

    // While something is under way.
    let (name, store) = connected().await;
    let mut client = old.client().await;
    let lock = client.transaction().await.unwrap();
    let table = format!("lock table {}.revocation in access exclusive mode", quoted(&old.schema));
    lock.batch_execute(&table).await.unwrap();
    let under_way = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.is_revoked(&token("nothing")).await.unwrap() }
    });
    let waiting = "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock'";
    until("the check waits", async || old.sql(waiting).await == "t").await;
    name.moves_to(new.addr());
    is_lost(store.follow(&old_cursor, Duration::ZERO).await);
    lock.rollback().await.unwrap();
    assert!(!under_way.await.unwrap());
    store.revoke(&of("after what was under way")).await.unwrap();
    assert!(is_there("after what was under way").await);

    // A check finds it.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    assert!(matches!(store.check(&new_cursor, &token("a")).await, Err(FollowError::CursorLost(_))));
    assert!(!store.check(&new_cursor, &token("a")).await.unwrap());

    // A listener that waits meanwhile is not listened on again.
    let (name, store) = connected().await;
    store.follow(&old_cursor, Duration::ZERO).await.unwrap();
    name.moves_to(new.addr());
    let waits = store.follow(&old_cursor, Duration::from_millis(500));
    let (waited, _) = tokio::join!(waits, async {
        sleep(Duration::from_millis(100)).await;
        store.check(&new_cursor, &token("a")).await.unwrap_err()
    });
    waited.unwrap();
    is_lost(store.follow(&old_cursor, Duration::ZERO).await);

    // A listener is lost, and none can be had.
    let lose_listeners = async || {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                   where query like '%changed_in%{schema}%' and pid <> pg_backend_pid()";
        assert_ne!(old.server.psql(&sql.replace("{schema}", &old.schema.replace('"', "__"))).await, "0");
    };
    let (name, store) = connected().await;
    store.follow(&old_cursor, Duration::ZERO).await.unwrap();
    lose_listeners().await;
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    name.moves_to(nowhere);
    assert!(matches!(store.follow(&old_cursor, Duration::ZERO).await, Err(FollowError::Failed(_))));
    name.moves_to(new.addr());
    store.revoke(&of("without a listener")).await.unwrap();
    assert!(is_there("without a listener").await);

    // A listener is lost, and the next one leads where it led.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    store.check(&new_cursor, &token("a")).await.unwrap_err();
    assert!(!store.check(&new_cursor, &token("a")).await.unwrap());
    name.moves_to(old.server.addr());
    store.follow(&old_cursor, Duration::ZERO).await.unwrap();
    lose_listeners().await;
    // The one that is lost may say so once.
    if store.follow(&old_cursor, Duration::ZERO).await.is_err() {
        store.follow(&old_cursor, Duration::ZERO).await.unwrap();
    }
    assert!(!store.check(&old_cursor, &token("a")).await.unwrap());

    // A snapshot fails.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    old.sql("delete from {schema}.state").await;
    let log = Observed::new(store);
    let _replica = Replica::start(Arc::clone(&log));
    log.cursor().await;
    assert_eq!(log.seen.borrow().failures.len(), 1);
}

// Forgetting

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_has_expired_is_deleted_and_fenced() {
    let it = served(options()).await;
    let past = now() - 1000;
    let key = RevocationKey::subject(ISSUER, "expired");
    it.sql(&format!(
        "insert into {{schema}}.revocation select decode('{key}', 'hex'), 5, {past}, pg_current_xact_id(), '3'; \
         insert into {{schema}}.revocation {}",
        rows("1, 2500").replace(&far(), &(past - 1).to_string())
    ))
    .await;
    it.revoke(&of("live")).await.unwrap();
    it.revoke(&Revocation::new(RevocationKey::issuer("for ever"), Timestamp::MAX, Timestamp::MAX)).await.unwrap();
    // A store's first revocation prunes.
    let store = options().schema(&it.schema).connect(&it.url).await.unwrap();
    store.revoke(&of("live")).await.unwrap();
    until("it is deleted", async || it.sql("select count(*) from {schema}.revocation").await == "2").await;
    assert_eq!(it.sql("select purged_through from {schema}.state").await, past.to_string());

    // What was deleted concerns tokens that are refused for their age, now and on a clock that steps back.
    let until = |millis| Revocation::new(key, Timestamp::from_unix_millis(9), Timestamp::from_unix_millis(millis));
    assert_eq!(store.revoke(&until(past)).await.unwrap(), Outcome::Already);
    assert_eq!(it.sql("select count(*) from {schema}.revocation").await, "2");
    let retention = Retention::new().with_clock_skew(Duration::ZERO);
    let of_age = |retain_until: u64| {
        let expires_at = Timestamp::from_unix_millis(retain_until / 1000 * 1000 - 1000);
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "old"), Timestamp::MIN, expires_at, &retention)
    };
    assert!(store.is_revoked(&of_age(past)).await.unwrap());
    assert!(!store.is_revoked(&of_age(past + 5000)).await.unwrap());
    assert!(store.is_revoked(&token("live")).await.unwrap());
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(replica.is_revoked_now(&of_age(past)).unwrap().unwrap(), "the purge watermark is in the snapshot");
    assert!(!replica.is_revoked_now(&of_age(past + 5000)).unwrap().unwrap());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_was_forgotten_later_reaches_whoever_follows() {
    for options in [options(), options().poll_only()] {
        let it = served(options).await;
        let (log, cursor) = it.cursor().await;
        let it = it.replica().await;
        let of_age = |seconds| {
            let expires_at = Timestamp::from_unix_seconds(seconds);
            TokenIdentity::new(
                RevocationKey::token_id(ISSUER, "old"),
                Timestamp::MIN,
                expires_at,
                &Retention::default(),
            )
        };
        assert!(!it.store.is_revoked_now(&of_age(FAR)).unwrap().unwrap());
        assert_eq!(log.follow(&cursor, Duration::ZERO).await.unwrap().purged_through, Timestamp::MIN);
        // As one does whose clock is far ahead.
        let purged_through = Timestamp::from_unix_seconds(FAR + 3600);
        it.sql(&format!("update {{schema}}.state set purged_through = {}", purged_through.as_unix_millis())).await;
        assert_eq!(log.follow(&cursor, Duration::ZERO).await.unwrap().purged_through, purged_through);
        until("it is refused", async || it.store.is_revoked_now(&of_age(FAR)).unwrap().unwrap()).await;
        assert!(!it.store.is_revoked_now(&of_age(FAR + 7200)).unwrap().unwrap());
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn whoever_follows_prunes_too() {
    let it = served(options()).await;
    it.sql(&format!("insert into {{schema}}.revocation {}", rows("1, 100").replace(&far(), "1"))).await;
    let (schema, server, url) = (it.schema.clone(), Arc::clone(&it.server), it.url.clone());
    let store = options().schema(&schema).connect(&url).await.unwrap();
    let _replica = Replica::start(store);
    let count = format!("select count(*) from {}.revocation", quoted(&schema));
    until("it is deleted", async || server.psql(&count).await == "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn what_is_prolonged_while_it_is_pruned_stays() {
    let it = served(options().timeout(Duration::from_secs(20))).await;
    let it = Arc::new(it);
    // Held by somebody who prolongs it: left alone.
    let prune = include_str!("../../src/store/postgres/sql/prune.sql")
        .replace("tower_logout", &quoted(&it.schema))
        .replace("$1", "1000");
    let prolong = |name: &str| Revocation::new(of(name).key(), Timestamp::MAX, Timestamp::from_unix_seconds(FAR));
    let expired = |name: &str| Revocation::new(of(name).key(), Timestamp::MAX, Timestamp::from_unix_millis(now() - 1));
    it.sql(&format!("insert into {{schema}}.revocation {}", row(&expired("held")))).await;
    let mut client = it.client().await;
    let held = client.transaction().await.unwrap();
    held.batch_execute(&format!("update {}.revocation set retain_until = {}", quoted(&it.schema), far()))
        .await
        .unwrap();
    assert_eq!(it.server.psql(&prune).await, "0");
    held.commit().await.unwrap();
    assert_eq!(it.server.psql(&prune).await, "0");
    assert!(it.is_revoked(&token("held")).await.unwrap());

    // Prolonged between the moment the deletion looks and the moment it takes the row.
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut pruners = JoinSet::new();
    for _ in 0..3 {
        let (client, prune, stop) = (it.client().await, prune.clone(), Arc::clone(&stop));
        pruners.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                client.batch_execute(&prune).await.unwrap();
            }
        });
    }
    let began = Instant::now();
    let mut round = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let names: Vec<_> = (0..40).map(|number| format!("{round}-{number}")).collect();
        let values: Vec<_> = names.iter().map(|name| row(&expired(name)).replace("select", "")).collect();
        let values: Vec<_> = values.iter().map(|row| format!("({row})")).collect();
        it.client()
            .await
            .batch_execute(&format!(
                "insert into {}.revocation values {} on conflict do nothing",
                quoted(&it.schema),
                values.join(", ")
            ))
            .await
            .unwrap();
        let mut callers = JoinSet::new();
        for name in names.clone() {
            let it = Arc::clone(&it);
            let prolonged = prolong(&name);
            callers.spawn(async move { it.revoke(&prolonged).await.map(drop).unwrap() });
        }
        callers.join_all().await;
        for name in &names {
            assert!(it.is_revoked(&token(name)).await.unwrap(), "{name} is gone after {round} rounds");
        }
        round += 1;
    }
    stop.store(true, Ordering::Relaxed);
    pruners.join_all().await;
}

// The documentation

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_documents_example_revokes_a_subject() {
    let server = server().await;
    server.psql("create database documented").await;
    let url = format!("postgres://app@127.0.0.1:{}/documented", server.port());
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/postgres-layout.md")).unwrap();
    for sql in [
        include_str!("../../src/store/postgres/sql/schema.sql"),
        include_str!("../../src/store/postgres/sql/layout.sql"),
        include_str!("../../src/store/postgres/sql/restored.sql"),
        include_str!("../../src/store/postgres/sql/revoke.sql"),
        include_str!("../../src/store/postgres/sql/check.sql"),
        include_str!("../../src/store/postgres/sql/prune.sql"),
    ] {
        assert!(document.contains(sql.trim_end()), "the document has not: {sql}");
    }
    // Its tables are those of the store.
    let block = |fence: &str, part: &str| {
        let blocks = document.split(fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        blocks.into_iter().find(|block| block.contains(part)).unwrap()
    };
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&block("```sql\n", "create table")).await.unwrap();

    let store = PostgresStore::connect(&url).await.unwrap();
    let replica = Replica::start(PostgresStore::connect(&url).await.unwrap());
    replica.ready().await.unwrap();
    let token = |issued_at| {
        let issued_at = Timestamp::from_unix_seconds(issued_at);
        let expires_at = issued_at.saturating_add(Duration::from_secs(3600));
        TokenIdentity::new(
            RevocationKey::token_id("https://matar.app", "1"),
            issued_at,
            expires_at,
            &Retention::default(),
        )
        .carries(RevocationKey::subject("https://matar.app", "usr_123"))
    };
    let (before, after) = (token(now() / 1000 - 1), token(now() / 1000 + 60));
    assert!(!store.is_revoked(&before).await.unwrap());
    assert!(!replica.is_revoked(&before).await.unwrap());

    let output = tokio::process::Command::new("sh")
        .args(["-ec", &block("```sh\n", "psql")])
        .env("DATABASE_URL", &url)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    assert!(store.is_revoked(&before).await.unwrap());
    assert!(!store.is_revoked(&after).await.unwrap());
    until("the replica knows", async || replica.is_revoked(&before).await.unwrap()).await;
    assert!(!replica.is_revoked(&after).await.unwrap());
}

// What the tests share

const ISSUER: &str = "https://postgres.example";
/// The year 2100, in seconds.
const FAR: u64 = 4_102_444_800;
/// No call takes so long, however busy the machine is, unless it is without end.
const SOON: Duration = Duration::from_secs(10);

/// Longer than the default: the tests run all at once, on a machine that may do other things.
fn options() -> PostgresStoreOptions {
    PostgresStore::options().timeout(SOON)
}

/// The server of this file, which runs as long as a test has it.
async fn server() -> Arc<PostgresServer> {
    static SERVER: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
    let mut shared = SERVER.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let options = PostgresOptions { extra: vec!["max_connections=300".into()], ..PostgresOptions::default() };
    let server = Arc::new(PostgresServer::start(options).await);
    *shared = Arc::downgrade(&server);
    server
}

/// A store, or what follows it, and where it is.
struct Served<S> {
    store: S,
    server: Arc<PostgresServer>,
    schema: String,
    database: String,
    url: String,
}

async fn served(options: PostgresStoreOptions) -> Served<PostgresStore> {
    let server = server().await;
    let (url, schema) = (server.url(), own_schema());
    let store = options.schema(&schema).connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    Served { store, server, schema, database: "app".to_owned(), url }
}

/// In a database that these statements set up.
async fn served_in_own_database(settings: &str) -> Served<PostgresStore> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let server = server().await;
    let database = format!("database_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.psql(&format!("create database {database}")).await;
    server.psql(&settings.replace("{database}", &database)).await;
    let url = format!("postgres://app@127.0.0.1:{}/{database}", server.port());
    let schema = "tower_logout".to_owned();
    Served { store: connect(&url, &schema).await, server, schema, database, url }
}

async fn connect(url: &str, schema: &str) -> PostgresStore {
    let store = options().schema(schema).connect(url).await.unwrap();
    store.migrate().await.unwrap();
    store
}

impl<S> Served<S> {
    /// Runs SQL, with the schema's name in it, and returns the only value of its last answer, if there is one.
    async fn sql(&self, sql: &str) -> String {
        let client = self.client().await;
        let messages = client.simple_query(&sql.replace("{schema}", &quoted(&self.schema))).await.unwrap();
        let row = messages.iter().rev().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        row.unwrap_or_default().to_owned()
    }

    async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Kills a process of the server: it goes on with what is on its disk, and may give numbers of transactions again.
    async fn crash(&self) {
        let client = self.client().await;
        let process: i32 = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
        let killed = std::process::Command::new("sh").args(["-c", &format!("kill -KILL {process}")]).status().unwrap();
        assert!(killed.success());
        client.query("select pg_sleep(60)", &[]).await.unwrap_err();
        until("it has recovered", async || self.server.try_psql("select 1").await.is_ok()).await;
    }

    /// A new snapshot's cursor.
    async fn again(&self, log: &Arc<PostgresStore>) -> PostgresCursor {
        let log = Observed::new(Arc::clone(log));
        let _replica = Replica::start(Arc::clone(&log));
        log.cursor().await
    }
}

impl Served<PostgresStore> {
    async fn replica(self) -> Served<Replica<PostgresStore>> {
        let store = Replica::start(self.store);
        store.ready().await.unwrap();
        Served { store, server: self.server, schema: self.schema, database: self.database, url: self.url }
    }

    /// A second store of the same kind, to follow, and where it is to be followed from.
    async fn cursor(&self) -> (Arc<PostgresStore>, PostgresCursor) {
        let polls = format!("{:?}", self.store).contains("poll_only: true");
        let options = options().schema(&self.schema);
        let options = if polls { options.poll_only() } else { options };
        cursor_of(options.connect(&self.url).await.unwrap()).await
    }
}

async fn cursor_of(store: PostgresStore) -> (Arc<PostgresStore>, PostgresCursor) {
    let store = Arc::new(store);
    let log = Observed::new(Arc::clone(&store));
    let _replica = Replica::start(Arc::clone(&log));
    let cursor = log.cursor().await;
    (store, cursor)
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

/// A store whose snapshots a test looks at.
struct Observed {
    store: Arc<PostgresStore>,
    seen: tokio::sync::watch::Sender<Seen>,
}

#[derive(Default)]
struct Seen {
    cursor: Option<PostgresCursor>,
    failures: Vec<String>,
}

impl Observed {
    fn new(store: Arc<PostgresStore>) -> Arc<Self> {
        Arc::new(Self { store, seen: tokio::sync::watch::Sender::default() })
    }

    async fn until(&self, seen: impl FnMut(&Seen) -> bool) {
        let mut seen_so_far = self.seen.subscribe();
        let came = tokio::time::timeout(Duration::from_secs(60), seen_so_far.wait_for(seen)).await;
        drop(came.unwrap().unwrap());
    }

    async fn cursor(&self) -> PostgresCursor {
        self.until(|seen| seen.cursor.is_some()).await;
        self.seen.borrow().cursor.clone().unwrap()
    }
}

#[async_trait]
impl RevocationStore for Observed {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.store.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.store.is_revoked(token).await
    }
}

#[async_trait]
impl RevocationLog for Observed {
    type Cursor = PostgresCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<PostgresCursor, StoreError> {
        let taken = self.store.snapshot(into).await;
        self.seen.send_modify(|seen| match &taken {
            Ok(cursor) => seen.cursor = Some(cursor.clone()),
            Err(error) => seen.failures.push(chain(error)),
        });
        taken
    }

    /// Nothing to report: the test itself follows.
    async fn follow(&self, _: &PostgresCursor, _: Duration) -> Result<Followed<PostgresCursor>, FollowError> {
        std::future::pending().await
    }
}

/// A name that leads to a server. When it moves, the connections that are there stay.
struct Name {
    address: SocketAddr,
    target: watch::Sender<SocketAddr>,
}

impl Name {
    async fn of(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (target, targets) = watch::channel(target);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let target = *targets.borrow();
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(target).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, target }
    }

    fn url(&self) -> String {
        format!("postgres://app@{}/app", self.address)
    }

    fn moves_to(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }
}

/// A schema that no other test has, and whose name must be quoted.
fn own_schema() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("Own \"{}\"", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn quoted(schema: &str) -> String {
    format!("\"{}\"", schema.replace('"', "\"\""))
}

fn token(name: &str) -> TokenIdentity {
    let far = Timestamp::from_unix_seconds(FAR);
    TokenIdentity::new(RevocationKey::token_id(ISSUER, name), Timestamp::MIN, far, &Retention::default())
}

/// The revocation of one token.
fn of(name: &str) -> Revocation {
    Revocation::of_token(&token(name))
}

/// The revocation of a subject's tokens.
fn passing(subject: &str, issued_through: u64) -> Revocation {
    let key = RevocationKey::subject(ISSUER, subject);
    Revocation::new(key, Timestamp::from_unix_seconds(issued_through), Timestamp::from_unix_seconds(FAR))
}

fn keys(followed: &Followed<PostgresCursor>) -> HashSet<RevocationKey> {
    followed.revocations.iter().map(Revocation::key).collect()
}

fn far() -> String {
    format!("{FAR}000")
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A query for the rows of tokens with these numbers.
fn rows(range: &str) -> String {
    format!(
        "select '\\x01'::bytea || substring(sha256(number::text::bytea) for 15), 9223372036854775807, {}, \
         pg_current_xact_id(), pg_current_xact_id() from generate_series({range}) as number",
        far()
    )
}

/// A query for one row.
fn row(revocation: &Revocation) -> String {
    format!(
        "select decode('{}', 'hex'), 9223372036854775807, {}, pg_current_xact_id(), pg_current_xact_id()",
        revocation.key(),
        revocation.retain_until().as_unix_millis().min(i64::MAX as u64)
    )
}

/// Writes a row as another program would, and wakes nobody.
async fn insert(client: &impl tokio_postgres::GenericClient, schema: &str, revocation: &Revocation) {
    let sql = format!("insert into {}.revocation {}", quoted(schema), row(revocation));
    client.batch_execute(&sql).await.unwrap();
}

/// An error and its sources.
fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}

/// Asks again and again until the answer is yes, or fails loudly.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
