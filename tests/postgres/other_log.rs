//! Promise: a follower notices that the log, its server or its address is another one, and takes a
//! new snapshot.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::servers::{FaultProxy, PostgresOptions, PostgresServer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tower_logout::{
    Replica, RevocationStore,
    store::{CollectedSnapshot, FollowError, RevocationLog},
};

use super::support::{Observed, Served, connect, cursor_of, keys, of, options, quoted, rows, served, token, until};

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
            let began = Instant::now();
            let lost = loop {
                assert!(began.elapsed() < Duration::from_secs(60), "{change}: the loss is never noticed");
                match log.follow(&cursor, Duration::from_millis(10)).await {
                    Ok(_) => panic!("{change}: followed"),
                    Err(FollowError::CursorLost(reason)) => break reason,
                    Err(FollowError::Failed(_)) => sleep(Duration::from_millis(10)).await,
                    Err(error) => panic!("{error}"),
                }
            };
            // A check through the log does not answer for another log either.
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

/// Who empties the table waits until its rows were read.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_snapshot_is_complete_even_if_the_table_is_emptied_meanwhile() {
    let it = served(options()).await;
    it.revoke(&of("a")).await.unwrap();
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = Arc::new(options().schema(&it.schema).connect(&url).await.unwrap());
    // Between the beginning of the snapshot and its entries.
    proxy.step_replies(16_384);
    let taking = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut snapshot = CollectedSnapshot::default();
            (store.snapshot(&mut snapshot).await.unwrap(), snapshot)
        }
    });
    proxy.until(|stats| stats.waiting > 0).await;
    let client = it.client().await;
    let table = quoted(&it.schema);
    let emptying = tokio::spawn(async move { client.batch_execute(&format!("truncate {table}.revocation")).await });
    let waiting = format!(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query = 'truncate {}.revocation'",
        quoted(&it.schema)
    );
    until("it waits", async || it.server.psql(&waiting).await == "1").await;
    proxy.pass();
    let (cursor, snapshot) = taking.await.unwrap();
    assert_eq!(snapshot.revocations, [of("a")]);
    emptying.await.unwrap().unwrap();
    let followed = store.follow(&cursor, Duration::ZERO).await;
    assert!(matches!(followed, Err(FollowError::CursorLost(_))), "{followed:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_rows_of_a_restored_dump_are_followed() {
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn when_a_name_moves_to_another_server_no_connection_stays_on_the_old_one() {
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

    // By a new listener.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    is_lost(store.follow(&old_cursor, Duration::ZERO).await);
    store.revoke(&of("found by following")).await.unwrap();
    assert!(is_there("found by following").await);

    // While a call is in progress.
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

    // By a check.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    assert!(matches!(store.check(&new_cursor, &token("a")).await, Err(FollowError::CursorLost(_))));
    assert!(!store.check(&new_cursor, &token("a")).await.unwrap());

    // A listener that waits meanwhile is not used again.
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

    // A listener is lost, and no new one can be opened.
    let lose_listeners = async || {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                   where application_name = 'moving' and query like '%follower of tower-logout%'";
        assert_ne!(old.server.psql(sql).await, "0");
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

    // A listener is lost, and the next one connects to the same server.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    store.check(&new_cursor, &token("a")).await.unwrap_err();
    assert!(!store.check(&new_cursor, &token("a")).await.unwrap());
    name.moves_to(old.server.addr());
    store.follow(&old_cursor, Duration::ZERO).await.unwrap();
    lose_listeners().await;
    // The lost listener may report the change once.
    if store.follow(&old_cursor, Duration::ZERO).await.is_err() {
        store.follow(&old_cursor, Duration::ZERO).await.unwrap();
    }
    assert!(!store.check(&old_cursor, &token("a")).await.unwrap());

    // By a failed snapshot.
    let (name, store) = connected().await;
    name.moves_to(new.addr());
    old.sql("delete from {schema}.state").await;
    let log = Observed::new(store);
    let _replica = Replica::start(Arc::clone(&log));
    log.cursor().await;
    assert_eq!(log.seen.borrow().failures.len(), 1);
}

/// A name that leads to a server. When the name moves, open connections stay with the old server.
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
        format!("postgres://app@{}/app?application_name=moving", self.address)
    }

    fn moves_to(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }
}
