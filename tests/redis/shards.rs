//! Promise: a store of several shards is one store: a token is checked in all shards of its keys,
//! exactly one caller is first, a replica is as stale as its oldest shard, and what a shard loses
//! is noticed and repaired.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use test_support::servers::{RedisCluster, RedisOptions, RedisServer};
use tower_logout::{
    MemoryStore, RedisStore, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{CollectedSnapshot, Health, RedisStoreOptions, ReplicaOptions, RevocationLog, StoreErrorKind},
};

use super::support::{ISSUER, at, chain, failure, in_an_hour, is_revoked, patient, revoke, server, token, until};

/// The shard of a key, as `docs/redis-layout.md` says.
pub(super) fn shard_of(key: RevocationKey, shards: u32) -> u32 {
    let [.., a, b, c, d] = *key.as_bytes();
    u32::from_be_bytes([a, b, c, d]) % shards
}

/// A token that is only in this one of three shards.
fn token_in(shard: u32) -> TokenIdentity {
    tokens_in(shard).next().unwrap()
}

pub(super) fn tokens_in(shard: u32) -> impl Iterator<Item = TokenIdentity> {
    // Every token has the key of everything, too.
    (0..).map(|n: u32| token(&n.to_string())).filter(move |token| shard_of(token.own_key(), 3) == shard)
}

pub(super) fn shards(shards: usize) -> RedisStoreOptions {
    patient().shards(shards)
}

pub(super) async fn connect(server: &RedisServer, options: RedisStoreOptions) -> RedisStore {
    options.connect(&server.url()).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

async fn names(server: &RedisServer) -> BTreeSet<String> {
    server.cli(&["KEYS", "*"]).await.lines().map(str::to_owned).collect()
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_shard_is_the_layout_of_a_store_without_shards() {
    let server = server().await;
    let subject = Revocation::new(RevocationKey::subject(ISSUER, "s"), at(100), in_an_hour());
    revoke(&connect(&server, shards(1)).await, &subject).await;
    let parts = ["layout", "v1:feed", "v1:live", "v1:meta", "v1:through"];
    assert_eq!(names(&server).await, parts.map(|part| format!("{{tower-logout}}:{part}")).into());
    assert_eq!(server.cli(&["GET", "{tower-logout}:layout"]).await, "1");
    assert_eq!(patient().connect(&server.url()).await.unwrap().find(subject.key()).await.unwrap(), Some(subject));
}

/// In both directions, also by a store that connects when it is used, whichever shard is used
/// first. Nothing is written.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_store_with_another_number_of_shards_is_rejected() {
    for (stored, configured) in [(1, 3), (3, 1), (3, 5)] {
        let server = server().await;
        revoke(&connect(&server, shards(stored)).await, &Revocation::of_token(&token("a"))).await;
        let before = names(&server).await;
        let lazy = shards(configured).connect_lazily(server.url()).unwrap();
        for n in 0..10 {
            let error = lazy.revoke(&Revocation::of_token(&token(&n.to_string()))).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
            lazy.is_revoked(&token(&n.to_string())).await.unwrap_err();
        }
        let replica = ReplicaOptions::new().start(lazy);
        for error in
            [failure(shards(configured).connect(&server.url())).await, chain(&replica.ready().await.unwrap_err())]
        {
            let expected = format!("has {stored} shard");
            assert!(error.contains(&expected) && error.contains(&format!("configured for {configured}")), "{error}");
            assert!(error.contains(&format!("shards({stored})")) && error.contains("Growing"), "{error}");
        }
        assert_eq!(names(&server).await, before);
        assert!(is_revoked(&connect(&server, shards(stored)).await, &token("a")).await);
    }
    for number in [0, 65, usize::MAX] {
        let error = chain(&shards(number).connect_lazily("redis://127.0.0.1:1").map(|_| ()).unwrap_err());
        assert!(error.contains("from 1 to 64"), "{error}");
    }
}

/// Two numbers meet on an empty server: one of them wins, and the other is rejected.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn of_two_numbers_at_the_same_time_one_is_rejected() {
    let server = server().await;
    for round in 0..20 {
        let start = |number| {
            let (options, url) = (shards(number).prefix(format!("round-{round}")), server.url());
            tokio::spawn(async move { options.connect(&url).await.map_err(|error| chain(&error)) })
        };
        let (one, three) = (start(1), start(3));
        let started = [one.await.unwrap(), three.await.unwrap()];
        let rejected = started.iter().filter_map(|store| store.as_ref().err()).collect::<Vec<_>>();
        assert!(matches!(*rejected, [error] if error.contains("configured for")), "{rejected:?}");
        for store in started.into_iter().flatten() {
            revoke(&store, &Revocation::of_token(&token("a"))).await;
            assert!(is_revoked(&store, &token("a")).await);
        }
    }
}

