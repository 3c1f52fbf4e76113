//! Promise: of any number of parallel logouts with one token, on any nodes, exactly one gets a 200,
//! and no node that has answered accepts the token again.

use std::sync::Arc;

use http::StatusCode;
use test_support::fleet::{Node, new_token};
use tower_logout::{
    clock::SystemClock,
    store::{ReplicaOptions, RevocationLog},
};

const NODES: usize = 4;
const CALLERS: usize = 64;

/// `TOWER_LOGOUT_ROUNDS` overrides the number.
fn rounds() -> usize {
    std::env::var("TOWER_LOGOUT_ROUNDS").map_or(1000, |rounds| rounds.parse().unwrap())
}

async fn exactly_one_succeeds<L: RevocationLog>(logs: [L; NODES]) {
    let mut nodes = Vec::new();
    for log in logs {
        nodes.push(Node::start_with(log, ReplicaOptions::new(), SystemClock).await);
    }
    for round in 0..rounds() {
        let token = Arc::new(new_token(&round.to_string()));
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (node, token) = (Arc::clone(&nodes[caller % NODES]), Arc::clone(&token));
                tokio::spawn(async move {
                    let answer = node.log_out(&token).await;
                    assert_eq!(node.visit(&token).await, StatusCode::UNAUTHORIZED, "once this node has answered");
                    answer
                })
            })
            .collect();
        let mut done = 0;
        for caller in callers {
            match caller.await.unwrap() {
                StatusCode::OK => done += 1,
                status => assert_eq!(status, StatusCode::UNAUTHORIZED),
            }
        }
        assert_eq!(done, 1, "in round {round}");
        for node in &nodes {
            node.until_known(&token).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server"]
async fn one_of_64_on_four_nodes_over_redis() {
    use test_support::servers::{RedisOptions, RedisServer};

    let redis = RedisServer::start(RedisOptions::default()).await;
    let url = redis.url();
    let log = async || tower_logout::RedisStore::connect(&url).await.unwrap();
    exactly_one_succeeds([log().await, log().await, log().await, log().await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn one_of_64_on_four_nodes_over_postgres() {
    use test_support::servers::{PostgresOptions, PostgresServer};

    let postgres = PostgresServer::start(PostgresOptions::default()).await;
    let url = postgres.url();
    let log = async || {
        let store = tower_logout::PostgresStore::options()
            .timeout(std::time::Duration::from_secs(10))
            .connect(&url)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    };
    exactly_one_succeeds([log().await, log().await, log().await, log().await]).await;
}
