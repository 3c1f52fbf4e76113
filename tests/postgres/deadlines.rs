//! Promise: every call ends within its timeout, and a connection that was abandoned is not used
//! again.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::servers::FaultProxy;
use tokio::task::JoinSet;
use tower_logout::{
    Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    store::RevocationLog,
};

use super::support::{FAR, ISSUER, Observed, SOON, chain, of, options, quoted, served, token, until};

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
            // The wait for a connection ends with the call and reports the same error.
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
        // On a busy machine, a connection may take longer than this store waits.
        until("it answers again", async || store.is_revoked(&token("a")).await.is_ok_and(|revoked| revoked)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_abandoned_call_is_cancelled_and_its_connection_not_used_again() {
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

    // A dropped call takes its connection with it and leaves nothing behind that another call could
    // read.
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
    let began = Instant::now();
    while proxy.connections() < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "{} connections", proxy.connections());
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let store = Arc::clone(&store);
            callers.spawn(async move { store.is_revoked(&token("a")).await.unwrap() });
        }
        callers.join_all().await;
    }
    // No connection is being opened: its failure would otherwise be that of the next check.
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
async fn a_revocation_does_not_wait_for_another_without_limit() {
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

/// A revocation of a subject's tokens.
fn passing(subject: &str, issued_through: u64) -> Revocation {
    let key = RevocationKey::subject(ISSUER, subject);
    Revocation::new(key, Timestamp::from_unix_seconds(issued_through), Timestamp::from_unix_seconds(FAR))
}
