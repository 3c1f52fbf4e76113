//! Promise: a replica looks up a revocation in the log itself, adds what it knows, and answers
//! nothing from a log that may lack something; and it takes many revocations as it takes one.

use std::time::Duration;

use test_support::{
    at,
    replica::{Following, SharedLog},
};
use tokio::time::{Instant, sleep};
use tower_logout::{
    Replica, RevocationStore,
    revocation::{Outcome, Revocation, RevocationKey},
    store::{ReplicaOptions, StoreError},
};

use super::support::{MAX_STALENESS, MILLISECOND, eventually, now, ready, revoke, token};

fn through(seconds: u64) -> Revocation {
    Revocation::new(RevocationKey::subject("i", "s"), at(seconds), at(4_102_444_800))
}

fn why(answer: Result<Option<Revocation>, StoreError>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.operation(), "find");
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn what_another_node_has_revoked_is_found_before_this_node_has_read_it() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.following(Following::Hangs);
    assert_eq!(replica.find(through(1).key()).await.unwrap(), None);
    log.revoke(&through(1)).await.unwrap();
    assert_eq!(replica.find(through(1).key()).await.unwrap(), Some(through(1)));
    assert!(replica.is_empty());
}

/// Whatever checks do then: the log answers for itself, not for the age of the view.
#[tokio::test(start_paused = true)]
async fn a_stale_view_does_not_matter() {
    let log = SharedLog::new();
    let replica = ReplicaOptions::new().reject_when_stale().start(log.clone());
    replica.ready().await.unwrap();
    log.following(Following::Hangs);
    log.revoke(&through(1)).await.unwrap();
    sleep(MAX_STALENESS + MILLISECOND).await;
    assert!(!replica.health().is_fresh());
    assert_eq!(replica.find(through(1).key()).await.unwrap(), Some(through(1)));
    assert_eq!(replica.find(token("other").own_key()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_found_before_the_first_snapshot_is_in() {
    let log = SharedLog::new();
    log.pages(Some(0));
    log.revoke(&through(1)).await.unwrap();
    let replica = Replica::start(log.clone());
    assert!(why(replica.find(through(1).key()).await).contains("not loaded its first snapshot yet"));
    assert_eq!(log.checks(), 0);
    log.pages(None);
    replica.ready().await.unwrap();
    assert_eq!(replica.find(through(1).key()).await.unwrap(), Some(through(1)));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_is_an_error_also_for_what_this_node_knows() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    replica.revoke(&through(1)).await.unwrap();
    log.reject_checks(true);
    assert!(why(replica.find(through(1).key()).await).contains("the test wants it so"));
    why(replica.find(token("other").own_key()).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_log_has_lost_unnoticed_is_found_where_it_is_known() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    replica.revoke(&through(1)).await.unwrap();
    replica.revoke(&through(5)).await.unwrap();
    eventually("it has read them", || replica.len() == 1).await;
    log.following(Following::Hangs);
    log.lose(&[through(5)]);
    assert_eq!(replica.find(through(1).key()).await.unwrap(), Some(through(5)));
    log.lose(&[through(1)]);
    assert_eq!(replica.find(through(1).key()).await.unwrap(), Some(through(5)));
    let longer = Revocation::new(through(1).key(), at(2), at(4_102_444_900));
    log.revoke(&longer).await.unwrap();
    assert_eq!(replica.find(through(1).key()).await.unwrap(), through(5).join(&longer));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_replaced_is_not_asked_until_it_is_trusted() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.following(Following::Fails);
    log.flush();
    assert!(why(replica.find(through(1).key()).await).contains("may have lost revocations: it is another log"));
    log.following(Following::Works);
    eventually("the node knows", || log.snapshots() == 2).await;
    let checks = log.checks();
    assert!(why(replica.find(through(1).key()).await).contains("the nodes are re-sending"));
    assert_eq!(log.checks(), checks);
    // Until now, another node may have known a revocation that was lost.
    log.revoke(&through(1)).await.unwrap();
    let began = Instant::now();
    let found = loop {
        match replica.find(through(1).key()).await {
            Ok(found) => break found,
            Err(_) if began.elapsed() < Duration::from_secs(60) => sleep(MILLISECOND).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(found, Some(through(1)));
    assert!(began.elapsed() > Duration::from_secs(1), "other nodes have had the time to re-send theirs");
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_this_node_knew_is_not_new_though_the_log_has_lost_it() {
    let log = SharedLog::new();
    let (first, second) = (ready(&log).await, ready(&log).await);
    let used = revoke(&first, "used once").await;
    eventually("the other has read it", || second.len() == 1).await;
    log.following(Following::Hangs);
    for node in [&first, &second] {
        log.lose(&[used]);
        assert_eq!(node.revoke(&used).await.unwrap(), Outcome::Already);
        assert!(log.holds(&used), "the log has it again");
        log.lose(&[used]);
        assert_eq!(node.revoke_all(&[used, through(1)]).await.unwrap()[0], Outcome::Already);
    }
    assert_eq!(second.revoke(&through(2)).await.unwrap(), Outcome::Newly, "it covers more");
}

#[tokio::test(start_paused = true)]
async fn many_are_written_to_the_log_first() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    let all: Vec<_> = ["1", "2", "1"].map(|jti| Revocation::of_token(&token(jti))).into();
    log.reject_writes(true);
    replica.revoke_all(&all).await.unwrap_err();
    assert_eq!(now(&replica, &token("1")), Some(false), "what the log did not take, no other node knows");
    log.reject_writes(false);
    assert_eq!(replica.revoke_all(&all).await.unwrap(), [Outcome::Newly, Outcome::Newly, Outcome::Already]);
    assert_eq!(now(&replica, &token("1")), Some(true));
    assert_eq!(now(&replica, &token("2")), Some(true));
    assert!(replica.revoke_all(&[]).await.unwrap().is_empty());
}

/// They were acknowledged, and are then not found in the log.
#[tokio::test(start_paused = true)]
async fn each_of_many_that_the_log_has_lost_is_re_sent() {
    let log = SharedLog::new();
    let replica = ready(&log).await;
    log.following(Following::Hangs);
    let all: Vec<_> = (0..20).map(|jti| Revocation::of_token(&token(&jti.to_string()))).collect();
    replica.revoke_all(&all).await.unwrap();
    log.lose(&all);
    assert_eq!(log.len(), 0);
    log.following(Following::Works);
    eventually("the log has all", || all.iter().all(|revocation| log.holds(revocation))).await;
}
