//! Promises of `RedisStore`, held against real servers.
#![cfg(all(
    target_os = "linux",
    feature = "redis",
    feature = "redis-cluster",
    feature = "redis-sentinel",
    feature = "redis-tls",
    feature = "test-util"
))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod servers;

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use servers::{FaultProxy, RedisCluster, RedisOptions, RedisSentinels, RedisServer, RedisTls, redis_installed};
use tower_logout::{
    Clock, Health, MemoryStore, Outcome, RedisStore, RedisStoreOptions, Replica, Retention, Revocation, RevocationKey,
    RevocationLog, RevocationStore, StoreError, SystemClock, Timestamp, TokenIdentity, conformance,
};

type Erased = Arc<dyn RevocationStore>;

conformance! {
    direct => direct().await;
    replica => replica().await;
}

async fn direct() -> Erased {
    if !redis_installed() {
        return Arc::new(MemoryStore::new());
    }
    Arc::new(store(shared().await).await)
}

async fn replica() -> Erased {
    if !redis_installed() {
        return Arc::new(MemoryStore::new());
    }
    let replica = Replica::start(store(shared().await).await);
    replica.ready().await;
    Arc::new(replica)
}

/// One server for all tests that do it no harm.
async fn shared() -> &'static RedisServer {
    static SERVER: tokio::sync::OnceCell<RedisServer> = tokio::sync::OnceCell::const_new();
    SERVER.get_or_init(|| RedisServer::start(RedisOptions::default())).await
}

/// A server for one test, where there can be one.
async fn server() -> Option<RedisServer> {
    if redis_installed() { Some(RedisServer::start(RedisOptions::default()).await) } else { None }
}

async fn server_with(extra: &[&str]) -> Option<RedisServer> {
    let extra = extra.iter().map(|&it| it.to_owned()).collect();
    if redis_installed() {
        Some(RedisServer::start(RedisOptions { extra, ..RedisOptions::default() }).await)
    } else {
        None
    }
}

fn options() -> RedisStoreOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    RedisStore::options().prefix(format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A store of its own on this server.
async fn store(server: &RedisServer) -> RedisStore {
    options().connect(&server.url()).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// All that an error says, and its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = format!("{error} / {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error} / {error:?}");
        source = error.source();
    }
    text
}

