//! Promise: a hundred thousand live revocations take a server tens of MB and a new node seconds,
//! and cost nothing once they have expired.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_logout::{
    Replica,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
    store::RevocationLog,
};

/// `TOWER_LOGOUT_LIVE` overrides the number.
fn entries() -> usize {
    std::env::var("TOWER_LOGOUT_LIVE").map_or(100_000, |entries| entries.parse().unwrap())
}

async fn fill<L: RevocationLog>(log: &Arc<L>) {
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                for entry in (caller..entries()).step_by(CALLERS) {
                    let key = RevocationKey::token_id(test_support::ISSUER, &format!("entry {entry}"));
                    let far = Timestamp::from_unix_seconds(4_000_000_000);
                    log.revoke(&Revocation::new(key, Timestamp::MAX, far)).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

async fn load<L: RevocationLog>(log: L) -> Replica<L> {
    let began = Instant::now();
    let replica = Replica::start(log);
    replica.ready().await.unwrap();
    println!("a new node has loaded {} entries after {:?}", replica.len(), began.elapsed());
    assert_eq!(replica.len(), entries());
    replica
}

/// Polls, because nothing signals that memory was freed; fails at a deadline.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(120), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn redis_holds_a_hundred_thousand_and_gives_the_memory_back() {
    use test_support::servers::{RedisOptions, RedisServer};

    let redis = RedisServer::start(RedisOptions::default()).await;
    let store = async || {
        let options = tower_logout::RedisStore::options().timeout(Duration::from_secs(30));
        Arc::new(options.connect(&redis.url()).await.unwrap())
    };
    let log = store().await;
    let before = redis.memory_used().await;
    fill(&log).await;
    let full = redis.memory_used().await - before;
    let per_entry = full / entries() as u64;
    println!("Redis: {per_entry} bytes an entry, the feed included");
    assert!(per_entry < 400, "{per_entry} bytes an entry");
    let _node = load(store().await).await;
    // All entries have expired long ago.
    redis.cli(&["ZUNIONSTORE", "{tower-logout}:v1:live", "1", "{tower-logout}:v1:live", "WEIGHTS", "0.0001"]).await;
    redis.cli(&["XTRIM", "{tower-logout}:v1:feed", "MAXLEN", "1"]).await;
    eventually("the server forgets", async || redis.memory_used().await.saturating_sub(before) < full / 10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn postgres_holds_a_hundred_thousand_and_deletes_them() {
    use test_support::servers::{PostgresOptions, PostgresServer};

    let postgres = PostgresServer::start(PostgresOptions::default()).await;
    let store = async || {
        let options = tower_logout::PostgresStore::options().timeout(Duration::from_secs(30));
        Arc::new(options.connect(&postgres.url()).await.unwrap())
    };
    let log = store().await;
    log.migrate().await.unwrap();
    fill(&log).await;
    let size = postgres.psql("select pg_total_relation_size('tower_logout.revocation')").await;
    let per_entry = size.trim().parse::<usize>().unwrap() / entries();
    println!("PostgreSQL: {per_entry} bytes an entry, the indexes included");
    assert!(per_entry < 500, "{per_entry} bytes an entry");
    // A store that knows the earlier entries would take the next step for a loss and re-send them.
    drop((log, load(store().await).await));
    // All entries have expired long ago.
    postgres.psql("update tower_logout.revocation set retain_until = 1000").await;
    let _node = Replica::start(store().await);
    eventually("the server forgets", async || {
        postgres.psql("select count(*) from tower_logout.revocation").await.trim() == "0"
    })
    .await;
}

const CALLERS: usize = 64;
