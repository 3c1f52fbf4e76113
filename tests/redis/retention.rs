//! Promise: `RedisStore` keeps a revocation exactly until its retention ends, and the first of
//! several callers is told that it is new.

use std::sync::Arc;

use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
};

use super::support::{ISSUER, after, at, failure, in_an_hour, is_revoked, revoke, server, store, token, until};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn exactly_one_of_many_logouts_on_four_nodes_is_new() {
    let server = server().await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Arc::new(RedisStore::connect(&server.url()).await.unwrap()));
    }
    for round in 0..100 {
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..64 {
            let node = Arc::clone(&nodes[caller % 4]);
            callers.spawn(async move { revoke(&*node, &Revocation::of_token(&token(&round.to_string()))).await });
        }
        let newly = callers.join_all().await.into_iter().filter(|&outcome| outcome == Outcome::Newly).count();
        assert_eq!(newly, 1);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn every_instant_is_kept_exactly_up_to_the_maximum() {
    let server = server().await;
    let store = store(&server).await;
    let ms = Timestamp::from_unix_millis;
    for through in [0, 1, 999, 1_732_386_645_123, 99_999_999_999_999, 100_000_000_000_001, (1 << 53) - 2] {
        let subject = RevocationKey::subject(ISSUER, &through.to_string());
        assert_eq!(revoke(&store, &Revocation::new(subject, ms(through), Timestamp::MAX)).await, Outcome::Newly);
        let of = |iat| {
            TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), ms(iat), in_an_hour(), &Retention::default())
                .carries(subject)
        };
        assert!(is_revoked(&store, &of(through)).await, "{through}");
        assert!(!is_revoked(&store, &of(through + 1)).await, "{through}");
        assert_eq!(revoke(&store, &Revocation::new(subject, ms(through), Timestamp::MAX)).await, Outcome::Already);
        // `Timestamp::MAX` covers everything, so nothing after it is new.
        assert_eq!(revoke(&store, &Revocation::new(subject, Timestamp::MAX, in_an_hour())).await, Outcome::Newly);
        assert!(is_revoked(&store, &of(u64::MAX)).await);
        assert_eq!(revoke(&store, &Revocation::new(subject, ms((1 << 53) - 1), in_an_hour())).await, Outcome::Already);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn neither_half_of_a_revocation_is_ever_weakened() {
    let server = server().await;
    let store = store(&server).await;
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    let of = |iat| {
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), at(iat), in_an_hour(), &Retention::default())
            .carries(subject)
    };
    let (soon, late) = (after(1000), in_an_hour());
    assert_eq!(revoke(&store, &Revocation::new(subject, at(100), soon)).await, Outcome::Newly);
    // A smaller range of tokens, retained longer.
    assert_eq!(revoke(&store, &Revocation::new(subject, at(50), late)).await, Outcome::Already);
    assert!(is_revoked(&store, &of(100)).await);
    // A larger range, retained for a shorter time.
    assert_eq!(revoke(&store, &Revocation::new(subject, at(200), soon)).await, Outcome::Newly);
    until("the shorter time is over", async || SystemClock.now() > soon).await;
    revoke(&store, &Revocation::of_token(&token("prunes"))).await;
    assert!(is_revoked(&store, &of(200)).await);
    assert!(!is_revoked(&store, &of(201)).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn expired_revocations_are_purged_and_their_tokens_stay_rejected() {
    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let count = async |name: &str| {
        server.cli(&[if name == "live" { "ZCARD" } else { "HLEN" }, &format!("{{tower-logout}}:v1:{name}")]).await
    };
    let (soon, later) = (after(300), after(3_600_000));
    for subject in ["a", "b"] {
        revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, subject), at(100), soon)).await;
    }
    assert_eq!((&*count("live").await, &*count("through").await), ("2", "2"));
    until("the end of its time", async || SystemClock.now() > soon).await;
    // The entry stays until a purge removes it.
    let expired =
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), at(100), Timestamp::MIN, &Retention::default());
    assert!(!is_revoked(&store, &expired).await);
    revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, "c"), at(100), later)).await;
    assert_eq!((&*count("live").await, &*count("through").await), ("1", "1"));
    let purged_through: u64 = server.cli(&["HGET", "{tower-logout}:v1:meta", "purged_through"]).await.parse().unwrap();
    assert_eq!(purged_through, soon.as_unix_millis());
    // A token that a purged entry may have covered counts as revoked, and revoking it changes
    // nothing.
    assert!(is_revoked(&store, &expired).await);
    assert!(!is_revoked(&store, &token("alive")).await);
    let revocation = Revocation::new(RevocationKey::subject(ISSUER, "d"), Timestamp::MAX, soon);
    assert_eq!(revoke(&store, &revocation).await, Outcome::Already);
    assert_eq!(count("live").await, "1");
    // A node that starts later gets the purge watermark.
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(is_revoked(&replica, &expired).await);
    assert!(!is_revoked(&replica, &token("alive")).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn memory_is_freed_when_entries_expire_even_if_nothing_is_revoked() {
    let server = server().await;
    let replica = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    replica.ready().await.unwrap();
    let end = after(12_000);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for n in 0..100 {
                let subject = RevocationKey::subject(ISSUER, &format!("{caller}-{n}"));
                revoke(&*store, &Revocation::new(subject, at(100), end)).await;
            }
        });
    }
    callers.join_all().await;
    let count = async || server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await;
    assert_eq!(count().await, "5000");
    let memory_of = async |name: &str| {
        let key = format!("{{tower-logout}}:v1:{name}");
        server.cli(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]).await.parse::<u64>().unwrap()
    };
    let entries = memory_of("live").await + memory_of("through").await;
    let full = server.memory_used().await;
    until("what has expired is forgotten", async || count().await == "0").await;
    // The `feed` key keeps ten minutes of entries.
    let freed = full.saturating_sub(server.memory_used().await);
    assert!(freed > entries * 3 / 4, "{freed} of {entries}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_full_server_is_reported_and_purging_makes_room() {
    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let end = after(1500);
    for n in 0..50 {
        revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, &n.to_string()), at(100), end)).await;
    }
    let replica = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    replica.ready().await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let last = Revocation::new(RevocationKey::subject(ISSUER, "last"), at(100), in_an_hour());
    let error = failure(store.revoke(&last)).await;
    assert!(error.contains("memory is full") && error.contains("OOM"), "{error}");
    // Checks and snapshots still work.
    assert!(is_revoked(&store, &token("a").carries(RevocationKey::subject(ISSUER, "7"))).await);
    let second = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    second.ready().await.unwrap();
    assert!(second.health().is_fresh());
    // Expired entries make room, at the memory limit too.
    until("room", async || store.revoke(&last).await.is_ok()).await;
    assert!(SystemClock.now() >= end);
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "1");
}