fn token(jti: &str) -> TokenIdentity {
    TokenIdentity::new(RevocationKey::token_id(ISSUER, jti), at(100), in_an_hour(), &Retention::default())
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn in_an_hour() -> Timestamp {
    SystemClock.now().saturating_add(Duration::from_secs(3600)).ceil_to_second()
}

fn after(millis: u64) -> Timestamp {
    SystemClock.now().saturating_add(Duration::from_millis(millis))
}

const ISSUER: &str = "https://matar.app";

/// What `future` fails with, all of it.
async fn failure<T>(future: impl Future<Output = Result<T, StoreError>>) -> String {
    chain(&future.await.err().expect("an error"))
}

/// Waits until it is so, or fails loudly.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn is_revoked(store: &impl RevocationStore, token: &TokenIdentity) -> bool {
    store.is_revoked(token).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

async fn revoke(store: &impl RevocationStore, revocation: &Revocation) -> Outcome {
    store.revoke(revocation).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

// What a server must be

#[tokio::test]
async fn a_server_that_may_evict_is_refused_with_the_remedy() {
    let Some(server) = server_with(&["--maxmemory-policy", "allkeys-lru"]).await else { return };
    let error = failure(options().connect(&server.url())).await;
    assert!(error.contains("CONFIG SET maxmemory-policy noeviction") && error.contains("redis.conf"), "{error}");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    store(&server).await;
}

#[tokio::test]
async fn a_server_that_may_evict_after_its_restart_is_not_used_again() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let is_refused =
        async || store.is_revoked(&token("b")).await.is_err_and(|error| chain(&error).contains("allkeys-lru"));
    until("the refusal", is_refused).await;
    assert!(failure(store.revoke(&Revocation::of_token(&token("b")))).await.contains("allkeys-lru"));
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    assert!(is_revoked(&store, &token("a")).await);
}

#[tokio::test]
async fn a_replica_is_refused() {
    let Some(master) = server().await else { return };
    let replica = server().await.unwrap();
    replica.replica_of(&master).await;
    let error = failure(options().connect(&replica.url())).await;
    assert!(error.contains("is a replica") && error.contains("address of the master"), "{error}");
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_is_asked_nothing_more() {
    let Some(server) = server().await else { return };
    let master = self::server().await.unwrap();
    let store = store(&server).await;
    assert!(!is_revoked(&store, &token("a")).await);
    server.replica_of(&master).await;
    let error = failure(store.is_revoked(&token("a"))).await;
    assert!(error.contains("is a replica"), "{error}");
    failure(store.revoke(&Revocation::of_token(&token("a")))).await;
    server.promote().await;
    assert!(!is_revoked(&store, &token("a")).await);
}

#[tokio::test]
async fn what_a_later_version_wrote_is_left_alone() {
    let Some(server) = server().await else { return };
    server.cli(&["SET", "{later}:layout", "2"]).await;
    let error = failure(RedisStore::options().prefix("later").connect(&server.url())).await;
    assert!(error.contains("layout 2") && error.contains("later one"), "{error}");
}

#[tokio::test]
async fn a_node_of_a_cluster_and_a_sentinel_say_what_to_use_instead() {
    let Some(node) = server_with(&["--cluster-enabled", "yes"]).await else { return };
    let error = failure(options().connect(&node.url())).await;
    assert!(error.contains("connect_cluster"), "{error}");
    let master = server().await.unwrap();
    let sentinels = RedisSentinels::start(&master, "mymaster", 1, 1).await;
    let error = failure(options().connect(&sentinels.urls()[0])).await;
    assert!(error.contains("connect_sentinel"), "{error}");
}

#[tokio::test]
async fn a_user_who_may_not_see_info_is_told_so() {
    let Some(server) = server().await else { return };
    server.cli(&["ACL", "SETUSER", "blind", "on", ">secret", "~*", "+@all", "-info"]).await;
    let error = failure(options().connect(&format!("redis://blind:secret@127.0.0.1:{}", server.port()))).await;
    assert!(error.contains("+info"), "{error}");
}

#[tokio::test]
async fn options_that_cannot_be_are_refused() {
    for prefix in ["", "a{b}", "new\nline"] {
        let error = failure(RedisStore::options().prefix(prefix).connect("redis://127.0.0.1:1")).await;
        assert!(error.contains("the prefix must have"), "{error}");
    }
    for url in ["", "127.0.0.1", "http://127.0.0.1", "redis://127.0.0.1/first", "rediss://127.0.0.1/#insecure"] {
        let error = failure(options().connect(url)).await;
        assert!(error.contains("failed to open"), "{error}");
    }
    let error = failure(options().timeout(Duration::ZERO).connect("redis://127.0.0.1:1")).await;
    assert!(error.contains("timeout must not be zero"), "{error}");
    let none: [&str; 0] = [];
    assert!(failure(options().connect_cluster(none)).await.contains("no URL is given"));
    assert!(failure(options().connect_sentinel(none, "redis://mymaster")).await.contains("no URL is given"));
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    if !redis_installed() {
        return;
    }
    let password = Some("hunter2@:/%".to_owned());
    let server = RedisServer::start(RedisOptions { password, ..RedisOptions::default() }).await;
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    let right = url("hunter2%40%3A%2F%25");
    let store = options().connect(&right).await.unwrap();
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    assert!(!format!("{store:?} {:?}", options()).contains("hunter2"));
    for (user, wrong) in [("", "hunter3"), ("nobody", "hunter2%40%3A%2F%25")] {
        let url = url(wrong).replace("://:", &format!("://{user}:"));
        let error = failure(options().connect(&url)).await;
        assert!(error.contains("password") && !error.contains("hunter"), "{error}");
    }
    // Also when a connection fails later.
    server.kill();
    let error = failure(store.is_revoked(&token("a"))).await + &failure(store.is_revoked(&token("a"))).await;
    assert!(!error.contains("hunter"), "{error}");
}

// What every call must do

/// Whatever happens to the connection, every call ends within its timeout, none says that a revoked token is not, and all is well when it is over.
#[tokio::test]
async fn every_call_ends_in_time_and_none_of_them_lies() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await;
    let limit = Duration::from_millis(300);
    let store = options().timeout(limit).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let dead = token("dead");
    revoke(&store, &Revocation::of_token(&dead)).await;
    let faults: [(&str, &dyn Fn()); 7] = [
        ("refuse", &|| proxy.refuse()),
        ("half open", &|| proxy.half_open()),
        ("garbage", &|| proxy.garbage()),
        ("delay", &|| proxy.delay_replies(Duration::from_secs(10))),
        ("cut", &|| proxy.cut_after_request()),
        ("reset", &|| proxy.reset()),
        ("frozen", &|| server.freeze()),
    ];
    for (name, fault) in faults {
        fault();
        for round in 0..3 {
            let began = Instant::now();
            let checked = store.is_revoked(&dead).await;
            let revoked = store.revoke(&Revocation::of_token(&dead)).await;
            let took = began.elapsed();
            assert!(took < 2 * limit + Duration::from_millis(200), "{name}: {took:?}");
            assert_ne!(checked.ok(), Some(false), "{name}");
            assert_ne!(revoked.ok(), Some(Outcome::Newly), "{name}");
            if round == 0 {
                let began = Instant::now();
                let _ = options().timeout(limit).connect(&format!("redis://{}", proxy.addr())).await;
                assert!(began.elapsed() < limit + Duration::from_millis(200), "{name}");
            }
        }
        proxy.pass();
        server.thaw();
        until(name, async || store.is_revoked(&dead).await.is_ok()).await;
        assert!(is_revoked(&store, &dead).await, "{name}");
        assert!(!is_revoked(&store, &token("alive")).await, "{name}");
    }
}

/// Callers who give up sooner than the store, as the guard does, must not keep a dead connection alive.
#[tokio::test]
async fn a_dead_connection_is_replaced_though_no_caller_waits_for_it() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await;
    let limit = Duration::from_millis(300);
    let store = options().timeout(limit).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let dead = token("dead");
    revoke(&store, &Revocation::of_token(&dead)).await;
    proxy.half_open();
    let impatient = async || tokio::time::timeout(Duration::from_millis(20), store.is_revoked(&dead)).await;
    let before = proxy.connections();
    let began = Instant::now();
    until("another connection", async || impatient().await.is_ok() || proxy.connections() > before).await;
    assert!(began.elapsed() < 4 * limit, "{:?}", began.elapsed());
}

