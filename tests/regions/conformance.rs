//! Promise: regions are a store like any other, however many there are and whatever their state.

use std::{sync::Arc, time::Duration};

use test_support::replica::SharedLog;
use tower_logout::{
    Replica, RevocationStore, conformance,
    store::{Regions, ReplicaOptions, StoreErrorKind},
};

use super::support::{Sides, build};

conformance! {
    home_alone => build(Regions::home(Replica::start(SharedLog::new()))).await;
    home_and_another => Sides::ready().await.regions;
    erased => Arc::new(Sides::ready().await.regions) as Arc<dyn RevocationStore>;
    stale => {
        let replica = || ReplicaOptions::new().max_staleness(Duration::ZERO).start(SharedLog::new());
        build(Regions::home(replica()).and("us", replica())).await
    };
    without_another => {
        let us = SharedLog::new();
        us.down(Some((StoreErrorKind::Unavailable, "the link is cut")));
        let regions = Regions::home(Replica::start(SharedLog::new())).and("us", Replica::start(us));
        build(regions.insecure_accept_without("us")).await
    };
}
