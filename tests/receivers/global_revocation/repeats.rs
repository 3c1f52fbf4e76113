//! Promise: a signed token authenticates one request, and a repeat of it changes nothing, in the
//! whole fleet.

use std::time::Duration;

use serde_json::json;
use test_support::{NOW, at, clock, events::Events, hand::HandStore, memory, token, verifier};
use tower_logout::{Logout, MemoryStore, RevocationStore, revocation::KeyKind};

use super::support::{SECRET, access_token, assertion, document, endpoint, iss_sub, logout, request, revoke};
use crate::support::{check, send};

#[tokio::test]
async fn a_repeat_is_answered_with_204_and_does_not_end_a_login_in_between() {
    let clock = clock();
    let store: std::sync::Arc<dyn RevocationStore> = std::sync::Arc::new(MemoryStore::new().clock(clock.clone()));
    let nodes = [(); 2].map(|()| Logout::new(verifier(&clock), std::sync::Arc::clone(&store)));
    assert_eq!(revoke(&endpoint(&nodes[0]), &assertion("1"), &iss_sub("ann")).await.status, 204);
    clock.set(at(NOW + 10));
    let login = access_token("ann", NOW + 5);
    // Also written in another way, at another node, and at one that starts later.
    let spaced = format!(" {} ", document(&iss_sub("ann")).replace(',', " , "));
    assert_eq!(send(&endpoint(&nodes[0]), request(&assertion("1"), spaced)).await.status, 204);
    assert_eq!(revoke(&endpoint(&nodes[1]), &assertion("1"), &iss_sub("ann")).await.status, 204);
    let restarted = Logout::new(verifier(&clock), std::sync::Arc::clone(&store));
    let old_name = json!({ "subject": iss_sub("ann") }).to_string();
    assert_eq!(send(&endpoint(&restarted), request(&assertion("1"), old_name)).await.status, 204);
    for logout in [&nodes[0], &nodes[1], &restarted] {
        assert!(check(logout, &login).await.is_ok());
        assert!(check(logout, &access_token("ann", NOW)).await.is_err());
    }
    // Another request ends it.
    assert_eq!(revoke(&endpoint(&nodes[1]), &assertion("2"), &iss_sub("ann")).await.status, 204);
    assert!(check(&nodes[0], &login).await.is_err());
}

#[tokio::test]
async fn the_same_assertion_does_not_authenticate_another_request() {
    let logout = logout(memory());
    let service = endpoint(&logout);
    assert_eq!(revoke(&service, &assertion("1"), &iss_sub("ann")).await.status, 204);
    let reply = revoke(&service, &assertion("1"), &iss_sub("bob")).await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"));
    assert!(check(&logout, &access_token("bob", NOW)).await.is_ok());
    assert_eq!(revoke(&service, &assertion("2"), &iss_sub("bob")).await.status, 204);
    assert!(check(&logout, &access_token("bob", NOW)).await.is_err());
}

#[tokio::test]
async fn an_assertion_is_remembered_for_as_long_as_it_is_accepted() {
    let (clock, store) = (clock(), HandStore::new());
    let logout = Logout::new(verifier(&clock), store.clone());
    let service = endpoint(&logout);
    assert_eq!(revoke(&service, &assertion("1"), &iss_sub("ann")).await.status, 204);
    let of_messages = store.revocations().into_iter().filter(|one| one.key().kind() == KeyKind::SigningInput);
    let until: Vec<_> = of_messages.map(|one| one.retain_until()).collect();
    // The request and its credential. A node whose clock is behind by the skew accepts it for longer.
    let accepted_until = at(NOW + 300 + 30);
    assert!(until.len() == 2 && until.iter().all(|until| *until >= accepted_until.saturating_add(SKEW)), "{until:?}");
    assert!(until.iter().all(|until| *until <= accepted_until.saturating_add(SKEW * 3)), "{until:?}");
    for (seconds, expected) in [(0, "Spent"), (299, "Spent"), (329, "Spent"), (330, "Expired")] {
        clock.set(at(NOW + seconds));
        let events = Events::of_this_thread();
        assert_eq!(revoke(&service, &assertion("1"), &iss_sub("bob")).await.status, 401);
        let error = &events.named("message refused")[0].fields["error"];
        let is_expired = error.contains("expired");
        assert_eq!(if is_expired { "Expired" } else { "Spent" }, expected, "{seconds}: {error}");
    }
    assert!(check(&logout, &access_token("bob", NOW)).await.is_ok());
}

#[tokio::test]
async fn of_one_request_at_two_nodes_at_once_each_is_answered_with_success() {
    let logout = logout(memory());
    let (one, other) = (endpoint(&logout), endpoint(&logout));
    let (token, ann) = (assertion("1"), iss_sub("ann"));
    let (one, other) = tokio::join!(revoke(&one, &token, &ann), revoke(&other, &token, &ann));
    assert_eq!((one.status, other.status), (204, 204));
    assert!(check(&logout, &access_token("ann", NOW)).await.is_err());
}

#[tokio::test]
async fn a_request_with_a_secret_revokes_each_time() {
    let clock = clock();
    let logout = Logout::new(verifier(&clock), memory());
    let service = endpoint(&logout);
    for seconds in [0, 10] {
        clock.set(at(NOW + seconds));
        assert_eq!(revoke(&service, SECRET, &iss_sub("ann")).await.status, 204);
        assert!(check(&logout, &access_token("ann", NOW + seconds)).await.is_err());
    }
}

#[tokio::test]
async fn assertions_and_access_tokens_share_no_identifiers() {
    let logout = logout(memory());
    assert_eq!(revoke(&endpoint(&logout), &assertion("jti-1"), &iss_sub("ann")).await.status, 204);
    assert!(check(&logout, &token("jti-1")).await.is_ok(), "the access token of usr_123 with the same `jti`");
}

const SKEW: Duration = Duration::from_secs(30);
