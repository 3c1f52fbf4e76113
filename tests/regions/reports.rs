//! Promise: a region that cannot be reached is reported once per change, and again at an interval.

use std::{collections::BTreeMap, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use test_support::{
    events::{Event, Events},
    replica::{Following, SharedLog},
};
use tokio::time::{Instant, sleep};
use tower_logout::store::{Health, StoreErrorKind};

use super::support::{Sides, begin, until_fresh, until_stale};

const MINUTE: Duration = Duration::from_secs(60);

/// The values of both gauges for each region, whether it is fresh and its staleness in seconds. A
/// snapshot resets all gauges, so a second is needed for each.
async fn gauges(recorder: &DebuggingRecorder) -> BTreeMap<String, [f64; 2]> {
    drop(recorder.snapshotter().snapshot());
    sleep(Duration::from_millis(1100)).await;
    let mut seen = BTreeMap::<String, [f64; 2]>::new();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let names = ["tower_logout_region_fresh", "tower_logout_region_staleness_seconds"];
        if let (Some(index), DebugValue::Gauge(value)) = (names.iter().position(|&it| it == key.key().name()), value) {
            let region = key.key().labels().find(|label| label.key() == "region").unwrap().value().to_owned();
            seen.entry(region).or_default()[index] = value.into_inner();
        }
    }
    seen
}

fn about_regions(events: &Events) -> Vec<Event> {
    events.all().into_iter().filter(|event| event.message().starts_with("region ")).collect()
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_reported_once_per_change_and_every_minute() {
    let events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let guard = metrics::set_default_local_recorder(&recorder);
    let sides = Sides::accepting_without_us().await;
    sleep(MINUTE * 3).await;
    assert_eq!(about_regions(&events).len(), 0, "all is well");
    let seen = gauges(&recorder).await;
    assert!(seen.len() == 2 && seen.values().all(|[fresh, _]| *fresh > 0.0), "{seen:?}");

    sides.us.following(Following::Fails);
    until_stale(&sides.replica(1)).await;
    sleep(Duration::from_secs(1)).await;
    let reported = about_regions(&events);
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert_eq!((reported[0].message(), &*reported[0].level), ("region unavailable", "WARN"));
    assert_eq!(reported[0].fields["region"], "us");
    assert_eq!(reported[0].fields["effect"], "tokens that were revoked there are accepted");
    assert!(reported[0].fields["staleness"].starts_with("12"), "{reported:?}");
    assert!(reported[0].fields["error"].contains("the test wants it so"), "{reported:?}");
    let seen = gauges(&recorder).await;
    let ([home_fresh, home_age], [us_fresh, us_age]) = (seen["home"], seen["us"]);
    assert!(home_fresh > 0.0 && home_age < 5.0 && us_fresh < 1.0 && us_age > 12.0, "{seen:?}");

    sleep(MINUTE * 10).await;
    let reported = about_regions(&events).len();
    assert!((10..=12).contains(&reported), "{reported}");

    sides.us.following(Following::Works);
    until_fresh(&sides.replica(1)).await;
    sleep(MINUTE * 3).await;
    let after = about_regions(&events);
    assert_eq!(after.len(), reported + 1);
    let last = after.last().unwrap();
    assert_eq!((last.message(), &*last.level, &*last.fields["region"]), ("region available", "INFO", "us"));
    assert!(gauges(&recorder).await["us"][0] > 0.0);

    // The home region is required.
    sides.home.following(Following::Fails);
    until_stale(&sides.replica(0)).await;
    sleep(Duration::from_secs(1)).await;
    let last = about_regions(&events).pop().unwrap();
    assert_eq!((&*last.fields["region"], last.message()), ("home", "region unavailable"));
    assert_eq!(last.fields["effect"], "checks ask its log, or are rejected with 503");
    drop(sides);
    let reported = about_regions(&events).len();
    sleep(MINUTE * 3).await;
    assert_eq!(about_regions(&events).len(), reported, "the report ends with the regions");
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_cannot_be_loaded_is_reported() {
    let events = Events::of_this_thread();
    let (home, us) = (SharedLog::new(), SharedLog::new());
    us.down(Some((StoreErrorKind::Unavailable, "the link is cut")));
    let regions = begin(&home, &us).build().unwrap();
    let began = Instant::now();
    while about_regions(&events).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(1), "{}", events.text());
        sleep(Duration::from_millis(1)).await;
    }
    let reported = about_regions(&events);
    assert!(reported[0].fields["error"].contains("the link is cut") && !reported[0].fields.contains_key("staleness"));
    let monitor = regions.monitor();
    let state: Vec<_> = monitor.regions().iter().map(|region| (region.name(), region.health())).collect();
    assert!(matches!(&state[..], [("home", Health::Fresh { .. }), ("us", Health::Loading { .. })]), "{state:?}");
    us.down(None);
    monitor.ready().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(about_regions(&events).last().unwrap().message(), "region available");
    assert!(monitor.is_fresh());
}
