//! Promise: a Redis server that can keep revocations is accepted whatever its other settings are,
//! and any other is rejected with the remedy.

use std::time::{Duration, Instant};

use test_support::servers::{RedisOptions, RedisServer};
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{RedisStoreOptions, ReplicaOptions, StoreError},
};

const PARTS: [&str; 5] = ["v1:live", "v1:through", "v1:feed", "v1:meta", "layout"];
const ISSUER: &str = "https://matar.app";

async fn server_with(extra: &[&str]) -> RedisServer {
    let extra = extra.iter().map(|&it| it.to_owned()).collect();
    RedisServer::start(RedisOptions { extra, ..RedisOptions::default() }).await
}

fn name(part: &str) -> String {
    format!("{{tower-logout}}:{part}")
}

fn options() -> RedisStoreOptions {
    RedisStore::options().timeout(Duration::from_secs(10))
}

async fn connect(server: &RedisServer) -> RedisStore {
    options().connect(&server.url()).await.unwrap_or_else(|error| panic!("{error:?}"))
}

fn token(jti: &str) -> TokenIdentity {
    let (issued_at, expires_at) = (Timestamp::from_unix_seconds(100), Timestamp::from_unix_seconds(99_999_999_999));
    TokenIdentity::new(RevocationKey::token_id(ISSUER, jti), issued_at, expires_at, &Retention::default())
}

async fn revoke(store: &impl RevocationStore, jti: &str) -> Outcome {
    store.revoke(&Revocation::of_token(&token(jti))).await.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn is_revoked(store: &impl RevocationStore, jti: &str) -> bool {
    store.is_revoked(&token(jti)).await.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn rejection(store: impl Future<Output = Result<RedisStore, StoreError>>) -> String {
    format!("{:?}", store.await.map(|_| ()).unwrap_err())
}

// Eviction policies

#[tokio::test]
#[ignore = "needs redis-server"]
async fn policies_that_cannot_evict_revocations_are_accepted_and_others_rejected() {
    let server = server_with(&[]).await;
    for policy in ["noeviction", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        server.cli(&["CONFIG", "SET", "maxmemory-policy", policy]).await;
        assert_eq!(revoke(&connect(&server).await, policy).await, Outcome::Newly);
    }
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        server.cli(&["CONFIG", "SET", "maxmemory-policy", policy]).await;
        let error = rejection(options().connect(&server.url())).await;
        assert!(error.contains(policy) && error.contains("noeviction") && error.contains("volatile-"), "{error}");
    }
}

/// Under memory pressure, a server evicts the keys of a cache beside the store, and no revocation.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_evicts_expiring_keys_keeps_revocations() {
    let server = server_with(&["--maxmemory", "6mb", "--maxmemory-policy", "volatile-lru"]).await;
    let store = connect(&server).await;
    for n in 0..200 {
        revoke(&store, &n.to_string()).await;
    }
    let fill = "for i = 1, 200 do redis.call('SET', 'cache:' .. ARGV[1] .. ':' .. i, string.rep('x', 1000), 'EX', 3600) end return 1";
    let mut round = 0;
    let evicted = async || server.info("evicted_keys").await.parse::<u64>().unwrap();
    while evicted().await < 1000 {
        let _ = server.try_cli(&["EVAL", fill, "0", &round.to_string()]).await;
        round += 1;
        assert!(round < 1000);
    }
    for n in 0..200 {
        assert!(is_revoked(&store, &n.to_string()).await);
    }
    assert!(!is_revoked(&store, "alive").await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn no_key_expires_and_an_expiry_set_by_others_is_removed() {
    let server = server_with(&[]).await;
    let store = connect(&server).await;
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    store.revoke(&Revocation::new(subject, Timestamp::from_unix_seconds(120), Timestamp::MAX)).await.unwrap();
    for part in PARTS {
        assert_eq!(server.cli(&["PTTL", &name(part)]).await, "-1", "{part}");
        assert_eq!(server.cli(&["EXPIRE", &name(part), "3600"]).await, "1", "{part}");
    }
    // The keys take turns.
    for jti in ["a", "b", "c", "d", "e"] {
        revoke(&store, jti).await;
    }
    for part in PARTS {
        assert_eq!(server.cli(&["PTTL", &name(part)]).await, "-1", "{part}");
        assert_eq!(server.cli(&["EXPIRE", &name(part), "3600"]).await, "1", "{part}");
    }
    // Also if nothing is revoked and a replica follows.
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    for part in PARTS {
        until("somebody tidies up", async || server.cli(&["PTTL", &name(part)]).await == "-1").await;
    }
}

// Servers that hide information

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_behind_a_proxy_is_used_if_configured() {
    // A proxy of a hosted service, without `ROLE` and with an empty `INFO`.
    let server = server_with(&["--rename-command", "ROLE", ""]).await;
    server.cli(&["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info", "-config"]).await;
    let url = format!("redis://app:secret@127.0.0.1:{}", server.port());
    let error = rejection(options().connect(&url)).await;
    assert!(error.contains("+info") && error.contains("allow_unverified_server"), "{error}");
    let store = options().allow_unverified_server().connect(&url).await.unwrap();
    assert_eq!(revoke(&store, "a").await, Outcome::Newly);
    assert!(is_revoked(&store, "a").await);
    assert!(!is_revoked(&store, "b").await);
    let replica = Replica::start(options().allow_unverified_server().connect(&url).await.unwrap());
    replica.ready().await.unwrap();
    revoke(&store, "b").await;
    until("it is heard", async || is_revoked(&replica, "b").await).await;
    // Information that the server shows is used.
    server.cli(&["ACL", "SETUSER", "app", "+info"]).await;
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let error = rejection(options().allow_unverified_server().connect(&url)).await;
    assert!(error.contains("allkeys-lru"), "{error}");
    // A loss of entries is detected.
    server.cli(&["FLUSHALL"]).await;
    store.is_revoked(&token("a")).await.unwrap_err();
}

// Paused servers

#[tokio::test]
#[ignore = "needs redis-server"]
async fn checks_work_while_a_server_is_paused_for_writes() {
    let server = server_with(&[]).await;
    let store = options().timeout(Duration::from_secs(1)).connect(&server.url()).await.unwrap();
    let follower = options().timeout(Duration::from_secs(1)).connect(&server.url()).await.unwrap();
    let replica = ReplicaOptions::new().max_staleness(Duration::from_secs(2)).start(follower);
    replica.ready().await.unwrap();
    revoke(&store, "a").await;
    assert!(is_revoked(&store, "a").await);
    server.cli(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let paused = Instant::now();
    // A revocation waits and does not block checks.
    let error = store.revoke(&Revocation::of_token(&token("b"))).await.unwrap_err();
    assert!(format!("{error:?}").contains("no answer"), "{error:?}");
    let mut rounds = 0;
    while paused.elapsed() < Duration::from_secs(5) {
        assert!(is_revoked(&store, "a").await);
        assert!(!is_revoked(&store, "c").await);
        assert!(is_revoked(&replica, "a").await);
        assert!(!is_revoked(&replica, "c").await);
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(rounds > 5 && replica.health().is_fresh(), "{:?}", replica.health());
    // Also on a new connection and for a node that takes a snapshot.
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    until("another connection", async || store.is_revoked(&token("a")).await.ok() == Some(true)).await;
    let late = Replica::start(store);
    late.ready().await.unwrap();
    assert!(is_revoked(&late, "a").await);
    server.cli(&["CLIENT", "UNPAUSE"]).await;
    until("writing goes on", async || late.revoke(&Revocation::of_token(&token("d"))).await.is_ok()).await;
}
