//! What the tests of regions share.

use std::time::Duration;

use test_support::{identity, replica::SharedLog};
use tokio::time::{Instant, sleep, timeout};
use tower_logout::{
    RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{Health, Regions, RegionsBuilder, ReplicaMonitor, ReplicaOptions},
};

/// The bound for the home region.
pub(super) const HOME_BOUND: Duration = Duration::from_secs(5);
/// The bound for the other one.
pub(super) const US_BOUND: Duration = Duration::from_secs(12);
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

/// Regions over two simulated logs.
pub(super) struct Sides {
    pub(super) home: SharedLog,
    pub(super) us: SharedLog,
    pub(super) regions: Regions,
}

impl Sides {
    pub(super) async fn ready() -> Self {
        Self::ready_with(|regions| regions).await
    }

    pub(super) async fn accepting_without_us() -> Self {
        Self::ready_with(|regions| regions.insecure_accept_without("us")).await
    }

    async fn ready_with(configure: fn(RegionsBuilder) -> RegionsBuilder) -> Self {
        let (home, us) = (SharedLog::new(), SharedLog::new());
        let regions = build(configure(begin(&home, &us))).await;
        Self { home, us, regions }
    }

    pub(super) fn now(&self, jti: &str) -> Option<bool> {
        now(&self.regions, jti)
    }

    /// The text of the error of a check that is answered at once.
    pub(super) fn why_not(&self, jti: &str) -> String {
        format!("{:?}", self.regions.is_revoked_now(&token(jti)).unwrap().unwrap_err())
    }

    pub(super) async fn is_revoked(&self, jti: &str) -> bool {
        self.regions.is_revoked(&token(jti)).await.unwrap()
    }

    pub(super) fn replica(&self, region: usize) -> ReplicaMonitor {
        self.regions.monitor().regions()[region].replica().clone()
    }
}

pub(super) fn begin(home: &SharedLog, us: &SharedLog) -> RegionsBuilder {
    let replica = |log: &SharedLog, bound| ReplicaOptions::new().max_staleness(bound).start(log.clone());
    Regions::home(replica(home, HOME_BOUND)).and("us", replica(us, US_BOUND))
}

pub(super) async fn build(regions: RegionsBuilder) -> Regions {
    let regions = regions.build().unwrap();
    timeout(Duration::from_secs(60), regions.monitor().ready()).await.expect("they become ready").unwrap();
    regions
}

pub(super) fn token(jti: &str) -> TokenIdentity {
    identity(jti, Timestamp::MAX)
}

pub(super) fn of(jti: &str) -> Revocation {
    Revocation::of_token(&token(jti))
}

pub(super) fn now(store: &impl RevocationStore, jti: &str) -> Option<bool> {
    store.is_revoked_now(&token(jti)).map(|answer| answer.unwrap())
}

pub(super) async fn revoke(store: &impl RevocationStore, jti: &str) {
    assert_eq!(store.revoke(&of(jti)).await.unwrap(), Outcome::Newly);
}

/// Waits in virtual time, which only advances when no task can run; fails after a minute.
pub(super) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "never came: {what}");
        sleep(MILLISECOND).await;
    }
}

pub(super) async fn until_stale(replica: &ReplicaMonitor) {
    until(replica, |health| matches!(health, Health::Stale { .. })).await;
}

pub(super) async fn until_fresh(replica: &ReplicaMonitor) {
    until(replica, Health::is_fresh).await;
}

async fn until(replica: &ReplicaMonitor, condition: impl FnMut(&Health) -> bool) {
    timeout(Duration::from_secs(60), replica.watch().wait_for(condition)).await.unwrap().unwrap();
}
