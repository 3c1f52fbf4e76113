//! Promise: each region's log gets back what it has lost, from the nodes of any region.

use http::StatusCode;
use test_support::servers::{RedisOptions, RedisServer};

use super::nodes::{Node, World, token};

/// Logs out in both regions, and returns the tokens of each once both nodes know all.
async fn log_out_in_both(eu: &Node, us: &Node) -> [Vec<String>; 2] {
    let mut tokens = [Vec::new(), Vec::new()];
    for n in 0..40 {
        let (node, token) = (if n % 2 == 0 { eu } else { us }, token(&n.to_string()));
        node.until_logged_out(&token).await;
        tokens[n % 2].push(token);
    }
    for token in tokens.iter().flatten() {
        eu.until_known(token).await;
        us.until_known(token).await;
    }
    tokens
}

/// All tokens are rejected while the log is empty, and are there again afterwards; it gets none of
/// the other region's.
async fn is_repaired(server: &RedisServer, nodes: &[&Node], [its_own, others]: [&[String]; 2]) {
    World::until_it_has(server, its_own).await;
    for token in others {
        assert!(!World::has(server, token).await);
    }
    for node in nodes {
        node.until_fresh().await;
        for token in its_own.iter().chain(others) {
            assert_eq!(node.visit(token).await, StatusCode::UNAUTHORIZED);
        }
        node.until_accepted(&token("other")).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_region_that_is_emptied_is_repaired() {
    let world = World::start().await;
    let (eu, us) = world.nodes().await;
    let [of_eu, of_us] = log_out_in_both(&eu, &us).await;
    world.us.cli(&["FLUSHALL"]).await;
    is_repaired(&world.us, &[&eu, &us], [&of_us, &of_eu]).await;
    world.eu.cli(&["FLUSHALL"]).await;
    is_repaired(&world.eu, &[&eu, &us], [&of_eu, &of_us]).await;
    // All nodes of the region are gone. Those of the other region know what it has revoked.
    drop(us);
    world.us.cli(&["FLUSHALL"]).await;
    is_repaired(&world.us, &[&eu], [&of_us, &of_eu]).await;
    let us = Node::start(world.in_us()).await;
    for token in of_us.iter().chain(&of_eu) {
        assert_eq!(us.visit(token).await, StatusCode::UNAUTHORIZED, "a new node knows it as well");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_region_whose_log_is_destroyed_gets_another() {
    let world = World::start().await;
    let (eu, us) = world.nodes().await;
    let [of_eu, of_us] = log_out_in_both(&eu, &us).await;
    drop(us);
    world.us.kill();
    eu.until_stale("us").await;
    for token in of_us.iter().chain(&of_eu) {
        assert_eq!(eu.visit(token).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(eu.visit(&token("other")).await, StatusCode::SERVICE_UNAVAILABLE);
    let another = RedisServer::start(RedisOptions::default()).await;
    world.eu_to_us.retarget(another.addr());
    is_repaired(&another, &[&eu], [&of_us, &of_eu]).await;
}
