//! Promise: a region that cannot be reached is reported once per change, and again at an interval.

use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use test_support::{
    events::{Event, Events},
    replica::{Following, SharedLog},
};
use tokio::time::{Instant, sleep};
use tower_logout::store::{Health, StoreErrorKind};

use super::support::{Sides, begin, until_fresh, until_stale};

const MINUTE: Duration = Duration::from_secs(60);

fn gauge(recorder: &DebuggingRecorder, name: &str) -> Vec<(String, f64)> {
    let mut seen: Vec<_> = recorder
        .snapshotter()
        .snapshot()
        .into_vec()
        .into_iter()
        .filter_map(|(key, _, _, value)| match value {
            DebugValue::Gauge(value) if key.key().name() == name => {
                let labels = key.key().labels();
                Some((labels.map(|label| label.value().to_owned()).collect::<String>(), value.into_inner()))
            }
            _ => None,
        })
        .collect();
    seen.sort_by(|one, other| one.0.cmp(&other.0));
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
    let fresh = |home, us| vec![("home".to_owned(), home), ("us".to_owned(), us)];
    assert_eq!(gauge(&recorder, "tower_logout_region_fresh"), fresh(1.0, 1.0));

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
    assert_eq!(gauge(&recorder, "tower_logout_region_fresh"), fresh(1.0, 0.0));
    let staleness = gauge(&recorder, "tower_logout_region_staleness_seconds");
    assert!(staleness[0].1 < 5.0 && staleness[1].1 > 12.0, "{staleness:?}");

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
    assert_eq!(gauge(&recorder, "tower_logout_region_fresh"), fresh(1.0, 1.0));

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
