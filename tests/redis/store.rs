//! Promises of `RedisStore`, held against real servers.

use std::{
    error::Error,
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::is_alone;
use test_support::servers::{FaultProxy, RedisCluster, RedisOptions, RedisSentinels, RedisServer, RedisTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::{Clock, SystemClock, Timestamp},
    conformance,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{
        FollowError, Followed, Health, RedisCursor, RedisStoreOptions, ReplicaOptions, RevocationLog, SnapshotSink,
        StoreError,
    },
};

type Erased = Arc<dyn RevocationStore>;

conformance! {
    #[ignore = "needs redis-server"]
    direct => direct().await;
    #[ignore = "needs redis-server"]
    replica => replica().await;
}

async fn direct() -> Erased {
    Arc::new(store(shared().await).await)
}

async fn replica() -> Erased {
    let replica = Replica::start(store(shared().await).await);
    replica.ready().await.unwrap();
    Arc::new(replica)
}

/// One server for all tests that do it no harm.
async fn shared() -> &'static RedisServer {
    static SERVER: tokio::sync::OnceCell<RedisServer> = tokio::sync::OnceCell::const_new();
    SERVER.get_or_init(|| RedisServer::start(RedisOptions::default())).await
}

/// A server for one test.
async fn server() -> RedisServer {
    RedisServer::start(RedisOptions::default()).await
}

async fn server_with(extra: &[&str]) -> RedisServer {
    let extra = extra.iter().map(|&it| it.to_owned()).collect();
    RedisServer::start(RedisOptions { extra, ..RedisOptions::default() }).await
}

