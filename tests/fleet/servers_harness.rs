//! The servers and the proxy of `test-support` behave as documented.

use std::{
    env,
    io::ErrorKind,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use test_support::servers::{
    FaultProxy, GARBAGE, NginxServer, PostgresOptions, PostgresServer, RedisCluster, RedisOptions, RedisSentinels,
    RedisServer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than a reply takes: a reply that has not arrived by then is considered missing.
const A_WHILE: Duration = Duration::from_millis(200);

const PONG: &str = "+PONG\r\n";

async fn redis(options: RedisOptions) -> RedisServer {
    RedisServer::start(options).await
}

/// A Redis, a proxy to it, and a working connection through it.
async fn through_proxy() -> (RedisServer, FaultProxy, Client) {
    let redis = redis(RedisOptions::default()).await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let mut client = Client::to(proxy.addr()).await;
    client.pings().await;
    (redis, proxy, client)
}

struct Client(TcpStream);

impl Client {
    async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next reply, or how the connection ends. An end without an error is an empty reply.
    async fn hear(&mut self) -> Result<String, ErrorKind> {
        let mut buffer = [0; 1000];
        let count = timeout(Duration::from_secs(20), self.0.read(&mut buffer)).await.expect("an answer");
        count.map(|count| String::from_utf8_lossy(&buffer[..count]).into_owned()).map_err(|error| error.kind())
    }

    async fn ask(&mut self, text: &str) -> Result<String, ErrorKind> {
        self.0.write_all(text.as_bytes()).await.map_err(|error| error.kind())?;
        self.hear().await
    }

    async fn pings(&mut self) {
        assert_eq!(self.ask("PING\r\n").await.as_deref(), Ok(PONG));
    }

    async fn hears_nothing(&mut self) {
        let mut byte = [0];
        let heard = timeout(A_WHILE, self.0.read(&mut byte)).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn redis_keeps_only_what_it_persists() {
    for persist in [true, false] {
        let redis = redis(RedisOptions { persist, ..RedisOptions::default() }).await;
        let port = redis.port();
        assert_eq!(redis.url(), format!("redis://127.0.0.1:{port}"));
        assert_eq!(redis.cli(&["SET", "key", "value"]).await, "OK");
        assert!(redis.memory_used().await > 1000);
        redis.kill();
        assert!(!redis.is_running());
        assert_eq!(TcpStream::connect(redis.addr()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        redis.restart().await;
        assert!(redis.is_running());
        assert_eq!(redis.port(), port);
        assert_eq!(redis.cli(&["GET", "key"]).await, if persist { "value" } else { "" });
        assert!(redis.log().contains("Ready"));
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn redis_wants_its_password_and_takes_more_arguments() {
    let extra = ["--maxmemory-policy", "allkeys-lru"].map(str::to_owned).to_vec();
    let options = RedisOptions { password: Some("secret".to_owned()), extra, ..RedisOptions::default() };
    let redis = redis(options.clone()).await;
    assert_eq!(redis.url(), format!("redis://:secret@127.0.0.1:{}", redis.port()));
    assert!(redis.cli(&["CONFIG", "GET", "maxmemory-policy"]).await.contains("allkeys-lru"));
    let answer = Client::to(redis.addr()).await.ask("PING\r\n").await.unwrap();
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
    let error = redis.try_cli(&["SET", "too few"]).await.unwrap_err();
    assert!(error.contains("wrong number of arguments"), "{error}");
    let replica = RedisServer::start(options).await;
    replica.replica_of(&redis).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_frozen_redis_does_not_answer() {
    let redis = redis(RedisOptions::default()).await;
    let mut client = Client::to(redis.addr()).await;
    client.pings().await;
    redis.freeze();
    client.say("PING\r\n").await;
    client.hears_nothing().await;
    redis.thaw();
    assert_eq!(client.hear().await.as_deref(), Ok(PONG));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_follows_until_it_is_promoted() {
    let master = redis(RedisOptions::default()).await;
    let replica = RedisServer::start(RedisOptions::default()).await;
    replica.replica_of(&master).await;
    master.cli(&["SET", "key", "value"]).await;
    replica.until_caught_up_with(&master).await;
    assert_eq!(replica.cli(&["GET", "key"]).await, "value");
    assert!(replica.try_cli(&["SET", "key", "other"]).await.unwrap_err().contains("READONLY"));
    replica.promote().await;
    assert_eq!(replica.cli(&["SET", "key", "other"]).await, "OK");
    assert_eq!(master.cli(&["GET", "key"]).await, "value");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_fail_over() {
    let master = redis(RedisOptions::default()).await;
    let replica = RedisServer::start(RedisOptions::default()).await;
    replica.replica_of(&master).await;
    let sentinels = RedisSentinels::start(&master, "logouts", 3, 2).await;
    assert_eq!(sentinels.urls().len(), 3);
    assert_eq!(sentinels.master_port().await, master.port());
    sentinels.sentinel(0).kill();
    master.kill();
    assert_eq!(sentinels.until_master_is_not(master.port()).await, replica.port());
    assert_eq!(replica.cli(&["SET", "key", "value"]).await, "OK");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_survives_a_master_with_a_replica() {
    let options = RedisOptions { persist: true, ..RedisOptions::default() };
    let cluster = RedisCluster::start(3, 1, options).await;
    assert_eq!(cluster.urls().len(), 6);
    let owner = cluster.node_for_key("key").await;
    assert!(owner < 3, "the masters come first");
    let mut client = Client::to(cluster.node(owner).addr()).await;
    assert_eq!(client.ask("SET key value\r\n").await.as_deref(), Ok("+OK\r\n"));
    assert_eq!(client.ask("WAIT 1 0\r\n").await.as_deref(), Ok(":1\r\n"));
    cluster.kill(owner);
    let successor = cluster.until_master_is_not(owner, "key").await;
    cluster.until_ok().await;
    assert_eq!(cluster.node(successor).cli(&["GET", "key"]).await, "value");
    cluster.restart(owner).await;
    cluster.node(owner).until_replicating().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn postgres_keeps_what_is_committed() {
    let postgres = PostgresServer::start(PostgresOptions {
        extra: vec!["max_connections=7".to_owned()],
        ..PostgresOptions::default()
    })
    .await;
    let port = postgres.port();
    assert_eq!(postgres.url(), format!("postgres://app@127.0.0.1:{port}/app"));
    assert_eq!(postgres.psql("SHOW max_connections").await, "7");
    assert_eq!(postgres.psql("SHOW fsync").await, "on");
    assert_eq!(postgres.psql("SHOW synchronous_commit").await, "on");
    postgres.psql("CREATE TABLE numbers (number int)").await;
    for shutdown in [PostgresServer::kill, PostgresServer::fast_shutdown] {
        postgres.psql("INSERT INTO numbers VALUES (1)").await;
        shutdown(&postgres);
        assert!(!postgres.is_running());
        assert!(TcpStream::connect(postgres.addr()).await.is_err());
        assert!(postgres.try_psql("SELECT 1").await.is_err());
        postgres.restart().await;
        assert_eq!(postgres.port(), port);
    }
    assert_eq!(postgres.psql("SELECT count(*), sum(number) FROM numbers").await, "2|2");
    assert!(postgres.log().contains("was not properly shut down"));
    assert!(postgres.try_psql("SELECT nonsense").await.unwrap_err().contains("nonsense"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_frozen_postgres_does_not_answer() {
    let files = vec![("hello.txt".to_owned(), "hello".to_owned())];
    let postgres = PostgresServer::start(PostgresOptions { files, ..PostgresOptions::default() }).await;
    assert_eq!(postgres.psql("SELECT pg_read_file('hello.txt')").await, "hello");
    let mut asking = Box::pin(postgres.psql("SELECT pg_sleep(1), 'awake'"));
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%awake%' AND pid <> pg_backend_pid()";
    tokio::select! {
        () = async { while postgres.psql(connected).await != "1" {} } => {}
        _ = &mut asking => panic!("too fast"),
    }
    postgres.freeze();
    // Neither on an open connection nor on a new one, for longer than the sleep.
    let new = postgres.psql("SELECT 1");
    let heard = async {
        tokio::select! { text = &mut asking => text, text = new => text }
    };
    assert!(timeout(Duration::from_millis(1200), heard).await.is_err());
    postgres.thaw();
    assert_eq!(asking.await, "|awake");
    postgres.freeze();
    postgres.kill();
    postgres.restart().await;
    assert_eq!(postgres.psql("SELECT 1").await, "1");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_standby_follows_until_it_is_promoted() {
    let primary = PostgresServer::start(PostgresOptions::default()).await;
    primary.psql("CREATE TABLE numbers (number int)").await;
    let standby = PostgresServer::standby_of(&primary).await;
    primary.psql("INSERT INTO numbers VALUES (1)").await;
    standby.until_caught_up_with(&primary).await;
    assert_eq!(standby.psql("SELECT number FROM numbers").await, "1");
    assert!(standby.try_psql("INSERT INTO numbers VALUES (2)").await.unwrap_err().contains("read-only"));
    primary.kill();
    standby.promote().await;
    standby.psql("INSERT INTO numbers VALUES (2)").await;
    assert_eq!(standby.psql("SELECT count(*) FROM numbers").await, "2");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_rejects_and_resets_connections() {
    let (redis, proxy, mut client) = through_proxy().await;
    proxy.refuse();
    assert_eq!(client.hear().await, Err(ErrorKind::ConnectionReset));
    let mut second = Client::to(proxy.addr()).await;
    assert_eq!(second.hear().await, Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.connections(), 2);
    proxy.pass();
    let mut third = Client::to(proxy.addr()).await;
    third.pings().await;
    proxy.reset();
    assert_eq!(third.hear().await, Err(ErrorKind::ConnectionReset));
    let mut fourth = Client::to(proxy.addr()).await;
    fourth.pings().await;

    redis.kill();
    assert!(matches!(fourth.hear().await.as_deref(), Ok("") | Err(ErrorKind::ConnectionReset)));
    assert_eq!(Client::to(proxy.addr()).await.hear().await, Err(ErrorKind::ConnectionReset));
    redis.restart().await;
    Client::to(proxy.addr()).await.pings().await;
    drop(fourth);
    proxy.until(|stats| stats.open == 0).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_delays() {
    let (_redis, proxy, mut client) = through_proxy().await;
    proxy.delay_replies(A_WHILE);
    let begin = Instant::now();
    client.pings().await;
    assert!(begin.elapsed() >= A_WHILE);
    proxy.delay_replies(Duration::from_secs(3600));
    client.say("PING\r\n").await;
    proxy.until(|stats| stats.replies == 3).await;
    proxy.pass();
    assert_eq!(client.hear().await.as_deref(), Ok(PONG));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_cuts_after_the_write() {
    let (redis, proxy, mut client) = through_proxy().await;
    let mut subscriber = Client::to(proxy.addr()).await;
    assert!(subscriber.ask("SUBSCRIBE news\r\n").await.unwrap().contains("subscribe"));
    proxy.cut_after_request();
    assert_eq!(client.ask("SET key value\r\n").await, Err(ErrorKind::ConnectionReset));
    assert_eq!(redis.cli(&["GET", "key"]).await, "value");
    // The client has sent nothing since.
    redis.cli(&["PUBLISH", "news", "good"]).await;
    assert!(subscriber.hear().await.unwrap().contains("good"));
    assert_eq!(Client::to(proxy.addr()).await.ask("PING\r\n").await, Err(ErrorKind::ConnectionReset));

    proxy.cut_after_request_with("SET");
    let mut client = Client::to(proxy.addr()).await;
    client.pings().await;
    assert_eq!(client.ask("SET key other\r\n").await, Err(ErrorKind::ConnectionReset));
    assert_eq!(redis.cli(&["GET", "key"]).await, "other");
    proxy.pass();
    Client::to(proxy.addr()).await.pings().await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_sends_garbage() {
    let (_redis, proxy, mut client) = through_proxy().await;
    proxy.garbage();
    assert_eq!(client.ask("PING\r\n").await.unwrap(), String::from_utf8_lossy(GARBAGE));
    proxy.pass();
    client.pings().await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_leaves_connections_half_open() {
    let (redis, proxy, mut client) = through_proxy().await;
    let mut subscriber = Client::to(proxy.addr()).await;
    assert!(subscriber.ask("SUBSCRIBE news\r\n").await.unwrap().contains("subscribe"));
    proxy.half_open();
    let mut new = Client::to(proxy.addr()).await;
    new.say("PING\r\n").await;
    client.say("SET key value\r\n").await;
    redis.cli(&["PUBLISH", "news", "good"]).await;
    tokio::join!(new.hears_nothing(), client.hears_nothing(), subscriber.hears_nothing());
    assert_eq!(redis.cli(&["GET", "key"]).await, "");
    proxy.pass();
    assert_eq!(new.hear().await.as_deref(), Ok(PONG));
    assert_eq!(client.hear().await.as_deref(), Ok("+OK\r\n"));
    assert!(subscriber.hear().await.unwrap().contains("good"));
    proxy.half_open();
    redis.kill();
    client.hears_nothing().await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_moves_to_another_server() {
    let (redis, proxy, mut client) = through_proxy().await;
    let other = RedisServer::start(RedisOptions::default()).await;
    redis.cli(&["SET", "who", "one"]).await;
    other.cli(&["SET", "who", "two"]).await;
    assert_eq!(client.ask("GET who\r\n").await.as_deref(), Ok("$3\r\none\r\n"));
    proxy.retarget(other.addr());
    assert_eq!(client.hear().await, Err(ErrorKind::ConnectionReset));
    assert_eq!(Client::to(proxy.addr()).await.ask("GET who\r\n").await.as_deref(), Ok("$3\r\ntwo\r\n"));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_moves_new_connections_only() {
    let (redis, proxy, mut client) = through_proxy().await;
    let other = RedisServer::start(RedisOptions::default()).await;
    redis.cli(&["SET", "who", "one"]).await;
    other.cli(&["SET", "who", "two"]).await;
    assert_eq!(client.ask("GET who\r\n").await.as_deref(), Ok("$3\r\none\r\n"));
    proxy.retarget_new(other.addr());
    assert_eq!(Client::to(proxy.addr()).await.ask("GET who\r\n").await.as_deref(), Ok("$3\r\ntwo\r\n"));
    assert_eq!(client.ask("GET who\r\n").await.as_deref(), Ok("$3\r\none\r\n"));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_proxy_lets_replies_through_one_by_one() {
    let (_redis, proxy, mut client) = through_proxy().await;
    proxy.step_replies(4);
    client.say("ECHO 0123456789\r\n").await;
    client.hears_nothing().await;
    assert_eq!(proxy.waiting_replies(), 1);
    let seen = proxy.replies_seen();
    for chunk in ["$10\r", "\n012", "3456"] {
        proxy.let_one_through().await;
        assert_eq!(client.hear().await.as_deref(), Ok(chunk));
    }
    client.hears_nothing().await;
    assert_eq!(proxy.replies_seen(), seen + 3);
    proxy.pass();
    let mut rest = String::new();
    while rest.len() < 5 {
        rest += &client.hear().await.unwrap();
    }
    assert_eq!(rest, "789\r\n");
    assert_eq!(proxy.waiting_replies(), 0);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_dropped_proxy_closes_its_connections() {
    let (_redis, proxy, mut client) = through_proxy().await;
    let address = proxy.addr();
    drop(proxy);
    assert!(matches!(client.hear().await.as_deref(), Ok("") | Err(ErrorKind::ConnectionReset)));
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn a_server_that_is_not_installed_fails_the_requested_tests() {
    let run = |arguments: &[&str]| -> String {
        let mut test = Command::new(env::current_exe().unwrap());
        test.args(["--exact", "servers_harness::a_frozen_redis_does_not_answer"]).args(arguments);
        let output = test.env("PATH", "/nowhere").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let ignored = run(&[]);
    assert!(ignored.contains("a_frozen_redis_does_not_answer ... ignored, needs redis-server"), "{ignored}");
    let failed = run(&["--include-ignored"]);
    assert!(failed.contains("redis-server is not installed; scripts/setup.sh installs it"), "{failed}");
    assert!(failed.contains("0 passed; 1 failed"), "{failed}");
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn an_nginx_listens_on_its_port_and_ends_when_dropped() {
    let nginx = NginxServer::start("location / { return 200 here; }").await;
    let answer = Client::to(nginx.addr()).await.ask("GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("here"), "{answer}");
    let address = nginx.addr();
    drop(nginx);
    assert!(TcpStream::connect(address).await.is_err());
}
