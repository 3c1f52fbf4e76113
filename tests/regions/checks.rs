//! Promise: a token that any region has revoked is rejected, and a region that cannot be reached is
//! handled as configured, within the bound of its replica.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use test_support::replica::{Cursor, Following, SharedLog};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tower_logout::{
    Replica, RevocationStore,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{FollowError, Followed, Regions, ReplicaOptions, RevocationLog, SnapshotSink, StoreError, StoreErrorKind},
};

use super::support::{
    HOME_BOUND, MILLISECOND, Sides, US_BOUND, build, eventually, now, revoke, token, until_fresh, until_stale,
};

#[tokio::test(start_paused = true)]
async fn what_any_region_has_revoked_is_rejected_from_memory() {
    let sides = Sides::ready().await;
    revoke(&sides.us, "abroad").await;
    revoke(&sides.regions, "here").await;
    assert_eq!(sides.now("here"), Some(true), "at once where it was revoked");
    let began = Instant::now();
    eventually("the other region is heard", || sides.now("abroad") == Some(true)).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(sides.now("other"), Some(false));
    assert!(sides.is_revoked("abroad").await && sides.is_revoked("here").await && !sides.is_revoked("other").await);
    assert_eq!((sides.home.len(), sides.us.len()), (1, 1), "nothing is copied");
    assert_eq!((sides.home.checks(), sides.us.checks()), (0, 0), "no log was asked");
}

#[tokio::test(start_paused = true)]
async fn each_region_has_a_bound_of_its_own() {
    for (region, bound) in [(0, HOME_BOUND), (1, US_BOUND)] {
        let sides = Sides::ready().await;
        [&sides.home, &sides.us][region].following(Following::Hangs);
        let began = Instant::now();
        until_stale(&sides.replica(region)).await;
        assert!(began.elapsed() + Duration::from_secs(3) > bound && began.elapsed() <= bound + MILLISECOND * 2);
        assert_eq!(sides.now("other"), None, "it must be asked");
        assert!(!sides.is_revoked("other").await);
        let checks = [sides.home.checks(), sides.us.checks()];
        assert_eq!((checks[region], checks[1 - region]), (1, 0), "only the one that is stale is asked");
    }
}

#[tokio::test(start_paused = true)]
async fn past_its_bound_a_region_is_asked_and_without_an_answer_checks_are_rejected() {
    let sides = Sides::ready().await;
    revoke(&sides.us, "known").await;
    eventually("it is known", || sides.now("known") == Some(true)).await;
    sides.us.following(Following::Hangs);
    revoke(&sides.us, "unknown").await;
    until_stale(&sides.replica(1)).await;
    assert!(sides.is_revoked("unknown").await);
    assert!(!sides.is_revoked("other").await);
    assert_eq!((sides.now("unknown"), sides.now("other"), sides.us.checks()), (None, None, 2));

    sides.us.down(Some((StoreErrorKind::Unavailable, "the link is cut")));
    for jti in ["unknown", "other"] {
        let error = sides.regions.is_revoked(&token(jti)).await.unwrap_err();
        assert_eq!((error.operation(), error.kind()), ("check", StoreErrorKind::Unavailable));
        let error = format!("{error:?}");
        assert!(error.contains("the region \"us\" cannot answer") && error.contains("the link is cut"), "{error}");
    }
    assert_eq!(sides.now("known"), Some(true), "what is known is rejected all the same");
    assert!(sides.is_revoked("known").await);

    sides.us.down(None);
    sides.us.following(Following::Works);
    until_fresh(&sides.replica(1)).await;
    assert_eq!((sides.now("unknown"), sides.now("other")), (Some(true), Some(false)));
}

