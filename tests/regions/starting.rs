//! Promise: a node that starts accepts no token that a region has revoked, unless the region cannot
//! be reached and checks are to do without it.

use std::time::Duration;

use test_support::replica::SharedLog;
use tokio::time::{Instant, sleep, timeout};
use tower_logout::{
    RevocationStore,
    store::{Regions, StoreErrorKind},
};

use super::support::{MILLISECOND, begin, revoke, token};

const CUT: Option<(StoreErrorKind, &str)> = Some((StoreErrorKind::Unavailable, "the link is cut"));

async fn logs() -> [SharedLog; 2] {
    let logs = [SharedLog::new(), SharedLog::new()];
    revoke(&logs[1], "abroad").await;
    logs
}

fn answer(regions: &Regions, jti: &str) -> Result<bool, String> {
    regions.is_revoked_now(&token(jti)).unwrap().map_err(|error| format!("{error:?}"))
}

#[tokio::test(start_paused = true)]
async fn while_a_region_cannot_be_reached_a_node_that_starts_rejects_everything() {
    let [home, us] = logs().await;
    us.down(CUT);
    let regions = begin(&home, &us).build().unwrap();
    sleep(Duration::from_secs(3600)).await;
    for jti in ["abroad", "other"] {
        let error = answer(&regions, jti).unwrap_err();
        assert!(error.contains("the region \"us\" cannot answer"), "{error}");
        assert!(error.contains("not loaded its first snapshot") && error.contains("the link is cut"), "{error}");
        assert!(regions.is_revoked(&token(jti)).await.is_err());
    }
    assert!(!regions.monitor().is_fresh());
    assert!(timeout(Duration::from_secs(60), regions.monitor().ready()).await.is_err());
    us.down(None);
    regions.monitor().ready().await.unwrap();
    assert_eq!((answer(&regions, "abroad"), answer(&regions, "other")), (Ok(true), Ok(false)));
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_needs_an_operator_is_an_error_of_ready_and_names_the_region() {
    let [home, us] = logs().await;
    us.down(Some((StoreErrorKind::Misconfigured, "there is no table; call `migrate`")));
    let regions = begin(&home, &us).build().unwrap();
    let error = regions.monitor().ready().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Misconfigured, "snapshot"));
    let error = format!("{error:?}");
    assert!(error.contains("the region \"us\" cannot answer") && error.contains("call `migrate`"), "{error}");
    us.down(None);
    regions.monitor().ready().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_starts_without_a_region_if_configured() {
    let [home, us] = logs().await;
    us.down(CUT);
    let regions = begin(&home, &us).insecure_accept_without("us").build().unwrap();
    let began = Instant::now();
    regions.monitor().ready().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "the first attempt has failed");
    assert!(regions.monitor().is_fresh());
    assert_eq!((answer(&regions, "abroad"), answer(&regions, "other")), (Ok(false), Ok(false)));
    us.down(None);
    let began = Instant::now();
    while answer(&regions, "abroad") != Ok(true) {
        assert!(began.elapsed() < Duration::from_secs(1), "it is back");
        sleep(MILLISECOND).await;
    }
}

/// The restart of a node does not open a gap while all regions can be reached.
#[tokio::test(start_paused = true)]
async fn a_node_that_starts_waits_for_what_a_region_has_revoked() {
    let [home, us] = logs().await;
    us.pages(Some(0));
    let regions = begin(&home, &us).insecure_accept_without("us").build().unwrap();
    sleep(Duration::from_secs(2)).await;
    assert!(regions.monitor().regions()[0].health().is_fresh());
    assert!(answer(&regions, "abroad").unwrap_err().contains("the region \"us\" cannot answer"));
    assert!(!regions.monitor().is_fresh());
    assert!(regions.find(token("abroad").own_key()).await.is_err());
    us.pages(None);
    regions.monitor().ready().await.unwrap();
    assert_eq!((answer(&regions, "abroad"), answer(&regions, "other")), (Ok(true), Ok(false)));
    assert!(regions.monitor().is_fresh());
}

#[tokio::test(start_paused = true)]
async fn a_region_that_neither_answers_nor_fails_is_waited_for_ten_seconds() {
    let [home, us] = logs().await;
    us.pages(Some(0));
    let regions = begin(&home, &us).insecure_accept_without("us").build().unwrap();
    let began = Instant::now();
    while answer(&regions, "other").is_err() {
        assert!(began.elapsed() <= Duration::from_secs(10));
        sleep(MILLISECOND * 100).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(9800), "{:?}", began.elapsed());
    timeout(MILLISECOND, regions.monitor().ready()).await.unwrap().unwrap();
    us.pages(None);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(answer(&regions, "abroad"), Ok(true));
}
