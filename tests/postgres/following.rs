//! Promise: a follower reads every commit exactly once, soon after it, and however long it was
//! away.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::servers::FaultProxy;
use tokio::time::sleep;
use tokio_postgres::NoTls;
use tower_logout::{Replica, RevocationStore, revocation::Outcome, store::RevocationLog};

use super::support::{
    SOON, cursor_of, far, insert, keys, of, options, rows, served, served_in_own_database, token, until,
};

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_commit_out_of_order_is_not_missed_and_none_comes_twice() {
    for options in [options(), options().poll_only()] {
        let it = served(options).await;
        let (log, cursor) = it.cursor().await;
        let mut client = it.client().await;
        let slow = client.transaction().await.unwrap();
        insert(&slow, &it.schema, &of("slow")).await;
        it.revoke(&of("fast")).await.unwrap();
        let first = log.follow(&cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&first), [of("fast").key()].into());
        it.revoke(&of("next")).await.unwrap();
        let second = log.follow(&first.cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&second), [of("next").key()].into(), "while the slow one is open, the rest comes once");
        slow.commit().await.unwrap();
        let third = log.follow(&second.cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&third), [of("slow").key()].into());
        let fourth = log.follow(&third.cursor, Duration::ZERO).await.unwrap();
        assert!(first.complete && second.complete && third.complete && fourth.complete);
        assert_eq!(keys(&fourth), HashSet::new());
        // From an old cursor, all revocations are read.
        let all = log.follow(&cursor, Duration::ZERO).await.unwrap();
        assert_eq!(keys(&all), ["slow", "fast", "next"].map(|name| of(name).key()).into());
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_revocation_wakes_followers() {
    let it = served(options()).await;
    let (log, cursor) = it.cursor().await;
    let cursor = log.follow(&cursor, Duration::ZERO).await.unwrap().cursor; // starts to listen
    for round in 0..20 {
        let name = round.to_string();
        let began = Instant::now();
        let (followed, outcome) = tokio::join!(log.follow(&cursor, Duration::from_secs(30)), async {
            sleep(Duration::from_millis(10)).await;
            it.revoke(&of(&name)).await
        });
        assert_eq!(outcome.unwrap(), Outcome::Newly);
        assert!(keys(&followed.unwrap()).contains(&of(&name).key()));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_lost_notification_only_delays_a_follower() {
    for options in [options(), options().poll_only()] {
        let it = served(options).await;
        let (schema, server) = (it.schema.clone(), Arc::clone(&it.server));
        let url = it.url.clone();
        let replica = it.replica().await;
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        insert(&client, &schema, &of("silent")).await;
        let began = Instant::now();
        until("the replica finds it", async || replica.is_revoked_now(&token("silent")).unwrap().unwrap()).await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        drop(server);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_was_revoked_without_a_listener_is_found() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let store = options().schema(&it.schema).connect(&url).await.unwrap();
    let (log, cursor) = cursor_of(store).await;
    let cursor = log.follow(&cursor, Duration::ZERO).await.unwrap().cursor;
    for round in 0..5 {
        let name = round.to_string();
        proxy.refuse();
        log.follow(&cursor, Duration::from_secs(30)).await.unwrap_err();
        it.revoke(&of(&name)).await.unwrap();
        proxy.pass();
        let began = Instant::now();
        let followed = log.follow(&cursor, Duration::from_secs(30)).await.unwrap();
        assert!(keys(&followed).contains(&of(&name).key()), "a new connection asks at once");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

/// The store first listens and then reads: in the other order, a revocation in between would only
/// be found by the next read.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_is_revoked_while_a_listener_starts_wakes_it() {
    let it = served(options()).await;
    let proxy = FaultProxy::start(it.server.addr()).await;
    let url = format!("postgres://app@127.0.0.1:{}/app", proxy.port());
    let options = options().schema(&it.schema).timeout(Duration::from_secs(30));
    let (log, mut cursor) = cursor_of(options.connect(&url).await.unwrap()).await;
    let client = it.client().await;
    for step in 0.. {
        log.reconnect();
        proxy.step_replies(16_384);
        let following = tokio::spawn({
            let (log, cursor) = (Arc::clone(&log), cursor.clone());
            async move { log.follow(&cursor, Duration::ZERO).await.unwrap() }
        });
        let patience = Duration::from_millis(300);
        for _ in 0..step {
            let _ = tokio::time::timeout(patience, proxy.let_one_through()).await;
        }
        let _ = tokio::time::timeout(patience, proxy.until(|stats| stats.waiting > 0)).await;
        let is_over = following.is_finished();
        let revocation = of(&step.to_string());
        // Not through the store, which notifies in the background: everything must be over before
        // the listener continues.
        insert(&client, &it.schema, &revocation).await;
        client.query("select pg_notify($1, '')", &[&it.schema]).await.unwrap();
        proxy.pass();
        let mut followed = following.await.unwrap();
        if !keys(&followed).contains(&revocation.key()) {
            let began = Instant::now();
            followed = log.follow(&followed.cursor, Duration::from_secs(30)).await.unwrap();
            assert!(keys(&followed).contains(&revocation.key()));
            assert!(began.elapsed() < Duration::from_secs(10), "nobody woke it, after step {step}");
        }
        cursor = followed.cursor;
        if is_over {
            assert!(step > 3, "{step}");
            return;
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_follower_catches_up_in_pages() {
    let it = served(options()).await;
    let (log, start) = it.cursor().await;
    // In one transaction and in many, so that pages end within and between transactions.
    it.sql(&format!("insert into {{schema}}.revocation {}", rows("1, 25000"))).await;
    for number in 25_001..25_011 {
        it.sql(&format!("insert into {{schema}}.revocation {}", rows(&format!("{number}, {number}")))).await;
    }
    let (mut cursor, mut known, mut pages) = (start.clone(), HashSet::new(), 0);
    let began = Instant::now();
    loop {
        let followed = log.follow(&cursor, Duration::from_secs(30)).await.unwrap();
        let new = keys(&followed);
        assert!(new.iter().all(|key| known.insert(*key)), "nothing comes twice");
        cursor = followed.cursor;
        pages += 1;
        if pages == 1 {
            // Changed after it was read, and after the page's end: it comes last.
            it.revoke(&of("meanwhile")).await.unwrap();
            assert!(!followed.complete);
        }
        if followed.complete {
            break;
        }
        assert!(pages < 10, "the log has no end");
    }
    assert_eq!(known.len(), 25_011);
    assert!(known.contains(&of("meanwhile").key()));
    assert_eq!(pages, 5, "a short page, three more, and a look at what came meanwhile");
    assert!(began.elapsed() < Duration::from_secs(25), "nobody waits while there is more");

    let replica = Replica::start(log);
    replica.ready().await.unwrap();
    assert_eq!(replica.len(), 25_011);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_notification_about_what_is_known_does_not_end_the_wait() {
    let it = served(options()).await;
    let (log, cursor) = it.cursor().await;
    let cursor = log.follow(&cursor, Duration::ZERO).await.unwrap().cursor; // starts to listen
    let client = it.client().await;
    let (wait, began) = (Duration::from_millis(1500), Instant::now());
    let (followed, ()) = tokio::join!(log.follow(&cursor, wait), async {
        for _ in 0..5 {
            client.query("select pg_notify($1, '')", &[&it.schema]).await.unwrap();
            sleep(Duration::from_millis(20)).await;
        }
    });
    let followed = followed.unwrap();
    assert!(followed.complete && followed.revocations.is_empty());
    assert!(began.elapsed() >= wait, "{:?}", began.elapsed());
    // What comes after such a notification is found at once.
    let (followed, _) = tokio::join!(log.follow(&followed.cursor, SOON * 3), async {
        client.query("select pg_notify($1, '')", &[&it.schema]).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        it.revoke(&of("after it")).await.unwrap()
    });
    assert_eq!(keys(&followed.unwrap()), [of("after it").key()].into());
    assert!(began.elapsed() < SOON * 2, "{:?}", began.elapsed());
}

/// A transaction that runs for long, such as a dump's or a report's with a temporary table, holds
/// the oldest snapshot back.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn rows_are_not_read_again_while_a_transaction_runs_for_long() {
    const ROWS: u64 = 5000;
    let it = served_in_own_database("").await;
    let (log, mut cursor) = it.cursor().await;
    let mut client = it.client().await;
    let long = client.transaction().await.unwrap();
    insert(&long, &it.schema, &of("late")).await;
    it.sql(&format!("insert into {{schema}}.revocation {}", rows(&format!("1, {ROWS}")))).await;
    let mut known = HashSet::new();
    for round in 0..20 {
        it.revoke(&of(&round.to_string())).await.unwrap();
        loop {
            let followed = log.follow(&cursor, Duration::ZERO).await.unwrap();
            assert!(keys(&followed).into_iter().all(|key| known.insert(key)), "nothing comes twice");
            cursor = followed.cursor;
            if followed.complete {
                break;
            }
        }
    }
    assert_eq!(known.len() as u64, ROWS + 20);
    long.commit().await.unwrap();
    assert_eq!(keys(&log.follow(&cursor, Duration::ZERO).await.unwrap()), [of("late").key()].into());
    // A connection reports what it has read when it ends.
    drop(log);
    let open = "select count(*) from pg_stat_activity \
                where datname = current_database() and query like '%follower of tower-logout%' \
                and pid <> pg_backend_pid()";
    until("it has ended", async || it.sql(open).await == "0").await;
    let read = "select (select sum(idx_tup_read) from pg_stat_user_indexes \
                        where indexrelname = 'revocation_changed_in') \
                     + (select sum(seq_tup_read) from pg_stat_user_tables where relname = 'revocation')";
    let read: u64 = it.sql(read).await.parse().unwrap();
    assert!((ROWS..4 * ROWS).contains(&read), "{read} rows were read to find {ROWS}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn keys_of_an_unknown_kind_revoke_no_token() {
    let it = served(options()).await;
    let key = "decode(repeat('ff', 16), 'hex')";
    let insert = format!(
        "insert into {{schema}}.revocation values ({key}, 1, {}, pg_current_xact_id(), pg_current_xact_id())",
        far()
    );
    let (log, cursor) = it.cursor().await;
    it.sql(&insert).await;
    it.revoke(&of("a")).await.unwrap();
    assert_eq!(keys(&log.follow(&cursor, Duration::ZERO).await.unwrap()), [of("a").key()].into());
    let replica = Replica::start(log);
    replica.ready().await.unwrap();
    assert_eq!(replica.len(), 1);
}
