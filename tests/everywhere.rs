//! Promise: "log out everywhere" ends all tokens of the subject, and never catches a login made after its answer.
#![cfg(all(feature = "test-util", feature = "jwt"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{NOW, at, bearer, claims_with, clock, eventually, hs256, token, verifier};
use http::{Request, StatusCode};
use serde_json::json;
use tower::ServiceExt;
use tower_logout::{
    Clock, JwtVerifier, LogoutService, ManualClock, MemoryStore, RevocationLayer, RevocationStore, Timestamp,
    TokenVerifier,
};

type Layer = RevocationLayer<JwtVerifier, MemoryStore>;

fn layer(clock: &ManualClock) -> Layer {
    RevocationLayer::new(verifier(clock), MemoryStore::new().clock(clock.clone()))
}

async fn post(service: LogoutService<JwtVerifier, MemoryStore>, token: &str) -> StatusCode {
    let request = Request::post("/").header("authorization", bearer(token)).body(String::new()).unwrap();
    service.oneshot(request).await.unwrap().status()
}

async fn is_dead(layer: &Layer, token: &str) -> bool {
    let token = layer.guard().verifier().verify(token).await.unwrap();
    layer.guard().store().is_revoked(token.identity()).await.unwrap()
}

fn issued(jti: &str, iat: u64) -> String {
    hs256(&claims_with(jti, json!({ "iat": iat })))
}

/// Starts a logout everywhere and waits until it keeps its answer back.
async fn begin(layer: &Layer, clock: &ManualClock, token: &str) -> tokio::task::JoinHandle<StatusCode> {
    let (service, token) = (layer.logout_service().everywhere(), token.to_owned());
    let answer = tokio::spawn(async move { post(service, &token).await });
    eventually("the answer is kept back", || clock.sleepers() == 1).await;
    assert!(!answer.is_finished());
    answer
}

#[tokio::test]
async fn all_tokens_of_the_subject_end_and_no_others() {
    let clock = clock();
    let layer = layer(&clock);
    let (one, two, other) = (token("one"), token("two"), hs256(&claims_with("other", json!({ "sub": "usr_9" }))));
    let answer = begin(&layer, &clock, &one).await;
    assert!(is_dead(&layer, &one).await && is_dead(&layer, &two).await, "before the answer, too");
    assert!(!is_dead(&layer, &other).await);
    clock.advance(Duration::from_secs(1));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
    assert!(is_dead(&layer, &one).await && is_dead(&layer, &two).await);
    assert!(!is_dead(&layer, &other).await);
}

#[tokio::test]
async fn the_answer_comes_when_the_second_is_over() {
    for offset in [0, 1, 500, 999] {
        let clock = ManualClock::at(Timestamp::from_unix_millis(NOW * 1000 + offset));
        let layer = layer(&clock);
        let answer = begin(&layer, &clock, &token("one")).await;
        assert!(is_dead(&layer, &issued("same second", NOW)).await, "a tie counts as revoked");
        clock.set(Timestamp::from_unix_millis(NOW * 1000 + 999));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!answer.is_finished(), "at {offset} ms the second is not over");
        clock.set(at(NOW + 1));
        assert_eq!(answer.await.unwrap(), StatusCode::OK);
        assert!(!is_dead(&layer, &issued("login after the answer", NOW + 1)).await);
    }
}

#[tokio::test]
async fn a_token_from_a_clock_that_runs_ahead_counts_with_its_own_time() {
    let clock = clock();
    let layer = layer(&clock);
    let ahead = issued("ahead", NOW + 5);
    let answer = begin(&layer, &clock, &ahead).await;
    assert!(is_dead(&layer, &ahead).await);
    assert!(is_dead(&layer, &issued("sibling", NOW + 5)).await);
    clock.set(at(NOW + 6));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
    assert!(!is_dead(&layer, &issued("later", NOW + 6)).await);
}

#[tokio::test]
async fn the_margin_for_such_a_clock_can_be_widened() {
    let clock = clock();
    let layer = layer(&clock);
    let service = layer.logout_service().everywhere().issuer_clock_ahead(Duration::from_secs(3));
    let token = token("one");
    let answer = tokio::spawn(async move { post(service, &token).await });
    eventually("the answer is kept back", || clock.sleepers() == 1).await;
    assert!(is_dead(&layer, &issued("sibling", NOW + 3)).await);
    clock.set(at(NOW + 4));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
    assert!(!is_dead(&layer, &issued("later", NOW + 4)).await);
}

#[tokio::test]
async fn a_token_without_a_subject_cannot() {
    let clock = clock();
    let layer = layer(&clock);
    let nobody = hs256(&claims_with("nobody", json!({ "sub": null })));
    assert_eq!(post(layer.logout_service().everywhere(), &nobody).await, StatusCode::BAD_REQUEST);
    assert!(!is_dead(&layer, &nobody).await);
}

#[tokio::test]
async fn a_repeated_one_is_refused_whatever_rfc_7009_says() {
    let clock = clock();
    let layer = layer(&clock);
    let one = token("one");
    let answer = begin(&layer, &clock, &one).await;
    assert_eq!(post(layer.logout_service().everywhere(), &one).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(layer.logout_service().everywhere().rfc7009(), &one).await, StatusCode::UNAUTHORIZED);
    clock.set(at(NOW + 1));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn the_revokers_receipt_says_when_it_has_settled() {
    let clock = ManualClock::at(Timestamp::from_unix_millis(NOW * 1000 + 250));
    let layer = layer(&clock);
    let receipt = layer.revoker().subject(common::ISSUER, "usr_123").await.unwrap();
    assert_eq!(receipt.revocation().issued_through(), clock.now());
    assert_eq!(receipt.settles_at(), Some(at(NOW + 1)));
}

#[tokio::test]
async fn a_real_second_is_waited_for() {
    let verifier = JwtVerifier::hs256(common::SECRET).build().unwrap();
    let layer = RevocationLayer::new(verifier, MemoryStore::new());
    let now = tower_logout::SystemClock.now();
    let seconds = now.as_unix_millis() / 1000;
    let token = hs256(&json!({ "sub": "usr_123", "jti": "one", "iat": seconds, "exp": seconds + 900 }));
    assert_eq!(post(layer.logout_service().everywhere(), &token).await, StatusCode::OK);
    assert!(tower_logout::SystemClock.now() >= now.next_second());
}
