//! Promise: a look-up finds what any process has revoked, and tables that may lack something are an
//! error, never "none".

use std::time::Duration;

use tower_logout::{
    Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
    store::ReplicaOptions,
};

use super::support::{FAR, ISSUER, Served, of, options, served, until};

async fn node(it: &Served<tower_logout::PostgresStore>) -> Replica<tower_logout::PostgresStore> {
    let store = options().schema(&it.schema).connect(&it.url).await.unwrap();
    let replica = ReplicaOptions::new().max_staleness(Duration::from_millis(800)).start(store);
    replica.ready().await.unwrap();
    replica
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_revocation_is_found_at_once_by_every_process() {
    let it = served(options()).await;
    let nodes = [node(&it).await, node(&it).await];
    for round in 0..100_usize {
        let message = of(&round.to_string());
        assert_eq!(nodes[1 - round % 2].find(message.key()).await.unwrap(), None);
        nodes[round % 2].revoke(&message).await.unwrap();
        // No time for the replica to read the log.
        assert_eq!(nodes[1 - round % 2].find(message.key()).await.unwrap(), Some(message));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn tables_that_were_emptied_or_replaced_are_an_error() {
    for loss in [
        "truncate {schema}.revocation",
        "delete from {schema}.revocation",
        "drop schema {schema} cascade",
        "update {schema}.revocation set issued_through = 5",
    ] {
        let it = served(options()).await;
        it.revoke(&of("a")).await.unwrap();
        let reader = options().schema(&it.schema).connect(&it.url).await.unwrap();
        assert_eq!(reader.find(of("a").key()).await.unwrap(), Some(of("a")));
        it.sql(loss).await;
        if loss.starts_with("drop") {
            super::support::connect(&it.url, &it.schema).await;
        }
        for name in ["a", "none"] {
            it.find(of(name).key()).await.expect_err(loss);
            reader.find(of(name).key()).await.expect_err(loss);
        }
    }
}

/// From the moment at which the table is emptied until the nodes have re-sent everything, the
/// answer is the revocation or an error.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_node_never_misses_what_it_re_sends_itself_or_another_node_does() {
    let it = served(options()).await;
    let (knowing, asking) = (node(&it).await, node(&it).await);
    let key = RevocationKey::subject(ISSUER, "a");
    let known = Revocation::new(key, Timestamp::from_unix_seconds(100), Timestamp::from_unix_seconds(FAR));
    knowing.revoke(&known).await.unwrap();
    until("both know it", async || [&knowing, &asking].iter().all(|node| node.len() == 1)).await;
    it.sql("truncate {schema}.revocation").await;
    until("it is re-sent", async || {
        for node in [&knowing, &asking] {
            if let Ok(found) = node.find(key).await {
                assert_eq!(found, Some(known));
            }
        }
        it.sql("select count(*) from {schema}.revocation").await == "1"
    })
    .await;
    until("it is found", async || matches!(asking.find(key).await, Ok(Some(found)) if found == known)).await;
}
