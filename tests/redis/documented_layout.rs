//! Promise: `docs/redis-layout.md` matches the store: its script, its example and its user.

use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::{Clock, SystemClock},
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
};

use super::support::{
    ISSUER, after, at, failure, in_an_hour, is_revoked, patient, revoke, run_lines, says, server, token, until, watched,
};

const LAYOUT: &str = include_str!("../../docs/redis-layout.md");

/// The first code block of this language.
fn block(language: &str) -> &'static str {
    let begin = LAYOUT.split_once(&format!("```{language}\n")).unwrap().1;
    begin.split_once("```\n").unwrap().0
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_documented_script_is_that_of_the_store_and_its_example_revokes() {
    let scripts = [
        include_str!("../../src/store/redis/scripts/functions.lua"),
        include_str!("../../src/store/redis/scripts/revoke.lua"),
    ];
    assert_eq!(block("lua"), scripts.concat());
    let hex: String = RevocationKey::subject("https://matar.app", "usr_123").to_string();
    assert!(LAYOUT.contains(&format!("key      {hex}\n")), "{hex}");

    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let (replica, lost) = watched(RedisStore::connect(&server.url()).await.unwrap()).await;
    let of = |issued_at| {
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "a"), issued_at, in_an_hour(), &Retention::default())
            .carries(RevocationKey::subject("https://matar.app", "usr_123"))
    };
    let before = SystemClock.now();
    assert!(!is_revoked(&store, &of(before)).await);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("revoke.lua"), block("lua")).unwrap();
    let run = async || {
        let mut command = tokio::process::Command::new("bash");
        command.args(["-euc", block("bash")]).current_dir(directory.path()).env("REDIS_URL", server.url());
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run().await, "1\n");
    assert!(is_revoked(&store, &of(before)).await);
    until("the replica knows", async || is_revoked(&replica, &of(before)).await).await;
    assert!(!is_revoked(&store, &of(after(5000))).await);
    assert!(!is_revoked(&replica, &of(after(5000))).await);
    assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_documented_user_has_all_rights_that_are_needed() {
    let server = server().await;
    let line = LAYOUT.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    assert_eq!(run_lines(&server, line).await, "OK");
    let url = format!("redis://logout:secret@127.0.0.1:{}", server.port());
    let store = patient().connect(&url).await.unwrap();
    let soon = after(200);
    revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, "soon"), at(100), soon)).await;
    let (replica, lost) = watched(patient().wait_replicas(0).connect(&url).await.unwrap()).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("it is heard", async || is_revoked(&replica, &token("a")).await).await;
    until("it is over", async || SystemClock.now() > soon).await;
    revoke(&store, &Revocation::of_token(&token("b"))).await;
    until("it is heard", async || is_revoked(&replica, &token("b")).await).await;
    assert_eq!(server.cli(&["HLEN", "{tower-logout}:v1:through"]).await, "0");
    // Markers are written if the `feed` key is not as it should be.
    server.cli(&["DEL", "{tower-logout}:v1:feed"]).await;
    let second = Replica::start(RedisStore::connect(&url).await.unwrap());
    second.ready().await.unwrap();
    assert!(is_revoked(&second, &token("b")).await);
    assert!(!says(&lost, "NOPERM"), "{lost:?}");
    let waits = patient().wait_replicas(1).connect(&url).await.unwrap();
    assert!(failure(waits.revoke(&Revocation::of_token(&token("c")))).await.contains("0 of 1"));
    // The user has no other rights.
    let denied = patient().prefix("other").connect(&url).await;
    assert!(failure(async { denied }).await.contains("NoPerm"));
}
