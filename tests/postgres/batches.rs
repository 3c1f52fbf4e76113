//! Promise: concurrent revocations travel together, and none of them suffers from another one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::{postgres::assert_says, servers::FaultProxy};
use tokio::task::JoinSet;
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    store::StoreError,
};

use super::support::{FAR, ISSUER, SOON, Served, of, options, quoted, served, token, until};

type Answers = Vec<(usize, Result<Outcome, StoreError>, Duration)>;

/// Revokes all at once, and returns the answers with the time that each took, as they come.
async fn at_once(store: &PostgresStore, revocations: &[Revocation]) -> Answers {
    let mut callers = JoinSet::new();
    let began = Instant::now();
    for (number, &revocation) in revocations.iter().enumerate() {
        let store = store.clone();
        callers.spawn(async move { (number, store.revoke(&revocation).await, began.elapsed()) });
    }
    callers.join_all().await
}

fn newly(answers: &Answers) -> usize {
    answers.iter().filter(|(_, answer, _)| matches!(answer, Ok(Outcome::Newly))).count()
}

fn tokens(name: &str, count: usize) -> Vec<Revocation> {
    (0..count).map(|number| of(&format!("{name} {number}"))).collect()
}

fn session(through: u64) -> Revocation {
    let at = Timestamp::from_unix_seconds;
    Revocation::new(RevocationKey::session(ISSUER, "s"), at(through), at(FAR))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn many_callers_need_few_transactions() {
    let it = served(options()).await;
    it.revoke(&of("warm")).await.unwrap();
    let answers = at_once(&it.store, &tokens("many", 500)).await;
    assert_eq!(newly(&answers), 500);
    let transactions: usize =
        it.sql("select count(distinct changed_in) from {schema}.revocation").await.parse().unwrap();
    assert!(transactions < 100, "{transactions} transactions");
    assert_eq!(it.sql("select count(*) from {schema}.revocation").await, "501");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn of_repeated_keys_in_a_batch_exactly_one_is_new() {
    let it = served(options()).await;
    for round in 0..10 {
        // One key from many callers, and the same key with a later date.
        let mut all = vec![of(&format!("same {round}")); 40];
        all.extend(vec![session(100 + round); 40]);
        let answers = at_once(&it.store, &all).await;
        let newly_of = |numbers: std::ops::Range<usize>| {
            let is_new = |(number, answer, _): &&(usize, Result<Outcome, StoreError>, Duration)| {
                numbers.contains(number) && matches!(answer, Ok(Outcome::Newly))
            };
            answers.iter().filter(is_new).count()
        };
        assert!(answers.iter().all(|(_, answer, _)| answer.is_ok()), "{answers:?}");
        assert_eq!((newly_of(0..40), newly_of(40..80)), (1, 1));
    }
}

/// A lock of another program on a row keeps only the revocation of this row waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_locked_row_delays_no_other_revocation_of_the_batch() {
    let it = served(options()).await;
    it.revoke(&session(100)).await.unwrap();
    let mut client = it.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute(&format!("select from {}.revocation for update", quoted(&it.schema))).await.unwrap();

    let store = options().schema(&it.schema).timeout(Duration::from_secs(5)).connect(&it.url).await.unwrap();
    let mut all = tokens("free", 19);
    all.insert(7, session(200));
    let (number, locked, after) = {
        let mut answers = at_once(&store, &all).await;
        let locked = answers.iter().position(|(number, ..)| *number == 7).unwrap();
        let locked = answers.swap_remove(locked);
        assert_eq!(newly(&answers), 19);
        let longest = answers.iter().map(|(.., after)| *after).max().unwrap();
        assert!(longest < Duration::from_secs(2), "they waited for the locked row: {longest:?}");
        locked
    };
    assert_eq!(number, 7);
    assert!(after >= Duration::from_secs(4), "{after:?}");
    locked.unwrap_err();
    // Others are not kept waiting while the row is waited for, either, by as many flights as there
    // may be.
    let mut waits = JoinSet::new();
    for caller in 0..4 {
        let store = store.clone();
        waits.spawn(async move { store.revoke(&session(300)).await });
        let waiting = format!(
            "select count(*) >= {} from pg_stat_activity where wait_event_type = 'Lock' \
             and (query like '%as known%' or query like 'execute tower_logout_%')",
            caller + 1
        );
        until("it waits", async || it.server.psql(&waiting).await == "t").await;
    }
    let answers = at_once(&store, &tokens("later", 50)).await;
    assert_eq!(newly(&answers), 50);
    assert!(waits.try_join_next().is_none());
    lock.rollback().await.unwrap();
    let outcomes: Vec<_> = waits.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Newly).count(), 1);
}

