//! Promise: a logout is written to the home region, each log gets back what it has lost, and a
//! look-up asks all regions.

use std::time::Duration;

use test_support::{
    NOW, at,
    replica::{Following, SharedLog},
};
use tokio::time::{Instant, sleep};
use tower_logout::{
    RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    store::{ReplicaOptions, StoreErrorKind},
};

use super::support::{MILLISECOND, Sides, build, eventually, of, revoke, token, until_stale};

fn of_ann(issued_through: u64) -> Revocation {
    Revocation::new(RevocationKey::subject(None, "ann"), at(issued_through), Timestamp::MAX)
}

#[tokio::test(start_paused = true)]
async fn a_logout_is_written_at_home_only_and_needs_no_other_region() {
    let sides = Sides::ready().await;
    sides.us.down(Some((StoreErrorKind::Unavailable, "the link is cut")));
    revoke(&sides.regions, "1").await;
    assert_eq!(sides.regions.revoke_all(&[of("2"), of("1")]).await.unwrap(), [Outcome::Newly, Outcome::Already]);
    assert_eq!((sides.home.len(), sides.us.writes()), (2, 0));
    sides.home.reject_writes(true);
    assert!(sides.regions.revoke(&of("3")).await.is_err());
    assert!(sides.regions.revoke_all(&[of("3")]).await.is_err());
    assert_eq!((sides.now("3"), sides.us.writes()), (Some(false), 0), "no other region takes it instead");
}

#[tokio::test(start_paused = true)]
async fn what_another_region_has_revoked_is_not_new() {
    let sides = Sides::ready().await;
    revoke(&sides.us, "1").await;
    sides.us.revoke(&of_ann(100)).await.unwrap();
    eventually("it is known", || sides.now("1") == Some(true)).await;
    assert_eq!(sides.regions.revoke(&of("1")).await.unwrap(), Outcome::Already);
    let outcomes = sides.regions.revoke_all(&[of("1"), of("2"), of_ann(100), of_ann(101)]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Already, Outcome::Newly, Outcome::Already, Outcome::Newly]);
    assert!(sides.home.holds(&of("1")), "home has it as well from now on");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_joins_what_all_regions_know() {
    let sides = Sides::ready().await;
    let (ann, until) = (of_ann(0).key(), at(NOW + 1_000_000));
    assert_eq!(sides.regions.find(ann).await.unwrap(), None);
    // Not followed, so found in the logs.
    sides.home.following(Following::Hangs);
    sides.us.following(Following::Hangs);
    sides.us.revoke(&Revocation::new(ann, at(200), until)).await.unwrap();
    assert_eq!(sides.regions.find(ann).await.unwrap(), Some(Revocation::new(ann, at(200), until)));
    sides.home.revoke(&of_ann(100)).await.unwrap();
    assert_eq!(sides.regions.find(ann).await.unwrap(), Some(of_ann(200)));
    sides.us.reject_checks(true);
    let error = format!("{:?}", sides.regions.find(ann).await.unwrap_err());
    assert!(error.contains("failed to find") && error.contains("the region \"us\" cannot answer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_does_without_a_region_as_checks_do() {
    let sides = Sides::accepting_without_us().await;
    revoke(&sides.us, "known").await;
    revoke(&sides.home, "at home").await;
    eventually("it is known", || sides.now("known") == Some(true)).await;
    let find = |jti| sides.regions.find(token(jti).own_key());
    assert_eq!(find("known").await.unwrap(), Some(of("known")));
    sides.us.following(Following::Hangs);
    revoke(&sides.us, "unknown").await;
    assert_eq!(find("unknown").await.unwrap(), Some(of("unknown")), "it is asked while it is fresh");
    sides.us.reject_checks(true);
    let began = Instant::now();
    assert_eq!(find("unknown").await.unwrap(), None);
    until_stale(&sides.replica(1)).await;
    let checks = sides.us.checks();
    assert_eq!((find("unknown").await.unwrap(), find("known").await.unwrap()), (None, Some(of("known"))));
    assert_eq!(find("at home").await.unwrap(), Some(of("at home")));
    assert_eq!(sides.us.checks(), checks, "not asked once it is stale");
    assert!(began.elapsed() < Duration::from_secs(13));
    sides.home.reject_checks(true);
    assert!(find("known").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn each_log_gets_back_what_it_has_lost_and_nothing_else() {
    let sides = Sides::ready().await;
    revoke(&sides.us, "abroad").await;
    revoke(&sides.regions, "here").await;
    eventually("both are known", || sides.now("abroad") == Some(true)).await;
    for (log, jti) in [(&sides.us, "abroad"), (&sides.home, "here")] {
        // So that nothing is recent.
        sleep(Duration::from_secs(60)).await;
        log.flush();
        eventually("it is re-sent", || log.holds(&of(jti))).await;
        assert_eq!(log.len(), 1);
        assert_eq!((sides.now("abroad"), sides.now("here")), (Some(true), Some(true)), "known all the while");
    }
}

/// Two regions whose link is cut, each with a node that follows both logs.
#[tokio::test(start_paused = true)]
async fn what_was_revoked_on_both_sides_of_a_cut_meets_afterwards() {
    let [eu, us] = [SharedLog::new(), SharedLog::new()];
    // Each node has its own link to each log.
    let start = async |home: &SharedLog, other: &SharedLog| {
        let replica = |log: &SharedLog| ReplicaOptions::new().start(log.clone());
        build(tower_logout::store::Regions::home(replica(home)).and("other", replica(other))).await
    };
    let (in_eu, in_us) = (start(&eu, &us).await, start(&us, &eu).await);
    for log in [&eu, &us] {
        log.following(Following::Fails);
    }
    let mut revoked = Vec::new();
    for n in 0..20 {
        let node = if n % 2 == 0 { &in_eu } else { &in_us };
        revoke(node, &n.to_string()).await;
        revoked.push(n.to_string());
        sleep(MILLISECOND * 700).await;
    }
    for log in [&eu, &us] {
        log.following(Following::Works);
    }
    let began = Instant::now();
    for jti in &revoked {
        for node in [&in_eu, &in_us] {
            let is_rejected = || matches!(node.is_revoked_now(&token(jti)), Some(Ok(true)));
            eventually("it is rejected on both sides", is_rejected).await;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((eu.len(), us.len()), (10, 10), "nothing was copied");
}
