//! Promise: an application can keep a monitor without type parameters, which outlives the replica
//! and keeps no task running.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use test_support::replica::{Following, SharedLog};
use tokio::time::{sleep, timeout};
use tower_logout::{
    Replica, RevocationStore,
    store::{Health, ReplicaMonitor, StoreErrorKind},
};

const MOST: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct AppState {
    replica: ReplicaMonitor,
}

async fn promptly<T>(future: impl Future<Output = T>) -> T {
    timeout(MOST, future).await.expect("it does not wait for ever")
}

#[tokio::test(start_paused = true)]
async fn an_application_can_keep_it_after_giving_the_store_away() {
    fn is_state<T: Clone + Send + Sync + 'static>(_: &T) {}

    let log = SharedLog::new();
    log.down(Some((StoreErrorKind::Misconfigured, "there is no table")));
    let replica = Replica::start(log.clone());
    let state = AppState { replica: replica.monitor() };
    is_state(&state);
    let store: Arc<dyn RevocationStore> = Arc::new(replica);
    let error = promptly(state.replica.ready()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
    assert!(matches!(state.replica.health(), Health::Loading { .. }));

    let mut health = state.clone().replica.watch();
    log.down(None);
    promptly(state.replica.ready()).await.unwrap();
    assert!(state.replica.health().is_fresh());
    promptly(health.wait_for(Health::is_fresh)).await.unwrap();
    log.following(Following::Hangs);
    promptly(health.wait_for(|health| matches!(health, Health::Stale { .. }))).await.unwrap();
    assert!(!state.replica.health().is_fresh());
    drop(store);
}

#[tokio::test(start_paused = true)]
async fn it_keeps_no_task_alive() {
    let log = SharedLog::new();
    let replica = Replica::start(log.clone());
    let monitors = [replica.monitor(), replica.monitor().clone()];
    promptly(monitors[1].ready()).await.unwrap();
    drop(replica);
    promptly(async {
        while log.handles() > 1 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    drop(monitors);
}

#[tokio::test(start_paused = true)]
async fn it_reports_at_once_that_the_replica_is_gone() {
    let replica = Replica::start(SharedLog::new());
    let monitor = replica.monitor();
    promptly(monitor.ready()).await.unwrap();
    let mut health = monitor.watch();
    drop(replica);
    // Nothing has run since, so the tasks have not ended yet.
    assert!(matches!(monitor.health(), Health::Stopped), "{monitor:?}");
    let error = promptly(monitor.ready()).await.unwrap_err();
    assert!(error.to_string().contains("the replica was dropped"), "{error}");
    promptly(health.wait_for(|health| matches!(health, Health::Stopped))).await.unwrap();
    assert!(promptly(health.changed()).await.is_err(), "the channel is closed");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_ready_fails_when_the_replica_is_dropped() {
    let log = SharedLog::new();
    log.down(Some((StoreErrorKind::Unavailable, "the server is down")));
    let replica = Replica::start(log);
    let monitor = replica.monitor();
    let mut ready = pin!(monitor.ready());
    assert!(timeout(Duration::from_secs(5), ready.as_mut()).await.is_err(), "it waits for the server");
    drop(replica);
    let error = promptly(ready).await.unwrap_err();
    assert!(error.to_string().contains("the replica was dropped"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_new_watch_does_not_report_earlier_changes() {
    let log = SharedLog::new();
    let replica = Replica::start(log.clone());
    let monitor = replica.monitor();
    promptly(monitor.ready()).await.unwrap();
    assert!(!monitor.watch().has_changed().unwrap());
}
