//! A replica over a shared log, and how a test waits for it.

use std::time::Duration;

use test_support::{identity, replica::SharedLog};
use tokio::time::{Instant, sleep};
use tower_logout::{
    Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, TokenIdentity},
};

pub(super) const MAX_STALENESS: Duration = Duration::from_secs(5);

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) async fn ready(log: &SharedLog) -> Replica<SharedLog> {
    let replica = Replica::start(log.clone());
    replica.ready().await.unwrap();
    replica
}

pub(super) fn token(jti: &str) -> TokenIdentity {
    identity(jti, Timestamp::MAX)
}

pub(super) fn now(replica: &impl RevocationStore, token: &TokenIdentity) -> Option<bool> {
    replica.is_revoked_now(token).map(|answer| answer.unwrap())
}

pub(super) async fn revoke(store: &impl RevocationStore, jti: &str) -> Revocation {
    let revocation = Revocation::of_token(&token(jti));
    assert_eq!(store.revoke(&revocation).await.unwrap(), Outcome::Newly);
    revocation
}

/// Waits in virtual time, which only advances when no task can run; fails after a minute.
pub(super) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "never came: {what}");
        sleep(MILLISECOND).await;
    }
}
