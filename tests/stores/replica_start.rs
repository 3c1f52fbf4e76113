//! Promise: a replica may start before its server. It reports what is wrong and becomes ready with
//! the server; a fault that needs an operator is an error of `ready`, with the remedy.

use std::time::Duration;

use test_support::{events::Events, replica::SharedLog};
use tokio::time::{Instant, sleep, timeout};
use tower_logout::{
    Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    store::{Health, StoreError, StoreErrorKind},
};

const DOWN: (StoreErrorKind, &str) = (StoreErrorKind::Unavailable, "cannot connect to log.example: connection refused");
const NO_TABLE: (StoreErrorKind, &str) = (StoreErrorKind::Misconfigured, "there is no table; call `migrate`");

fn token(jti: &str) -> TokenIdentity {
    TokenIdentity::new(RevocationKey::token_id(None, jti), Timestamp::MIN, Timestamp::MAX, &Retention::default())
}

fn log(down: (StoreErrorKind, &'static str)) -> SharedLog {
    let log = SharedLog::new();
    log.down(Some(down));
    log
}

/// Whether `ready` is still waiting after a very long time.
async fn waits(replica: &Replica<SharedLog>) -> bool {
    timeout(Duration::from_secs(3600), replica.ready()).await.is_err()
}

/// The result of `ready` within an hour.
async fn ready(replica: &Replica<SharedLog>) -> Result<(), StoreError> {
    timeout(Duration::from_secs(3600), replica.ready()).await.expect("`ready` does not wait for ever")
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_ready_when_its_server_starts_later() {
    let log = log(DOWN);
    let replica = Replica::start(log.clone());
    assert!(waits(&replica).await);
    let health = replica.health();
    assert!(matches!(health, Health::Loading { .. }) && !health.is_fresh());
    assert!(format!("{health:?}").contains(DOWN.1), "{health:?}");

    let error = replica.is_revoked(&token("1")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(format!("{error:?}").contains(DOWN.1), "a check says why, too: {error:?}");
    assert!(replica.revoke(&Revocation::of_token(&token("1"))).await.is_err());

    log.down(None);
    log.revoke(&Revocation::of_token(&token("1"))).await.unwrap();
    ready(&replica).await.unwrap();
    assert!(replica.is_revoked(&token("1")).await.unwrap());
    assert!(!replica.is_revoked(&token("2")).await.unwrap());
    assert!(replica.health().last_error().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_may_resolve_itself_is_waited_for() {
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Full, StoreErrorKind::Other] {
        let log = log((kind, "not now"));
        let replica = Replica::start(log.clone());
        assert!(waits(&replica).await, "{kind:?}");
        assert_eq!(replica.health().last_error().unwrap().kind(), kind);
        log.down(None);
        ready(&replica).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_needs_an_operator_is_an_error_of_ready_and_heals_without_a_restart() {
    for (kind, why) in [NO_TABLE, (StoreErrorKind::Damaged, "a row is not of this store")] {
        let log = log(DOWN);
        let replica = Replica::start(log.clone());
        assert!(waits(&replica).await);
        // The server starts, but is misconfigured.
        log.down(Some((kind, why)));
        for _ in 0..2 {
            let error = ready(&replica).await.unwrap_err();
            assert_eq!((error.kind(), error.operation()), (kind, "snapshot"));
            assert!(format!("{error:?}").contains(why), "{error:?}");
        }
        assert!(replica.is_revoked(&token("1")).await.is_err());
        log.down(None);
        // The earlier fault is not reported again.
        ready(&replica).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_replica_reports_the_reason() {
    let log = SharedLog::new();
    let replica = Replica::start(log.clone());
    ready(&replica).await.unwrap();
    log.down(Some(NO_TABLE));
    let mut health = replica.monitor().watch();
    let stale = health.wait_for(|health| matches!(health, Health::Stale { .. })).await.unwrap().clone();
    assert!(stale.last_error().unwrap().to_string().contains(NO_TABLE.1), "{stale:?}");
    // The replica has been ready once; `health` reports that it is stale.
    ready(&replica).await.unwrap();
    log.down(None);
    let fresh = health.wait_for(Health::is_fresh).await.unwrap().clone();
    assert!(fresh.last_error().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_retried_with_pauses() {
    let log = log(DOWN);
    let _replica = Replica::start(log.clone());
    sleep(Duration::from_secs(60)).await;
    assert!((60..300).contains(&log.snapshots()), "{}", log.snapshots());
}

#[tokio::test(start_paused = true)]
async fn an_event_reports_the_fault_at_once_and_then_every_ten_seconds() {
    let events = Events::of_this_thread();
    let errors = |about: &str| events.errors().iter().filter(|event| event.to_string().contains(about)).count();

    let log = log(DOWN);
    let _replica = Replica::start(log.clone());
    let began = Instant::now();
    while errors(DOWN.1) == 0 {
        assert!(began.elapsed() < Duration::from_secs(1), "nothing is reported: {}", events.text());
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_secs(60)).await;
    assert!((4..=8).contains(&errors(DOWN.1)), "{}", errors(DOWN.1));
    log.down(Some(NO_TABLE));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(errors(NO_TABLE.1), 1, "another error is told at once");
}

/// While the number of entries is not known, a table that grows is copied six times on average.
#[test]
fn a_snapshot_of_known_length_is_loaded_without_copying_it_again_and_again() {
    const ENTRIES: usize = 50_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = SharedLog::new();
    runtime.block_on(async {
        for number in 0..ENTRIES {
            log.revoke(&Revocation::of_token(&token(&number.to_string()))).await.unwrap();
        }
    });
    let loaded = allocation_counter::measure(|| {
        runtime.block_on(async {
            let replica = Replica::start(log.clone());
            ready(&replica).await.unwrap();
            assert_eq!(replica.len(), ENTRIES);
        });
    });
    // 44 bytes an entry, tables that double, and what the log itself copies.
    let each = loaded.bytes_total / ENTRIES as u64;
    assert!(each < 200, "{each} bytes were allocated for an entry");
}
