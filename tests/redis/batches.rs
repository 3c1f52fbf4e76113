//! Promise: concurrent revocations of a process share scripts, each caller receives its own
//! outcomes, and no caller waits longer than its timeout.

use std::{collections::HashSet, future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::future::{join_all, poll_fn};
use test_support::servers::{FaultProxy, RedisOptions, RedisServer};
use tokio::task::JoinSet;
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    revocation::{Outcome, Revocation, RevocationKey},
    store::{RevocationLog, StoreError, StoreErrorKind},
};

use super::support::{
    ISSUER, at, chain, end_of, in_an_hour, is_revoked, options, patient, revoke, says, server, token, until, watched,
};

/// How often the server has run a command.
async fn calls(server: &RedisServer, command: &str) -> usize {
    let stats = server.cli(&["INFO", "commandstats"]).await;
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

fn numbered(number: u64) -> Revocation {
    of_token(&number.to_string())
}

fn of_token(jti: &str) -> Revocation {
    Revocation::of_token(&token(jti))
}

fn subject(name: &str, through: u64) -> Revocation {
    Revocation::new(RevocationKey::subject(ISSUER, name), at(through), in_an_hour())
}

/// Revokes all at once, each by a call of its own.
async fn at_once(store: &RedisStore, revocations: Vec<Revocation>) -> Vec<Result<Outcome, StoreError>> {
    let store = &store;
    join_all(revocations.iter().map(|revocation| store.revoke(revocation))).await
}

/// Polls a call once, so that it has begun.
async fn begin<T>(mut call: std::pin::Pin<&mut impl Future<Output = T>>) {
    let is_pending = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending, "the server has not answered yet");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn concurrent_callers_share_scripts() {
    let server = server().await;
    let options = options();
    let store = options.clone().connect(&server.url()).await.unwrap();
    let (replica, lost) = watched(options.connect(&server.url()).await.unwrap()).await;
    revoke(&store, &of_token("first")).await;
    let before = calls(&server, "evalsha").await;
    let outcomes = at_once(&store, (0..200).map(numbered).collect()).await;
    assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == Outcome::Newly));
    // One for each of the two callers that came first, and one for all others.
    assert_eq!(calls(&server, "evalsha").await - before, 3);
    until("all are read", async || replica.len() == 201).await;
    for number in 0..200 {
        assert!(is_revoked(&replica, &token(&number.to_string())).await);
        assert!(is_revoked(&store, &token(&number.to_string())).await);
    }
    assert!(!says(&lost, ""), "{lost:?}");
}

/// Duplicates in one script have the effect of one call after the other.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn of_equal_revocations_exactly_one_is_new() {
    let server = server().await;
    let options = options();
    let stores = [(); 2].map(|()| options.clone());
    let stores = join_all(stores.map(async |options| Arc::new(options.connect(&server.url()).await.unwrap()))).await;
    let mut callers = JoinSet::new();
    for caller in 0..64 {
        // Two stores, as if in two processes.
        let store = Arc::clone(&stores[caller % 2]);
        callers.spawn(async move {
            let mut new = Vec::new();
            for round in 0..20 {
                let outcome = store.revoke(&of_token(&format!("round-{round}"))).await.unwrap();
                new.extend((outcome == Outcome::Newly).then_some(round));
            }
            new
        });
    }
    let mut new: Vec<_> = callers.join_all().await.concat();
    new.sort_unstable();
    assert_eq!(new, (0..20).collect::<Vec<_>>());

    // Each member joins by itself: longer, then further, then nothing that is not known.
    let key = RevocationKey::subject(ISSUER, "usr_123");
    let later = in_an_hour().saturating_add(Duration::from_secs(60));
    let [short, long] = [in_an_hour(), later];
    let all = [(100, short), (100, short), (50, long), (200, short), (150, short), (200, long), (300, long)];
    let all = all.map(|(through, until)| Revocation::new(key, at(through), until));
    let outcomes = stores[0].revoke_all(&all).await.unwrap();
    let is_new = outcomes.iter().map(|outcome| *outcome == Outcome::Newly);
    assert_eq!(is_new.collect::<Vec<_>>(), [true, false, false, true, false, false, true]);
    assert_eq!(stores[1].find(key).await.unwrap(), Some(Revocation::new(key, at(300), long)));
}

