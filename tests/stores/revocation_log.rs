//! Promise: each method of a log can be tested without a replica, also behind a pointer.

use std::{sync::Arc, time::Duration};

use test_support::{
    identity,
    replica::{Cursor, SharedLog},
};
use tower_logout::{
    RevocationStore,
    clock::Timestamp,
    revocation::Revocation,
    store::{CollectedSnapshot, FollowError, RevocationLog, SnapshotSink, StoreErrorKind},
};

fn revocation(jti: &str) -> Revocation {
    Revocation::of_token(&identity(jti, Timestamp::MAX))
}

async fn collect(log: &impl RevocationLog<Cursor = Cursor>) -> (CollectedSnapshot, Cursor) {
    let mut snapshot = CollectedSnapshot::default();
    let cursor = log.snapshot(&mut snapshot).await.unwrap();
    (snapshot, cursor)
}

#[tokio::test]
async fn a_snapshot_can_be_collected_and_followed_from() {
    let log = SharedLog::new();
    log.revoke(&revocation("1")).await.unwrap();
    let (snapshot, cursor) = collect(&log).await;
    assert_eq!(snapshot.revocations, [revocation("1")]);
    assert_eq!((snapshot.expected, snapshot.purged_through), (Some(1), Timestamp::MIN));
    log.revoke(&revocation("2")).await.unwrap();
    let followed = log.follow(&cursor, Duration::ZERO).await.unwrap();
    assert_eq!((followed.revocations.as_slice(), followed.complete), ([revocation("2")].as_slice(), true));
    log.flush();
    assert!(matches!(log.follow(&followed.cursor, Duration::ZERO).await, Err(FollowError::CursorLost(_))));
    log.down(Some((StoreErrorKind::Unavailable, "the test wants it so")));
    assert!(log.snapshot(&mut CollectedSnapshot::default()).await.is_err());
}

#[tokio::test]
async fn a_pointer_to_a_log_is_the_same_log() {
    let log = SharedLog::new();
    log.revoke(&revocation("1")).await.unwrap();
    let (expected, _) = collect(&log).await;
    let (by_arc, cursor) = collect(&Arc::new(log.clone())).await;
    let boxed: Box<dyn RevocationLog<Cursor = Cursor>> = Box::new(log.clone());
    let (by_box, _) = collect(&boxed).await;
    assert_eq!((&by_arc, &by_box), (&expected, &expected));
    log.revoke(&revocation("2")).await.unwrap();
    assert_eq!(boxed.follow(&cursor, Duration::ZERO).await.unwrap().revocations, [revocation("2")]);
}

#[tokio::test]
async fn a_snapshot_reports_how_far_the_log_was_purged() {
    let (log, until) = (SharedLog::new(), Timestamp::from_unix_seconds(1000));
    log.purge(Timestamp::from_unix_seconds(2000), &identity("1", until));
    let (snapshot, cursor) = collect(&log).await;
    assert!(snapshot.revocations.is_empty());
    assert!(snapshot.purged_through >= until);
    let followed = log.follow(&cursor, Duration::ZERO).await.unwrap();
    assert_eq!(followed.purged_through, snapshot.purged_through);
}

#[test]
fn the_highest_of_several_purge_watermarks_is_collected() {
    let mut snapshot = CollectedSnapshot::default();
    for seconds in [10, 30, 20] {
        snapshot.purged_through(Timestamp::from_unix_seconds(seconds));
    }
    assert_eq!(snapshot.purged_through, Timestamp::from_unix_seconds(30));
    assert_eq!(snapshot.expected, None);
}