/// A connection takes longer than a caller waits, and is made all the same.
#[tokio::test]
async fn a_connection_is_made_for_callers_who_do_not_wait_for_it() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().timeout(Duration::from_secs(5)).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    proxy.reset();
    // Four round trips, each longer than the caller's patience.
    proxy.delay_replies(Duration::from_millis(60));
    let before = proxy.connections();
    let mut answered = false;
    for _ in 0..100 {
        let impatient = tokio::time::timeout(Duration::from_millis(100), store.is_revoked(&token("a"))).await;
        answered |= impatient.is_ok_and(|answer| answer.is_ok());
        if answered {
            break;
        }
    }
    assert!(answered);
    assert!(proxy.connections() - before <= 2, "{}", proxy.connections() - before);
}

#[tokio::test]
async fn a_check_is_one_round_trip_however_many_keys_a_token_has() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let mut token = token("a");
    for claim in 0..20 {
        token = token.carries(RevocationKey::claim(ISSUER, "group", &claim.to_string()));
    }
    let before = proxy.stats();
    assert!(!is_revoked(&store, &token).await);
    let after = proxy.stats();
    assert_eq!((after.requests - before.requests, after.connections), (1, before.connections));
    revoke(&store, &Revocation::new(RevocationKey::claim(ISSUER, "group", "19"), at(100), in_an_hour())).await;
    assert!(is_revoked(&store, &token).await);
}