/// A log entry has at most 250 revocations, and every reader applies all of them: one that waits,
/// one whose cursor is in the middle, and one that begins with a snapshot.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn entries_of_many_revocations_are_read_as_a_whole() {
    let server = server().await;
    let options = options().prefix("many");
    let store = options.clone().connect(&server.url()).await.unwrap();
    revoke(&store, &of_token("first")).await;
    let start = end_of(&options, &server).await;
    let mut all: Vec<_> = (0..300).map(numbered).collect();
    all.extend((0..300).map(|number| subject(&number.to_string(), 100 + number)));
    all.push(of_token("first"));
    store.revoke_all(&all).await.unwrap();
    // 600 that change something are entries of 250, 250 and 100, and a small one at the end.
    let seq = server.cli(&["HGET", "{many}:v1:meta", "seq"]).await;
    assert_eq!((&*seq, &*server.cli(&["XLEN", "{many}:v1:feed"]).await), ("5", "5"));
    let end = server.cli(&["XREVRANGE", "{many}:v1:feed", "+", "-", "COUNT", "1"]).await;
    assert!(end.len() < 50, "every check reads it: {end}");
    revoke(&store, &of_token("last")).await;

    let followed = store.follow(&start, Duration::ZERO).await.unwrap();
    assert!(followed.complete);
    let read: HashSet<_> = followed.revocations.iter().map(Revocation::key).collect();
    let (first, last) = (of_token("first"), of_token("last"));
    let written = all.iter().chain([&last]).map(Revocation::key);
    assert_eq!(read, written.filter(|key| *key != first.key()).collect());
    let third = followed.revocations.iter().find(|read| read.key() == subject("3", 0).key());
    assert_eq!(third.unwrap().issued_through(), at(103));

    // The cursor is at the entry of many revocations.
    store.revoke_all(&all.iter().map(longer).collect::<Vec<_>>()).await.unwrap();
    let middle = end_of(&options, &server).await;
    let nothing = store.follow(&middle, Duration::ZERO).await.unwrap();
    assert!(nothing.revocations.is_empty() && nothing.complete);
    revoke(&store, &of_token("after")).await;
    let next = store.follow(&middle, Duration::ZERO).await.unwrap();
    assert_eq!(next.revocations, [of_token("after")]);
    assert!(store.check(&middle, &token("5")).await.unwrap());

    // The log begins after the cursor.
    server.cli(&["XTRIM", "{many}:v1:feed", "MAXLEN", "1"]).await;
    assert!(store.follow(&start, Duration::ZERO).await.is_err());
    let (replica, lost) = watched(options.connect(&server.url()).await.unwrap()).await;
    assert_eq!(replica.len(), 603);
    assert!(is_revoked(&replica, &token("5")).await);
    assert!(!says(&lost, ""), "{lost:?}");
}

fn longer(revocation: &Revocation) -> Revocation {
    let retain_until = revocation.retain_until().saturating_add(Duration::from_secs(60));
    Revocation::new(revocation.key(), revocation.issued_through(), retain_until)
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_caller_that_goes_away_is_all_or_nothing_and_delays_nobody() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    revoke(&store, &of_token("before")).await;
    let [first, second, third, fourth] = ["first", "second", "third", "fourth"].map(of_token);
    let sent = calls(&server, "evalsha").await;
    proxy.delay_replies(Duration::from_secs(1));
    {
        let mut going = [&first, &second].map(|revocation| Box::pin(store.revoke(revocation)));
        let mut waiting = pin!(store.revoke(&third));
        for going in &mut going {
            begin(going.as_mut()).await;
        }
        begin(waiting.as_mut()).await;
        until("the first two arrive", async || calls(&server, "evalsha").await > sent + 1).await;
    }
    assert_eq!(store.revoke(&fourth).await.unwrap(), Outcome::Newly);
    proxy.pass();
    // The first two were sent, and the third was not.
    assert!(is_revoked(&store, &token("first")).await);
    assert!(is_revoked(&store, &token("second")).await);
    assert!(!is_revoked(&store, &token("third")).await);
}

