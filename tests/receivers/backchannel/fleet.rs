//! Promise: the nodes that share a Redis know each message that any of them has taken: at once, if
//! they start later, and after a restart.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::servers::{RedisOptions, RedisServer};
use tower_logout::{
    Logout, RedisStore, Replica,
    clock::{Clock, ManualClock, SystemClock},
    endpoint::BackchannelLogout,
    respond::Rejection,
    store::Health,
};

use super::support::{CLIENT, access_token, check, logout_token, node, status};

/// Nodes with one clock, which shows the present when the test begins: the server has its own.
struct Fleet {
    redis: RedisServer,
    clock: ManualClock,
}

struct Node {
    logout: Logout,
    service: BackchannelLogout,
}

impl Fleet {
    async fn start() -> Self {
        let redis = RedisServer::start(RedisOptions { persist: true, ..RedisOptions::default() }).await;
        Self { redis, clock: ManualClock::at(SystemClock.now()) }
    }

    /// A node whose replica has read what the server knows.
    async fn node(&self) -> Node {
        let replica = Replica::start(RedisStore::connect(&self.redis.url()).await.unwrap());
        let mut health = replica.monitor().watch();
        health.wait_for(Health::is_fresh).await.unwrap();
        let logout = node(replica, &self.clock);
        Node { service: logout.backchannel(CLIENT).build().unwrap(), logout }
    }

    fn seconds(&self) -> u64 {
        self.clock.now().as_unix_millis() / 1000
    }

    fn dated(&self, changes: &Value) -> Value {
        let now = self.seconds();
        let mut claims = json!({ "iat": now, "exp": now + 120 });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    }

    /// A logout of the user, which ends a login before it.
    fn logout(&self) -> (String, String) {
        (access_token("before", self.dated(&json!({}))), logout_token(self.dated(&json!({ "sid": null }))))
    }

    /// A login some time after the logout. Then more time passes.
    fn later_login(&self) -> String {
        self.clock.advance(Duration::from_secs(10));
        let token = access_token("after", self.dated(&json!({})));
        self.clock.advance(Duration::from_secs(10));
        token
    }
}

/// Delivers the message to all nodes again: nothing changes for a login in between.
async fn assert_known_by(nodes: &[&Node], message: &str, before: &str, after: &str) {
    for node in nodes {
        assert_eq!(status(&node.service, message).await, 200);
    }
    for node in nodes {
        let ended = async { while check(&node.logout, before).await != Err(Rejection::Revoked) {} };
        tokio::time::timeout(Duration::from_secs(30), ended).await.expect("every node refuses it");
        assert_eq!(check(&node.logout, after).await, Ok(()));
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_message_that_two_nodes_get_at_once_counts_once_from_then_on() {
    let fleet = Fleet::start().await;
    let (one, two) = (fleet.node().await, fleet.node().await);
    let (before, message) = fleet.logout();
    assert_eq!(tokio::join!(status(&one.service, &message), status(&two.service, &message)), (200, 200));
    let after = fleet.later_login();
    assert_known_by(&[&one, &two], &message, &before, &after).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_message_that_one_node_has_taken_is_known_by_all_and_by_one_that_starts_later() {
    let fleet = Fleet::start().await;
    let (one, two) = (fleet.node().await, fleet.node().await);
    let (before, message) = fleet.logout();
    assert_eq!(status(&one.service, &message).await, 200);
    let after = fleet.later_login();
    let later = fleet.node().await;
    assert_known_by(&[&two, &later, &one], &message, &before, &after).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_message_is_known_after_the_server_and_the_nodes_were_restarted() {
    let fleet = Fleet::start().await;
    let node = fleet.node().await;
    let (before, message) = fleet.logout();
    assert_eq!(status(&node.service, &message).await, 200);
    drop(node);
    let after = fleet.later_login();
    fleet.redis.kill();
    fleet.redis.restart().await;
    let node = fleet.node().await;
    assert_known_by(&[&node], &message, &before, &after).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_message_that_arrives_while_the_server_is_down_takes_effect_when_it_is_delivered_again() {
    let fleet = Fleet::start().await;
    let node = fleet.node().await;
    let (before, message) = fleet.logout();
    fleet.redis.kill();
    assert_eq!(status(&node.service, &message).await, 503);
    fleet.redis.restart().await;
    let delivered = async { while status(&node.service, &message).await != 200 {} };
    tokio::time::timeout(Duration::from_secs(60), delivered).await.expect("the server is back");
    let after = fleet.later_login();
    assert_known_by(&[&node], &message, &before, &after).await;
}
