//! Promise: regions that cannot be told apart, or that there are not, are an error at the start.

use test_support::replica::SharedLog;
use tower_logout::{
    Replica,
    store::{Regions, RegionsBuilder, StoreErrorKind},
};

fn replica() -> Replica<SharedLog> {
    Replica::start(SharedLog::new())
}

fn refused(regions: RegionsBuilder) -> String {
    let error = regions.build().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Misconfigured, "open"));
    error.to_string()
}

#[tokio::test]
async fn names_are_unique_and_known() {
    let home = || Regions::home(replica());
    let long = "r".repeat(65);
    for name in ["", "a\nb", &long] {
        assert!(refused(home().and(name, replica())).contains("1 to 64 bytes"));
    }
    assert!(refused(home().and("home", replica())).contains("`home` is the name of the region that is passed"));
    let twice = refused(home().and("us", replica()).and("asia", replica()).and("us", replica()));
    assert!(twice.contains("two regions are named \"us\""), "{twice}");
    let unknown = refused(home().and("us", replica()).insecure_accept_without("usa"));
    assert!(unknown.contains("the region \"usa\", and there is none"), "{unknown}");
    let without_home = refused(home().and("us", replica()).insecure_accept_without("home"));
    assert!(without_home.contains("Logout::insecure_allow_on_store_failure"), "{without_home}");
}

/// The order of the calls does not matter.
#[tokio::test]
async fn a_region_can_be_named_before_it_is_added() {
    let regions = Regions::home(replica()).insecure_accept_without("us").and("us", replica()).and("asia", replica());
    let regions = regions.build().unwrap();
    let monitor = regions.monitor();
    let names: Vec<_> = monitor.regions().iter().map(|region| (region.name(), region.is_accepted_without())).collect();
    assert_eq!(names, [("home", false), ("us", true), ("asia", false)]);
    let shown = format!("{regions:?} {monitor:?}");
    assert!(shown.contains("us") && shown.contains("Loading"), "{shown}");
    drop(regions);
    assert!(!monitor.is_fresh());
}