#[tokio::test(start_paused = true)]
async fn a_region_that_rejects_when_stale_is_not_asked() {
    for stale in [0, 1] {
        let (home, us) = (SharedLog::new(), SharedLog::new());
        let mut options = [(); 2].map(|()| ReplicaOptions::new().max_staleness(US_BOUND));
        options[stale] = ReplicaOptions::new().max_staleness(US_BOUND).reject_when_stale();
        let [of_home, of_us] = options;
        let regions = build(Regions::home(of_home.start(home.clone())).and("us", of_us.start(us.clone()))).await;
        let sides = Sides { home, us, regions };
        let logs = [&sides.home, &sides.us];
        for (log, jti) in logs.iter().zip(["here", "abroad"]) {
            revoke(*log, jti).await;
            eventually("it is known", || sides.now(jti) == Some(true)).await;
        }
        logs[stale].following(Following::Hangs);
        until_stale(&sides.replica(stale)).await;
        let why = sides.why_not("other");
        assert_eq!(why.contains("the region \"us\" cannot answer"), stale == 1, "{why}");
        assert!(why.contains("at most 12s is allowed"), "{why}");
        for jti in ["here", "abroad"] {
            assert_eq!(sides.now(jti), Some(true), "whichever region has revoked it");
            assert!(sides.is_revoked(jti).await);
        }
        // The other is stale as well, and would be asked. Its answer would not matter.
        logs[1 - stale].following(Following::Hangs);
        until_stale(&sides.replica(1 - stale)).await;
        assert!(sides.regions.is_revoked(&token("other")).await.is_err());
        assert_eq!((sides.home.checks(), sides.us.checks()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_checks_do_without_is_not_asked_and_counts_again_when_it_is_back() {
    let sides = Sides::accepting_without_us().await;
    revoke(&sides.us, "known").await;
    eventually("it is known", || sides.now("known") == Some(true)).await;
    sides.us.following(Following::Hangs);
    revoke(&sides.us, "unknown").await;
    until_stale(&sides.replica(1)).await;
    assert_eq!(sides.now("unknown"), Some(false), "accepted, and without waiting");
    assert_eq!(sides.now("known"), Some(true), "what is known is rejected all the same");
    assert!(!sides.is_revoked("unknown").await);
    assert_eq!(sides.us.checks(), 0);
    // Home is required.
    sides.home.following(Following::Hangs);
    until_stale(&sides.replica(0)).await;
    assert_eq!(sides.now("other"), None);
    assert!(!sides.is_revoked("other").await);
    assert_eq!((sides.home.checks(), sides.us.checks()), (1, 0));
    sides.home.down(Some((StoreErrorKind::Unavailable, "the server is down")));
    let error = sides.regions.is_revoked(&token("other")).await.unwrap_err().to_string();
    assert!(error.contains("the server is down") && !error.contains("region"), "{error}");
    sides.home.down(None);
    sides.home.following(Following::Works);
    until_fresh(&sides.replica(0)).await;

    sides.us.following(Following::Works);
    eventually("it is rejected", || sides.now("unknown") == Some(true)).await;
}

#[tokio::test(start_paused = true)]
async fn before_the_bound_a_region_that_checks_do_without_counts() {
    let sides = Sides::accepting_without_us().await;
    sides.us.following(Following::Fails);
    for jti in ["1", "2", "3"] {
        revoke(&sides.us, jti).await;
        sleep(Duration::from_secs(1)).await;
    }
    sides.us.following(Following::Works);
    for jti in ["1", "2", "3"] {
        eventually("it is rejected", || sides.now(jti) == Some(true)).await;
    }
}

/// A log whose checks wait for a permit.
#[derive(Clone)]
struct Distant {
    log: SharedLog,
    replies: Arc<Semaphore>,
}

impl Distant {
    fn new() -> Self {
        Self { log: SharedLog::new(), replies: Arc::new(Semaphore::new(0)) }
    }
}

#[async_trait]
impl RevocationStore for Distant {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.log.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let answer = self.log.is_revoked(token).await;
        self.replies.acquire().await.unwrap().forget();
        answer
    }
}

#[async_trait]
impl RevocationLog for Distant {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        self.log.snapshot(into).await
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        self.log.follow(cursor, wait).await
    }
}

#[tokio::test(start_paused = true)]
async fn stale_regions_are_asked_at_the_same_time_and_the_first_that_has_revoked_decides() {
    let logs = [Distant::new(), Distant::new(), Distant::new()];
    let [home, us, asia] = logs.clone().map(Replica::start);
    let regions = build(Regions::home(home).and("us", us).and("asia", asia)).await;
    for log in &logs {
        log.log.following(Following::Hangs);
    }
    for region in regions.monitor().regions() {
        until_stale(region.replica()).await;
    }
    let asked = |log: &Distant| log.log.checks();
    revoke(&logs[1].log, "abroad").await;
    let (abroad, other) = (token("abroad"), token("other"));

    let mut check = regions.is_revoked(&abroad);
    assert!(timeout(MILLISECOND, &mut check).await.is_err());
    assert_eq!(logs.each_ref().map(asked), [1, 1, 1], "none waits for another");
    logs[2].replies.add_permits(1);
    assert!(timeout(MILLISECOND, &mut check).await.is_err(), "one that knows nothing does not decide");
    logs[1].replies.add_permits(1);
    assert!(check.await.unwrap(), "although home has not answered");

    let mut check = regions.is_revoked(&other);
    for log in &logs {
        assert!(timeout(MILLISECOND, &mut check).await.is_err());
        log.replies.add_permits(1);
    }
    assert!(!check.await.unwrap(), "all have answered");

    // One that fails does not hide that another has revoked the token.
    logs[0].log.reject_checks(true);
    let mut check = regions.is_revoked(&abroad);
    for log in &logs {
        log.replies.add_permits(1);
    }
    assert!(timeout(MILLISECOND, &mut check).await.unwrap().unwrap());
    assert!(
        timeout(MILLISECOND * 5, regions.is_revoked(&other)).await.is_err()
            || regions.is_revoked(&other).await.is_err()
    );
    assert_eq!(now(&regions, "abroad"), None);
}