async fn trigger(it: &Served<PostgresStore>, key: RevocationKey, then: &str) {
    it.sql(&format!(
        "create or replace function {{schema}}.bad() returns trigger language plpgsql as $$ begin \
             if new.key = decode('{key}', 'hex') then {then}; end if; return new; end $$; \
         create or replace trigger bad before insert on {{schema}}.revocation \
             for each row execute function {{schema}}.bad()"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_row_that_is_refused_fails_no_other_revocation_of_the_batch() {
    let it = served(options()).await;
    for (name, then) in [
        ("raised", "raise exception 'not this one'"),
        ("with a code", "raise exception 'not this one' using errcode = 'U0001'"),
        ("checked", "new.retain_until = -1"),
        ("dropped", "return null"),
    ] {
        let mut all = tokens(name, 40);
        trigger(&it, all[20].key(), then).await;
        // The same one from two callers: each has the error.
        all.push(all[20]);
        let answers = at_once(&it.store, &all).await;
        assert_eq!(newly(&answers), 39, "{name}: {answers:?}");
        let failed: Vec<_> = answers.iter().filter(|(_, answer, _)| answer.is_err()).map(|(at, ..)| *at).collect();
        assert_eq!(failed.len(), 2, "{name}");
        assert!(failed.contains(&20) && failed.contains(&40), "{name}");
    }
    it.sql("drop trigger bad on {schema}.revocation").await;
    assert_eq!(it.revoke(&tokens("dropped", 40)[20]).await.unwrap(), Outcome::Newly);
}

/// An error that concerns all is told to all, without a try for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_batch_of_unknown_outcome_is_an_error_for_all_and_is_not_sent_again() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = options().schema(&it.schema).connect(&url).await.unwrap();
    store.revoke(&of("warm")).await.unwrap();
    for round in 0..5 {
        let all = tokens(&format!("cut {round}"), 60);
        proxy.cut_after_request();
        let before = proxy.connections();
        let calling = tokio::spawn({
            let (store, all) = (store.clone(), all.clone());
            async move { at_once(&store, &all).await }
        });
        let over = async || proxy.connections() > before || calling.is_finished();
        until("it connects again, or has given up", over).await;
        proxy.reset();
        let answers = calling.await.unwrap();
        // Once more, each is stored: no error and no second `Newly` of what was answered.
        for (number, answer, _) in answers {
            let again = until_ok(&store, &all[number]).await;
            if let Ok(outcome) = answer {
                assert_eq!((outcome, again), (Outcome::Newly, Outcome::Already), "{number}");
            }
        }
    }
    let counted = "select count(*) from {schema}.revocation";
    assert_eq!(it.sql(counted).await, "301");
}

async fn until_ok(store: &PostgresStore, revocation: &Revocation) -> Outcome {
    let deadline = Instant::now() + SOON * 3;
    loop {
        match store.revoke(revocation).await {
            Ok(outcome) => return outcome,
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn while_the_server_hangs_each_caller_has_its_error_in_time() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = options().schema(&it.schema).timeout(Duration::from_secs(1)).connect(&url).await.unwrap();
    store.revoke(&of("warm")).await.unwrap();
    proxy.half_open();
    let answers = at_once(&store, &tokens("hanging", 60)).await;
    for (_, answer, after) in answers {
        assert_says(answer, &["did not answer within 1s"]);
        assert!(after < Duration::from_secs(5), "{after:?}");
    }
    proxy.pass();
    assert!(matches!(until_ok(&store, &of("afterwards")).await, Outcome::Newly | Outcome::Already));
}

/// A caller that went away before its batch was sent has revoked nothing; one that went away during
/// it has not kept the others from their answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn callers_that_go_away_leave_the_others_their_answers() {
    let it = Arc::new(served(options()).await);
    it.revoke(&of("warm")).await.unwrap();
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for number in 0..60 {
            let (store, revocation) = (it.store.clone(), of(&format!("going {round} {number}")));
            callers.spawn(async move {
                if number % 3 == 0 {
                    let limit = Duration::from_micros(number * 40);
                    tokio::time::timeout(limit, store.revoke(&revocation)).await.ok()
                } else {
                    Some(store.revoke(&revocation).await)
                }
            });
        }
        for answer in callers.join_all().await.into_iter().flatten() {
            assert_eq!(answer.unwrap(), Outcome::Newly);
        }
    }
}

/// The notification begins after the commit that it is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn every_batch_wakes_the_followers() {
    let it = served(options()).await;
    let other = options().schema(&it.schema).connect(&it.url).await.unwrap();
    let replica = Replica::start(other);
    replica.ready().await.unwrap();
    let mut slow = 0;
    for round in 0..40 {
        let all = tokens(&format!("wakes {round}"), 30);
        assert_eq!(newly(&at_once(&it.store, &all).await), 30);
        let began = Instant::now();
        for number in 0..30 {
            let last = token(&format!("wakes {round} {number}"));
            until("it is known", async || matches!(replica.is_revoked_now(&last), Some(Ok(true)))).await;
        }
        slow += usize::from(began.elapsed() > Duration::from_millis(400));
    }
    assert!(slow < 10, "{slow} of 40 were found by the heartbeat, once a second, and not by a notification");
}