/// Of a hundred callers at a server that is down, one tries to connect, and the rest are told what it was told.
#[tokio::test]
async fn one_connection_is_made_for_all_who_need_one() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await;
    let store = Arc::new(options().connect(&format!("redis://{}", proxy.addr())).await.unwrap());
    proxy.reset();
    proxy.until(|stats| stats.open == 0).await;
    let before = proxy.connections();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let store = Arc::clone(&store);
        callers.spawn(async move { store.is_revoked(&token("a")).await.is_ok() });
    }
    // Some may have been on the connection that was cut.
    assert!(callers.join_all().await.into_iter().any(|is_ok| is_ok));
    assert!(proxy.connections() - before <= 2, "{}", proxy.connections() - before);
}

#[tokio::test]
async fn a_reply_to_another_question_is_not_believed() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let prefix = "crossed";
    let store_b = RedisStore::options().prefix(prefix).connect(&server.url()).await.unwrap();
    drop(store);
    // A server that answers with a type that is not expected is believed no more than one that does not answer.
    for (name, command) in [("live", ["SET", "x"]), ("through", ["SET", "x"]), ("meta", ["SET", "x"])] {
        let key = format!("{{{prefix}}}:v1:{name}");
        server.cli(&["DEL", &key]).await;
        server.cli(&[command[0], &key, command[1]]).await;
        let error = failure(store_b.is_revoked(&token("a"))).await;
        assert!(error.contains("WRONGTYPE"), "{error}");
        failure(store_b.revoke(&Revocation::of_token(&token("a")))).await;
        server.cli(&["DEL", &key]).await;
    }
    server.cli(&["HSET", "{crossed}:v1:meta", "purged_through", "soon"]).await;
    assert!(failure(store_b.is_revoked(&token("a"))).await.contains("no instant"));
    server.cli(&["DEL", "{crossed}:v1:meta"]).await;
    let through = RevocationKey::everything();
    server
        .cli(&[
            "EVAL",
            "redis.call('ZADD', KEYS[1], 9e15, ARGV[1]) redis.call('HSET', KEYS[2], ARGV[1], 'x') return 1",
            "2",
            "{crossed}:v1:live",
            "{crossed}:v1:through",
            "",
        ])
        .await;
    let _ = through;
}

// What is remembered

#[tokio::test]
async fn exactly_one_of_many_on_four_nodes_is_told_newly() {
    let Some(server) = server().await else { return };
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Arc::new(RedisStore::connect(&server.url()).await.unwrap()));
    }
    for round in 0..100 {
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..64 {
            let node = Arc::clone(&nodes[caller % 4]);
            callers.spawn(async move { revoke(&*node, &Revocation::of_token(&token(&round.to_string()))).await });
        }
        let newly = callers.join_all().await.into_iter().filter(|&outcome| outcome == Outcome::Newly).count();
        assert_eq!(newly, 1);
    }
}

#[tokio::test]
async fn every_instant_is_kept_exactly_and_the_end_of_time_is_the_end_of_time() {
    let Some(server) = server().await else { return };
    let store = store(&server).await;
    let ms = Timestamp::from_unix_millis;
    for through in [0, 1, 999, 1_732_386_645_123, 99_999_999_999_999, 100_000_000_000_001, (1 << 53) - 2] {
        let subject = RevocationKey::subject(ISSUER, &through.to_string());
        assert_eq!(revoke(&store, &Revocation::new(subject, ms(through), Timestamp::MAX)).await, Outcome::Newly);
        let of = |iat| {
            TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), ms(iat), in_an_hour(), &Retention::default())
                .carries(subject)
        };
        assert!(is_revoked(&store, &of(through)).await, "{through}");
        assert!(!is_revoked(&store, &of(through + 1)).await, "{through}");
        assert_eq!(revoke(&store, &Revocation::new(subject, ms(through), Timestamp::MAX)).await, Outcome::Already);
        // Then for ever, after which nothing is new.
        assert_eq!(revoke(&store, &Revocation::new(subject, Timestamp::MAX, in_an_hour())).await, Outcome::Newly);
        assert!(is_revoked(&store, &of(u64::MAX)).await);
        assert_eq!(revoke(&store, &Revocation::new(subject, ms((1 << 53) - 1), in_an_hour())).await, Outcome::Already);
    }
}

