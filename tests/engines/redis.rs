//! Promise: `RedisStore` works with what `docs/redis-layout.md` and `docs/operations.md` say, on
//! every version: the user with few rights, the script for other languages, the settings.

use std::time::Duration;

use test_support::servers::{RedisEngine, RedisOptions, RedisServer};
use tower_logout::{Replica, RevocationStore, revocation::Outcome, store::StoreErrorKind};

use super::support::{Redis, block, failure, of, redis_options, run, token, until};

const LAYOUT: &str = include_str!("../../docs/redis-layout.md");

on_every! { redis;
    the_version_is_the_expected_one
    the_documented_user_has_all_rights_that_are_needed
    the_documented_script_revokes
    a_wrong_password_is_an_error_that_says_so
    a_policy_that_may_evict_revocations_is_refused
    a_replica_of_the_server_is_waited_for_and_is_not_trusted
}

async fn the_version_is_the_expected_one(engine: RedisEngine) {
    let server = Redis::on(engine).await;
    let info = server.0.cli(&["INFO", "server"]).await;
    match engine {
        RedisEngine::Redis6 => assert!(info.contains("redis_version:6.2."), "{info}"),
        // Whatever the distribution has.
        RedisEngine::Installed => assert!(info.contains("redis_version:"), "{info}"),
        RedisEngine::Valkey9 => assert!(info.contains("valkey_version:9."), "{info}"),
    }
    println!("{engine:?}: {}", info.lines().find(|line| line.contains("_version:")).unwrap());
}

async fn the_documented_user_has_all_rights_that_are_needed(engine: RedisEngine) {
    let server = Redis::on(engine).await;
    let line = LAYOUT.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    server.0.cli(&line.split(' ').collect::<Vec<_>>()).await;
    let url = format!("redis://logout:secret@127.0.0.1:{}", server.0.port());
    let store = redis_options().connect(&url).await.unwrap();
    let replica = Replica::start(redis_options().connect(&url).await.unwrap());
    replica.ready().await.unwrap();
    assert_eq!(store.revoke(&of("a")).await.unwrap(), Outcome::Newly);
    assert_eq!(store.revoke_all(&[of("a"), of("b")]).await.unwrap(), [Outcome::Already, Outcome::Newly]);
    assert!(store.is_revoked(&token("a", -1)).await.unwrap());
    assert_eq!(store.find(of("b").key()).await.unwrap(), Some(of("b")));
    until("the replica knows", async || replica.is_revoked(&token("b", -1)).await.unwrap()).await;
    // A repair uses further commands.
    server.0.cli(&["FLUSHALL"]).await;
    until("it is repaired", async || {
        matches!(redis_options().connect(&url).await, Ok(store) if
        store.is_revoked(&token("a", -1)).await.is_ok_and(|is_revoked| is_revoked))
    })
    .await;
    // The user has no other rights.
    let error = failure(redis_options().prefix("other").connect(&url).await);
    assert!(error.contains("ACL SETUSER"), "{error}");
}

async fn the_documented_script_revokes(engine: RedisEngine) {
    let server = Redis::on(engine).await;
    let store = server.store().await;
    let replica = Replica::start(server.store().await);
    replica.ready().await.unwrap();
    assert!(!store.is_revoked(&token("a", -1)).await.unwrap());
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("revoke.lua"), block(LAYOUT, "lua", "")).unwrap();
    let url = server.0.url();
    let said = run(block(LAYOUT, "bash", ""), directory.path(), ("REDIS_URL", &url)).await;
    assert_eq!(said, "1\n");
    assert!(store.is_revoked(&token("a", -1)).await.unwrap());
    until("the replica knows", async || replica.is_revoked(&token("a", -1)).await.unwrap()).await;
    assert!(!store.is_revoked(&token("a", 60)).await.unwrap());
    assert!(!replica.is_revoked(&token("a", 60)).await.unwrap());
}

async fn a_wrong_password_is_an_error_that_says_so(engine: RedisEngine) {
    let password = Some("hunter2".to_owned());
    let server = RedisServer::start(RedisOptions { engine, password, ..RedisOptions::default() }).await;
    redis_options().connect(&server.url()).await.unwrap().revoke(&of("a")).await.unwrap();
    for (user, password) in [("", "hunter3"), ("nobody", "hunter2")] {
        let url = format!("redis://{user}:{password}@127.0.0.1:{}", server.port());
        let error = failure(redis_options().connect(&url).await);
        assert!(error.contains("password") && !error.contains("hunter"), "{error}");
    }
}

async fn a_policy_that_may_evict_revocations_is_refused(engine: RedisEngine) {
    let server = Redis::on(engine).await;
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        server.0.cli(&["CONFIG", "SET", "maxmemory-policy", policy]).await;
        let error = failure(redis_options().connect(&server.0.url()).await);
        assert!(error.contains(policy) && error.contains("noeviction"), "{error}");
    }
    for policy in ["volatile-lru", "volatile-ttl", "noeviction"] {
        server.0.cli(&["CONFIG", "SET", "maxmemory-policy", policy]).await;
        server.store().await.revoke(&of(policy)).await.unwrap();
    }
}

async fn a_replica_of_the_server_is_waited_for_and_is_not_trusted(engine: RedisEngine) {
    let (server, replica) = (Redis::on(engine).await, Redis::on(engine).await);
    replica.0.replica_of(&server.0).await;
    let store = redis_options().wait_replicas(1).connect(&server.0.url()).await.unwrap();
    store.revoke(&of("a")).await.unwrap();
    assert_eq!(replica.0.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "1");
    let error = failure(redis_options().connect(&replica.0.url()).await);
    assert!(error.contains("is a replica"), "{error}");
    replica.0.kill();
    let waits = redis_options().timeout(Duration::from_secs(2)).wait_replicas(1);
    let error = failure(waits.connect(&server.0.url()).await.unwrap().revoke(&of("b")).await);
    assert!(error.contains("0 of 1"), "{error}");
    // The server has become a replica itself.
    replica.0.restart().await;
    server.0.replica_of(&replica.0).await;
    let error = store.is_revoked(&token("a", -1)).await.unwrap_err();
    assert_ne!(error.kind(), StoreErrorKind::Other, "{error:?}");
}
