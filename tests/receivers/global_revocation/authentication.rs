//! Promise: nobody revokes without one of the configured credentials.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Request, request::Parts};
use test_support::{bearer, hand::HandStore, memory};
use tower_logout::endpoint::{Access, GlobalRevocationAuth};

use super::support::{SECRET, assertion, document, endpoint, iss_sub, logout, okta, request, revoke, signed_jwt};
use crate::support::send;

#[tokio::test]
async fn without_credentials_the_answer_is_401_with_a_challenge() {
    let store = HandStore::new();
    let service = endpoint(&logout(store.clone()));
    let with = |values: &[&str]| {
        let mut request = request("", document(&iss_sub("ann")));
        request.headers_mut().remove("authorization");
        for value in values {
            request.headers_mut().append("authorization", value.parse().unwrap());
        }
        request
    };
    let good = bearer(SECRET);
    let lower = good.replace("Bearer", "bearer");
    for (values, status) in [
        (&[][..], 401),
        (&[""], 401),
        (&["Bearer"], 401),
        (&["Bearer "], 401),
        (&["Basic YTpi"], 401),
        (&[SECRET], 401),
        (&[&*bearer("a-secret-of-the-operatorz")], 401),
        (&[&*bearer("a-secret-of-the-operator")], 401),
        (&[&*bearer("A-secret-of-the-operators")], 401),
        (&[&*good, "Bearer x"], 401),
        (&[&*good, "Basic YTpi"], 401),
        (&[&*good], 204),
        (&[&*lower], 204),
    ] {
        assert_eq!(store.revocations().len(), 0);
        let reply = send(&service, with(values)).await;
        assert_eq!(reply.status, status, "{values:?}");
        if status == 401 {
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        } else {
            assert_eq!(store.revocations().len(), 1);
            return;
        }
    }
}

#[tokio::test]
async fn a_refusal_says_the_same_whatever_is_wrong() {
    let service = endpoint(&logout(memory()));
    let mut bodies = Vec::new();
    for token in ["x", "a-wrong-secret-of-no-one", "a.b.c", &assertion("1")[1..]] {
        bodies.push(revoke(&service, token, &iss_sub("ann")).await.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn a_closure_allows_refuses_forbids_or_fails() {
    let store = HandStore::new();
    let authentication = GlobalRevocationAuth::closure(async |request: Parts| {
        match request.headers.get("x-client").map(http::HeaderValue::as_bytes) {
            Some(b"idp") => Ok(Access::Allowed),
            Some(b"other") => Ok(Access::Forbidden),
            Some(b"?") => Err("the directory is down".into()),
            _ => Ok(Access::Unauthenticated),
        }
    });
    let service = logout(store.clone()).global_revocation(authentication).build().unwrap();
    for (client, status) in [("?", 503), ("other", 403), ("nobody", 401), ("", 401), ("idp", 204)] {
        assert!(store.revocations().is_empty());
        let request = Request::post("/").header("content-type", "application/json").header("x-client", client);
        let reply = send(&service, request.body(document(&iss_sub("ann"))).unwrap()).await;
        assert_eq!(reply.status, status, "{client}");
        assert!(!reply.body.contains("directory"));
    }
    assert_eq!(store.revocations().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_never_answers_is_answered_with_503() {
    let authentication = GlobalRevocationAuth::closure(|_| std::future::pending());
    let service = logout(memory()).global_revocation(authentication).build().unwrap();
    assert_eq!(revoke(&service, "x", &iss_sub("ann")).await.status, 503);
}

#[tokio::test]
async fn several_ways_are_tried_in_turn_and_the_most_telling_refusal_is_the_answer() {
    let asked = Arc::new(AtomicUsize::new(0));
    let closure = |answer: Option<Access>| {
        let asked = Arc::clone(&asked);
        GlobalRevocationAuth::closure(move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            std::future::ready(answer.ok_or_else(|| "down".into()))
        })
    };
    let unauthenticated = || closure(Some(Access::Unauthenticated));
    for (authentication, token, status) in [
        (signed_jwt().or(GlobalRevocationAuth::bearer(SECRET)), SECRET.to_owned(), 204),
        (GlobalRevocationAuth::bearer(SECRET).or(signed_jwt()), assertion("1"), 204),
        (closure(None).or(GlobalRevocationAuth::bearer(SECRET)), SECRET.to_owned(), 204),
        (closure(None).or(unauthenticated()), "x".to_owned(), 503),
        (unauthenticated().or(closure(Some(Access::Forbidden))).or(signed_jwt()), "x".to_owned(), 403),
        (unauthenticated().or(signed_jwt()), "x".to_owned(), 401),
    ] {
        let service = logout(memory()).global_revocation(authentication).build().unwrap();
        assert_eq!(revoke(&service, &token, &iss_sub("ann")).await.status, status);
    }
    let before = asked.load(Ordering::SeqCst);
    let first = GlobalRevocationAuth::bearer(SECRET).or(closure(None));
    let service = logout(memory()).global_revocation(first).build().unwrap();
    assert_eq!(revoke(&service, SECRET, &iss_sub("ann")).await.status, 204);
    assert_eq!(asked.load(Ordering::SeqCst), before, "the secret was enough");
}

#[test]
fn debug_shows_the_ways_and_no_secret() {
    let authentication = GlobalRevocationAuth::signed_jwt(okta(), "app", "https://api.example/g")
        .or(GlobalRevocationAuth::bearer(SECRET))
        .or(GlobalRevocationAuth::closure(async |_| Ok(Access::Forbidden)));
    assert_eq!(format!("{authentication:?}"), r#"["signed_jwt", "bearer", "closure"]"#);
}
