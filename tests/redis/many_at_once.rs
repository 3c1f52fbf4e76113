//! Promise: many revocations are one round trip, reach every follower, and are stored or an error.

use std::collections::HashSet;

use test_support::servers::{FaultProxy, RedisServer};
use tower_logout::{
    RevocationStore, Revoker,
    clock::{Clock, SystemClock},
    revocation::{Outcome, Revocation, RevocationKey},
};

use super::support::{
    ISSUER, at, failure, in_an_hour, is_revoked, options, patient, says, server, token, until, watched,
};

fn sessions(numbers: std::ops::Range<u32>) -> Vec<Revocation> {
    let session = |number: u32| RevocationKey::session(ISSUER, &number.to_string());
    numbers.map(|number| Revocation::new(session(number), at(100), in_an_hour())).collect()
}

/// How often the server has run scripts.
async fn scripts(server: &RedisServer) -> u32 {
    let stats = server.cli(&["INFO", "commandstats"]).await;
    let calls = |name: &str| {
        let stats = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls="))).unwrap_or("0");
        stats.split(',').next().unwrap().parse::<u32>().unwrap()
    };
    calls("evalsha") + calls("eval")
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_thousand_sessions_are_one_script() {
    let server = server().await;
    let revoker = Revoker::new(patient().connect(&server.url()).await.unwrap());
    revoker.everything().await.map(drop).unwrap(); // the server has cached the script
    let keys = sessions(0..1000);
    let before = scripts(&server).await;
    let receipts = revoker.revoke_all(keys.iter().map(Revocation::key)).await.unwrap();
    assert_eq!(scripts(&server).await - before, 1);
    assert!(receipts.iter().all(|receipt| receipt.outcome() == Outcome::Newly));
    assert!(receipts.iter().map(|receipt| receipt.revocation().key()).eq(keys.iter().map(Revocation::key)));
    let dates: HashSet<_> = receipts.iter().map(|receipt| receipt.revocation().issued_through()).collect();
    assert_eq!(dates.len(), 1, "one date for all");

    let before = scripts(&server).await;
    assert!(revoker.revoke_all([]).await.unwrap().is_empty());
    assert_eq!(scripts(&server).await, before, "nothing is nothing to ask");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn every_follower_reads_all_of_them() {
    let server = server().await;
    let options = options();
    let (replica, lost) = watched(options.clone().connect(&server.url()).await.unwrap()).await;
    let store = options.connect(&server.url()).await.unwrap();
    // One that changes only how long it is retained, one that changes nothing, and one of a token.
    let mut all = sessions(0..1500);
    all.push(Revocation::of_token(&token("a")));
    all.push(Revocation::new(all[7].key(), at(50), all[7].retain_until()));
    assert_eq!(store.revoke_all(&all).await.unwrap()[1501], Outcome::Already);
    until("all are read", async || replica.len() == 1501).await;
    for revocation in &all[..1501] {
        assert_eq!(replica.find(revocation.key()).await.unwrap(), Some(*revocation));
    }
    assert!(is_revoked(&replica, &token("a")).await);
    assert!(!says(&lost, ""), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn all_of_them_wait_for_the_replicas_of_the_server() {
    let server = server().await;
    let store = options().wait_replicas(1).connect(&server.url()).await.unwrap();
    let all = sessions(0..3);
    assert!(failure(store.revoke_all(&all)).await.contains("0 of 1"));
    let follower = super::support::server().await;
    follower.replica_of(&server).await;
    until("the replica follows", async || store.revoke_all(&all).await.is_ok()).await;
    assert_eq!(store.revoke_all(&all).await.unwrap(), [Outcome::Already; 3]);
}

/// After the connection has failed, nobody knows what was stored. A repeat stores all.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_unknown_outcome_is_an_error_and_a_repeat_stores_all() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let options = options();
    let store = options.clone().connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    store.revoke_all(&sessions(0..1)).await.unwrap();
    proxy.cut_after_request();
    failure(store.revoke_all(&sessions(0..1200))).await;
    proxy.reset();
    until("it answers", async || store.revoke_all(&sessions(0..1200)).await.is_ok()).await;
    let other = options.connect(&server.url()).await.unwrap();
    assert_eq!(other.revoke_all(&sessions(0..1200)).await.unwrap(), [Outcome::Already; 1200]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_has_lost_something_takes_none_of_them() {
    let server = server().await;
    let store = patient().connect(&server.url()).await.unwrap();
    store.revoke_all(&sessions(0..2)).await.unwrap();
    server.cli(&["DEL", "{tower-logout}:v1:live"]).await;
    assert!(failure(store.revoke_all(&sessions(2..4))).await.contains("a part of the stored data is missing"));
    server.cli(&["FLUSHALL"]).await;
    failure(store.revoke_all(&sessions(2..4))).await;
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "0");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn scripts_that_the_server_has_forgotten_are_sent_again() {
    let server = server().await;
    let store = options().connect(&server.url()).await.unwrap();
    for numbers in [0..1, 1..1201] {
        server.cli(&["SCRIPT", "FLUSH"]).await;
        let all = sessions(numbers);
        assert_eq!(store.revoke_all(&all).await.unwrap(), vec![Outcome::Newly; all.len()]);
    }
}

const KEY: &str = "0123456789abcde0";

/// Runs the script with these arguments, as another program does.
async fn run(server: &RedisServer, arguments: &[&str]) -> Result<String, String> {
    let script = [
        include_str!("../../src/store/redis/scripts/functions.lua"),
        include_str!("../../src/store/redis/scripts/revoke.lua"),
    ]
    .concat();
    let names =
        ["v1:live", "v1:through", "v1:feed", "v1:meta", "layout"].map(|part| format!("{{tower-logout}}:{part}"));
    let mut command = vec!["EVAL", &script, "5"];
    command.extend(names.iter().map(String::as_str));
    command.extend(arguments);
    server.try_cli(&command).await
}

/// The script refuses a list that is not whole before it writes anything.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_incomplete_list_is_rejected_as_a_whole() {
    let server = server().await;
    let store = patient().connect(&server.url()).await.unwrap();
    store.revoke(&sessions(0..1)[0]).await.unwrap();
    let [now, until] = [SystemClock.now(), in_an_hour()].map(|instant| format!("{:016}", instant.as_unix_millis()));
    let whole = format!("{KEY}{now} {until} ");
    let token = "\u{1}123456789abcdef";
    let forever = "9007199254740991";
    let further = [
        format!("{KEY}{now} "),
        format!("{KEY}{now} soon "),
        KEY.to_owned(),
        format!("short{now} {until} "),
        // A key that is a byte too short or too long would be another key with another instant.
        format!("{}{now} {until} ", &KEY[1..]),
        format!("{KEY}0{now} {until} "),
        format!("{}{forever} {until} ", &token[1..]),
        format!("{}{now} 0{until} ", &KEY[1..]),
        format!("{KEY}0{now} {} ", &until[1..]),
        format!("{token}{forever} {} ", &until[1..]),
        format!("{token}{forever} 0{until} "),
        format!("{token}{forever} {until}"),
        format!("{KEY}{} {until} ", &now[1..]),
        format!("{KEY}{now} -{} ", &until[1..]),
        format!("{KEY}9007199254740992 {until} "),
        format!("{KEY}{now} 9007199254740992 "),
        format!("{token}{forever} 9007199254740992 "),
    ];
    for further in &further {
        for list in [further, &format!("{whole}{further}")] {
            let reply = run(&server, &[list, "epoch"]).await.unwrap_err();
            assert!(reply.contains("a revocation is a key of 16 bytes"), "{further:?}: {reply}");
        }
    }
    for arguments in [&[] as &[&str], &[""], &["", "epoch"], &[&whole], &[&whole, ""]] {
        let reply = run(&server, arguments).await.unwrap_err();
        assert!(reply.contains("a revocation is a key of 16 bytes"), "{arguments:?}: {reply}");
    }
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "1");
    assert!(run(&server, &[&whole, "epoch"]).await.unwrap().starts_with("1\n"));
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "2");
}

/// Lua limits the arguments of a command, which the script divides.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn other_programs_may_revoke_more_than_a_thousand_at_once() {
    let server = server().await;
    let until = in_an_hour().as_unix_millis();
    let list = |through: u64| {
        let one = |number: u32| format!("{}{number:04}{through:016} {until:016} ", &KEY[4..]);
        (0..2400).map(one).collect::<Vec<_>>().concat()
    };
    let outcomes = |reply: String| reply.lines().next().unwrap().to_owned();
    assert_eq!(outcomes(run(&server, &[&list(1), "epoch"]).await.unwrap()), "1".repeat(2400));
    assert_eq!(outcomes(run(&server, &[&list(1), "epoch"]).await.unwrap()), "0".repeat(2400));
    assert_eq!(outcomes(run(&server, &[&list(2), "epoch"]).await.unwrap()), "1".repeat(2400));
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "2400");
    assert_eq!(server.cli(&["HLEN", "{tower-logout}:v1:through"]).await, "2400");
    // Twice ten entries, and a small one at the end.
    assert_eq!(server.cli(&["XLEN", "{tower-logout}:v1:feed"]).await, "22");
}
