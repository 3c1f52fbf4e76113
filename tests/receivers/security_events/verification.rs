//! Promise: a verification event is accepted if it was asked for by any node, or by nobody; and a
//! stream that stops is seen.

use serde_json::json;
use test_support::NOW;
use tower_logout::endpoint::security_events::StreamStatus;

use super::support::{Node, SSF, Store, event, opaque, with};

fn verification(state: Option<&str>) -> serde_json::Value {
    let members = state.map_or(json!({}), |state| json!({ "state": state }));
    event("v", &opaque("stream-1"), &format!("{SSF}verification"), &members)
}

#[tokio::test]
async fn a_verification_that_nobody_asked_for_is_accepted_without_a_state_only() {
    let node = Node::new();
    node.takes(&verification(None)).await;
    let uri = format!("{SSF}verification");
    for state in [json!("unknown"), json!(""), json!(null), json!(7)] {
        let claims = event("v", &opaque("stream-1"), &uri, &json!({ "state": state }));
        assert_eq!(node.push(&claims).await.outcome(), (400, "invalid_state"), "{state}");
    }
}

#[tokio::test]
async fn a_verification_that_cannot_be_looked_up_is_answered_with_503() {
    let store = Store::new();
    let node = Node::over(&store);
    store.fails_after(0);
    assert_eq!(node.push(&verification(Some("unknown"))).await.status, 503);
    assert_eq!(node.push(&verification(None)).await.status, 202, "there is nothing to look up");
}

#[tokio::test]
async fn a_stream_that_stops_is_seen_by_operators() {
    let node = Node::new();
    let updated = |status: &str, iat: u64| {
        let claims = event("u", &opaque("stream-1"), &format!("{SSF}stream-updated"), &json!({ "status": status }));
        with(claims, &json!({ "iat": iat }))
    };
    assert_eq!((node.events.health().status, node.events.health().is_enabled()), (None, true));
    for (status, iat, seen) in [
        ("paused", NOW, StreamStatus::Paused),
        ("unknown", NOW + 1, StreamStatus::Paused),
        ("disabled", NOW + 2, StreamStatus::Disabled),
        // An older one that comes again.
        ("paused", NOW, StreamStatus::Disabled),
        ("enabled", NOW + 3, StreamStatus::Enabled),
    ] {
        node.takes(&updated(status, iat)).await;
        let health = node.events.health();
        assert_eq!((health.status, health.is_enabled()), (Some(seen), seen == StreamStatus::Enabled), "{status}");
        assert!(health.last_event.is_some());
    }
}
