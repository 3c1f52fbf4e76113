//! Promise: what one node revokes reaches every replica, and a replica reads everything in the log.

use std::{sync::Arc, time::Duration};

use test_support::servers::FaultProxy;
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::{Clock, SystemClock},
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::RevocationLog,
};

use super::support::{
    ISSUER, at, end_of, failure, in_an_hour, is_revoked, options, revoke, run_lines, server, token, until, watched,
};

/// A revocation is acknowledged once replicas have it; otherwise it is an error.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_revocation_waits_for_replicas() {
    let master = server().await;
    let replica = server().await;
    replica.replica_of(&master).await;
    let options = RedisStore::options().timeout(Duration::from_millis(800)).wait_replicas(1);
    let store = options.clone().connect(&master.url()).await.unwrap();
    // The primary counts a replica once it has received its first acknowledgement.
    until("it counts", async || store.revoke(&Revocation::of_token(&token("first"))).await.is_ok()).await;
    let (a, b) = (Revocation::of_token(&token("a")), Revocation::of_token(&token("b")));
    assert_eq!(revoke(&store, &a).await, Outcome::Newly);
    assert_eq!(revoke(&store, &a).await, Outcome::Already);
    replica.freeze();
    let error = failure(store.revoke(&b)).await;
    assert!(error.contains("only 0 of 1 replicas"), "{error}");
    // The revocation is known by now, but still on no replica.
    let error = failure(store.revoke(&b)).await;
    assert!(error.contains("only 0 of 1 replicas"), "{error}");
    assert!(is_revoked(&store, &token("b")).await);
    // The same applies if another store wrote it without waiting.
    let hasty = RedisStore::connect(&master.url()).await.unwrap();
    let patient = options.connect(&master.url()).await.unwrap();
    let c = Revocation::of_token(&token("c"));
    assert_eq!(revoke(&hasty, &c).await, Outcome::Newly);
    let error = failure(patient.revoke(&c)).await;
    assert!(error.contains("only 0 of 1 replicas"), "{error}");
    replica.thaw();
    until("the replica has it", async || store.revoke(&b).await.is_ok()).await;
    assert_eq!(revoke(&store, &b).await, Outcome::Already);
    replica.promote().await;
    let promoted = RedisStore::connect(&replica.url()).await.unwrap();
    assert!(is_revoked(&promoted, &token("b")).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_revocation_on_one_node_reaches_the_others() {
    let server = server().await;
    let (replica, lost) = watched(RedisStore::connect(&server.url()).await.unwrap()).await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    for through in [50, 100] {
        revoke(&store, &Revocation::new(subject, at(through), in_an_hour())).await;
    }
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("the other node knows", async || is_revoked(&replica, &token("a")).await).await;
    assert!(is_revoked(&replica, &token("b").carries(subject)).await);
    let later = TokenIdentity::new(RevocationKey::token_id(ISSUER, "c"), at(101), in_an_hour(), &Retention::default());
    assert!(!is_revoked(&replica, &later.carries(subject)).await);
    assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
}

/// A revocation during a snapshot is either in the snapshot or found by following it, at any point.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn nothing_is_missed_between_the_snapshot_and_the_log() {
    let server = server().await;
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for n in 0..80 {
                revoke(&*store, &Revocation::of_token(&token(&format!("{caller}-{n}")))).await;
            }
        });
    }
    callers.join_all().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let url = format!("redis://{}", proxy.addr());
    let options = RedisStore::options().timeout(Duration::from_secs(30));
    let log = options.connect(&url).await.unwrap();
    proxy.step_replies(16 * 1024);
    let replica = Replica::start(log);
    let mut steps = 0;
    while !replica.health().is_fresh() {
        // At each step: a new revocation, one that the snapshot may contain, and one that is
        // extended.
        for jti in [format!("step-{steps}"), format!("{}-79", steps % 50)] {
            revoke(&*store, &Revocation::of_token(&token(&jti))).await;
        }
        let subject = RevocationKey::subject(ISSUER, "usr_123");
        revoke(&*store, &Revocation::new(subject, at(1 + steps), in_an_hour())).await;
        steps += 1;
        assert!(steps < 10_000, "the snapshot never ends");
        let _ = tokio::time::timeout(Duration::from_millis(300), proxy.let_one_through()).await;
    }
    proxy.pass();
    assert!(steps > 8, "{steps}");
    for step in 0..steps {
        let jti = token(&format!("step-{step}"));
        until("a step is known", async || is_revoked(&replica, &jti).await).await;
    }
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    let of = |iat| {
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), at(iat), in_an_hour(), &Retention::default())
            .carries(subject)
    };
    until("the last is known", async || is_revoked(&replica, &of(steps)).await).await;
    assert!(!is_revoked(&replica, &of(steps + 1)).await);
    for (caller, n) in (0..50).flat_map(|caller| (0..80).map(move |n| (caller, n))) {
        assert!(is_revoked(&replica, &token(&format!("{caller}-{n}"))).await);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_log_is_trimmed_after_ten_minutes() {
    let server = server().await;
    let now = SystemClock.now().as_unix_millis();
    for (age, kept) in [(599_000, true), (601_000, false)] {
        let first = now - age - 1000;
        let old = "local last for i = 1, 1000 do \
                   last = redis.call('XADD', KEYS[1], string.format('%.0f-0', ARGV[1] + i), 'n', i) end \
                   redis.call('HSET', KEYS[2], 'seq', 1000, 'last', last) return 1";
        server.cli(&["FLUSHALL"]).await;
        let store = RedisStore::connect(&server.url()).await.unwrap();
        let (feed, meta) = ("{tower-logout}:v1:feed", "{tower-logout}:v1:meta");
        server.cli(&["EVAL", old, "2", feed, meta, &first.to_string()]).await;
        revoke(&store, &Revocation::of_token(&token(&age.to_string()))).await;
        let left: u64 = server.cli(&["XLEN", "{tower-logout}:v1:feed"]).await.parse().unwrap();
        // Redis trims whole blocks of a hundred entries.
        assert!(if kept { left > 900 } else { left <= 101 }, "{age}: {left}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_key_of_an_unknown_kind_revokes_no_token() {
    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let later = format!("\"\\xc8{}\"", "\\x01".repeat(15));
    run_lines(&server, &format!("ZADD {{tower-logout}}:v1:live 9007199254740991 {later}")).await;
    server.cli(&["HSET", "{tower-logout}:v1:meta", "live", "1"]).await;
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(replica.is_empty());
    assert!(!is_revoked(&replica, &token("other")).await);
}

/// A server whose clock was ahead has purged too much. Its followers then reject as many tokens as
/// the server itself.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_the_server_has_purged_is_rejected_by_its_followers() {
    let server = server().await;
    let connect = async || RedisStore::connect(&server.url()).await.unwrap();
    let (running, lost) = watched(connect().await).await;
    let store = connect().await;
    let later = SystemClock.now().saturating_add(Duration::from_secs(7200));
    let beyond = TokenIdentity::new(
        RevocationKey::token_id(ISSUER, "beyond"),
        at(100),
        later.saturating_add(Duration::from_secs(1)),
        &Retention::default(),
    );
    assert!(!is_revoked(&running, &token("a")).await);
    let purged_through = later.as_unix_millis().to_string();
    server.cli(&["HSET", "{tower-logout}:v1:meta", "purged_through", &purged_through]).await;
    assert_eq!(revoke(&store, &Revocation::of_token(&token("a"))).await, Outcome::Already);
    assert!(is_revoked(&store, &token("a")).await);
    until("a running node refuses it", async || is_revoked(&running, &token("a")).await).await;
    let (fresh, _) = watched(connect().await).await;
    for node in [&running, &fresh] {
        assert!(node.health().is_fresh());
        assert!(is_revoked(node, &token("never seen")).await);
        assert!(!is_revoked(node, &beyond).await);
    }
    assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_follower_that_waits_without_limit_is_answered() {
    let master = server().await;
    let replica = server().await;
    replica.replica_of(&master).await;
    replica.until_replicating().await;
    let options = options().timeout(Duration::MAX).wait_replicas(1);
    let cursor = end_of(&options, &master).await;
    let store = options.connect(&master.url()).await.unwrap();
    let patience = Duration::from_secs(20);
    let revocation = Revocation::of_token(&token("a"));
    let revoked = tokio::time::timeout(patience, store.revoke(&revocation)).await.unwrap();
    assert_eq!(revoked.unwrap(), Outcome::Newly);
    let followed = tokio::time::timeout(patience, store.follow(&cursor, Duration::MAX)).await.unwrap().unwrap();
    assert_eq!((followed.revocations.as_slice(), followed.complete), (&[revocation][..], true));
    let nothing = tokio::time::timeout(Duration::from_millis(300), store.follow(&followed.cursor, Duration::MAX)).await;
    assert!(nothing.is_err(), "{nothing:?}");
}
