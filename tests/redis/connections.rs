//! Promise: every call ends within its timeout whatever happens to the connection, and callers
//! share one connection.

use std::{fmt::Write, sync::Arc, time::Duration};

use test_support::servers::FaultProxy;
use tower_logout::{
    RedisStore, RevocationStore,
    revocation::{Outcome, Revocation, RevocationKey},
};

use super::support::{
    ISSUER, at, failure, in_an_hour, is_revoked, options, revoke, run_lines, server, store, token, until,
};

fn escaped(key: RevocationKey) -> String {
    let mut text = "\"".to_owned();
    for byte in key.as_bytes() {
        write!(text, "\\x{byte:02x}").unwrap();
    }
    text + "\""
}

/// Clones share connections and observations: a clone detects a loss of entries that only another
/// clone has seen.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn clones_share_connections_and_what_was_observed() {
    struct AppState {
        store: RedisStore,
    }
    let server = server().await;
    let state = AppState { store: store(&server).await };
    let connections = async || server.info("connected_clients").await;
    let before = connections().await;
    let clones = vec![state.store.clone(); 8];
    revoke(&clones[0], &Revocation::of_token(&token("a"))).await;
    for clone in &clones {
        assert!(is_revoked(clone, &token("a")).await);
        assert!(!is_revoked(clone, &token("b")).await);
    }
    assert_eq!(connections().await, before);
    let unused = state.store.clone();
    drop((state, clones));
    server.cli(&["FLUSHALL"]).await;
    assert!(failure(unused.is_revoked(&token("a"))).await.contains("emptied, or replaced by another"));
}

/// Whatever happens to the connection, every call ends within its timeout, no call reports a
/// revoked token as valid, and the store recovers once the fault is over.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn every_call_ends_in_time_and_reports_no_revoked_token_as_valid() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let limit = Duration::from_millis(300);
    let store = options().timeout(limit).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let dead = token("dead");
    revoke(&store, &Revocation::of_token(&dead)).await;
    let faults: [(&str, &dyn Fn()); 7] = [
        ("refuse", &|| proxy.refuse()),
        ("half open", &|| proxy.half_open()),
        ("garbage", &|| proxy.garbage()),
        ("delay", &|| proxy.delay_replies(Duration::from_secs(10))),
        ("cut", &|| proxy.cut_after_request()),
        ("reset", &|| proxy.reset()),
        ("frozen", &|| server.freeze()),
    ];
    for (name, fault) in faults {
        fault();
        for round in 0..3 {
            let checked = in_time(name, store.is_revoked(&dead)).await;
            let revoked = in_time(name, store.revoke(&Revocation::of_token(&dead))).await;
            assert_ne!(checked.ok(), Some(false), "{name}");
            assert_ne!(revoked.ok(), Some(Outcome::Newly), "{name}");
            if round == 0 {
                let _ = in_time(name, options().timeout(limit).connect(&format!("redis://{}", proxy.addr()))).await;
            }
        }
        proxy.pass();
        server.thaw();
        for (token, revoked) in [(&dead, true), (&token("alive"), false)] {
            let mut answer = Ok(!revoked);
            until(name, async || {
                answer = store.is_revoked(token).await;
                answer.is_ok()
            })
            .await;
            assert_eq!(answer.unwrap(), revoked, "{name}");
        }
    }
}

/// Much longer than the limit, so that a busy machine does not fail the test.
async fn in_time<T>(fault: &str, call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), call).await.unwrap_or_else(|_| panic!("{fault}: a call does not end"))
}

/// Callers that give up before the store does, as the guard may, must not keep a broken connection
/// in use.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_broken_connection_is_replaced_even_if_no_caller_waits_for_it() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let limit = Duration::from_millis(300);
    let store = options().timeout(limit).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let dead = token("dead");
    revoke(&store, &Revocation::of_token(&dead)).await;
    proxy.half_open();
    let impatient = async || tokio::time::timeout(Duration::from_millis(20), store.is_revoked(&dead)).await;
    let before = proxy.connections();
    let replaced = until("another connection", async || impatient().await.is_ok() || proxy.connections() > before);
    in_time("half open", replaced).await;
}

/// A connection that takes longer than any caller waits is still established.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_connection_is_established_even_if_no_caller_waits_for_it() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().timeout(Duration::from_secs(5)).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    proxy.reset();
    // Four round trips, each longer than the caller waits.
    proxy.delay_replies(Duration::from_millis(60));
    let before = proxy.connections();
    let mut answered = false;
    for _ in 0..100 {
        let impatient = tokio::time::timeout(Duration::from_millis(100), store.is_revoked(&token("a"))).await;
        answered |= impatient.is_ok_and(|answer| answer.is_ok());
        if answered {
            break;
        }
    }
    assert!(answered);
    assert!(proxy.connections() - before <= 2, "{}", proxy.connections() - before);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_check_is_one_round_trip_however_many_keys_a_token_has() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let mut token = token("a");
    for claim in 0..20 {
        token = token.carries(RevocationKey::claim(ISSUER, "group", &claim.to_string()));
    }
    // The first check loads the script.
    assert!(!is_revoked(&store, &token).await);
    let before = proxy.stats();
    assert!(!is_revoked(&store, &token).await);
    let after = proxy.stats();
    assert_eq!((after.requests - before.requests, after.connections), (1, before.connections));
    revoke(&store, &Revocation::new(RevocationKey::claim(ISSUER, "group", "19"), at(100), in_an_hour())).await;
    assert!(is_revoked(&store, &token).await);
}

/// Of a hundred callers of a server that is down, one tries to connect, and the others share its
/// result.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn concurrent_callers_share_one_connection() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = Arc::new(options().connect(&format!("redis://{}", proxy.addr())).await.unwrap());
    proxy.reset();
    proxy.until(|stats| stats.open == 0).await;
    let before = proxy.connections();
    let all_succeed = async || {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let store = Arc::clone(&store);
            callers.spawn(async move { store.is_revoked(&token("a")).await.is_ok() });
        }
        callers.join_all().await.into_iter().all(|is_ok| is_ok)
    };
    // Some callers may still use the connection that was cut.
    until("all succeed", all_succeed).await;
    assert_eq!(proxy.connections() - before, 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_key_of_another_type_is_an_error_and_never_not_revoked() {
    let server = server().await;
    let name = |what| format!("{{tower-logout}}:v1:{what}");
    for what in ["live", "through", "feed", "meta"] {
        server.cli(&["FLUSHALL"]).await;
        let store = RedisStore::connect(&server.url()).await.unwrap();
        server.cli(&["SET", &name(what), "x"]).await;
        let error = failure(store.is_revoked(&token("a"))).await;
        assert!(error.contains("WRONGTYPE"), "{error}");
        failure(store.revoke(&Revocation::of_token(&token("a")))).await;
    }
    server.cli(&["FLUSHALL"]).await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    server.cli(&["HSET", &name("meta"), "purged_through", "soon"]).await;
    let error = failure(store.is_revoked(&token("a"))).await;
    assert!(error.contains("expected an instant"), "{error}");
    server.cli(&["HDEL", &name("meta"), "purged_through"]).await;
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    revoke(&store, &Revocation::new(subject, at(100), in_an_hour())).await;
    run_lines(&server, &format!("HSET {} {} soon", name("through"), escaped(subject))).await;
    let error = failure(store.is_revoked(&token("a").carries(subject))).await;
    assert!(error.contains("expected an instant"), "{error}");
}