#[tokio::test]
async fn what_has_expired_is_forgotten_and_what_it_concerned_stays_refused() {
    let Some(server) = server().await else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let count = async |name: &str| {
        server.cli(&[if name == "live" { "ZCARD" } else { "HLEN" }, &format!("{{tower-logout}}:v1:{name}")]).await
    };
    let (soon, later) = (after(300), after(3_600_000));
    for subject in ["a", "b"] {
        revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, subject), at(100), soon)).await;
    }
    assert_eq!((&*count("live").await, &*count("through").await), ("2", "2"));
    until("the end of its time", async || SystemClock.now() > soon).await;
    // Until somebody forgets it, it is there.
    let expired =
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), at(100), Timestamp::MIN, &Retention::default());
    assert!(!is_revoked(&store, &expired).await);
    revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, "c"), at(100), later)).await;
    assert_eq!((&*count("live").await, &*count("through").await), ("1", "1"));
    let fence: u64 = server.cli(&["HGET", "{tower-logout}:v1:meta", "purged_through"]).await.parse().unwrap();
    assert_eq!(fence, soon.as_unix_millis());
    // What may have been among it counts as revoked, and revoking it changes nothing.
    assert!(is_revoked(&store, &expired).await);
    assert!(!is_revoked(&store, &token("alive")).await);
    let revocation = Revocation::new(RevocationKey::subject(ISSUER, "d"), Timestamp::MAX, soon);
    assert_eq!(revoke(&store, &revocation).await, Outcome::Already);
    assert_eq!(count("live").await, "1");
    // The fence reaches a node that starts later.
    let replica = Replica::start(store);
    replica.ready().await;
    assert!(is_revoked(&replica, &expired).await);
    assert!(!is_revoked(&replica, &token("alive")).await);
}

#[tokio::test]
async fn memory_falls_when_entries_expire_though_nobody_revokes() {
    let Some(server) = server().await else { return };
    let empty = server.memory_used().await;
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let end = after(3000);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for n in 0..100 {
                let jti = format!("{caller}-{n}");
                revoke(&*store, &Revocation::new(RevocationKey::token_id(ISSUER, &jti), Timestamp::MAX, end)).await;
            }
        });
    }
    callers.join_all().await;
    let feed = async || {
        server.cli(&["MEMORY", "USAGE", "{tower-logout}:v1:feed", "SAMPLES", "0"]).await.parse::<u64>().unwrap()
    };
    let full = server.memory_used().await;
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "5000");
    let replica = Replica::start(store);
    replica.ready().await;
    until("what has expired is forgotten", async || server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await == "0")
        .await;
    let after = server.memory_used().await;
    // The feed keeps its ten minutes.
    assert!(after - empty < (full - empty) / 3 + feed().await, "{empty} {full} {after} {}", feed().await);
}

#[tokio::test]
async fn a_full_server_says_so_and_forgets_to_make_room() {
    let Some(server) = server().await else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let end = after(1500);
    for n in 0..50 {
        revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, &n.to_string()), at(100), end)).await;
    }
    let replica = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    replica.ready().await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let last = Revocation::new(RevocationKey::subject(ISSUER, "last"), at(100), in_an_hour());
    let error = failure(store.revoke(&last)).await;
    assert!(error.contains("memory is full") && error.contains("OOM"), "{error}");
    // Checks and snapshots go on.
    assert!(is_revoked(&store, &token("a").carries(RevocationKey::subject(ISSUER, "7"))).await);
    let second = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    second.ready().await;
    assert!(second.health().is_fresh());
    // What expires makes room, under the limit too.
    until("room", async || store.revoke(&last).await.is_ok()).await;
    assert!(SystemClock.now() >= end);
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "1");
}
