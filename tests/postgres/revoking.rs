//! Promise: a revocation is reported as new exactly once, kept exactly, and synced to the disk.

use std::{sync::Arc, time::Duration};

use test_support::servers::FaultProxy;
use tokio::{task::JoinSet, time::sleep};
use tower_logout::{
    PostgresStore, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::RevocationLog,
};

use super::support::{FAR, ISSUER, Served, of, options, served, served_in_own_database, token, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn exactly_one_of_four_nodes_is_new_with_different_retentions() {
    let it = served(options()).await;
    newly_once(&it).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn exactly_one_is_new_in_a_serializable_database() {
    let settings = "alter database {database} set default_transaction_isolation = serializable";
    let it = served_in_own_database(settings).await;
    newly_once(&it).await;
}

async fn newly_once(it: &Served<PostgresStore>) {
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let options = options().schema(&it.schema).timeout(Duration::from_secs(20));
        nodes.push(Arc::new(options.connect(&it.url).await.unwrap()));
    }
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for caller in 0..64 {
            let node = Arc::clone(&nodes[caller % 4]);
            let key = RevocationKey::subject(ISSUER, &round.to_string());
            let until = Timestamp::from_unix_seconds(FAR + caller as u64);
            callers.spawn(async move { node.revoke(&Revocation::new(key, Timestamp::MAX, until)).await.unwrap() });
        }
        let outcomes = callers.join_all().await;
        assert_eq!(outcomes.iter().filter(|&&outcome| outcome == Outcome::Newly).count(), 1);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_check_and_a_revocation_are_one_request_each() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = options().schema(&it.schema).connect(&url).await.unwrap();
    store.revoke(&of("warm")).await.unwrap();
    let quiet = until_quiet(&proxy).await;
    for _ in 0..10 {
        store.is_revoked(&token("a").carries(RevocationKey::subject(ISSUER, "b"))).await.unwrap();
        store.revoke(&of("warm")).await.unwrap();
    }
    // A revocation and the notification behind it may be one packet or two.
    assert!((20..=30).contains(&(proxy.stats().requests - quiet)));
}

async fn until_quiet(proxy: &FaultProxy) -> u64 {
    let mut before = 0;
    until("the proxy is quiet", async || {
        sleep(Duration::from_millis(100)).await;
        let stats = proxy.stats();
        let quiet = stats.requests == before;
        before = stats.requests;
        quiet
    })
    .await;
    before
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn instants_near_the_maximum_are_kept() {
    let it = served(options()).await;
    let (log, mut cursor) = it.cursor().await;
    for (number, millis) in [u64::MAX, u64::MAX - 1, i64::MAX as u64 + 1, i64::MAX as u64, 0].into_iter().enumerate() {
        let instant = Timestamp::from_unix_millis(millis);
        let key = RevocationKey::subject(ISSUER, &number.to_string());
        it.revoke(&Revocation::new(key, instant, Timestamp::from_unix_seconds(FAR))).await.unwrap();
        let at = |instant| TokenIdentity::new(key, instant, Timestamp::from_unix_seconds(FAR), &Retention::default());
        assert!(it.is_revoked(&at(instant)).await.unwrap());
        let followed = log.follow(&cursor, Duration::ZERO).await.unwrap();
        let known = followed.revocations.iter().find(|known| known.key() == key).unwrap().issued_through();
        assert!(known >= instant && (millis != u64::MAX || known == Timestamp::MAX));
        cursor = followed.cursor;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_logout_waits_for_the_disk_whatever_the_database_settings_are() {
    let it = served_in_own_database("alter database {database} set synchronous_commit = off").await;
    it.sql(
        "create table public.seen (setting text); \
         create function public.see() returns trigger language plpgsql as $$ begin \
             insert into public.seen values (current_setting('synchronous_commit')); return null; end $$; \
         create constraint trigger see after insert or update on {schema}.revocation \
             deferrable initially deferred for each row execute function public.see()",
    )
    .await;
    for (setting, expected) in
        [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
    {
        it.sql(&format!("alter database {} set synchronous_commit = {setting}; delete from public.seen", it.database))
            .await;
        let store = options().schema(&it.schema).connect(&it.url).await.unwrap();
        assert_eq!(store.revoke(&of(setting)).await.unwrap(), Outcome::Newly);
        assert_eq!(it.sql("select setting from public.seen").await, expected, "{setting}");
        // The setting does not stay with the connection.
        let client = it.client().await;
        let rows = client.query("select current_setting('synchronous_commit')", &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, &str>(0), setting);
    }
}
