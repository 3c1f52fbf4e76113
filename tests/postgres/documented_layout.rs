//! Promise: `docs/postgres-layout.md` matches the store: its tables, its statements and its
//! example.

use std::{path::Path, time::Duration};

use tokio_postgres::NoTls;
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Retention, RevocationKey, TokenIdentity},
};

use super::support::{now, server, until};

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn the_documented_example_revokes_a_subject() {
    let server = server().await;
    server.psql("create database documented").await;
    let url = format!("postgres://app@127.0.0.1:{}/documented", server.port());
    let document =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/postgres-layout.md")).unwrap();
    for sql in [
        include_str!("../../src/store/postgres/sql/schema.sql"),
        include_str!("../../src/store/postgres/sql/layout.sql"),
        include_str!("../../src/store/postgres/sql/restored.sql"),
        include_str!("../../src/store/postgres/sql/revoke.sql"),
        include_str!("../../src/store/postgres/sql/check.sql"),
        include_str!("../../src/store/postgres/sql/prune.sql"),
    ] {
        assert!(document.contains(sql.trim_end()), "the document has not: {sql}");
    }
    // The documented tables are those of the store.
    let block = |fence: &str, part: &str| {
        let blocks = document.split(fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        blocks.into_iter().find(|block| block.contains(part)).unwrap()
    };
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&block("```sql\n", "create table")).await.unwrap();

    let store = PostgresStore::connect(&url).await.unwrap();
    let replica = Replica::start(PostgresStore::connect(&url).await.unwrap());
    replica.ready().await.unwrap();
    let token = |issued_at| {
        let issued_at = Timestamp::from_unix_seconds(issued_at);
        let expires_at = issued_at.saturating_add(Duration::from_secs(3600));
        TokenIdentity::new(
            RevocationKey::token_id("https://matar.app", "1"),
            issued_at,
            expires_at,
            &Retention::default(),
        )
        .carries(RevocationKey::subject("https://matar.app", "usr_123"))
    };
    let (before, after) = (token(now() / 1000 - 1), token(now() / 1000 + 60));
    assert!(!store.is_revoked(&before).await.unwrap());
    assert!(!replica.is_revoked(&before).await.unwrap());

    let output = tokio::process::Command::new("sh")
        .args(["-ec", &block("```sh\n", "psql")])
        .env("DATABASE_URL", &url)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    assert!(store.is_revoked(&before).await.unwrap());
    assert!(!store.is_revoked(&after).await.unwrap());
    until("the replica knows", async || replica.is_revoked(&before).await.unwrap()).await;
    assert!(!replica.is_revoked(&after).await.unwrap());
}
