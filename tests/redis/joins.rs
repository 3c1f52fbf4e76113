//! Promise: many revocations at once have the effect of one call after the other, and the log says
//! so.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use fastrand::Rng;
use test_support::servers::RedisServer;
use tower_logout::{
    RedisStore, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    store::{RedisCursor, RedisStoreOptions, RevocationLog},
};

use super::support::{ISSUER, at, end_of, in_an_hour, options, server};

struct Side {
    store: RedisStore,
    prefix: String,
    start: RedisCursor,
}

impl Side {
    async fn new(server: &RedisServer, prefix: String) -> Self {
        let options: RedisStoreOptions = options().prefix(prefix.clone());
        let start = end_of(&options, server).await;
        Self { store: options.connect(&server.url()).await.unwrap(), prefix, start }
    }

    fn part(&self, name: &str) -> String {
        format!("{{{}}}:v1:{name}", self.prefix)
    }

    /// Whatever `live` and `through` contain.
    async fn content(&self, server: &RedisServer) -> (HashSet<String>, HashSet<String>) {
        let pairs = |reply: String| {
            let lines: Vec<_> = reply.lines().collect();
            assert_eq!(lines.len() % 2, 0, "no key has a line feed");
            lines.chunks(2).map(|pair| pair.join(" ")).collect()
        };
        let live = server.cli(&["ZRANGE", &self.part("live"), "0", "-1", "WITHSCORES"]).await;
        (pairs(live), pairs(server.cli(&["HGETALL", &self.part("through")]).await))
    }

    /// All that the log says, joined.
    async fn logged(&self) -> HashMap<RevocationKey, Revocation> {
        let mut joined = HashMap::new();
        let mut cursor = self.start.clone();
        loop {
            let followed = self.store.follow(&cursor, Duration::ZERO).await.unwrap();
            for revocation in followed.revocations {
                let known = joined.insert(revocation.key(), revocation);
                // Each is as it was after the join, and changes something.
                if let Some(known) = known {
                    let later = |of: fn(&Revocation) -> Timestamp| of(&known) <= of(&revocation);
                    assert!(later(Revocation::issued_through) && later(Revocation::retain_until), "{known:?}");
                    assert_ne!(known, revocation);
                }
            }
            cursor = followed.cursor;
            if followed.complete {
                return joined;
            }
        }
    }
}

/// Keys without a line feed, which the tests print.
fn keys() -> Vec<RevocationKey> {
    let numbers = (0..400).map(|number| number.to_string());
    let of = |number: String| {
        let subject = RevocationKey::subject(ISSUER, &number);
        [RevocationKey::token_id(ISSUER, &number), RevocationKey::token_id(ISSUER, &format!("{number}-b")), subject]
    };
    numbers.flat_map(of).filter(|key| !key.as_bytes().iter().any(|byte| matches!(byte, b'\n' | b'\r'))).collect()
}

fn one(random: &mut Rng, keys: &[RevocationKey]) -> Revocation {
    let key = keys[random.usize(..keys.len())];
    let through = match random.u8(..6) {
        0..3 => Timestamp::MAX,
        3 => at(0),
        _ => at(random.u64(90..110)),
    };
    let until = match random.u8(..8) {
        0 => Timestamp::MAX,
        _ => in_an_hour().saturating_add(Duration::from_secs(random.u64(..4) * 600)),
    };
    Revocation::new(key, through, until)
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn many_at_once_have_the_effect_of_one_call_for_each() {
    let server = server().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let all = keys();
    for round in 0..6 {
        let at_once = Side::new(&server, format!("at-once-{round}")).await;
        let single = Side::new(&server, format!("single-{round}")).await;
        // Few keys are repeated often, and many are seldom known.
        let keys = &all[..[3, 40, all.len()][round % 3]];
        for size in [1, 2, 32, 300, 32, 700] {
            if random.u8(..3) == 0 {
                // What would be retained only until then has been purged.
                let watermark = in_an_hour().saturating_add(Duration::from_secs(random.u64(..3) * 600 + 1));
                for side in [&at_once, &single] {
                    let watermark = watermark.as_unix_millis().to_string();
                    server.cli(&["HSET", &side.part("meta"), "purged_through", &watermark]).await;
                }
            }
            let batch: Vec<_> = (0..size).map(|_| one(&mut random, keys)).collect();
            let outcomes = at_once.store.revoke_all(&batch).await.unwrap();
            for (revocation, outcome) in batch.iter().zip(outcomes) {
                let expected = single.store.revoke(revocation).await.unwrap();
                assert_eq!(outcome, expected, "{revocation:?} in a round {round} of {size}");
            }
            assert_eq!(at_once.content(&server).await, single.content(&server).await);
        }
        let logged = at_once.logged().await;
        assert_eq!(logged, single.logged().await);
        for key in keys {
            assert_eq!(at_once.store.find(*key).await.unwrap().as_ref(), logged.get(key));
        }
    }
}

/// A token that was revoked up to an instant has an entry in `through`, which must be gone once it
/// is revoked for ever.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_that_is_revoked_for_ever_has_no_instant() {
    let server = server().await;
    let side = Side::new(&server, "raised".to_owned()).await;
    let key = |number: u8| RevocationKey::token_id(ISSUER, &number.to_string());
    let of = |number, through| Revocation::new(key(number), through, in_an_hour());
    side.store.revoke(&of(1, at(100))).await.unwrap();
    let batch = [of(1, Timestamp::MAX), of(2, at(100)), of(2, Timestamp::MAX), of(2, at(200)), of(3, Timestamp::MAX)];
    let outcomes = side.store.revoke_all(&batch).await.unwrap();
    let expected = [Outcome::Newly, Outcome::Newly, Outcome::Newly, Outcome::Already, Outcome::Newly];
    assert_eq!(outcomes, expected);
    assert_eq!(server.cli(&["HLEN", &side.part("through")]).await, "0");
    for number in 1..=3 {
        assert_eq!(side.store.find(key(number)).await.unwrap(), Some(of(number, Timestamp::MAX)));
    }
}
