//! Promise: a follower detects every loss of entries on the server, also during a snapshot, and
//! answers nothing from a server that has lost some.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use test_support::servers::{FaultProxy, RedisServer};
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Health, RevocationLog},
};

use super::support::{
    Catch, ISSUER, Spy, after, at, end_of, in_an_hour, is_revoked, options, revoke, says, server, token, until, watched,
};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_emptied_store_is_noticed_though_nothing_is_written() {
    let server = server().await;
    let (replica, lost) = watched(RedisStore::connect(&server.url()).await.unwrap()).await;
    revoke(&replica, &Revocation::of_token(&token("a"))).await;
    server.cli(&["FLUSHALL"]).await;
    until("it is noticed", async || says(&lost, "was emptied, or replaced by another")).await;
    assert_ne!(replica.is_revoked(&token("a")).await.ok(), Some(false));
    // The replica re-sends what the server has lost.
    let store = RedisStore::connect(&server.url()).await.unwrap();
    until("it is re-sent", async || store.is_revoked(&token("a")).await.ok() == Some(true)).await;
}

/// Neither the generation alone reveals what a failover lost, nor the count once other revocations
/// have been counted since.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_failover_that_loses_writes_and_counts_others_is_noticed() {
    let master = server().await;
    let successor = server().await;
    let proxy = FaultProxy::start(master.addr()).await;
    let first = RedisStore::connect(&master.url()).await.unwrap();
    revoke(&first, &Revocation::of_token(&token("kept"))).await;
    successor.replica_of(&master).await;
    let all = async |server: &RedisServer| server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await;
    until("the replica has it", async || all(&successor).await == "1").await;
    let (replica, lost) = watched(RedisStore::connect(&format!("redis://{}", proxy.addr())).await.unwrap()).await;
    // From here on, the Redis replica receives nothing.
    successor.promote().await;
    for jti in ["lost-1", "lost-2"] {
        revoke(&replica, &Revocation::of_token(&token(jti))).await;
    }
    until("all is read back", async || replica.log().lost.lock().unwrap().is_empty() && replica.len() == 3).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = RedisStore::connect(&successor.url()).await.unwrap();
    for n in 0..5 {
        revoke(&second, &Revocation::of_token(&token(&format!("new-{n}")))).await;
    }
    proxy.retarget(successor.addr());
    until("it is noticed", async || says(&lost, "is missing or different")).await;
    until("the new ones are known", async || {
        let mut known = 0;
        for n in 0..5 {
            known += u32::from(replica.is_revoked(&token(&format!("new-{n}"))).await.ok() == Some(true));
        }
        known == 5
    })
    .await;
    until("the lost ones are re-sent", async || {
        is_revoked(&second, &token("lost-1")).await && is_revoked(&second, &token("lost-2")).await
    })
    .await;
    assert!(is_revoked(&replica, &token("lost-1")).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_was_rolled_back_is_noticed() {
    let server = server().await;
    let (replica, lost) = watched(RedisStore::connect(&server.url()).await.unwrap()).await;
    for jti in ["a", "b", "c"] {
        revoke(&replica, &Revocation::of_token(&token(jti))).await;
    }
    server.cli(&["HSET", "{tower-logout}:v1:meta", "seq", "1"]).await;
    until("it is noticed", async || says(&lost, "has lost revocations that it had acknowledged")).await;
    until("it goes on", async || replica.is_revoked(&token("d")).await.ok() == Some(false)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn entries_that_are_gone_are_noticed_wherever_they_were() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let options = RedisStore::options().timeout(Duration::from_millis(300));
    let (replica, lost) = watched(options.connect(&format!("redis://{}", proxy.addr())).await.unwrap()).await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let feed = "{tower-logout}:v1:feed";
    let newest = |first: usize, last: usize| {
        format!(
            "local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', {last}) \
             for i = {first}, {last} do redis.call('XDEL', KEYS[1], newest[i][1]) end return 1"
        )
    };
    let (all_new, one_new, middle) = (newest(1, 3), newest(3, 3), newest(2, 2));
    let commands: [(&[&str], &str); 5] = [
        (&["XTRIM", feed, "MAXLEN", "1"], "the log entry at the cursor is missing"),
        (&["DEL", feed], "the log entry at the cursor is missing"),
        (&["EVAL", &all_new, "1", feed], "all log entries after the cursor are missing"),
        (&["EVAL", &one_new, "1", feed], "(log entries after the cursor are missing"),
        (&["EVAL", &middle, "1", feed], "(log entries after the cursor are missing"),
    ];
    let knows = async |jti: String| {
        let token = token(&jti);
        until("it is known", async || replica.is_revoked(&token).await.ok() == Some(true)).await;
    };
    for (round, (command, reason)) in commands.into_iter().enumerate() {
        revoke(&store, &Revocation::of_token(&token(&format!("{round}-known")))).await;
        knows(format!("{round}-known")).await;
        lost.lock().unwrap().clear();
        proxy.refuse();
        for n in 0..3 {
            revoke(&store, &Revocation::of_token(&token(&format!("{round}-{n}")))).await;
        }
        server.cli(command).await;
        proxy.pass();
        until(reason, async || says(&lost, reason)).await;
        for n in 0..3 {
            knows(format!("{round}-{n}")).await;
        }
        // It is followed as before, also from a position in an empty stream.
        lost.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
        revoke(&store, &Revocation::of_token(&token(&format!("{round}-last")))).await;
        knows(format!("{round}-last")).await;
    }
}

/// Takes a snapshot of several pages through a proxy that stops at each reply.
async fn while_it_is_read(
    server: &RedisServer,
    until_when: Timestamp,
    what: impl AsyncFnOnce(&RedisStore),
) -> (Replica<Spy>, Arc<Mutex<Vec<String>>>) {
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for n in 0..80 {
                let key = RevocationKey::token_id(ISSUER, &format!("{caller}-{n}"));
                revoke(&*store, &Revocation::new(key, Timestamp::MAX, until_when)).await;
            }
        });
    }
    callers.join_all().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let options = RedisStore::options().timeout(Duration::from_secs(30));
    let log = options.connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let lost = Arc::new(Mutex::new(Vec::new()));
    proxy.step_replies(16 * 1024);
    let replica = Replica::start(Spy { store: log, lost: Arc::clone(&lost) });
    while !matches!(replica.health(), Health::Loading { loaded: 500.., .. }) {
        proxy.let_one_through().await;
    }
    what(&store).await;
    proxy.pass();
    replica.ready().await.unwrap();
    (replica, lost)
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_store_that_is_emptied_during_a_snapshot_is_read_again() {
    let server = server().await;
    let (_replica, lost) =
        while_it_is_read(&server, in_an_hour(), async |_| drop(server.cli(&["FLUSHALL"]).await)).await;
    assert!(says(&lost, "emptied, or replaced by another one, while it was read"), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_is_purged_during_a_snapshot_is_rejected() {
    let server = server().await;
    let soon = after(3000);
    let forget = async |store: &RedisStore| {
        until("it is over", async || SystemClock.now() > soon).await;
        let mut n = 0;
        while server.cli(&["ZCOUNT", "{tower-logout}:v1:live", "0", &soon.as_unix_millis().to_string()]).await != "0" {
            n += 1;
            assert!(n < 10_000, "the expired entries are never purged");
            revoke(store, &Revocation::of_token(&token(&n.to_string()))).await;
        }
    };
    let (replica, lost) = while_it_is_read(&server, soon, forget).await;
    assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
    let expired = TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), at(100), at(100), &Retention::default());
    assert!(expired.retain_until() <= soon);
    assert!(is_revoked(&replica, &expired).await);
    assert!(!is_revoked(&replica, &token("alive")).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_stale_replica_does_not_trust_a_server_that_lost_everything() {
    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let cursor = Arc::new(Mutex::new(None));
    let (replica, _) = watched(store).await;
    revoke(&replica, &Revocation::of_token(&token("a"))).await;
    let catch = Catch(RedisStore::connect(&server.url()).await.unwrap(), Arc::clone(&cursor));
    Replica::start(catch).ready().await.unwrap();
    let cursor = cursor.lock().unwrap().clone().unwrap();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    assert!(store.check(&cursor, &token("a")).await.unwrap());
    assert!(!store.check(&cursor, &token("b")).await.unwrap());
    drop(replica);
    server.cli(&["FLUSHALL"]).await;
    let error = store.check(&cursor, &token("a")).await.unwrap_err();
    assert!(matches!(error, FollowError::CursorLost(_)), "{error:?}");
    let other = RedisStore::connect(&server.url()).await.unwrap();
    revoke(&other, &Revocation::of_token(&token("c"))).await;
    let error = store.check(&cursor, &token("a")).await.unwrap_err();
    assert!(matches!(error, FollowError::CursorLost(_)), "{error:?}");
}

/// A name leads to another server, but open connections stay with the old one. The old server is
/// alive, and what it acknowledges is lost. Whatever the follower detects makes the next revocation
/// or check connect anew.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_a_follower_notices_applies_to_revocations_and_checks() {
    let old = server().await;
    let new = server().await;
    let name = FaultProxy::start(old.addr()).await;
    let short = Duration::from_millis(10);
    for wait_replicas in [0, 1] {
        for what in ["frozen", "lost", "connected anew"] {
            let options = options().timeout(Duration::from_secs(1)).wait_replicas(wait_replicas);
            let cursor = end_of(&options, &old).await;
            name.retarget_new(old.addr());
            let store = options.connect(&format!("redis://{}", name.addr())).await.unwrap();
            if what != "connected anew" {
                store.follow(&cursor, short).await.unwrap();
            }
            // Connected, and idle from now on. Without a replica, the server reports that none has
            // confirmed the write.
            let _ = store.revoke(&Revocation::of_token(&token("first"))).await;
            assert!(is_revoked(&store, &token("first")).await);
            let prefix = format!("{store:?}").split_once("prefix: \"").unwrap().1.split_once('"').unwrap().0.to_owned();
            let (live, meta) = (format!("{{{prefix}}}:v1:live"), format!("{{{prefix}}}:v1:meta"));
            // The other server has all entries, as a promoted replica would.
            let port = new.port().to_string();
            for part in ["v1:live", "v1:feed", "v1:meta", "layout"] {
                let key = format!("{{{prefix}}}:{part}");
                old.cli(&["MIGRATE", "127.0.0.1", &port, &key, "0", "10000", "COPY", "REPLACE"]).await;
            }
            name.retarget_new(new.addr());
            match what {
                "frozen" => {
                    old.freeze();
                    assert!(matches!(store.follow(&cursor, short).await, Err(FollowError::Failed(_))));
                    old.thaw();
                }
                "lost" => {
                    old.cli(&["HSET", &meta, "epoch", "another"]).await;
                    assert!(matches!(store.follow(&cursor, short).await, Err(FollowError::CursorLost(_))));
                }
                _ => drop(store.follow(&cursor, short).await.unwrap()),
            }
            let case = format!("{what}, to wait for {wait_replicas} replicas");
            let _ = store.revoke(&Revocation::of_token(&token("second"))).await;
            assert_eq!(new.cli(&["ZCARD", &live]).await, "2", "{case}");
            assert_eq!(old.cli(&["ZCARD", &live]).await, "1", "{case}");
            assert!(is_revoked(&store, &token("second")).await, "{case}: the old one was asked");
        }
    }
}