/// The server hangs or dies while a batch is on the way. Every caller is answered within its
/// timeout, nothing is sent again, and the store recovers by itself.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn all_callers_of_a_batch_end_in_time_if_the_server_hangs_or_dies() {
    let server = RedisServer::start(RedisOptions { persist: true, ..RedisOptions::default() }).await;
    let limit = Duration::from_millis(400);
    let store = options().timeout(limit).connect(&server.url()).await.unwrap();
    for (round, fault) in ["hangs", "dies"].into_iter().enumerate() {
        until("it answers", async || store.revoke(&of_token("before")).await.is_ok()).await;
        server.freeze();
        let all: Vec<_> = (0..64).map(|number| of_token(&format!("{round}-{number}"))).collect();
        let mut callers = pin!(at_once(&store, all.clone()));
        begin(callers.as_mut()).await;
        if fault == "dies" {
            server.kill();
        }
        let ended = tokio::time::timeout(Duration::from_secs(20), callers).await;
        let outcomes = ended.unwrap_or_else(|_| panic!("{fault}: a caller waits for ever"));
        for outcome in outcomes {
            let error = outcome.expect_err(fault);
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{fault}: {}", chain(&error));
        }
        if fault == "dies" {
            server.restart().await;
        }
        server.thaw();
        until("all are stored", async || at_once(&store, all.clone()).await.iter().all(Result::is_ok)).await;
        for number in 0..64 {
            assert!(is_revoked(&store, &token(&format!("{round}-{number}"))).await, "{fault}");
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_full_server_stores_no_part_of_a_batch() {
    let server = server().await;
    let store = options().connect(&server.url()).await.unwrap();
    revoke(&store, &of_token("before")).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for outcome in at_once(&store, (0..64).map(numbered).collect()).await {
        let error = outcome.expect_err("it is full");
        assert_eq!(error.kind(), StoreErrorKind::Full, "{}", chain(&error));
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    for number in 0..64 {
        assert!(!is_revoked(&store, &token(&number.to_string())).await);
    }
    let outcomes = at_once(&store, (0..64).map(numbered).collect()).await;
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap() == Outcome::Newly));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_batch_waits_once_for_the_replicas_of_the_server() {
    let server = server().await;
    let limit = Duration::from_millis(600);
    let store = options().timeout(limit).wait_replicas(1).connect(&server.url()).await.unwrap();
    for outcome in at_once(&store, (0..8).map(numbered).collect()).await {
        let error = chain(&outcome.expect_err("there is no replica"));
        assert!(error.contains("0 of 1") || error.contains("no answer within"), "{error}");
    }
    let follower = super::support::server().await;
    follower.replica_of(&server).await;
    until("the replica follows", async || store.revoke(&of_token("a")).await.is_ok()).await;
    let before = calls(&server, "wait").await;
    let outcomes = at_once(&store, (0..64).map(numbered).collect()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(calls(&server, "wait").await - before, 3);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_batch_is_sent_as_text_if_the_server_has_forgotten_the_script() {
    let server = server().await;
    let store = options().connect(&server.url()).await.unwrap();
    for round in 0..3 {
        server.cli(&["SCRIPT", "FLUSH"]).await;
        let all = (0..64).map(|number| of_token(&format!("{round}-{number}"))).collect();
        let outcomes = at_once(&store, all).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.unwrap() == Outcome::Newly));
    }
}

/// The data disappears under 64 callers. What was acknowledged is known to the replica of this
/// node, which re-sends it.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_was_acknowledged_around_a_loss_is_kept_by_a_replica() {
    let server = server().await;
    let replica = Replica::start(patient().connect(&server.url()).await.unwrap());
    replica.ready().await.unwrap();
    let replica = Arc::new(replica);
    let mut callers = JoinSet::new();
    for caller in 0..64 {
        let replica = Arc::clone(&replica);
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..100 {
                let jti = format!("{caller}-{number}");
                if replica.revoke(&of_token(&jti)).await.is_ok() {
                    acknowledged.push(jti);
                }
            }
            acknowledged
        });
    }
    until("some are acknowledged", async || replica.len() > 100).await;
    server.cli(&["FLUSHALL"]).await;
    let acknowledged = callers.join_all().await.concat();
    for jti in &acknowledged {
        assert!(is_revoked(&*replica, &token(jti)).await, "{jti}");
    }
    // A store that begins now trusts the server only once it is complete.
    until("all are re-sent", async || {
        let Ok(store) = patient().connect(&server.url()).await else { return false };
        let all = acknowledged.iter().map(|jti| Revocation::of_token(&token(jti)).key());
        let found = join_all(all.map(|key| {
            let store = store.clone();
            async move { store.find(key).await }
        }))
        .await;
        found.iter().all(|found| matches!(found, Ok(Some(_))))
    })
    .await;
}
