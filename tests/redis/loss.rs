//! Promise: a Redis that has lost all or part of its data never makes a revoked token valid.

use std::{sync::Arc, time::Duration};

use test_support::servers::{FaultProxy, RedisOptions, RedisServer};
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{RedisStoreOptions, ReplicaOptions, StoreErrorKind},
};

const PARTS: [&str; 5] = ["v1:live", "v1:through", "v1:feed", "v1:meta", "layout"];
const ISSUER: &str = "https://matar.app";

async fn server() -> RedisServer {
    server_with(RedisOptions::default()).await
}

async fn server_with(options: RedisOptions) -> RedisServer {
    RedisServer::start(options).await
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

fn subject() -> RevocationKey {
    RevocationKey::subject(ISSUER, "usr_123")
}

/// Revokes a token, and a subject for tokens issued in the first two minutes, so that no part of
/// the layout is empty.
async fn fill(store: &impl RevocationStore) {
    for revocation in [
        Revocation::of_token(&token("dead")),
        Revocation::new(subject(), Timestamp::from_unix_seconds(120), Timestamp::from_unix_seconds(99_999_999_999)),
    ] {
        assert_eq!(store.revoke(&revocation).await.unwrap(), Outcome::Newly);
    }
}

/// A token issued after the subject was revoked.
fn later_token() -> TokenIdentity {
    let (issued_at, expires_at) = (Timestamp::from_unix_seconds(121), Timestamp::from_unix_seconds(99_999_999_999));
    let own = RevocationKey::token_id(ISSUER, "later");
    TokenIdentity::new(own, issued_at, expires_at, &Retention::default()).carries(subject())
}

async fn works(store: &impl RevocationStore) {
    assert!(store.is_revoked(&token("dead")).await.unwrap());
    assert!(store.is_revoked(&token("other").carries(subject())).await.unwrap());
    assert!(!store.is_revoked(&token("alive")).await.unwrap());
    assert!(!store.is_revoked(&later_token()).await.unwrap());
}

/// Asserts that neither a revoked token nor any other is reported as not revoked.
async fn answers_nothing(store: &impl RevocationStore, case: &str) -> String {
    let mut text = String::new();
    for token in [token("dead"), token("alive"), token("other").carries(subject()), later_token()] {
        match store.is_revoked(&token).await {
            Err(error) => text = format!("{error:?}"),
            Ok(answer) => panic!("{case}: {answer}"),
        }
    }
    text
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(std::time::Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_emptied_redis_is_503_and_never_not_revoked() {
    let server = server().await;
    for command in [&["FLUSHDB"][..], &["FLUSHALL"], &["SWAPDB", "0", "7"], &["FLUSHALL", "ASYNC"]] {
        let case = format!("{command:?}");
        let (writer, reader, idle) = (connect(&server).await, connect(&server).await, connect(&server).await);
        fill(&writer).await;
        works(&writer).await;
        works(&reader).await;
        server.cli(command).await;
        // Three stores: one that wrote, one that only checked, and one that has done nothing since
        // it connected.
        for store in [&writer, &reader, &idle] {
            let error = answers_nothing(store, &case).await;
            assert!(error.contains("emptied, or replaced by another"), "{case}: {error}");
            assert!(error.contains("Revoker::everything"), "{case}: {error}");
            store.revoke(&Revocation::of_token(&token("late"))).await.unwrap_err();
        }
        // Another store is created under the same prefix; it is not the one they know.
        let new = connect(&server).await;
        assert_eq!(new.revoke(&Revocation::of_token(&token("new"))).await.unwrap(), Outcome::Newly);
        assert!(new.is_revoked(&token("new")).await.unwrap());
        for store in [&writer, &reader, &idle] {
            answers_nothing(store, &case).await;
            store.is_revoked(&token("new")).await.unwrap_err();
            store.revoke(&Revocation::of_token(&token("late"))).await.unwrap_err();
        }
        server.cli(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn no_part_of_the_layout_goes_unnoticed() {
    let server = server().await;
    for part in PARTS {
        for how in ["DEL", "RENAME", "PEXPIRE"] {
            server.cli(&["FLUSHALL"]).await;
            let (writer, reader) = (connect(&server).await, connect(&server).await);
            fill(&writer).await;
            works(&reader).await;
            let (key, away) = (name(part), name("away"));
            match how {
                "DEL" => server.cli(&["DEL", &key]).await,
                "RENAME" => server.cli(&["RENAME", &key, &away]).await,
                _ => server.cli(&["PEXPIREAT", &key, "1"]).await,
            };
            let case = format!("{how} {part}");
            if part == "layout" {
                // The key only holds the layout version, which every new connection writes.
                writer.is_revoked(&token("dead")).await.unwrap_err();
                until(&case, async || writer.is_revoked(&token("dead")).await.is_ok()).await;
                works(&writer).await;
                continue;
            }
            answers_nothing(&writer, &case).await;
            answers_nothing(&reader, &case).await;
            for store in [&writer, &reader] {
                store.revoke(&Revocation::of_token(&token("late"))).await.unwrap_err();
            }
            if part != "v1:feed" {
                // A process that starts gets the same error.
                let error = options().connect(&server.url()).await.map(|_| ()).unwrap_err();
                assert!(format!("{error:?}").contains("a part of the stored data is missing"), "{case}: {error:?}");
            }
            if how == "RENAME" {
                server.cli(&["RENAME", &away, &key]).await;
                until(&case, async || writer.is_revoked(&token("dead")).await.is_ok()).await;
                works(&writer).await;
                works(&reader).await;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn entries_that_others_remove_or_add_are_noticed() {
    let server = server().await;
    let some = |command: &str| format!("local all = redis.call({command}) ");
    let first_of = some("'ZRANGE', KEYS[1], 0, 0");
    let changes = [
        format!("{first_of} return redis.call('ZREM', KEYS[1], all[1])"),
        "return redis.call('ZADD', KEYS[1], 9007199254740991, '0123456789abcdef')".to_owned(),
        "return redis.call('HDEL', KEYS[2], redis.call('HKEYS', KEYS[2])[1])".to_owned(),
        "return redis.call('HSET', KEYS[2], 'x', 1)".to_owned(),
        "return redis.call('XTRIM', KEYS[3], 'MAXLEN', 0)".to_owned(),
        "return redis.call('XDEL', KEYS[3], redis.call('XREVRANGE', KEYS[3], '+', '-')[1][1])".to_owned(),
        "return redis.call('XADD', KEYS[3], '*', 'n', 3)".to_owned(),
        "return redis.call('HDEL', KEYS[4], 'epoch')".to_owned(),
        "return redis.call('HDEL', KEYS[4], 'seq')".to_owned(),
        "return redis.call('HSET', KEYS[4], 'epoch', 'another')".to_owned(),
        "return redis.call('HSET', KEYS[4], 'seq', 1)".to_owned(),
        "return redis.call('HDEL', KEYS[4], 'live', 'through', 'last')".to_owned(),
        "return redis.call('SET', KEYS[5], '2')".to_owned(),
    ];
    for change in &changes {
        server.cli(&["FLUSHALL"]).await;
        let store = connect(&server).await;
        fill(&store).await;
        works(&store).await;
        let names = PARTS.map(name);
        let mut command = vec!["EVAL", change, "5"];
        command.extend(names.iter().map(String::as_str));
        server.cli(&command).await;
        answers_nothing(&store, change).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_older_copy_is_not_trusted() {
    let server = server().await;
    let names = PARTS.map(name);
    let store = connect(&server).await;
    fill(&store).await;
    // A copy of the whole data, as a backup holds it.
    for key in &names {
        server.cli(&["COPY", key, &format!("backup:{key}")]).await;
    }
    let restore = async || {
        for key in &names {
            server.cli(&["COPY", &format!("backup:{key}"), key, "REPLACE"]).await;
        }
    };
    // Restored at once, nothing is missing.
    restore().await;
    works(&store).await;
    assert_eq!(store.revoke(&Revocation::of_token(&token("later"))).await.unwrap(), Outcome::Newly);
    restore().await;
    let error = answers_nothing(&store, "older").await;
    assert!(error.contains("has lost revocations that it had acknowledged"), "{error}");
    // Others continue from the copy and count different revocations, so the count alone does not
    // reveal the loss.
    let other = connect(&server).await;
    for n in 0..3 {
        assert_eq!(other.revoke(&Revocation::of_token(&token(&n.to_string()))).await.unwrap(), Outcome::Newly);
    }
    let error = answers_nothing(&store, "counted on").await;
    assert!(error.contains("is missing or different"), "{error}");
    // Nor does the later start of the `feed` key, once a loss is known.
    server.cli(&["XTRIM", &name("v1:feed"), "MAXLEN", "1"]).await;
    answers_nothing(&store, "trimmed").await;
    // Its own revocations do not make up for the loss.
    let _ = store.revoke(&Revocation::of_token(&token("more"))).await;
    answers_nothing(&store, "revoked more").await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_store_that_was_idle_while_the_log_was_trimmed_continues() {
    let server = server().await;
    let (store, other) = (connect(&server).await, connect(&server).await);
    fill(&store).await;
    for n in 0..5 {
        other.revoke(&Revocation::of_token(&token(&n.to_string()))).await.unwrap();
    }
    server.cli(&["XTRIM", &name("v1:feed"), "MAXLEN", "2"]).await;
    works(&store).await;
    assert!(store.is_revoked(&token("4")).await.unwrap());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_restart_without_what_was_stored_is_noticed() {
    let server = server().await;
    let (writer, reader) = (connect(&server).await, connect(&server).await);
    fill(&writer).await;
    works(&reader).await;
    server.restart().await;
    for store in [&writer, &reader] {
        answers_nothing(store, "restarted").await;
    }
    let server = server_with(RedisOptions { persist: true, ..RedisOptions::default() }).await;
    let store = connect(&server).await;
    fill(&store).await;
    server.restart().await;
    until("it is connected again", async || store.is_revoked(&token("dead")).await.is_ok()).await;
    works(&store).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_failover_to_an_empty_replica_is_noticed() {
    let old = server().await;
    let new = server().await;
    let address = FaultProxy::start(old.addr()).await;
    let store = options().connect(&format!("redis://{}", address.addr())).await.unwrap();
    fill(&store).await;
    address.retarget(new.addr());
    answers_nothing(&store, "another server").await;
    // The address was wrong, and the right server is back.
    address.retarget(old.addr());
    until("it is back", async || store.is_revoked(&token("dead")).await.is_ok()).await;
    works(&store).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_empty_redis_is_accepted_at_the_start() {
    let server = server().await;
    let (first, second) = (connect(&server).await, connect(&server).await);
    assert!(!first.is_revoked(&token("dead")).await.unwrap());
    fill(&second).await;
    works(&first).await;
    works(&second).await;
    // Without memory nothing can be created, but nothing has been lost either.
    server.cli(&["FLUSHALL"]).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let third = connect(&server).await;
    assert!(!third.is_revoked(&token("dead")).await.unwrap());
    third.revoke(&Revocation::of_token(&token("dead"))).await.unwrap_err();
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    fill(&third).await;
    works(&third).await;
    server.cli(&["FLUSHALL"]).await;
    answers_nothing(&third, "flushed").await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_loss_is_detected_within_the_round_trip_of_the_check() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    fill(&store).await;
    works(&store).await;
    let before = proxy.stats().requests;
    works(&store).await;
    assert_eq!(proxy.stats().requests - before, 4);
    server.cli(&["FLUSHALL"]).await;
    let before = proxy.stats().requests;
    store.is_revoked(&token("dead")).await.unwrap_err();
    assert_eq!(proxy.stats().requests - before, 1);
}

/// A replica knows the missing entries: it re-sends them and continues.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_restores_whatever_part_is_lost() {
    let server = server().await;
    for part in PARTS {
        server.cli(&["FLUSHALL"]).await;
        let start = async || {
            let options = ReplicaOptions::new().max_staleness(Duration::from_millis(800));
            let replica = options.start(connect(&server).await);
            replica.ready().await.unwrap();
            Arc::new(replica)
        };
        let (one, two) = (start().await, start().await);
        fill(&*one).await;
        until("both know", async || two.is_revoked(&token("other").carries(subject())).await.ok() == Some(true)).await;
        server.cli(&["DEL", &name(part)]).await;
        let is_whole = async || {
            for node in [&one, &two] {
                assert_ne!(node.is_revoked(&token("dead")).await.ok(), Some(false), "{part}");
            }
            let Ok(new) = RedisStore::connect(&server.url()).await else { return false };
            new.is_revoked(&token("dead")).await.ok() == Some(true)
                && new.is_revoked(&token("other").carries(subject())).await.ok() == Some(true)
        };
        until(part, is_whole).await;
        // The entries are complete, both on the server and for a node that starts now.
        works(&connect(&server).await).await;
        let is_fresh = async || one.health().is_fresh() && two.health().is_fresh();
        until("both are fresh", is_fresh).await;
        let new: Replica<RedisStore> = Replica::start(connect(&server).await);
        new.ready().await.unwrap();
        works(&new).await;
        works(&*one).await;
        works(&*two).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_that_starts_while_a_part_is_missing_reports_it_and_answers_nothing() {
    let server = server().await;
    let store = connect(&server).await;
    fill(&connect(&server).await).await;
    server.cli(&["DEL", &name("v1:live")]).await;
    let replica = Replica::start(store);
    let error = replica.ready().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged);
    assert!(error.to_string().contains("a part of the stored data is missing"), "{error}");
    replica.is_revoked(&token("dead")).await.unwrap_err();
}
