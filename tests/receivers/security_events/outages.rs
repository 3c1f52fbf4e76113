//! Promise: an event takes effect once in the whole fleet; it is never acknowledged before the store
//! has what it reports, and what failed half-way can be delivered again.

use futures_util::future::join_all;
use serde_json::json;
use test_support::{NOW, at};
use tower_logout::revocation::Revocation;

use super::support::{KEY, Node, Store, access, session_revoked, user};

#[tokio::test]
async fn a_repeat_is_accepted_and_changes_nothing_on_any_node() {
    let store = Store::new();
    let (one, other) = (Node::over(&store), Node::over(&store));
    let claims = session_revoked("1", &user("ann"));
    one.takes(&claims).await;
    store.clock().set(at(NOW + 60));
    let written = store.written();
    let later = access("ann", "2", NOW + 30);
    let started_later = Node::over(&store);
    for node in [&one, &other, &started_later] {
        node.takes(&claims).await;
        assert!(!node.revokes(&later).await, "she has signed in again since");
        assert!(node.revokes(&access("ann", "1", NOW)).await);
    }
    assert_eq!(store.written(), written);
    // Another event about her is another one.
    other.takes(&session_revoked("2", &user("ann"))).await;
    assert!(one.revokes(&later).await);
}

#[tokio::test]
async fn one_event_that_several_nodes_receive_at_once_takes_effect_once() {
    let store = Store::new();
    let nodes = [(); 4].map(|()| Node::over(&store));
    let claims = session_revoked("1", &user("ann"));
    let answers = join_all(nodes.iter().map(|node| node.push(&claims))).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    store.clock().set(at(NOW + 60));
    assert!(!nodes[0].revokes(&access("ann", "1", NOW + 1)).await);
    for node in &nodes {
        node.takes(&claims).await;
    }
    assert!(!nodes[3].revokes(&access("ann", "1", NOW + 1)).await);
}

#[tokio::test]
async fn an_event_is_remembered_for_as_long_as_it_is_accepted() {
    let store = Store::new();
    let node = Node::over(&store);
    let claims = session_revoked("1", &user("ann"));
    let week = 7 * 24 * 3600;
    node.takes(&claims).await;
    store.clock().set(at(NOW + week));
    let written = store.written();
    node.takes(&claims).await;
    assert_eq!(store.written(), written, "it is still remembered");
    let remembered = written.last().unwrap();
    assert!(remembered.retain_until() > at(NOW + week));
    store.clock().set(at(NOW + week + 1));
    assert_eq!(node.push(&claims).await.outcome(), (400, "invalid_request"), "it is too old");
}

/// The look-up, the revocation, and the note that it was taken.
#[tokio::test]
async fn a_store_that_fails_at_any_step_is_answered_with_503_and_the_event_delivered_again() {
    let subject = json!({ "format": "aliases", "identifiers": [user("ann"), user("bob")] });
    let claims = session_revoked("1", &subject);
    for calls in 0.. {
        let store = Store::new();
        let node = Node::over(&store);
        store.fails_after(calls);
        let answer = node.push(&claims).await;
        if answer.status == 202 {
            assert_eq!(calls, 4, "a look-up, two revocations and a note");
            break;
        }
        assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()), "{calls}");
        // The transmitter delivers it to another node, which has the same trouble at first.
        let other = Node::over(&store);
        assert_eq!(other.push(&claims).await.status, 503);
        store.works();
        other.takes(&claims).await;
        assert_eq!(other.revoked().await, ["ann/1", "ann/2", "bob/1", "bob/2"], "{calls}");
    }
}

/// What is refused or ends nothing needs no store.
#[tokio::test]
async fn an_outage_of_the_store_does_not_change_what_is_refused() {
    let store = Store::new();
    let node = Node::over(&store);
    store.fails_after(0);
    assert_eq!(node.push_text("x").await.status, 400);
    assert_eq!(
        node.push(&session_revoked("1", &json!({ "tenant": { "format": "opaque", "id": "t" } }))).await.status,
        202
    );
    assert_eq!(store.written(), []);
}

/// A transmitter that disconnects leaves nothing half done: the revocation runs on a task of its
/// own.
#[tokio::test]
async fn a_delivery_that_is_given_up_is_taken_as_a_whole_or_not() {
    use tower::Service;
    let store = Store::new();
    let node = Node::over(&store);
    let token = KEY.sign(&session_revoked("1", &user("ann")));
    for polls in 0..8 {
        let mut call = Box::pin(node.events.clone().call(super::support::delivery(token.clone())));
        for _ in 0..polls {
            let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
            if poll.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
    }
    node.push_text(&token).await;
    assert_eq!(node.revoked().await, ["ann/1", "ann/2"]);
    let written: std::collections::BTreeSet<_> = store.written().iter().map(Revocation::key).collect();
    assert_eq!(written.len(), 2, "a revocation and a note");
}
