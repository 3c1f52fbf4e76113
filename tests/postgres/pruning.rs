//! Promise: expired revocations are deleted below a purge watermark that every follower learns, and
//! nothing else is.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower_logout::{
    Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::RevocationLog,
};

use super::support::{FAR, ISSUER, far, now, of, options, quoted, row, rows, served, token, until};

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn expired_rows_are_deleted_below_the_purge_watermark() {
    let it = served(options()).await;
    let past = now() - 1000;
    let key = RevocationKey::subject(ISSUER, "expired");
    it.sql(&format!(
        "insert into {{schema}}.revocation select decode('{key}', 'hex'), 5, {past}, pg_current_xact_id(), '3'; \
         insert into {{schema}}.revocation {}",
        rows("1, 2500").replace(&far(), &(past - 1).to_string())
    ))
    .await;
    it.revoke(&of("live")).await.unwrap();
    it.revoke(&Revocation::new(RevocationKey::issuer("for ever"), Timestamp::MAX, Timestamp::MAX)).await.unwrap();
    // A store's first revocation prunes.
    let store = options().schema(&it.schema).connect(&it.url).await.unwrap();
    store.revoke(&of("live")).await.unwrap();
    until("it is deleted", async || it.sql("select count(*) from {schema}.revocation").await == "2").await;
    assert_eq!(it.sql("select purged_through from {schema}.state").await, past.to_string());

    // Deleted revocations apply to tokens that are rejected for their age, now and after the clock
    // steps back.
    let until = |millis| Revocation::new(key, Timestamp::from_unix_millis(9), Timestamp::from_unix_millis(millis));
    assert_eq!(store.revoke(&until(past)).await.unwrap(), Outcome::Already);
    assert_eq!(it.sql("select count(*) from {schema}.revocation").await, "2");
    let retention = Retention::new().with_clock_skew(Duration::ZERO);
    let of_age = |retain_until: u64| {
        let expires_at = Timestamp::from_unix_millis(retain_until / 1000 * 1000 - 1000);
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "old"), Timestamp::MIN, expires_at, &retention)
    };
    assert!(store.is_revoked(&of_age(past)).await.unwrap());
    assert!(!store.is_revoked(&of_age(past + 5000)).await.unwrap());
    assert!(store.is_revoked(&token("live")).await.unwrap());
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(replica.is_revoked_now(&of_age(past)).unwrap().unwrap(), "the purge watermark is in the snapshot");
    assert!(!replica.is_revoked_now(&of_age(past + 5000)).unwrap().unwrap());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_later_purge_watermark_reaches_followers() {
    for options in [options(), options().poll_only()] {
        let it = served(options).await;
        let (log, cursor) = it.cursor().await;
        let it = it.replica().await;
        let of_age = |seconds| {
            let expires_at = Timestamp::from_unix_seconds(seconds);
            TokenIdentity::new(
                RevocationKey::token_id(ISSUER, "old"),
                Timestamp::MIN,
                expires_at,
                &Retention::default(),
            )
        };
        assert!(!it.store.is_revoked_now(&of_age(FAR)).unwrap().unwrap());
        assert_eq!(log.follow(&cursor, Duration::ZERO).await.unwrap().purged_through, Timestamp::MIN);
        // As a node would whose clock is far ahead.
        let purged_through = Timestamp::from_unix_seconds(FAR + 3600);
        it.sql(&format!("update {{schema}}.state set purged_through = {}", purged_through.as_unix_millis())).await;
        assert_eq!(log.follow(&cursor, Duration::ZERO).await.unwrap().purged_through, purged_through);
        until("it is refused", async || it.store.is_revoked_now(&of_age(FAR)).unwrap().unwrap()).await;
        assert!(!it.store.is_revoked_now(&of_age(FAR + 7200)).unwrap().unwrap());
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_follower_prunes_too() {
    let it = served(options()).await;
    it.sql(&format!("insert into {{schema}}.revocation {}", rows("1, 100").replace(&far(), "1"))).await;
    let (schema, server, url) = (it.schema.clone(), Arc::clone(&it.server), it.url.clone());
    let store = options().schema(&schema).connect(&url).await.unwrap();
    let _replica = Replica::start(store);
    let count = format!("select count(*) from {}.revocation", quoted(&schema));
    until("it is deleted", async || server.psql(&count).await == "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_row_that_is_extended_while_pruning_stays() {
    let it = served(options().timeout(Duration::from_secs(20))).await;
    let it = Arc::new(it);
    // A row that another transaction extends is left alone.
    let prune = include_str!("../../src/store/postgres/sql/prune.sql")
        .replace("tower_logout", &quoted(&it.schema))
        .replace("$1", "1000");
    let prolong = |name: &str| Revocation::new(of(name).key(), Timestamp::MAX, Timestamp::from_unix_seconds(FAR));
    let expired = |name: &str| Revocation::new(of(name).key(), Timestamp::MAX, Timestamp::from_unix_millis(now() - 1));
    it.sql(&format!("insert into {{schema}}.revocation {}", row(&expired("held")))).await;
    let mut client = it.client().await;
    let held = client.transaction().await.unwrap();
    held.batch_execute(&format!("update {}.revocation set retain_until = {}", quoted(&it.schema), far()))
        .await
        .unwrap();
    assert_eq!(it.server.psql(&prune).await, "0");
    held.commit().await.unwrap();
    assert_eq!(it.server.psql(&prune).await, "0");
    assert!(it.is_revoked(&token("held")).await.unwrap());

    // Extended between the moment when the deletion selects the row and the moment when it locks
    // it.
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut pruners = JoinSet::new();
    for _ in 0..3 {
        let (client, prune, stop) = (it.client().await, prune.clone(), Arc::clone(&stop));
        pruners.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                client.batch_execute(&prune).await.unwrap();
            }
        });
    }
    let began = Instant::now();
    let mut round = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let names: Vec<_> = (0..40).map(|number| format!("{round}-{number}")).collect();
        let values: Vec<_> = names.iter().map(|name| row(&expired(name)).replace("select", "")).collect();
        let values: Vec<_> = values.iter().map(|row| format!("({row})")).collect();
        it.client()
            .await
            .batch_execute(&format!(
                "insert into {}.revocation values {} on conflict do nothing",
                quoted(&it.schema),
                values.join(", ")
            ))
            .await
            .unwrap();
        let mut callers = JoinSet::new();
        for name in names.clone() {
            let it = Arc::clone(&it);
            let prolonged = prolong(&name);
            callers.spawn(async move { it.revoke(&prolonged).await.map(drop).unwrap() });
        }
        callers.join_all().await;
        for name in &names {
            assert!(it.is_revoked(&token(name)).await.unwrap(), "{name} is gone after {round} rounds");
        }
        round += 1;
    }
    stop.store(true, Ordering::Relaxed);
    pruners.join_all().await;
}
