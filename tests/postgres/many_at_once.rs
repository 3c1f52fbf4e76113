//! Promise: many revocations are one statement, reach every follower, and are stored or an error.

use std::{ops::Range, time::Duration};

use test_support::servers::FaultProxy;
use tokio::task::JoinSet;
use tower_logout::{
    RevocationStore, Revoker,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    store::RevocationLog,
};

use super::support::{FAR, ISSUER, keys, options, served, served_in_own_database, until};

fn sessions(numbers: Range<u32>) -> Vec<Revocation> {
    let session = |number: u32| RevocationKey::session(ISSUER, &number.to_string());
    let at = Timestamp::from_unix_seconds;
    numbers.map(|number| Revocation::new(session(number), at(100), at(FAR))).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_thousand_sessions_are_one_transaction() {
    let it = served(options()).await;
    let store = options().schema(&it.schema).connect(&it.url).await.unwrap();
    let receipts = Revoker::new(store).revoke_all(sessions(0..1000).iter().map(Revocation::key)).await.unwrap();
    assert!(receipts.iter().all(|receipt| receipt.outcome() == Outcome::Newly));
    assert_eq!(it.sql("select count(*) from {schema}.revocation").await, "1000");
    assert_eq!(it.sql("select count(distinct changed_in) from {schema}.revocation").await, "1");
    assert_eq!(it.sql("select count(distinct issued_through) from {schema}.revocation").await, "1");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn more_than_one_statement_takes_have_their_outcomes_in_order() {
    let it = served(options()).await;
    it.revoke_all(&sessions(100..200)).await.unwrap();
    let outcomes = it.revoke_all(&sessions(0..5200)).await.unwrap();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let expected = if (100..200).contains(&number) { Outcome::Already } else { Outcome::Newly };
        assert_eq!(outcome, expected, "{number}");
    }
    assert_eq!(it.sql("select count(*) from {schema}.revocation").await, "5200");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn every_follower_reads_all_of_them() {
    let it = served(options()).await;
    let (log, cursor) = it.cursor().await;
    let all = sessions(0..1000);
    it.revoke_all(&all).await.unwrap();
    let followed = log.follow(&cursor, Duration::ZERO).await.unwrap();
    assert_eq!(keys(&followed), all.iter().map(Revocation::key).collect());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_unknown_outcome_is_an_error_and_a_repeat_stores_all() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = options().schema(&it.schema).connect(&url).await.unwrap();
    store.revoke_all(&sessions(0..1)).await.unwrap();
    proxy.cut_after_request();
    store.revoke_all(&sessions(0..1000)).await.unwrap_err();
    proxy.reset();
    until("it answers", async || store.revoke_all(&sessions(0..1000)).await.is_ok()).await;
    assert_eq!(it.revoke_all(&sessions(0..1000)).await.unwrap(), [Outcome::Already; 1000]);
}

/// A row that does not come to be stored leaves none of the statement's rows acknowledged.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn one_row_that_is_not_stored_is_an_error_for_all() {
    let it = served(options()).await;
    let all = sessions(0..10);
    it.sql(&format!(
        "create function {{schema}}.drop_one() returns trigger language plpgsql as $$ begin \
             if new.key = decode('{}', 'hex') then return null; end if; return new; end $$; \
         create trigger drop_one before insert on {{schema}}.revocation \
             for each row execute function {{schema}}.drop_one()",
        all[7].key()
    ))
    .await;
    it.revoke_all(&all).await.unwrap_err();
    it.sql("drop trigger drop_one on {schema}.revocation").await;
    let outcomes = it.revoke_all(&all).await.unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Newly).count(), 1);
    assert_eq!(outcomes[7], Outcome::Newly);
}

/// Two transactions that write the same rows in different orders would wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn concurrent_callers_with_the_same_keys_in_any_order_do_not_wait_for_each_other() {
    let it = served_in_own_database("").await;
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for caller in 0..8 {
            let store = it.store.clone();
            let mut all = sessions(round * 300..(round + 1) * 300);
            if caller % 2 == 0 {
                all.reverse();
            }
            callers.spawn(async move { store.revoke_all(&all).await.unwrap() });
        }
        let outcomes = callers.join_all().await;
        assert_eq!(outcomes.iter().flatten().filter(|outcome| **outcome == Outcome::Newly).count(), 300);
    }
    let deadlocks = "select pg_stat_force_next_flush(); \
                     select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(it.sql(deadlocks).await, "0");
}
