//! Promise: `RedisStore` tries what it will need when it connects, and an error names what is
//! missing, with the remedy.

use std::time::Duration;

use test_support::servers::{RedisOptions, RedisServer};
use tower_logout::{
    RedisStore, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{RedisStoreOptions, StoreErrorKind},
};

const LAYOUT: &str = include_str!("../../docs/redis-layout.md");

async fn server_with(extra: &[&str]) -> RedisServer {
    let extra = extra.iter().map(|&it| it.to_owned()).collect();
    RedisServer::start(RedisOptions { extra, ..RedisOptions::default() }).await
}

fn options() -> RedisStoreOptions {
    RedisStore::options().timeout(Duration::from_secs(10))
}

/// The words of the documented `ACL SETUSER` command.
fn documented() -> Vec<&'static str> {
    LAYOUT.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap().split(' ').collect()
}

fn url(server: &RedisServer) -> String {
    format!("redis://logout:secret@127.0.0.1:{}", server.port())
}

async fn rejection(options: RedisStoreOptions, url: &str) -> String {
    let error = options.connect(url).await.map(|_| ()).expect_err(url);
    let text = format!("{error:?}");
    assert!(text.contains("127.0.0.1") && !text.contains("secret@"), "{text}");
    text
}

async fn revoke(store: &RedisStore) {
    let own = RevocationKey::token_id("https://matar.app", "a");
    let token = TokenIdentity::new(own, Timestamp::MIN, Timestamp::MAX, &Retention::default());
    assert_eq!(store.revoke(&Revocation::of_token(&token)).await.unwrap(), Outcome::Newly);
    assert!(store.is_revoked(&token).await.unwrap());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn each_missing_right_is_named_at_the_start() {
    let server = server_with(&[]).await;
    server.cli(&documented()).await;
    revoke(&options().connect(&url(&server)).await.unwrap()).await;
    let commands: Vec<_> = documented().into_iter().filter_map(|word| word.strip_prefix('+')).collect();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        server.cli(&documented()).await;
        server.cli(&["ACL", "SETUSER", "logout", &format!("-{command}")]).await;
        let (options, url) = match command {
            // Commands that any connection may run.
            "auth" | "hello" => continue,
            // Commands that only some options need: several replicas, another database.
            "wait" => (options().wait_replicas(1), url(&server)),
            "select" => (options(), format!("{}/3", url(&server))),
            _ => (options(), url(&server)),
        };
        let error = rejection(options, &url).await;
        assert!(error.to_lowercase().contains(command), "{command}: {error}");
        assert!(error.contains("ACL SETUSER"), "{command}: {error}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn each_key_that_may_not_be_used_is_an_error_at_the_start() {
    let server = server_with(&[]).await;
    let names =
        ["v1:live", "v1:through", "v1:feed", "v1:meta", "layout"].map(|part| format!("~{{tower-logout}}:{part}"));
    for missing in 0..names.len() {
        server.cli(&documented()).await;
        let mut command = vec!["ACL", "SETUSER", "logout", "resetkeys"];
        command.extend(names.iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, name)| name.as_str()));
        server.cli(&command).await;
        let error = rejection(options(), &url(&server)).await;
        assert!(error.contains("key") && error.contains("~{tower-logout}:*"), "{error}");
        // With all of them, the store connects.
        server.cli(&["ACL", "SETUSER", "logout", &names[missing]]).await;
        options().connect(&url(&server)).await.unwrap();
    }
    server.cli(&documented()).await;
    let error = rejection(options().prefix("other"), &url(&server)).await;
    assert!(error.contains("key") && error.contains("ACL SETUSER"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn each_command_that_was_renamed_is_named_at_the_start() {
    for command in ["EVALSHA", "EVAL", "ROLE", "XREAD", "XADD", "ZADD", "ZMSCORE", "HSET", "PERSIST", "HLEN", "INFO"] {
        let server = server_with(&["--rename-command", command, ""]).await;
        let error = rejection(options(), &server.url()).await;
        assert!(error.to_uppercase().contains(command), "{command}: {error}");
        assert!(error.contains("renames") || error.contains("INFO"), "{command}: {error}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_accepts_no_writes_is_rejected_at_the_start() {
    let server = server_with(&["--min-replicas-to-write", "1"]).await;
    let error = options().connect(&server.url()).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("min-replicas-to-write"), "{error}");
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    let store = options().connect(&server.url()).await.unwrap();
    revoke(&store).await;
    // Also if others have written to that server.
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let error = options().connect(&server.url()).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("min-replicas-to-write"), "{error}");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

/// A right that is revoked later is named by the call that needs it.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_right_that_is_taken_away_is_named_by_the_call() {
    let server = server_with(&[]).await;
    server.cli(&documented()).await;
    let store = options().connect(&url(&server)).await.unwrap();
    revoke(&store).await;
    server.cli(&["ACL", "SETUSER", "logout", "-evalsha"]).await;
    let own = RevocationKey::token_id("https://matar.app", "a");
    let token = TokenIdentity::new(own, Timestamp::MIN, Timestamp::MAX, &Retention::default());
    let error = store.is_revoked(&token).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
    assert!(error.to_string().contains("evalsha") && error.to_string().contains("ACL SETUSER"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_trial_at_the_start_changes_nothing() {
    let server = server_with(&[]).await;
    revoke(&options().connect(&server.url()).await.unwrap()).await;
    let all = async || {
        let mut all = String::new();
        for key in server.cli(&["KEYS", "*"]).await.lines() {
            all += &server.cli(&["DUMP", key]).await;
        }
        all
    };
    let before = all().await;
    options().connect(&server.url()).await.unwrap();
    assert_eq!(all().await, before);
}
