//! Promise: what a node reads from its log stays as small as docs/scale.md says, whose numbers this
//! prints.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower_logout::{
    Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
    store::RevocationLog,
};

/// A relay that counts what passes.
struct Relay {
    addr: SocketAddr,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Relay {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sent, received) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let counts = (Arc::clone(&sent), Arc::clone(&received));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counts = (Arc::clone(&counts.0), Arc::clone(&counts.1));
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    tokio::join!(
                        count(&mut from_client, &mut to_server, &counts.0),
                        count(&mut from_server, &mut to_client, &counts.1)
                    );
                });
            }
        });
        Self { addr, sent, received }
    }

    /// The bytes to the server and from it since the last call.
    fn take(&self) -> (u64, u64) {
        (self.sent.swap(0, Ordering::Relaxed), self.received.swap(0, Ordering::Relaxed))
    }
}

async fn count(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin), count: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        count.fetch_add(read as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

fn revocations(name: &str, count: u32) -> Vec<Revocation> {
    let until = Timestamp::from_unix_seconds(4_000_000_000);
    let of = |number| RevocationKey::token_id("https://issuer.example", &format!("{name} {number}"));
    (0..count).map(|number| Revocation::new(of(number), Timestamp::MAX, until)).collect()
}

/// Measures a node over a log that is reached through the relay.
async fn measure<L: RevocationLog>(what: &str, connect: impl AsyncFn(SocketAddr) -> L, server: SocketAddr) {
    const ENTRIES: u32 = 2000;
    const ALONE: u32 = 200;
    let relay = Relay::start(server).await;
    let writer = connect(server).await;
    writer.revoke_all(&revocations("old", ENTRIES)).await.unwrap();

    let node = Replica::start(connect(relay.addr).await);
    node.ready().await.unwrap();
    let (_, received) = relay.take();
    let per_live = received / u64::from(ENTRIES);

    sleep(Duration::from_secs(1)).await;
    relay.take();
    sleep(Duration::from_secs(10)).await;
    let (sent, received) = relay.take();
    let at_rest = (sent / 10, received / 10);

    for revocation in revocations("one", ALONE) {
        writer.revoke(&revocation).await.unwrap();
        // So that each is read on its own.
        while !node.is_revoked_now(&token(&revocation)).is_some_and(|answer| answer.unwrap()) {
            tokio::task::yield_now().await;
        }
    }
    let (sent, received) = relay.take();
    let alone = (sent / u64::from(ALONE), received / u64::from(ALONE));

    writer.revoke_all(&revocations("many", ENTRIES)).await.unwrap();
    while node.len() < (2 * ENTRIES + ALONE) as usize {
        sleep(Duration::from_millis(1)).await;
    }
    let (_, received) = relay.take();
    let together = received / u64::from(ENTRIES);
    println!(
        "{what}: at rest {at_rest:?} bytes a second to and from the server; {alone:?} for a revocation that is read \
         alone, {together} for one of many, {per_live} for an entry of a snapshot"
    );
    assert!(at_rest.0 + at_rest.1 < 4000 && alone.1 < 2000 && together < 400 && per_live < 200);
}

fn token(revocation: &Revocation) -> tower_logout::revocation::TokenIdentity {
    use tower_logout::revocation::{Retention, TokenIdentity};
    let far = Timestamp::from_unix_seconds(4_000_000_000);
    TokenIdentity::new(revocation.key(), Timestamp::MIN, far, &Retention::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server"]
async fn a_node_reads_little_from_redis() {
    use test_support::servers::{RedisOptions, RedisServer};
    use tower_logout::RedisStore;

    const NODES: u32 = 50;

    let redis = RedisServer::start(RedisOptions::default()).await;
    let connect = async |addr: SocketAddr| {
        RedisStore::options().timeout(PATIENCE).connect(&format!("redis://{addr}")).await.unwrap()
    };
    let url = redis.url();
    let server: SocketAddr = url.trim_start_matches("redis://").trim_end_matches('/').parse().unwrap();
    measure("Redis", connect, server).await;

    // What a call of a node at rest costs the server.
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Replica::start(connect(server).await));
    }
    for node in &nodes {
        node.ready().await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    let before = cpu_seconds(server).await;
    sleep(Duration::from_secs(10)).await;
    let each = (cpu_seconds(server).await - before) / f64::from(NODES * 10);
    println!("Redis: {:.0} µs of the server a second for a node at rest", each * 1e6);
    assert!(each < 0.002);
}

/// What Redis has used of its core.
async fn cpu_seconds(server: SocketAddr) -> f64 {
    let mut connection = TcpStream::connect(server).await.unwrap();
    connection.write_all(b"INFO cpu\r\nQUIT\r\n").await.unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).await.unwrap();
    let field = |name: &str| {
        let line = reply.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.trim().parse::<f64>().unwrap()
    };
    field("used_cpu_user:") + field("used_cpu_sys:")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_node_reads_little_from_postgres() {
    use test_support::servers::{PostgresOptions, PostgresServer};
    use tower_logout::PostgresStore;

    let postgres = PostgresServer::start(PostgresOptions::default()).await;
    PostgresStore::connect(&postgres.url()).await.unwrap().migrate().await.unwrap();
    let (url, own) = (postgres.url(), postgres.port().to_string());
    let connect = async |addr: SocketAddr| {
        let url = url.replace(&own, &addr.port().to_string());
        PostgresStore::options().timeout(PATIENCE).connect(&url).await.unwrap()
    };
    measure("PostgreSQL", connect, postgres.addr()).await;
}

const PATIENCE: Duration = Duration::from_secs(30);
