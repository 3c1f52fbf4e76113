//! Promise: a live stream ends with a logout in any region, and with the loss of a region that is
//! required, and of no other.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tower_logout::guard::EndReason;

use super::nodes::{BOUND, Node, PATIENCE, World, revoke_at, token};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_stream_ends_with_a_logout_in_another_region() {
    let world = World::start().await;
    let (eu, us) = world.nodes().await;
    for delay in [0, 100] {
        world.eu_to_us.delay_replies(Duration::from_millis(delay));
        let (mine, other) = (token(&format!("mine {delay}")), token("other"));
        let (mut watch, mut bystander) = (eu.watch(&mine).await, eu.watch(&other).await);
        assert!(timeout(Duration::from_millis(50), &mut watch).await.is_err());
        assert!(timeout(Duration::from_millis(1), &mut bystander).await.is_err());
        us.until_logged_out(&mine).await;
        let began = Instant::now();
        assert_eq!(timeout(PATIENCE, watch).await.unwrap(), EndReason::Revoked);
        eprintln!("with a delay of {delay} ms: ended after {:?}", began.elapsed());
        assert!(began.elapsed() <= BOUND, "{:?}", began.elapsed());
        assert!(timeout(Duration::from_millis(50), bystander).await.is_err());
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_stream_outlives_a_region_only_if_checks_do_without_it() {
    let world = World::start().await;
    let strict = Node::start(world.in_eu()).await;
    let lenient = Node::start(world.in_eu().insecure_accept_without("us")).await;
    let (mine, other) = (token("mine"), token("other"));
    let (ends, mut lasts) = (strict.watch(&other).await, lenient.watch(&mine).await);
    let ending = tokio::spawn(ends);
    assert!(timeout(Duration::from_millis(1), &mut lasts).await.is_err());
    world.eu_to_us.refuse();
    revoke_at(&world.us, &mine).await;
    lenient.until_stale("us").await;
    assert_eq!(timeout(PATIENCE, ending).await.unwrap().unwrap(), EndReason::Unavailable);
    assert!(timeout(Duration::from_millis(200), &mut lasts).await.is_err());
    world.eu_to_us.pass();
    assert_eq!(timeout(PATIENCE, lasts).await.unwrap(), EndReason::Revoked, "what was revoked meanwhile counts now");
}
