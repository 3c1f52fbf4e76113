//! Promise: of all uses of a token by the nodes of a fleet, one is the first, whatever happens to
//! the server.

use std::{sync::Arc, time::Duration};

use test_support::servers::{FaultProxy, RedisServer};
use tokio::{sync::Barrier, task::JoinSet};
use tower_logout::{
    RedisStore, Replica, RevocationStore, Revoker,
    revocation::TokenIdentity,
    revoker::{Consumed, RevokeError},
    store::ReplicaOptions,
};

use super::support::{options, server, token, until};

async fn fleet(server: &RedisServer) -> Vec<Arc<Replica<RedisStore>>> {
    let (options, mut nodes) = (options(), Vec::new());
    for _ in 0..3 {
        let store = options.clone().connect(&server.url()).await.unwrap();
        let replica = ReplicaOptions::new().max_staleness(Duration::from_millis(800)).start(store);
        replica.ready().await.unwrap();
        nodes.push(Arc::new(replica));
    }
    nodes
}

/// How many of 24 concurrent uses by all nodes are first, and how many are errors.
async fn uses(nodes: &[Arc<Replica<RedisStore>>], token: &TokenIdentity) -> (usize, usize) {
    let (barrier, mut callers) = (Arc::new(Barrier::new(24)), JoinSet::new());
    for caller in 0..24 {
        let revoker = Revoker::new(Arc::clone(&nodes[caller % nodes.len()]));
        let (barrier, token) = (Arc::clone(&barrier), token.clone());
        callers.spawn(async move {
            barrier.wait().await;
            revoker.consume(&token).await
        });
    }
    let uses = callers.join_all().await;
    let firsts = uses.iter().filter(|used| matches!(used, Ok(Consumed::First))).count();
    (firsts, uses.iter().filter(|used| used.is_err()).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server"]
async fn of_concurrent_uses_on_three_nodes_one_is_first() {
    let server = server().await;
    let nodes = fleet(&server).await;
    for round in 0..30 {
        let token = token(&round.to_string());
        assert_eq!(uses(&nodes, &token).await, (1, 0));
        assert_eq!(uses(&nodes, &token).await, (0, 0));
    }
}

/// Every node that has read the use answers for it until the server has it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server"]
async fn a_use_that_the_server_has_lost_is_not_the_first_again() {
    let server = server().await;
    let nodes = fleet(&server).await;
    for round in 1..4 {
        let token = token(&round.to_string());
        assert_eq!(uses(&nodes, &token).await.0, 1);
        until("all nodes know it", async || nodes.iter().all(|node| node.len() == round)).await;
        server.cli(&["FLUSHALL"]).await;
        until("the server has it again", async || {
            assert_eq!(uses(&nodes, &token).await.0, 0);
            nodes.iter().all(|node| node.health().is_fresh()) && nodes[0].find(token.own_key()).await.is_ok()
        })
        .await;
        assert_eq!(uses(&nodes, &token).await, (0, 0));
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_outage_is_an_error_and_a_lost_answer_is_not_a_second_first() {
    let server = server().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let store = options().connect(&format!("redis://{}", proxy.addr())).await.unwrap();
    let revoker = Revoker::new(store);
    assert_eq!(revoker.consume(&token("warm")).await.unwrap(), Consumed::First);
    proxy.cut_after_request();
    assert!(matches!(revoker.consume(&token("a")).await, Err(RevokeError::Store(_))));
    proxy.reset();
    until("it answers", async || matches!(revoker.consume(&token("a")).await, Ok(Consumed::Again))).await;
    proxy.refuse();
    assert!(matches!(revoker.consume(&token("b")).await, Err(RevokeError::Store(_))));
    proxy.reset();
    let mut firsts = 0;
    until("it answers", async || match revoker.consume(&token("b")).await {
        Ok(used) => {
            firsts += usize::from(used == Consumed::First);
            used == Consumed::Again
        }
        Err(_) => false,
    })
    .await;
    assert_eq!(firsts, 1);
}
