//! Promise: a logout on one node ends what its token has opened on the others, with real servers,
//! and so does the loss of the server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use test_support::{
    ISSUER, SECRET, claims_with, hs256,
    streams::{Http, Streams},
};
use tower_logout::{
    JwtVerifier, Logout, Replica, RevocationStore,
    store::{ReplicaOptions, RevocationLog},
};

async fn node(store: impl RevocationStore) -> Streams {
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build().unwrap();
    Streams::behind(Logout::new(verifier, store).recheck_interval(Duration::from_millis(100))).await
}

async fn replica<L: RevocationLog>(log: L) -> Replica<L> {
    let replica = ReplicaOptions::new().max_staleness(Duration::from_secs(2)).start(log);
    replica.ready().await.unwrap();
    replica
}

fn new_token(jti: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    hs256(&claims_with(jti, json!({ "iat": now, "exp": now + 900 })))
}

/// A logout `here` ends the stream `there`, and no other.
async fn ends(way: &str, here: &Streams, there: &Streams) {
    for http in [Http::One, Http::Two] {
        let (own, other) = (format!("own {way} {http:?}"), format!("other {way} {http:?}"));
        let (own_token, other_token) = (new_token(&own), new_token(&other));
        let mut ended = there.open(http, &own, &own_token).await;
        let mut goes_on = there.open(http, &other, &other_token).await;
        ended.passes().await;
        goes_on.passes().await;
        here.log_out(&own_token).await;
        ended.is_dropped().await;
        ended.has_ended().await;
        goes_on.passes().await;
    }
}

/// Without its server a node cannot know about revocations and ends all streams.
async fn ends_without_a_server(node: &Streams, stop: impl FnOnce()) {
    let mut open = node.open(Http::Two, "left", &new_token("left")).await;
    open.passes().await;
    stop();
    open.is_dropped().await;
    open.has_ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server"]
async fn over_redis() {
    use test_support::servers::{RedisOptions, RedisServer};

    let redis = RedisServer::start(RedisOptions::default()).await;
    let url = redis.url();
    let log = async || tower_logout::RedisStore::connect(&url).await.unwrap();
    let (here, there) = (node(replica(log().await).await).await, node(replica(log().await).await).await);
    ends("followed", &here, &there).await;
    // A store that is asked on each check sends no signals.
    let direct = node(log().await).await;
    ends("asked", &here, &direct).await;
    ends_without_a_server(&there, || redis.kill()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn over_postgres() {
    use test_support::servers::{PostgresOptions, PostgresServer};

    let postgres = PostgresServer::start(PostgresOptions::default()).await;
    let url = postgres.url();
    let log = async || {
        let store = tower_logout::PostgresStore::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        store
    };
    let (here, there) = (node(replica(log().await).await).await, node(replica(log().await).await).await);
    ends("followed", &here, &there).await;
    let direct = node(log().await).await;
    ends("asked", &here, &direct).await;
    ends_without_a_server(&there, || postgres.kill()).await;
}
