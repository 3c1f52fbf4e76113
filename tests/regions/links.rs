//! Promise: a logout in one region is rejected in the others within their bound, and a link that is
//! slow, cut, silent or garbled has the documented effect and no other.

use std::time::{Duration, Instant};

use http::StatusCode;
use test_support::{
    events::{Event, Events},
    fleet::{eventually, identity_of},
    servers::FaultProxy,
};
use tower_logout::{RevocationStore, store::Regions};

use super::nodes::{BOUND, Node, World, replica, replica_with, revoke_at, token};

/// A fault of a link, and what begins it.
type Fault = (&'static str, fn(&FaultProxy));

const FAULTS: [Fault; 3] =
    [("cut", FaultProxy::refuse), ("half open", FaultProxy::half_open), ("garbage", FaultProxy::garbage)];

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_logout_in_one_region_is_rejected_in_the_other_within_its_bound() {
    let world = World::start().await;
    let (eu, us) = world.nodes().await;
    for delay in [0, 100] {
        for proxy in [&world.eu_to_us, &world.us_to_eu] {
            proxy.delay_replies(Duration::from_millis(delay));
        }
        let mut longest = Duration::ZERO;
        for n in 0..20 {
            let token = token(&format!("{delay} {n}"));
            let (one, other) = if n % 2 == 0 { (&eu, &us) } else { (&us, &eu) };
            other.until_accepted(&token).await;
            one.until_logged_out(&token).await;
            let logged_out = Instant::now();
            assert_eq!(one.visit(&token).await, StatusCode::UNAUTHORIZED);
            loop {
                let asked = logged_out.elapsed();
                match other.visit(&token).await {
                    StatusCode::UNAUTHORIZED => break longest = longest.max(asked),
                    StatusCode::OK => assert!(asked <= BOUND, "accepted {asked:?} after its logout"),
                    StatusCode::SERVICE_UNAVAILABLE => {}
                    answer => panic!("{answer}"),
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        eprintln!("with a delay of {delay} ms: rejected after {longest:?} at most");
    }
}

/// The link answers nothing, and the view is not too old yet.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn checks_and_logouts_do_not_wait_for_the_link() {
    let world = World::start().await;
    let patient = || replica_with(world.eu_to_us.addr(), Duration::from_secs(60));
    let regions = Regions::home(replica_with(world.eu.addr(), Duration::from_secs(60))).and("us", patient());
    let eu = Node::start(regions).await;
    world.eu_to_us.step_replies(1);
    world.eu_to_us.until(|stats| stats.waiting > 0).await;
    let asked = world.eu_to_us.stats().requests;
    for n in 0..500 {
        let token = token(&n.to_string());
        assert!(!eu.must_ask(&token));
        assert_eq!(eu.visit(&token).await, StatusCode::OK);
        if n % 10 == 0 {
            assert_eq!(eu.log_out(&token).await, StatusCode::OK);
            assert_eq!(eu.visit(&token).await, StatusCode::UNAUTHORIZED);
        }
    }
    // A follower whose call has timed out asks again; nobody else does.
    let asked = world.eu_to_us.stats().requests - asked;
    assert!(asked < 50, "{asked} requests were sent for 550 checks and 50 logouts");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn without_a_region_that_is_required_checks_are_rejected_after_the_bound() {
    let world = World::start().await;
    for (fault, inject) in FAULTS {
        let eu = Node::start(world.in_eu()).await;
        let (known, unknown, other) = (token(fault), token("unknown"), token("other"));
        revoke_at(&world.us, &known).await;
        eu.until_known(&known).await;
        inject(&world.eu_to_us);
        revoke_at(&world.us, &unknown).await;
        eu.until_stale("us").await;
        for token in [&unknown, &other] {
            assert_eq!(eu.visit(token).await, StatusCode::SERVICE_UNAVAILABLE, "{fault}");
        }
        assert_eq!(eu.visit(&known).await, StatusCode::UNAUTHORIZED, "{fault}");
        // The endpoint checks the token first. A revocation by the application's code does not.
        assert_eq!(eu.log_out(&other).await, StatusCode::SERVICE_UNAVAILABLE, "{fault}");
        revoke_at(&world.eu, &other).await;
        eu.until_known(&other).await;
        assert!(!eu.regions.monitor().is_fresh());
        world.eu_to_us.pass();
        eu.until_fresh().await;
        eu.until_known(&unknown).await;
        eu.until_accepted(&token("another")).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn without_a_region_that_checks_do_without_tokens_are_accepted_and_it_is_reported() {
    for (fault, inject) in FAULTS {
        let world = World::start().await;
        let events = Events::of_this_thread();
        let eu = Node::start(world.in_eu().insecure_accept_without("us")).await;
        let (known, unknown, here) = (token("known"), token("unknown"), token("here"));
        revoke_at(&world.us, &known).await;
        eu.until_known(&known).await;
        inject(&world.eu_to_us);
        revoke_at(&world.us, &unknown).await;
        eu.until_stale("us").await;
        eventually("no check waits", || !eu.must_ask(&unknown)).await;
        eu.until_accepted(&unknown).await;
        assert_eq!(eu.visit(&known).await, StatusCode::UNAUTHORIZED, "{fault}");
        eu.until_logged_out(&here).await;
        assert_eq!(eu.visit(&here).await, StatusCode::UNAUTHORIZED, "{fault}");
        eventually("the node is ready", || eu.regions.monitor().is_fresh()).await;
        eventually("it is reported", || !reported(&events, "region unavailable").is_empty()).await;
        let reported_first = &reported(&events, "region unavailable")[0];
        assert_eq!(reported_first.fields["effect"], "tokens that were revoked there are accepted");

        world.eu_to_us.pass();
        let began = Instant::now();
        eu.until_known(&unknown).await;
        eprintln!("{fault}: rejected {:?} after the link was back", began.elapsed());
        eventually("it is reported", || !reported(&events, "region available").is_empty()).await;
    }
}

fn reported(events: &Events, what: &str) -> Vec<Event> {
    events.named(what).into_iter().filter(|event| event.fields["region"] == "us").collect()
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_was_revoked_while_regions_were_apart_is_rejected_on_both_sides_once_they_are_back() {
    let world = World::start().await;
    for (fault, inject) in FAULTS {
        let eu = Node::start(world.in_eu().insecure_accept_without("us")).await;
        let us = Node::start(world.in_us().insecure_accept_without("eu")).await;
        for proxy in [&world.eu_to_us, &world.us_to_eu] {
            inject(proxy);
        }
        let mut logged_out = Vec::new();
        for n in 0..40 {
            let (node, token) = (if n % 2 == 0 { &eu } else { &us }, token(&format!("{fault} {n}")));
            node.until_logged_out(&token).await;
            logged_out.push(token);
        }
        eu.until_stale("us").await;
        us.until_stale("eu").await;
        for proxy in [&world.eu_to_us, &world.us_to_eu] {
            proxy.pass();
        }
        let began = Instant::now();
        for token in &logged_out {
            eu.until_known(token).await;
            us.until_known(token).await;
        }
        eprintln!("{fault}: rejected on both sides {:?} after the link was back", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(10), "{fault}: {:?}", began.elapsed());
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn while_home_is_down_logouts_are_rejected_and_what_is_known_stays_rejected() {
    let world = World::start().await;
    let (eu, us) = world.nodes().await;
    let (here, abroad) = (token("here"), token("abroad"));
    eu.until_logged_out(&here).await;
    us.until_logged_out(&abroad).await;
    eu.until_known(&abroad).await;
    us.until_known(&here).await;
    world.eu.kill();
    assert_eq!(eu.log_out(&token("1")).await, StatusCode::SERVICE_UNAVAILABLE);
    eu.until_stale("home").await;
    assert_eq!(eu.visit(&token("2")).await, StatusCode::SERVICE_UNAVAILABLE);
    for token in [&here, &abroad] {
        assert_eq!(eu.visit(token).await, StatusCode::UNAUTHORIZED);
        assert_eq!(us.visit(token).await, StatusCode::UNAUTHORIZED);
    }
    // It persists nothing, so it returns empty, and the nodes of both regions fill it.
    world.eu.restart().await;
    eu.until_fresh().await;
    us.until_fresh().await;
    World::until_it_has(&world.eu, std::slice::from_ref(&here)).await;
    assert!(!World::has(&world.eu, &abroad).await);
    eu.until_logged_out(&token("3")).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_node_that_is_restarted_while_a_region_is_cut_off_answers_as_configured() {
    let world = World::start().await;
    let revoked = token("abroad");
    revoke_at(&world.us, &revoked).await;
    for (fault, inject) in FAULTS {
        inject(&world.eu_to_us);
        let strict = Node::loading(world.in_eu());
        let lenient = Node::start(world.in_eu().insecure_accept_without("us")).await;
        for token in [&revoked, &token("other")] {
            assert_eq!(strict.visit(token).await, StatusCode::SERVICE_UNAVAILABLE, "{fault}");
            lenient.until_accepted(token).await;
        }
        assert_eq!(strict.log_out(&token("1")).await, StatusCode::SERVICE_UNAVAILABLE, "{fault}");
        lenient.until_logged_out(&token("2")).await;
        world.eu_to_us.pass();
        for node in [&strict, &lenient] {
            node.until_fresh().await;
            node.until_known(&revoked).await;
            node.until_accepted(&token("other")).await;
        }
    }
}

/// A region that is added or removed needs no more than another configuration.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_token_is_looked_up_in_all_regions() {
    let world = World::start().await;
    let regions = Regions::home(replica(world.eu.addr())).and("us", replica(world.eu_to_us.addr())).build().unwrap();
    regions.monitor().ready().await.unwrap();
    let token = token("abroad");
    let identity = identity_of(&token);
    assert_eq!(regions.find(identity.own_key()).await.unwrap(), None);
    revoke_at(&world.us, &token).await;
    assert!(regions.find(identity.own_key()).await.unwrap().is_some(), "at once, as the logs are asked");
    world.eu_to_us.refuse();
    assert!(regions.find(identity.own_key()).await.is_err());
}