fn options() -> RedisStoreOptions {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    patient().prefix(format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Longer than the default: the tests run all at once, on a machine that may do other things.
fn patient() -> RedisStoreOptions {
    RedisStore::options().timeout(Duration::from_secs(10))
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
        write!(text, ": {error} / {error:?}").unwrap();
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

/// Has `redis-cli` run lines, in which `"\x00"` is a byte, and returns what it prints.
async fn run_lines(server: &RedisServer, lines: &str) -> String {
    let mut child = tokio::process::Command::new("redis-cli")
        .args(["-e", "-p", &server.port().to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn escaped(key: RevocationKey) -> String {
    let mut text = "\"".to_owned();
    for byte in key.as_bytes() {
        write!(text, "\\x{byte:02x}").unwrap();
    }
    text + "\""
}

/// What `future` fails with, all of it.
async fn failure<T>(future: impl Future<Output = Result<T, StoreError>>) -> String {
    chain(&future.await.err().expect("an error"))
}

/// Waits until it is so, or fails loudly.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
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
#[ignore = "needs redis-server"]
async fn a_server_that_may_evict_is_refused_with_the_remedy() {
    let server = server_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let error = failure(options().connect(&server.url())).await;
    assert!(error.contains("CONFIG SET maxmemory-policy noeviction") && error.contains("redis.conf"), "{error}");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    store(&server).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_may_evict_after_its_restart_is_not_used_again() {
    let server = server().await;
    let store = store(&server).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let is_refused =
        async || store.is_revoked(&token("b")).await.is_err_and(|error| chain(&error).contains("allkeys-lru"));
    until("the refusal", is_refused).await;
    assert!(failure(store.revoke(&Revocation::of_token(&token("b")))).await.contains("allkeys-lru"));
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    until("it is used again", async || store.is_revoked(&token("a")).await.ok() == Some(true)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_is_refused() {
    let master = server().await;
    let replica = server().await;
    replica.replica_of(&master).await;
    let error = failure(options().connect(&replica.url())).await;
    assert!(error.contains("is a replica") && error.contains("address of the primary"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_master_that_becomes_a_replica_is_asked_nothing_more() {
    let server = server().await;
    let master = self::server().await;
    let store = store(&server).await;
    assert!(!is_revoked(&store, &token("a")).await);
    // So that nothing is lost when it becomes its replica.
    master.replica_of(&server).await;
    master.promote().await;
    server.replica_of(&master).await;
    let error = failure(store.is_revoked(&token("a"))).await;
    assert!(error.contains("is a replica"), "{error}");
    failure(store.revoke(&Revocation::of_token(&token("a")))).await;
    server.promote().await;
    until("it is asked again", async || store.is_revoked(&token("a")).await.ok() == Some(false)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_a_later_version_wrote_is_left_alone() {
    let server = server().await;
    server.cli(&["SET", "{later}:layout", "2"]).await;
    let error = failure(RedisStore::options().prefix("later").connect(&server.url())).await;
    assert!(error.contains("layout 2") && error.contains("later one"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_node_of_a_cluster_and_a_sentinel_say_what_to_use_instead() {
    let node = server_with(&["--cluster-enabled", "yes"]).await;
    let error = failure(options().connect(&node.url())).await;
    assert!(error.contains("connect_cluster"), "{error}");
    let master = server().await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 1, 1).await;
    let error = failure(options().connect(&sentinels.urls()[0])).await;
    assert!(error.contains("connect_sentinel"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_user_who_may_not_see_info_is_told_so() {
    let server = server().await;
    server.cli(&["ACL", "SETUSER", "blind", "on", ">secret", "~*", "+@all", "-info"]).await;
    let error = failure(options().connect(&format!("redis://blind:secret@127.0.0.1:{}", server.port()))).await;
    assert!(error.contains("+info"), "{error}");
}

/// Says of itself what it is told to, and is this server otherwise.
async fn server_that_says(info: &'static str, server: &RedisServer) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let server = server.addr();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let server = tokio::net::TcpStream::connect(server).await.unwrap();
            tokio::spawn(answer(socket, server, info));
        }
    });
    url
}

async fn answer(mut socket: tokio::net::TcpStream, server: tokio::net::TcpStream, info: &'static str) {
    const INFO: &[u8] = b"*1\r\n$4\r\nINFO\r\n";
    let (mut from_client, mut to_client) = socket.split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut request, mut reply) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            Ok(n @ 1..) = from_client.read(&mut request) => {
                if &request[..n] == INFO {
                    to_client.write_all(format!("${}\r\n{info}\r\n", info.len()).as_bytes()).await.unwrap();
                } else {
                    to_server.write_all(&request[..n]).await.unwrap();
                }
            }
            Ok(n @ 1..) = from_server.read(&mut reply) => {
                if to_client.write_all(&reply[..n]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_a_server_says_of_itself_decides_whether_it_is_used() {
    let server = server().await;
    for (info, refusal) in [
        ("redis_version:6.2.0\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", None),
        ("redis_version:8.0.1\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", None),
        ("redis_version:7.2.4\r\nvalkey_version:8.1.3\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", None),
        ("redis_version:6.0.16\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", Some("Redis 6.2 or later")),
        ("redis_version:7.0.15\r\nrole:slave\r\nmaxmemory_policy:noeviction\r\n", Some("is a replica")),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:volatile-ttl\r\n", None),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:volatile-lrm\r\n", None),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:allkeys-lfu\r\n", Some("allkeys-lfu")),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:whatever\r\n", Some("whatever")),
        // As Valkey 9.1.2 has it.
        (
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\nserver_mode:standalone\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n",
            None,
        ),
        ("redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nserver_mode:sentinel\r\n", Some("is a Sentinel")),
        // What it does not show could be anything.
        ("redis_version:7.0.15\r\nrole:master\r\n", Some("does not report `maxmemory_policy` in `INFO`")),
        ("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n", Some("does not report `role` in `INFO`")),
        ("role:master\r\nmaxmemory_policy:noeviction\r\n", Some("does not report `redis_version` in `INFO`")),
    ] {
        let connected = options().connect(&server_that_says(info, &server).await).await;
        match (connected.map_err(|error| chain(&error)), refusal) {
            (Ok(_), None) => {}
            (Err(error), Some(refusal)) if error.contains(refusal) => {}
            (connected, _) => panic!("{info:?}: {connected:?}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn another_database_is_another_store() {
    let server = server().await;
    let store = async |database: u8| RedisStore::connect(&format!("{}/{database}", server.url())).await.unwrap();
    let (first, second) = (store(0).await, store(3).await);
    revoke(&second, &Revocation::of_token(&token("a"))).await;
    assert!(is_revoked(&second, &token("a")).await);
    assert!(!is_revoked(&first, &token("a")).await);
    let replica = Replica::start(second);
    replica.ready().await.unwrap();
    assert!(is_revoked(&replica, &token("a")).await);
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
#[ignore = "needs redis-server"]
async fn a_password_is_used_and_never_shown() {
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

/// A clone shares the connections, and what was observed: it notices the loss of what only the other one has seen.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn clones_share_connections_and_what_was_observed() {
    struct AppState {
        store: RedisStore,
    }
    let server = server().await;
    let state = AppState { store: store(&server).await };
    let connections = async || server.info("connected_clients").await;
    let before = connections().await;
    let clones = vec![state.store.clone(); 8];
    revoke(&clones[0], &Revocation::of_token(&token("a"))).await;
    for clone in &clones {
        assert!(is_revoked(clone, &token("a")).await);
        assert!(!is_revoked(clone, &token("b")).await);
    }
    assert_eq!(connections().await, before);
    let unused = state.store.clone();
    drop((state, clones));
    server.cli(&["FLUSHALL"]).await;
    assert!(failure(unused.is_revoked(&token("a"))).await.contains("emptied, or replaced by another"));
}

// What every call must do

/// Whatever happens to the connection, every call ends within its timeout, none says that a revoked token is not, and all is well when it is over.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn every_call_ends_in_time_and_none_of_them_lies() {
    let server = server().await;
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
            let checked = in_time(name, store.is_revoked(&dead)).await;
            let revoked = in_time(name, store.revoke(&Revocation::of_token(&dead))).await;
            assert_ne!(checked.ok(), Some(false), "{name}");
            assert_ne!(revoked.ok(), Some(Outcome::Newly), "{name}");
            if round == 0 {
                let _ = in_time(name, options().timeout(limit).connect(&format!("redis://{}", proxy.addr()))).await;
            }
        }
        proxy.pass();
        server.thaw();
        for (token, revoked) in [(&dead, true), (&token("alive"), false)] {
            let mut answer = Ok(!revoked);
            until(name, async || {
                answer = store.is_revoked(token).await;
                answer.is_ok()
            })
            .await;
            assert_eq!(answer.unwrap(), revoked, "{name}");
        }
    }
}

/// Much longer than the limit, so that a busy machine is not taken for a call without end.
async fn in_time<T>(fault: &str, call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), call).await.unwrap_or_else(|_| panic!("{fault}: a call does not end"))
}

/// Callers who give up sooner than the store, as the guard does, must not keep a dead connection alive.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_dead_connection_is_replaced_though_no_caller_waits_for_it() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let limit = Duration::from_millis(300);
    let store = options().timeout(limit).connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let dead = token("dead");
    revoke(&store, &Revocation::of_token(&dead)).await;
    proxy.half_open();
    let impatient = async || tokio::time::timeout(Duration::from_millis(20), store.is_revoked(&dead)).await;
    let before = proxy.connections();
    let replaced = until("another connection", async || impatient().await.is_ok() || proxy.connections() > before);
    in_time("half open", replaced).await;
}

/// A connection takes longer than a caller waits, and is made all the same.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_connection_is_made_for_callers_who_do_not_wait_for_it() {
    let server = server().await;
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
#[ignore = "needs redis-server"]
async fn a_check_is_one_round_trip_however_many_keys_a_token_has() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let mut token = token("a");
    for claim in 0..20 {
        token = token.carries(RevocationKey::claim(ISSUER, "group", &claim.to_string()));
    }
    // The server learns the script.
    assert!(!is_revoked(&store, &token).await);
    let before = proxy.stats();
    assert!(!is_revoked(&store, &token).await);
    let after = proxy.stats();
    assert_eq!((after.requests - before.requests, after.connections), (1, before.connections));
    revoke(&store, &Revocation::new(RevocationKey::claim(ISSUER, "group", "19"), at(100), in_an_hour())).await;
    assert!(is_revoked(&store, &token).await);
}

/// Of a hundred callers at a server that is down, one tries to connect, and the rest are told what it was told.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn one_connection_is_made_for_all_who_need_one() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = Arc::new(options().connect(&format!("redis://{}", proxy.addr())).await.unwrap());
    proxy.reset();
    proxy.until(|stats| stats.open == 0).await;
    let before = proxy.connections();
    let all_succeed = async || {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let store = Arc::clone(&store);
            callers.spawn(async move { store.is_revoked(&token("a")).await.is_ok() });
        }
        callers.join_all().await.into_iter().all(|is_ok| is_ok)
    };
    // Some may be on the connection that was cut, which is known a moment later.
    until("all succeed", all_succeed).await;
    assert_eq!(proxy.connections() - before, 1);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_is_of_another_type_is_an_error_and_never_not_revoked() {
    let server = server().await;
    let name = |what| format!("{{tower-logout}}:v1:{what}");
    for what in ["live", "through", "feed", "meta"] {
        server.cli(&["FLUSHALL"]).await;
        let store = RedisStore::connect(&server.url()).await.unwrap();
        server.cli(&["SET", &name(what), "x"]).await;
        let error = failure(store.is_revoked(&token("a"))).await;
        assert!(error.contains("WRONGTYPE"), "{error}");
        failure(store.revoke(&Revocation::of_token(&token("a")))).await;
    }
    server.cli(&["FLUSHALL"]).await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    server.cli(&["HSET", &name("meta"), "purged_through", "soon"]).await;
    let error = failure(store.is_revoked(&token("a"))).await;
    assert!(error.contains("expected an instant"), "{error}");
    server.cli(&["HDEL", &name("meta"), "purged_through"]).await;
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    revoke(&store, &Revocation::new(subject, at(100), in_an_hour())).await;
    run_lines(&server, &format!("HSET {} {} soon", name("through"), escaped(subject))).await;
    let error = failure(store.is_revoked(&token("a").carries(subject))).await;
    assert!(error.contains("expected an instant"), "{error}");
}

// What is remembered

#[tokio::test]
#[ignore = "needs redis-server"]
async fn exactly_one_of_many_on_four_nodes_is_told_newly() {
    let server = server().await;
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
#[ignore = "needs redis-server"]
async fn every_instant_is_kept_exactly_and_the_end_of_time_is_the_end_of_time() {
    let server = server().await;
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
#[ignore = "needs redis-server"]
async fn neither_half_of_a_revocation_is_ever_weakened() {
    let server = server().await;
    let store = store(&server).await;
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    let of = |iat| {
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), at(iat), in_an_hour(), &Retention::default())
            .carries(subject)
    };
    let (soon, late) = (after(1000), in_an_hour());
    assert_eq!(revoke(&store, &Revocation::new(subject, at(100), soon)).await, Outcome::Newly);
    // Less, for longer.
    assert_eq!(revoke(&store, &Revocation::new(subject, at(50), late)).await, Outcome::Already);
    assert!(is_revoked(&store, &of(100)).await);
    // More, for a shorter time.
    assert_eq!(revoke(&store, &Revocation::new(subject, at(200), soon)).await, Outcome::Newly);
    until("the shorter time is over", async || SystemClock.now() > soon).await;
    revoke(&store, &Revocation::of_token(&token("prunes"))).await;
    assert!(is_revoked(&store, &of(200)).await);
    assert!(!is_revoked(&store, &of(201)).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_has_expired_is_forgotten_and_what_it_concerned_stays_refused() {
    let server = server().await;
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
    let purged_through: u64 = server.cli(&["HGET", "{tower-logout}:v1:meta", "purged_through"]).await.parse().unwrap();
    assert_eq!(purged_through, soon.as_unix_millis());
    // What may have been among it counts as revoked, and revoking it changes nothing.
    assert!(is_revoked(&store, &expired).await);
    assert!(!is_revoked(&store, &token("alive")).await);
    let revocation = Revocation::new(RevocationKey::subject(ISSUER, "d"), Timestamp::MAX, soon);
    assert_eq!(revoke(&store, &revocation).await, Outcome::Already);
    assert_eq!(count("live").await, "1");
    // The purge watermark reaches a node that starts later.
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(is_revoked(&replica, &expired).await);
    assert!(!is_revoked(&replica, &token("alive")).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn memory_falls_when_entries_expire_though_nobody_revokes() {
    let server = server().await;
    let replica = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    replica.ready().await.unwrap();
    let end = after(12_000);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for n in 0..100 {
                let subject = RevocationKey::subject(ISSUER, &format!("{caller}-{n}"));
                revoke(&*store, &Revocation::new(subject, at(100), end)).await;
            }
        });
    }
    callers.join_all().await;
    let count = async || server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await;
    assert_eq!(count().await, "5000");
    let memory_of = async |name: &str| {
        let key = format!("{{tower-logout}}:v1:{name}");
        server.cli(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]).await.parse::<u64>().unwrap()
    };
    let entries = memory_of("live").await + memory_of("through").await;
    let full = server.memory_used().await;
    until("what has expired is forgotten", async || count().await == "0").await;
    // The feed keeps its ten minutes.
    let freed = full.saturating_sub(server.memory_used().await);
    assert!(freed > entries * 3 / 4, "{freed} of {entries}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_full_server_says_so_and_forgets_to_make_room() {
    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let end = after(1500);
    for n in 0..50 {
        revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, &n.to_string()), at(100), end)).await;
    }
    let replica = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    replica.ready().await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let last = Revocation::new(RevocationKey::subject(ISSUER, "last"), at(100), in_an_hour());
    let error = failure(store.revoke(&last)).await;
    assert!(error.contains("memory is full") && error.contains("OOM"), "{error}");
    // Checks and snapshots go on.
    assert!(is_revoked(&store, &token("a").carries(RevocationKey::subject(ISSUER, "7"))).await);
    let second = Replica::start(RedisStore::connect(&server.url()).await.unwrap());
    second.ready().await.unwrap();
    assert!(second.health().is_fresh());
    // What expires makes room, under the limit too.
    until("room", async || store.revoke(&last).await.is_ok()).await;
    assert!(SystemClock.now() >= end);
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "1");
}

// What is said to replicas

/// Waits, before it is acknowledged, until replicas have it; and says so if they do not.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_revocation_waits_for_replicas() {
    let master = server().await;
    let replica = server().await;
    replica.replica_of(&master).await;
    let options = RedisStore::options().timeout(Duration::from_millis(800)).wait_replicas(1);
    let store = options.clone().connect(&master.url()).await.unwrap();
    // The master counts the replica once it has heard from it.
    until("it counts", async || store.revoke(&Revocation::of_token(&token("first"))).await.is_ok()).await;
    let (a, b) = (Revocation::of_token(&token("a")), Revocation::of_token(&token("b")));
    assert_eq!(revoke(&store, &a).await, Outcome::Newly);
    assert_eq!(revoke(&store, &a).await, Outcome::Already);
    replica.freeze();
    let error = failure(store.revoke(&b)).await;
    assert!(error.contains("only 0 of 1 replicas"), "{error}");
    // Now it is known already, and still on no replica.
    let error = failure(store.revoke(&b)).await;
    assert!(error.contains("only 0 of 1 replicas"), "{error}");
    assert!(is_revoked(&store, &token("b")).await);
    // Also where another has written it, who did not wait.
    let hasty = RedisStore::connect(&master.url()).await.unwrap();
    let patient = options.connect(&master.url()).await.unwrap();
    let c = Revocation::of_token(&token("c"));
    assert_eq!(revoke(&hasty, &c).await, Outcome::Newly);
    let error = failure(patient.revoke(&c)).await;
    assert!(error.contains("only 0 of 1 replicas"), "{error}");
    replica.thaw();
    until("the replica has it", async || store.revoke(&b).await.is_ok()).await;
    assert_eq!(revoke(&store, &b).await, Outcome::Already);
    replica.promote().await;
    let promoted = RedisStore::connect(&replica.url()).await.unwrap();
    assert!(is_revoked(&promoted, &token("b")).await);
}

/// A log that tells why it was left, and where it was followed from.
struct Spy {
    store: RedisStore,
    lost: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl RevocationStore for Spy {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.store.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.store.is_revoked(token).await
    }
}

#[async_trait::async_trait]
impl RevocationLog for Spy {
    type Cursor = RedisCursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Self::Cursor, StoreError> {
        let result = self.store.snapshot(into).await;
        if let Err(error) = &result {
            self.lost.lock().unwrap().push(chain(error));
        }
        result
    }

    async fn follow(&self, cursor: &Self::Cursor, wait: Duration) -> Result<Followed<Self::Cursor>, FollowError> {
        let result = self.store.follow(cursor, wait).await;
        if let Err(error) = &result {
            self.lost.lock().unwrap().push(chain(error));
        }
        result
    }

    async fn check(&self, cursor: &Self::Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        self.store.check(cursor, token).await
    }
}

/// A replica that follows closely, and what it complains about.
async fn watched(store: RedisStore) -> (Replica<Spy>, Arc<Mutex<Vec<String>>>) {
    let lost = Arc::new(Mutex::new(Vec::new()));
    let spy = Spy { store, lost: Arc::clone(&lost) };
    let replica = ReplicaOptions::new().max_staleness(Duration::from_millis(800)).start(spy);
    replica.ready().await.unwrap();
    (replica, lost)
}

fn says(lost: &Mutex<Vec<String>>, part: &str) -> bool {
    lost.lock().unwrap().iter().any(|line| line.contains(part))
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_one_node_revokes_the_others_hear() {
    let server = server().await;
    let (replica, lost) = watched(RedisStore::connect(&server.url()).await.unwrap()).await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    for through in [50, 100] {
        revoke(&store, &Revocation::new(subject, at(through), in_an_hour())).await;
    }
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("the other node knows", async || is_revoked(&replica, &token("a")).await).await;
    assert!(is_revoked(&replica, &token("b").carries(subject)).await);
    let later = TokenIdentity::new(RevocationKey::token_id(ISSUER, "c"), at(101), in_an_hour(), &Retention::default());
    assert!(!is_revoked(&replica, &later.carries(subject)).await);
    assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
}

/// What is revoked while a snapshot is read is in it or is found by following it, whenever that is.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn nothing_is_missed_between_the_snapshot_and_the_feed() {
    let server = server().await;
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for n in 0..80 {
                revoke(&*store, &Revocation::of_token(&token(&format!("{caller}-{n}")))).await;
            }
        });
    }
    callers.join_all().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let url = format!("redis://{}", proxy.addr());
    let options = RedisStore::options().timeout(Duration::from_secs(30));
    let log = options.connect(&url).await.unwrap();
    proxy.step_replies(16 * 1024);
    let replica = Replica::start(log);
    let mut steps = 0;
    while !replica.health().is_fresh() {
        // At each step one that is new, one that was read perhaps, and one that gets stronger.
        for jti in [format!("step-{steps}"), format!("{}-79", steps % 50)] {
            revoke(&*store, &Revocation::of_token(&token(&jti))).await;
        }
        let subject = RevocationKey::subject(ISSUER, "usr_123");
        revoke(&*store, &Revocation::new(subject, at(1 + steps), in_an_hour())).await;
        steps += 1;
        let _ = tokio::time::timeout(Duration::from_millis(300), proxy.let_one_through()).await;
    }
    proxy.pass();
    assert!(steps > 8, "{steps}");
    for step in 0..steps {
        let jti = token(&format!("step-{step}"));
        until("a step is known", async || is_revoked(&replica, &jti).await).await;
    }
    let subject = RevocationKey::subject(ISSUER, "usr_123");
    let of = |iat| {
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "t"), at(iat), in_an_hour(), &Retention::default())
            .carries(subject)
    };
    until("the last is known", async || is_revoked(&replica, &of(steps)).await).await;
    assert!(!is_revoked(&replica, &of(steps + 1)).await);
    for (caller, n) in (0..50).flat_map(|caller| (0..80).map(move |n| (caller, n))) {
        assert!(is_revoked(&replica, &token(&format!("{caller}-{n}"))).await);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_emptied_store_is_noticed_though_nothing_is_written() {
    let server = server().await;
    let (replica, lost) = watched(RedisStore::connect(&server.url()).await.unwrap()).await;
    revoke(&replica, &Revocation::of_token(&token("a"))).await;
    server.cli(&["FLUSHALL"]).await;
    until("it is noticed", async || says(&lost, "was emptied, or replaced by another")).await;
    assert_ne!(replica.is_revoked(&token("a")).await.ok(), Some(false));
    // And is re-sent what it has lost.
    let store = RedisStore::connect(&server.url()).await.unwrap();
    until("it is re-sent", async || store.is_revoked(&token("a")).await.ok() == Some(true)).await;
}

/// The epoch alone does not tell what a failover lost, nor does the count once others have been counted since.
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
    // From here on the replica gets nothing.
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
async fn a_server_that_went_back_in_time_is_noticed() {
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
        (&["EVAL", &one_new, "1", feed], ": log entries after the cursor are missing"),
        (&["EVAL", &middle, "1", feed], ": log entries after the cursor are missing"),
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
        // It is followed as before, also from a place in an empty feed.
        lost.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
        revoke(&store, &Revocation::of_token(&token(&format!("{round}-last")))).await;
        knows(format!("{round}-last")).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_feed_forgets_what_is_older_than_ten_minutes() {
    let server = server().await;
    let now = SystemClock.now().as_unix_millis();
    for (age, kept) in [(599_000, true), (601_000, false)] {
        let first = now - age - 1000;
        let old = "local last for i = 1, 1000 do \
                   last = redis.call('XADD', KEYS[1], string.format('%.0f-0', ARGV[1] + i), 'n', i) end \
                   redis.call('HSET', KEYS[2], 'seq', 1000, 'last', last) return 1";
        server.cli(&["FLUSHALL"]).await;
        let store = RedisStore::connect(&server.url()).await.unwrap();
        let (feed, meta) = ("{tower-logout}:v1:feed", "{tower-logout}:v1:meta");
        server.cli(&["EVAL", old, "2", feed, meta, &first.to_string()]).await;
        revoke(&store, &Revocation::of_token(&token(&age.to_string()))).await;
        let left: u64 = server.cli(&["XLEN", "{tower-logout}:v1:feed"]).await.parse().unwrap();
        // Whole blocks of a hundred go.
        assert!(if kept { left > 900 } else { left <= 101 }, "{age}: {left}");
    }
}

/// Entries that are long enough in number to be read in several pages, through a proxy that stops at each reply.
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
async fn a_store_that_is_emptied_while_it_is_read_is_read_again() {
    let server = server().await;
    let (_replica, lost) =
        while_it_is_read(&server, in_an_hour(), async |_| drop(server.cli(&["FLUSHALL"]).await)).await;
    assert!(says(&lost, "emptied, or replaced by another one, while it was read"), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_is_forgotten_while_it_is_read_is_refused() {
    let server = server().await;
    let soon = after(3000);
    let forget = async |store: &RedisStore| {
        until("it is over", async || SystemClock.now() > soon).await;
        let mut n = 0;
        while server.cli(&["ZCOUNT", "{tower-logout}:v1:live", "0", &soon.as_unix_millis().to_string()]).await != "0" {
            n += 1;
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
async fn a_key_of_a_kind_that_is_not_known_concerns_nobody() {
    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let later = format!("\"\\xc8{}\"", "\\x01".repeat(15));
    run_lines(&server, &format!("ZADD {{tower-logout}}:v1:live 9007199254740991 {later}")).await;
    server.cli(&["HSET", "{tower-logout}:v1:meta", "live", "1"]).await;
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    assert!(replica.is_empty());
    assert!(!is_revoked(&replica, &token("other")).await);
}

/// A log that shows the cursor of its snapshot.
struct Catch(RedisStore, Arc<Mutex<Option<RedisCursor>>>);
#[async_trait::async_trait]
impl RevocationStore for Catch {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.revoke(revocation).await
    }
    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.is_revoked(token).await
    }
}
#[async_trait::async_trait]
impl RevocationLog for Catch {
    type Cursor = RedisCursor;
    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<RedisCursor, StoreError> {
        let cursor = self.0.snapshot(into).await?;
        *self.1.lock().unwrap() = Some(cursor.clone());
        Ok(cursor)
    }
    async fn follow(&self, cursor: &RedisCursor, wait: Duration) -> Result<Followed<RedisCursor>, FollowError> {
        self.0.follow(cursor, wait).await
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_stale_replica_does_not_believe_a_server_that_lost_everything() {
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

/// Where the log ends that the store with these options has.
async fn end_of(options: &RedisStoreOptions, server: &RedisServer) -> RedisCursor {
    let cursor = Arc::new(Mutex::new(None));
    Replica::start(Catch(options.clone().connect(&server.url()).await.unwrap(), Arc::clone(&cursor)))
        .ready()
        .await
        .unwrap();
    let cursor = cursor.lock().unwrap().clone();
    cursor.unwrap()
}

/// A name leads to another server now, and what is connected to the old one still is. The old one is alive, and what it acknowledges
/// is lost: nobody else hears it. Whatever the follower notices makes the next who revokes or asks connect anew.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_a_follower_notices_concerns_those_who_revoke() {
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
            // Connected, and idle from now on. Without a replica it says that none has confirmed it.
            let _ = store.revoke(&Revocation::of_token(&token("first"))).await;
            assert!(is_revoked(&store, &token("first")).await);
            let prefix = format!("{store:?}").split_once("prefix: \"").unwrap().1.split_once('"').unwrap().0.to_owned();
            let (live, meta) = (format!("{{{prefix}}}:v1:live"), format!("{{{prefix}}}:v1:meta"));
            // The other has all of it, as a replica that was promoted.
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

/// A server whose clock was ahead has forgotten more than it should have. Whoever follows it refuses as much as it does itself.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_the_server_has_forgotten_is_refused_by_who_follows() {
    let server = server().await;
    let connect = async || RedisStore::connect(&server.url()).await.unwrap();
    let (running, lost) = watched(connect().await).await;
    let store = connect().await;
    let later = SystemClock.now().saturating_add(Duration::from_secs(7200));
    let beyond = TokenIdentity::new(
        RevocationKey::token_id(ISSUER, "beyond"),
        at(100),
        later.saturating_add(Duration::from_secs(1)),
        &Retention::default(),
    );
    assert!(!is_revoked(&running, &token("a")).await);
    let purged_through = later.as_unix_millis().to_string();
    server.cli(&["HSET", "{tower-logout}:v1:meta", "purged_through", &purged_through]).await;
    assert_eq!(revoke(&store, &Revocation::of_token(&token("a"))).await, Outcome::Already);
    assert!(is_revoked(&store, &token("a")).await);
    until("a running node refuses it", async || is_revoked(&running, &token("a")).await).await;
    let (fresh, _) = watched(connect().await).await;
    for node in [&running, &fresh] {
        assert!(node.health().is_fresh());
        assert!(is_revoked(node, &token("never seen")).await);
        assert!(!is_revoked(node, &beyond).await);
    }
    assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn who_waits_for_ever_is_answered() {
    let master = server().await;
    let replica = server().await;
    replica.replica_of(&master).await;
    replica.until_replicating().await;
    let options = options().timeout(Duration::MAX).wait_replicas(1);
    let cursor = end_of(&options, &master).await;
    let store = options.connect(&master.url()).await.unwrap();
    let patience = Duration::from_secs(20);
    let revocation = Revocation::of_token(&token("a"));
    let revoked = tokio::time::timeout(patience, store.revoke(&revocation)).await.unwrap();
    assert_eq!(revoked.unwrap(), Outcome::Newly);
    let followed = tokio::time::timeout(patience, store.follow(&cursor, Duration::MAX)).await.unwrap().unwrap();
    assert_eq!((followed.revocations.as_slice(), followed.complete), (&[revocation][..], true));
    let nothing = tokio::time::timeout(Duration::from_millis(300), store.follow(&followed.cursor, Duration::MAX)).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

// Sentinel and Cluster

/// Others who ask have the Sentinels confirm the master all the time. A follower is not spared for that: it would never get to say that
/// it is complete, and a node that is stale, hence asks, would stay so.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_follower_is_complete_however_many_ask() {
    let master = server().await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 3, 2).await;
    let options = options();
    let cursor = end_of(&options, &master).await;
    let store = Arc::new(options.connect_sentinel(sentinels.urls(), "redis://mymaster").await.unwrap());
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, cursor) = (Arc::clone(&store), cursor.clone());
        askers.spawn(async move {
            loop {
                store.check(&cursor, &token("a")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let follow = async || store.follow(&cursor, Duration::from_millis(5)).await.unwrap().complete;
    for n in 0..20 {
        let began = Instant::now();
        assert!(follow().await, "{n}");
        // The Sentinels confirm the server to the follower itself at most every 50 ms.
        let is_complete = follow().await;
        assert!(!is_complete || began.elapsed() >= Duration::from_millis(50), "{n}");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert!(askers.try_join_next().is_none());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_name_the_master_and_its_successor() {
    let master = server().await;
    let successor = server().await;
    successor.replica_of(&master).await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 3, 2).await;
    let connect = async || options().connect_sentinel(sentinels.urls(), "redis://mymaster/0").await;
    let store = patient().connect_sentinel(sentinels.urls(), "redis://mymaster").await.unwrap();
    let (replica, lost) =
        watched(patient().connect_sentinel(sentinels.urls(), "redis://mymaster").await.unwrap()).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("it is heard", async || replica.is_revoked(&token("a")).await.ok() == Some(true)).await;
    assert!(replica.health().is_fresh());
    let error = failure(options().connect_sentinel(sentinels.urls(), "redis://other")).await;
    assert!(error.contains("none of the 3 Sentinels knows a master named `other`"), "{error}");
    assert!(connect().await.is_ok());
    let all = async || successor.cli(&["ZCARD", "{tower-logout}:v1:live"]).await;
    until("the replica has it", async || all().await == "1").await;
    master.kill();
    sentinels.until_master_is_not(master.port()).await;
    until("writes go on", async || store.revoke(&Revocation::of_token(&token("b"))).await.is_ok()).await;
    until("it is heard", async || replica.is_revoked(&token("b")).await.ok() == Some(true)).await;
    assert!(is_revoked(&store, &token("a")).await);
    drop(lost);
}

/// A master that was left behind goes on answering. It is not believed.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_master_without_a_majority_of_its_sentinels_is_not_believed() {
    let master = server().await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 3, 2).await;
    let connect = async || {
        RedisStore::options()
            .timeout(Duration::from_secs(1))
            .connect_sentinel(sentinels.urls(), "redis://mymaster")
            .await
    };
    let store = connect().await.unwrap();
    let (replica, _) = watched(connect().await.unwrap()).await;
    assert!(!is_revoked(&replica, &token("a")).await);
    // One does not matter.
    sentinels.sentinel(0).kill();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!is_revoked(&store, &token("a")).await);
    assert!(replica.health().is_fresh());
    sentinels.sentinel(1).freeze();
    until("it is stale", async || matches!(replica.health(), Health::Stale { .. })).await;
    // It is asked directly then, and does not believe it either.
    let error = failure(replica.is_revoked(&token("a"))).await;
    assert!(error.contains("failed to check"), "{error}");
    until("nor does the store", async || store.is_revoked(&token("a")).await.is_err()).await;
    let error = failure(store.revoke(&Revocation::of_token(&token("a")))).await;
    assert!(error.contains("majority"), "{error}");
    assert_eq!(master.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "0");
    sentinels.sentinel(1).thaw();
    until("it is fresh", async || replica.health().is_fresh()).await;
    until("it is asked again", async || store.is_revoked(&token("a")).await.ok() == Some(false)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_is_followed_to_where_the_slot_is() {
    let cluster = RedisCluster::start(3, 1, RedisOptions::default()).await;
    let store = patient().connect_cluster(cluster.urls()).await.unwrap();
    let (replica, _) = watched(patient().connect_cluster(&cluster.urls()[..1]).await.unwrap()).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("it is heard", async || replica.is_revoked(&token("a")).await.ok() == Some(true)).await;
    let owner = cluster.node_for_key("{tower-logout}").await;
    assert_eq!(cluster.node(owner).cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "1");
    let in_a_replica = async || {
        let mut with_it = 0;
        for node in 3..6 {
            let keys = cluster.node(node).cli(&["DBSIZE"]).await;
            with_it += u32::from(keys != "0");
        }
        with_it == 1
    };
    until("its replica has it", in_a_replica).await;
    cluster.kill(owner);
    until("it goes on elsewhere", async || store.revoke(&Revocation::of_token(&token("b"))).await.is_ok()).await;
    assert!(is_revoked(&store, &token("a")).await);
    until("it is heard", async || replica.is_revoked(&token("b")).await.ok() == Some(true)).await;
    cluster.restart(owner).await;
    // The old node takes over again, and the one that gives up its slots goes on running.
    let node = cluster.node(owner);
    until("it replicates", async || node.cli(&["INFO", "replication"]).await.contains("master_link_status:up")).await;
    let mut said = None;
    let takes_over = async || {
        // It may come to nothing after five seconds, and is then to be said again.
        if said.is_none_or(|said: Instant| said.elapsed() > Duration::from_secs(6)) {
            let _ = node.try_cli(&["CLUSTER", "FAILOVER"]).await;
            said = Some(Instant::now());
        }
        cluster.node_for_key("{tower-logout}").await == owner
    };
    until("it is the master", takes_over).await;
    until("it goes on there", async || store.revoke(&Revocation::of_token(&token("c"))).await.is_ok()).await;
    until("it is heard", async || replica.is_revoked(&token("c")).await.ok() == Some(true)).await;
    assert!(is_revoked(&store, &token("a")).await);
    // A policy that evicts is refused on the node that matters.
    let owner = cluster.node_for_key("{tower-logout}").await;
    cluster.node(owner).cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let error = failure(patient().connect_cluster(cluster.urls())).await;
    assert!(error.contains("allkeys-lru"), "{error}");
}

// What the documentation says

const LAYOUT: &str = include_str!("../../docs/redis-layout.md");

/// The first block of this language.
fn block(language: &str) -> &'static str {
    let begin = LAYOUT.split_once(&format!("```{language}\n")).unwrap().1;
    begin.split_once("```\n").unwrap().0
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_documented_script_is_the_one_that_runs_and_its_example_revokes() {
    let scripts = [
        include_str!("../../src/store/redis/scripts/functions.lua"),
        include_str!("../../src/store/redis/scripts/revoke.lua"),
    ];
    assert_eq!(block("lua"), scripts.concat());
    let hex: String = RevocationKey::subject("https://matar.app", "usr_123").to_string();
    assert!(LAYOUT.contains(&format!("key      {hex}\n")), "{hex}");

    let server = server().await;
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let (replica, lost) = watched(RedisStore::connect(&server.url()).await.unwrap()).await;
    let of = |issued_at| {
        TokenIdentity::new(RevocationKey::token_id(ISSUER, "a"), issued_at, in_an_hour(), &Retention::default())
            .carries(RevocationKey::subject("https://matar.app", "usr_123"))
    };
    let before = SystemClock.now();
    assert!(!is_revoked(&store, &of(before)).await);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("revoke.lua"), block("lua")).unwrap();
    let run = async || {
        let mut command = tokio::process::Command::new("bash");
        command.args(["-euc", block("bash")]).current_dir(directory.path()).env("REDIS_URL", server.url());
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run().await, "1\n");
    assert!(is_revoked(&store, &of(before)).await);
    until("the replica knows", async || is_revoked(&replica, &of(before)).await).await;
    assert!(!is_revoked(&store, &of(after(5000))).await);
    assert!(!is_revoked(&replica, &of(after(5000))).await);
    assert!(lost.lock().unwrap().is_empty(), "{lost:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_documented_user_can_do_all_that_is_needed() {
    let server = server().await;
    let line = LAYOUT.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    assert_eq!(run_lines(&server, line).await, "OK");
    let url = format!("redis://logout:secret@127.0.0.1:{}", server.port());
    let store = patient().connect(&url).await.unwrap();
    let soon = after(200);
    revoke(&store, &Revocation::new(RevocationKey::subject(ISSUER, "soon"), at(100), soon)).await;
    let (replica, lost) = watched(patient().wait_replicas(0).connect(&url).await.unwrap()).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    until("it is heard", async || is_revoked(&replica, &token("a")).await).await;
    until("it is over", async || SystemClock.now() > soon).await;
    revoke(&store, &Revocation::of_token(&token("b"))).await;
    until("it is heard", async || is_revoked(&replica, &token("b")).await).await;
    assert_eq!(server.cli(&["HLEN", "{tower-logout}:v1:through"]).await, "0");
    // Markers are written where the feed is not what it should be.
    server.cli(&["DEL", "{tower-logout}:v1:feed"]).await;
    let second = Replica::start(RedisStore::connect(&url).await.unwrap());
    second.ready().await.unwrap();
    assert!(is_revoked(&second, &token("b")).await);
    assert!(!says(&lost, "NOPERM"), "{lost:?}");
    let waits = patient().wait_replicas(1).connect(&url).await.unwrap();
    assert!(failure(waits.revoke(&Revocation::of_token(&token("c")))).await.contains("0 of 1"));
    // And no more than that.
    let denied = patient().prefix("other").connect(&url).await;
    assert!(failure(async { denied }).await.contains("NoPerm"));
}

// TLS

/// Certificates for 127.0.0.1, and what signed them; made by `openssl`.
fn certificates(directory: &std::path::Path, authority: &str) -> RedisTls {
    let path = |name: &str| directory.join(format!("{authority}-{name}"));
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl").args(arguments).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let (ca, ca_key) = (text("ca.pem"), text("ca.key"));
    let ca_of = ["-subj", "/CN=authority", "-keyout", &ca_key, "-out", &ca, "-addext", "keyUsage=critical,keyCertSign"];
    openssl(&[&["req", "-x509"], &new_key[..], &ca_of[..]].concat());
    let (certificate, key) = (text("server.pem"), text("server.key"));
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let of = ["-subj", "/CN=redis", "-CA", &ca, "-CAkey", &ca_key, "-keyout", &key, "-out", &certificate];
    openssl(&[&["req", "-x509"], &new_key[..], &names[..], &of[..]].concat());
    RedisTls { authority: ca.into(), certificate: certificate.into(), key: key.into() }
}

#[tokio::test]
async fn tls_without_a_crypto_provider_is_an_error_that_says_how_to_install_one() {
    if is_alone("store::tls_without_a_crypto_provider_is_an_error_that_says_how_to_install_one") {
        let error = failure(options().connect("rediss://127.0.0.1:1")).await;
        assert!(error.contains("install_default()"), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn tls_is_spoken_and_checked() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let tls = certificates(directory.path(), "right");
    let wrong = certificates(directory.path(), "wrong");
    let pem = |path: &std::path::Path| std::fs::read(path).unwrap();
    let server = RedisServer::start(RedisOptions { tls: Some(tls.clone()), ..RedisOptions::default() }).await;
    let store = options().root_certificates(pem(&tls.authority)).connect(&server.url()).await.unwrap();
    assert_eq!(revoke(&store, &Revocation::of_token(&token("a"))).await, Outcome::Newly);
    assert!(is_revoked(&store, &token("a")).await);
    // Neither the system nor another authority has signed it.
    for options in [options(), options().root_certificates(pem(&wrong.authority))] {
        let error = failure(options.connect(&server.url())).await;
        assert!(error.contains("certificate") || error.contains("UnknownIssuer"), "{error}");
    }
    let error = failure(options().connect(&server.url().replace("rediss", "redis"))).await;
    assert!(error.contains("failed to open"), "{error}");
    let error = failure(options().root_certificates(pem(&tls.authority)).connect("redis://127.0.0.1:1")).await;
    assert!(error.contains("rediss://"), "{error}");
    let error =
        failure(options().root_certificates("nonsense").client_certificate("", "").connect(&server.url())).await;
    assert!(error.contains("PEM"), "{error}");

    server.cli(&["CONFIG", "SET", "tls-auth-clients", "yes"]).await;
    let anonymous = options().root_certificates(pem(&tls.authority));
    failure(anonymous.clone().connect(&server.url())).await;
    let known = anonymous.client_certificate(pem(&tls.certificate), pem(&tls.key));
    assert!(!format!("{known:?}").contains("KEY"));
    known.connect(&server.url()).await.unwrap();
}
