//! Promise: what was issued before the event arrived is revoked, and what is issued later is not;
//! the date of the event counts by choice only, and never more than the present.

use serde_json::{Value, json};
use test_support::{NOW, at};
use tower_logout::endpoint::security_events::SecurityEventsBuilder;

use super::support::{CAEP, Node, access, event, user, with};

fn revoked_at(jti: &str, event_timestamp: &Value) -> Value {
    event(jti, &user("ann"), &format!("{CAEP}session-revoked"), &json!({ "event_timestamp": event_timestamp }))
}

/// Whether tokens that were issued so many seconds after `NOW` are revoked. All are checked when
/// they are valid.
async fn revoked(node: &Node, issued: impl IntoIterator<Item = i64>) -> Vec<bool> {
    let mut revoked = Vec::new();
    for offset in issued {
        revoked.push(node.revokes(&access("ann", "1", NOW.saturating_add_signed(offset))).await);
    }
    revoked
}

#[tokio::test]
async fn tokens_that_were_issued_until_the_event_arrived_are_revoked() {
    let node = Node::new();
    node.clock.set(at(NOW + 300));
    // Signed at NOW, about something before it.
    node.takes(&revoked_at("1", &json!(NOW - 300))).await;
    node.clock.set(at(NOW + 600));
    assert_eq!(revoked(&node, [-300, 0, 300, 301, 600]).await, [true, true, true, false, false]);
}

/// The clock of the transmitter may be ahead.
#[tokio::test]
async fn tokens_that_were_issued_until_the_event_was_signed_are_revoked() {
    let node = Node::new();
    node.takes(&with(revoked_at("1", &json!(NOW)), &json!({ "iat": NOW + 20 }))).await;
    node.clock.set(at(NOW + 60));
    assert_eq!(revoked(&node, [20, 21]).await, [true, false]);
}

#[tokio::test]
async fn by_choice_the_time_of_the_event_counts() {
    let by_event = || Node::with(SecurityEventsBuilder::allow_tokens_issued_after_event);
    let without = |members: Value| with(revoked_at("1", &json!(null)), &members);
    let base = format!("{CAEP}session-revoked");
    for (claims, last) in [
        (revoked_at("1", &json!(NOW - 100)), -100),
        (with(revoked_at("1", &json!(NOW - 100)), &json!({ "toe": NOW - 200 })), -100),
        (without(json!({ "toe": NOW - 200, "events": { &base: {} } })), -200),
        (without(json!({ "iat": NOW - 300, "events": { &base: {} } })), -300),
        // Milliseconds.
        (revoked_at("1", &json!((NOW - 100) * 1000)), -100),
        (revoked_at("1", &json!((NOW - 100) * 1000 + 900)), -100),
    ] {
        let node = by_event();
        node.takes(&claims).await;
        assert_eq!(revoked(&node, [last, last + 1]).await, [true, false], "{claims}");
    }
}

/// The conformance suite sends milliseconds: read as seconds, a date in the year 48,000, which would
/// revoke every token of the subject for ever.
#[tokio::test]
async fn a_date_in_the_future_counts_as_the_present() {
    for timestamp in
        [json!(NOW * 1000), json!(NOW + 1_000_000), json!(99_999_999_999_u64), json!(u64::MAX), json!(1e300)]
    {
        for by_event in [false, true] {
            let node = Node::with(|builder| if by_event { builder.allow_tokens_issued_after_event() } else { builder });
            node.takes(&revoked_at("1", &timestamp)).await;
            node.clock.set(at(NOW + 300));
            let skew = 30;
            assert_eq!(revoked(&node, [0, skew + 1, 300]).await, [true, false, false], "{timestamp} {by_event}");
        }
    }
}

/// An event of another form of date is no reason to leave tokens valid.
#[tokio::test]
async fn a_date_of_another_form_is_ignored() {
    for timestamp in [json!("yesterday"), json!(-5), json!(null), json!([]), json!({})] {
        let node = Node::with(SecurityEventsBuilder::allow_tokens_issued_after_event);
        node.takes(&revoked_at("1", &timestamp)).await;
        assert_eq!(revoked(&node, [0]).await, [true], "{timestamp}");
    }
}
