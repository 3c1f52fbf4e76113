//! Promise: a look-up finds what any process has revoked, and a Redis that may lack something is an
//! error, never "none".

use std::time::Duration;

use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
    store::ReplicaOptions,
};

use super::support::{ISSUER, at, failure, in_an_hour, options, patient, revoke, server, token, until};

fn subject(name: &str) -> Revocation {
    Revocation::new(RevocationKey::subject(ISSUER, name), at(100), in_an_hour())
}

async fn node(store: RedisStore) -> Replica<RedisStore> {
    let replica = ReplicaOptions::new().max_staleness(Duration::from_millis(800)).start(store);
    replica.ready().await.unwrap();
    replica
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_revocation_is_found_at_once_by_every_process() {
    let server = server().await;
    let options = options();
    let store = async || options.clone().connect(&server.url()).await.unwrap();
    let nodes = [node(store().await).await, node(store().await).await];
    for round in 0..200_usize {
        let message = Revocation::of_token(&token(&round.to_string()));
        assert_eq!(nodes[1 - round % 2].find(message.key()).await.unwrap(), None);
        revoke(&nodes[round % 2], &message).await;
        // No time for the replica to read the log.
        assert_eq!(nodes[1 - round % 2].find(message.key()).await.unwrap(), Some(message));
    }
    assert_eq!(store().await.find(subject("other").key()).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_was_emptied_or_replaced_is_an_error() {
    let server = server().await;
    for command in [&["FLUSHALL"][..], &["SWAPDB", "0", "7"]] {
        let (writer, reader) =
            (patient().connect(&server.url()).await.unwrap(), patient().connect(&server.url()).await);
        let reader = reader.unwrap();
        revoke(&writer, &subject("a")).await;
        assert_eq!(reader.find(subject("a").key()).await.unwrap(), Some(subject("a")));
        server.cli(command).await;
        for store in [&writer, &reader] {
            for name in ["a", "none"] {
                let error = failure(store.find(subject(name).key())).await;
                assert!(
                    error.contains("failed to find") && error.contains("emptied, or replaced by another"),
                    "{error}"
                );
            }
        }
        // Also after another process has created a store there.
        revoke(&patient().connect(&server.url()).await.unwrap(), &subject("b")).await;
        for store in [&writer, &reader] {
            failure(store.find(subject("a").key())).await;
            failure(store.find(subject("b").key())).await;
        }
        server.cli(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn no_part_of_the_layout_may_be_missing() {
    let server = server().await;
    for part in ["v1:live", "v1:through", "v1:feed", "v1:meta", "layout"] {
        server.cli(&["FLUSHALL"]).await;
        let store = patient().connect(&server.url()).await.unwrap();
        revoke(&store, &subject("a")).await;
        server.cli(&["DEL", &format!("{{tower-logout}}:{part}")]).await;
        failure(store.find(subject("none").key())).await;
    }
    // Half of an entry.
    server.cli(&["FLUSHALL"]).await;
    let store = patient().connect(&server.url()).await.unwrap();
    revoke(&store, &subject("a")).await;
    let swap = "redis.call('HDEL', KEYS[1], redis.call('HKEYS', KEYS[1])[1]) redis.call('HSET', KEYS[1], 'x', 1)";
    server.cli(&["EVAL", swap, "1", "{tower-logout}:v1:through"]).await;
    assert!(failure(store.find(subject("a").key())).await.contains("a revocation is incomplete"));
}

/// From the moment at which the server is emptied until the nodes have re-sent everything, the
/// answer is the revocation or an error.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_node_never_misses_what_it_re_sends_itself_or_another_node_does() {
    let server = server().await;
    let options = options();
    let store = async || options.clone().connect(&server.url()).await.unwrap();
    let (knowing, asking) = (node(store().await).await, node(store().await).await);
    for round in 0..3 {
        let known = subject(&round.to_string());
        revoke(&knowing, &known).await;
        until("both know it", async || [&knowing, &asking].iter().all(|node| node.len() == round + 1)).await;
        server.cli(&["FLUSHALL"]).await;
        let direct = store().await;
        until("it is re-sent", async || {
            for node in [&knowing, &asking] {
                if let Ok(found) = node.find(known.key()).await {
                    assert_eq!(found, Some(known));
                }
            }
            direct.find(known.key()).await.ok().flatten().is_some()
        })
        .await;
        until("both are fresh", async || knowing.health().is_fresh() && asking.health().is_fresh()).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_has_expired_is_not_found_for_ever() {
    let server = server().await;
    let store = options().connect(&server.url()).await.unwrap();
    let soon = super::support::after(300);
    let key = RevocationKey::subject(ISSUER, "soon");
    revoke(&store, &Revocation::new(key, Timestamp::MIN, soon)).await;
    until("it is purged", async || {
        revoke(&store, &subject("other")).await;
        store.find(key).await.unwrap().is_none()
    })
    .await;
}
