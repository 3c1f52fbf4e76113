//! Promise: a log of several shards misses nothing, and waits for each shard across the calls that
//! follow it.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::servers::FaultProxy;
use tower_logout::{
    RevocationStore,
    revocation::{Outcome, Revocation},
    store::{CollectedSnapshot, FollowError, RevocationLog},
};

use super::{
    shards::{connect, shards, tokens_in},
    support::{server, token, until},
};

/// A shard that is being waited for is not asked again by the next call. What is left to be waited
/// for ends with the cursor.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn each_shard_is_waited_for_across_calls() {
    let server = server().await;
    let store = connect(&server, shards(3)).await;
    let mut cursor = store.snapshot(&mut CollectedSnapshot::default()).await.unwrap();
    // Longer than the test may take.
    let wait = Duration::from_secs(60);
    // All shards are complete once. Nothing is new, so it takes a short wait.
    let followed = store.follow(&cursor, Duration::from_millis(10)).await.unwrap();
    assert!(followed.complete && followed.revocations.is_empty(), "all of them are waited for");
    assert_eq!(followed.lag, Duration::ZERO);
    cursor = followed.cursor;
    let asked = async || {
        let text = server.cli(&["INFO", "commandstats"]).await;
        let line = text.lines().find(|line| line.starts_with("cmdstat_xread:")).unwrap();
        line.split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap()
    };
    let blocked = async || server.info("blocked_clients").await;
    let mut tokens = [0, 1].map(tokens_in);
    let (mut before, mut last_lag) = (None, Duration::ZERO);
    for round in 0..20 {
        let token = tokens[round % 2].next().unwrap();
        let revocation = Revocation::of_token(&token);
        let (followed, outcome) = tokio::join!(store.follow(&cursor, wait), store.revoke(&revocation));
        let followed = followed.unwrap();
        assert_eq!((followed.revocations, outcome.unwrap()), (vec![revocation], Outcome::Newly));
        if round > 2 {
            // The third shard was asked before the second round and has not answered since.
            assert!(followed.complete && followed.lag > last_lag, "{:?}", followed.lag);
        }
        last_lag = followed.lag;
        cursor = followed.cursor;
        // Only the shard that has answered is asked by the next call. The server may not have read
        // that request yet when it is counted.
        let now = asked().await;
        let (first, count) = *before.get_or_insert((round, now));
        assert!(now <= count + (round - first) as u64 + 1, "{now} in round {round}, {count} in round {first}");
    }
    until("two are waited for", async || blocked().await == "2").await;
    // An older cursor that was used already begins anew and finds the same.
    let error = connect(&server, shards(4).prefix("other")).await.follow(&cursor, wait).await.unwrap_err();
    assert!(matches!(error, FollowError::CursorLost(_)), "{error}");
    assert_eq!(blocked().await, "2", "another store leaves them alone");
    drop(cursor);
    until("nobody waits", async || blocked().await == "0").await;
}

/// What a shard says is as old as the question, however long the answer takes.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_answer_is_as_old_as_its_question() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let far = shards(3).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let near = connect(&server, shards(3)).await;
    let cursor = far.snapshot(&mut CollectedSnapshot::default()).await.unwrap();
    let delay = Duration::from_millis(300);
    proxy.delay_replies(delay);
    let followed = far.follow(&cursor, Duration::from_millis(10)).await.unwrap();
    assert!(followed.complete);
    proxy.pass();
    near.revoke(&Revocation::of_token(&token("a"))).await.unwrap();
    let followed = far.follow(&followed.cursor, Duration::from_secs(5)).await.unwrap();
    assert!(followed.complete && followed.lag >= delay, "{:?}", followed.lag);
}

/// Revocations that come to different shards at the same time are all followed, from any cursor,
/// also after a call that was dropped.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn nothing_is_missed_whichever_cursor_is_used() {
    let server = server().await;
    let store = Arc::new(connect(&server, shards(4)).await);
    let mut cursor = store.snapshot(&mut CollectedSnapshot::default()).await.unwrap();
    let all: Vec<_> = (0..400).map(|n| Revocation::of_token(&token(&n.to_string()))).collect();
    let writer = Arc::clone(&store);
    let written = all.clone();
    let writing = tokio::spawn(async move {
        for part in written.chunks(3) {
            writer.revoke_all(part).await.unwrap();
        }
    });
    let mut read = BTreeSet::new();
    let mut random = fastrand::Rng::with_seed(7);
    let deadline = Instant::now() + Duration::from_secs(60);
    while read.len() < all.len() {
        assert!(Instant::now() < deadline, "{} of {}", read.len(), all.len());
        let call = store.follow(&cursor, Duration::from_millis(50));
        match random.u8(0..4) {
            // Dropped on the way, or repeated: the cursor stays.
            0 => drop(tokio::time::timeout(Duration::from_micros(random.u64(0..2000)), call).await),
            1 => read.extend(call.await.unwrap().revocations.iter().map(Revocation::key)),
            2 => {
                store.reconnect();
                drop(call);
            }
            _ => {
                let followed = call.await.unwrap();
                read.extend(followed.revocations.iter().map(Revocation::key));
                cursor = followed.cursor;
            }
        }
    }
    writing.await.unwrap();
    assert_eq!(read, all.iter().map(Revocation::key).collect());
    assert_eq!(server.cli(&["GET", "{tower-logout:1}:layout"]).await, "1:1/4");
    assert_ne!(server.cli(&["ZCARD", "{tower-logout:1}:v1:1/4:live"]).await, "0");
}