/// The second shard of the prefix `a` has the hash tag of the prefix `a:1`.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_prefix_that_is_a_shard_of_another_is_rejected() {
    for (first, second) in
        [(("a", 3), ("a:1", 1)), (("a:1", 1), ("a", 3)), (("a", 3), ("a:2", 3)), (("a:2", 3), ("a", 3))]
    {
        let server = server().await;
        let of = |(prefix, number): (&str, usize)| shards(number).prefix(prefix);
        revoke(&connect(&server, of(first)).await, &Revocation::of_token(&token("a"))).await;
        let error = failure(of(second).connect(&server.url())).await;
        assert!(error.contains("another prefix"), "{first:?} {second:?}: {error}");
        assert!(is_revoked(&connect(&server, of(first)).await, &token("a")).await);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_documented_user_has_all_rights_that_shards_need() {
    let server = server().await;
    let layout = include_str!("../../docs/redis-layout.md");
    let line = layout.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    server.cli(&line.split(' ').collect::<Vec<_>>()).await;
    let url = format!("redis://logout:secret@127.0.0.1:{}", server.port());
    let error = failure(shards(3).connect(&url)).await;
    assert!(error.contains("~{tower-logout:*"), "{error}");
    assert!(layout.contains("`~{tower-logout:*`"));
    server.cli(&["ACL", "SETUSER", "logout", "~{tower-logout:*"]).await;
    let store = shards(3).connect(&url).await.unwrap();
    for shard in 0..3 {
        assert_eq!(revoke(&store, &Revocation::of_token(&token_in(shard))).await, Outcome::Newly);
    }
    let replica = ReplicaOptions::new().start(store);
    replica.ready().await.unwrap();
    assert!(is_revoked(&replica, &token_in(2)).await);
}

/// A cluster of three nodes without replicas, and a prefix whose three shards are on three nodes.
/// The nodes go on without each other.
async fn spread() -> (RedisCluster, RedisStoreOptions, [usize; 3]) {
    let extra = ["--cluster-require-full-coverage", "no"].map(str::to_owned).into();
    let cluster = RedisCluster::start(3, 0, RedisOptions { extra, ..RedisOptions::default() }).await;
    for n in 0.. {
        let prefix = format!("spread-{n}");
        let mut nodes = [0; 3];
        for (shard, node) in nodes.iter_mut().enumerate() {
            let tag = if shard == 0 { prefix.clone() } else { format!("{prefix}:{shard}") };
            *node = cluster.node_for_key(&format!("{{{tag}}}")).await;
        }
        if BTreeSet::from(nodes).len() == 3 {
            return (cluster, shards(3).prefix(prefix), nodes);
        }
    }
    unreachable!("some prefix is spread")
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_tokens_keys_may_lie_in_different_shards_on_different_nodes() {
    let (cluster, options, nodes) = spread().await;
    let store = options.clone().connect_cluster(cluster.urls()).await.unwrap();
    let replica = ReplicaOptions::new().start(options.connect_cluster(&cluster.urls()[..1]).await.unwrap());
    replica.ready().await.unwrap();
    // One after the other, each in another shard.
    for shard in 0..3 {
        let subject = |n: u32| RevocationKey::subject(ISSUER, &format!("{shard}-{n}"));
        let subject = (0..1000).map(subject).find(|key| shard_of(*key, 3) == shard).unwrap();
        let other = token_in((shard + 1) % 3);
        let session = (0..).map(|n: u32| RevocationKey::session(ISSUER, &n.to_string()));
        let session = session.into_iter().find(|key| shard_of(*key, 3) == (shard + 2) % 3).unwrap();
        let carrier = other.carries(subject).carries(session);
        assert!(!is_revoked(&store, &carrier).await);
        assert!(!is_revoked(&replica, &carrier).await);
        let revocation = Revocation::new(subject, at(100), in_an_hour());
        assert_eq!(revoke(&store, &revocation).await, Outcome::Newly);
        assert!(is_revoked(&store, &carrier).await);
        until("the replica knows", async || is_revoked(&replica, &carrier).await).await;
        assert_eq!(store.find(subject).await.unwrap(), Some(revocation));
        assert_eq!(replica.find(subject).await.unwrap(), Some(revocation));
        // That node alone has it.
        let node = cluster.node(nodes[usize::try_from(shard).unwrap()]);
        assert_eq!(node.cli(&["DBSIZE"]).await, "5");
    }
}

/// A node is stopped, as by SIGSTOP. The revocations of the other shards reach the replica all the
/// time; it is stale nevertheless, and says why.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_is_as_stale_as_its_oldest_shard() {
    let (cluster, options, nodes) = spread().await;
    let max_staleness = Duration::from_secs(3);
    let options = options.timeout(Duration::from_millis(800));
    let store = options.clone().connect_cluster(cluster.urls()).await.unwrap();
    let follower = options.connect_cluster(cluster.urls()).await.unwrap();
    let replica = ReplicaOptions::new().max_staleness(max_staleness).start(follower);
    replica.ready().await.unwrap();
    until("it follows", async || replica.health().is_fresh()).await;
    let (stopped, running) = (token_in(1), [0, 2]);
    let mut others = running.map(tokens_in);
    cluster.node(nodes[1]).freeze();
    let began = Instant::now();
    let mut rounds = 0;
    while replica.health().is_fresh() {
        for others in &mut others {
            let token = others.next().unwrap();
            until("a live shard takes it", async || store.revoke(&Revocation::of_token(&token)).await.is_ok()).await;
            until("the others go on", async || replica.is_revoked(&token).await.ok() == Some(true)).await;
        }
        rounds += 1;
        assert!(began.elapsed() < Duration::from_secs(30), "it stays fresh: {:?}", replica.health());
    }
    assert!(rounds > 3, "{rounds}");
    let stale = || match replica.health() {
        Health::Stale { staleness, last_error, .. } => Some((staleness, last_error?.to_string())),
        _ => None,
    };
    until("it says why", async || {
        stale().is_some_and(|(staleness, error)| staleness > max_staleness && error.contains("shard 1 of 3"))
    })
    .await;
    // Its own node cannot be asked; what the others revoke is still learned.
    failure(replica.is_revoked(&stopped)).await;
    failure(store.is_revoked(&stopped)).await;
    for others in &mut others {
        let token = others.next().unwrap();
        until("a live shard takes it", async || store.revoke(&Revocation::of_token(&token)).await.is_ok()).await;
        until("it is learned", async || replica.is_revoked(&token).await.ok() == Some(true)).await;
        assert!(is_revoked(&store, &token).await, "one shard's yes is enough");
    }
    cluster.node(nodes[1]).thaw();
    until("it is fresh again", async || replica.health().is_fresh()).await;
    until("it takes revocations", async || store.revoke(&Revocation::of_token(&stopped)).await.is_ok()).await;
    until("it is learned", async || replica.is_revoked(&stopped).await.ok() == Some(true)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_one_shard_loses_is_noticed_and_repaired() {
    let (cluster, options, nodes) = spread().await;
    let store = options.clone().connect_cluster(cluster.urls()).await.unwrap();
    let all: Vec<_> = (0..60).map(|n| Revocation::of_token(&token(&n.to_string()))).collect();
    assert!(store.revoke_all(&all).await.unwrap().iter().all(|outcome| *outcome == Outcome::Newly));
    let lost = token_in(2);
    let everything = shard_of(RevocationKey::everything(), 3);
    cluster.node(nodes[2]).cli(&["FLUSHALL"]).await;
    let error = store.is_revoked(&lost).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
    assert!(error.to_string().contains("shard 2 of 3"), "{error}");
    assert_eq!(store.revoke(&Revocation::of_token(&lost)).await.unwrap_err().kind(), StoreErrorKind::Damaged);
    for kept in [0, 1] {
        assert!(is_revoked(&store, &token_in(kept)).await, "its own shard is whole");
    }
    if everything != 2 {
        assert!(!is_revoked(&store, &unknown(everything)).await);
    }
    // Begins with a replica that knows everything, over a new store.
    cluster.node(nodes[2]).cli(&["FLUSHALL"]).await;
    let fresh = options.clone().connect_cluster(cluster.urls()).await.unwrap();
    fresh.revoke_all(&all).await.unwrap();
    let replica = ReplicaOptions::new().max_staleness(Duration::from_secs(2)).start(fresh);
    replica.ready().await.unwrap();
    assert!(is_revoked(&replica, &lost).await);
    for loss in ["all", "live", "log"] {
        let node = cluster.node(nodes[2]);
        let names = names(node).await;
        for name in
            names.iter().filter(|name| loss == "all" || name.ends_with(loss) || loss == "log" && name.ends_with("feed"))
        {
            node.cli(&["DEL", name]).await;
        }
        let again = async || {
            let Ok(store) = options.clone().connect_cluster(cluster.urls()).await else { return false };
            let mut found = 0;
            for revocation in &all {
                found += usize::from(matches!(store.find(revocation.key()).await, Ok(Some(_))));
            }
            assert!(replica.is_revoked(&lost).await.unwrap(), "it stays revoked");
            found == all.len()
        };
        until(loss, again).await;
        until("it is fresh", async || replica.health().is_fresh()).await;
    }
}

/// A token that nobody revokes, in this shard.
fn unknown(shard: u32) -> TokenIdentity {
    let mut all = (0..).map(|n: u32| token(&format!("alive-{n}")));
    all.find(|token| shard_of(token.own_key(), 3) == shard).unwrap()
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn exactly_one_of_any_number_of_callers_is_first() {
    let server = server().await;
    let revocations: Vec<_> = (0..200).map(|n| Revocation::of_token(&token(&n.to_string()))).collect();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..6_u64 {
        let store = connect(&server, shards(5)).await;
        let mut mine = revocations.clone();
        mine.extend_from_within(..50);
        fastrand::Rng::with_seed(caller).shuffle(&mut mine);
        callers.spawn(async move {
            let outcomes = if caller % 2 == 0 {
                store.revoke_all(&mine).await.unwrap()
            } else {
                let mut outcomes = Vec::new();
                for revocation in &mine {
                    outcomes.push(store.revoke(revocation).await.unwrap());
                }
                outcomes
            };
            let newly = mine.iter().zip(outcomes).filter(|(_, outcome)| *outcome == Outcome::Newly);
            newly.map(|(revocation, _)| revocation.key()).collect::<Vec<_>>()
        });
    }
    let mut first: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    first.sort();
    let mut expected: Vec<_> = revocations.iter().map(Revocation::key).collect();
    expected.sort();
    assert_eq!(first, expected);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn several_shards_are_the_same_as_a_map() {
    let server = server().await;
    for seed in 0..4 {
        let mut random = fastrand::Rng::with_seed(seed);
        let number = random.usize(2..8);
        let store = connect(&server, shards(number).prefix(format!("seed-{seed}"))).await;
        let replica = ReplicaOptions::new().start(store.clone());
        let model = MemoryStore::new();
        let key = |random: &mut fastrand::Rng| match random.u8(0..4) {
            0 => RevocationKey::token_id(ISSUER, &random.u8(0..20).to_string()),
            1 => RevocationKey::subject(ISSUER, &random.u8(0..10).to_string()),
            2 => RevocationKey::session(ISSUER, &random.u8(0..10).to_string()),
            _ => RevocationKey::everything(),
        };
        let revocation = |random: &mut fastrand::Rng| {
            let through = Timestamp::from_unix_seconds(random.u64(0..1000));
            Revocation::new(key(random), through, in_an_hour())
        };
        for step in 0..150 {
            let why = format!("seed {seed}, step {step}");
            match random.u8(0..4) {
                0 => {
                    let one = revocation(&mut random);
                    assert_eq!(revoke(&store, &one).await, model.revoke(&one).await.unwrap(), "{why}");
                }
                1 => {
                    let many: Vec<_> = (0..random.usize(0..12)).map(|_| revocation(&mut random)).collect();
                    let expected = model.revoke_all(&many).await.unwrap();
                    assert_eq!(store.revoke_all(&many).await.unwrap(), expected, "{why}");
                }
                2 => {
                    let key = key(&mut random);
                    let through = async |store: &dyn RevocationStore| {
                        store.find(key).await.unwrap().map(|revocation| revocation.issued_through())
                    };
                    assert_eq!(through(&store).await, through(&model).await, "{why}");
                }
                _ => {
                    let issued_at = Timestamp::from_unix_seconds(random.u64(0..1200));
                    let mut token =
                        TokenIdentity::new(key(&mut random), issued_at, in_an_hour(), &Retention::default());
                    for _ in 0..random.u8(0..4) {
                        token = token.carries(key(&mut random));
                    }
                    assert_eq!(is_revoked(&store, &token).await, model.is_revoked(&token).await.unwrap(), "{why}");
                }
            }
        }
        let mut snapshot = CollectedSnapshot::default();
        store.snapshot(&mut snapshot).await.unwrap();
        assert_eq!(snapshot.expected, Some(model.len() as u64));
        assert_eq!(snapshot.revocations.len(), model.len());
        until("the replica has all", async || replica.len() == model.len()).await;
    }
}
