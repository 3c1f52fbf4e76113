//! Promise: the logout endpoint revokes the token, by choice also its session and its refresh
//! token, and reports exactly what happened.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET, at, bearer, claims_with, clock, hand::HandStore, hs256, token, verifier};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, LogoutScope, LogoutService, MemoryStore, RevocationStore,
    clock::ManualClock,
    respond::{AnswerBody, AutoResponder, JsonResponder, RejectionContext, Respond},
    revocation::{Outcome, RevocationKey},
    token::{TokenSource, TokenVerifier},
};

const DONE: (StatusCode, &str) = (StatusCode::OK, "Successfully logged out");
const REVOKED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "token_revoked");
const EXPIRED: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "token_expired");
const INVALID: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "invalid_token");
const MISSING: (StatusCode, &str) = (StatusCode::UNAUTHORIZED, "authorization_required");
const BAD: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "invalid_request");

fn logout(clock: &ManualClock) -> Logout {
    Logout::new(verifier(clock), MemoryStore::new().clock(clock.clone()))
}

/// The status, and the error's code or the message.
async fn post(service: &LogoutService, token: Option<&str>, body: &str) -> (StatusCode, &'static str) {
    let mut request = Request::post("/api/v1/logout");
    if let Some(token) = token {
        request = request.header("authorization", bearer(token));
    }
    let response = service.clone().oneshot(request.body(body.to_owned()).unwrap()).await.unwrap();
    let status = response.status();
    let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let text = body.get("error").or(body.get("message")).unwrap().as_str().unwrap().to_owned();
    (status, text.leak())
}

/// The description for users in the response.
async fn describe(service: &LogoutService, token: &str, body: &str) -> String {
    let request = Request::post("/").header("authorization", bearer(token)).body(body.to_owned()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    body["description"].as_str().unwrap().to_owned()
}

async fn is_rejected(logout: &Logout, token: &str) -> bool {
    let token = logout.verifier().verify(token).await.unwrap();
    logout.store().is_revoked(token.identity()).await.unwrap()
}

#[tokio::test]
async fn it_revokes_the_token_and_no_other() {
    let logout = logout(&clock());
    let (one, two) = (token("one"), token("two"));
    let service = logout.service();
    assert_eq!(post(&service, Some(&one), "").await, DONE);
    assert_eq!(post(&service, Some(&one), "").await, REVOKED);
    assert!(is_rejected(&logout, &one).await);
    assert!(!is_rejected(&logout, &two).await);
    assert_eq!(post(&service, None, "").await, MISSING);
}

/// Settings that let such requests pass on other routes do not apply to the endpoint.
#[tokio::test]
async fn a_logout_without_a_valid_token_is_rejected_whatever_other_routes_allow() {
    let logout = logout(&clock()).allow_anonymous().allow_expired_as_anonymous();
    let expired = hs256(&claims_with("expired", json!({ "iat": NOW - 900, "exp": NOW - 1 })));
    let service = logout.service();
    assert_eq!(post(&service, Some(&expired), "").await, EXPIRED);
    assert_eq!(post(&service, Some("a.b.c"), "").await, INVALID);
    assert_eq!(post(&service, None, "").await, MISSING);
    assert_eq!(post(&service.idempotent(), Some(&expired), "").await, DONE);
}

#[tokio::test]
async fn it_ignores_an_unexpected_body() {
    let logout = logout(&clock());
    assert_eq!(post(&logout.service(), Some(&token("one")), "not json").await, DONE);
}

#[tokio::test]
async fn it_revokes_the_session_if_configured() {
    let logout = logout(&clock());
    let (one, same, other) =
        (token("one"), token("same session"), hs256(&claims_with("other", json!({ "sid": "ses_2" }))));
    let service = logout.service().scope(LogoutScope::Session);
    assert_eq!(post(&service, Some(&one), "").await, DONE);
    assert!(is_rejected(&logout, &one).await && is_rejected(&logout, &same).await);
    assert!(!is_rejected(&logout, &other).await);
    let without = hs256(&claims_with("without", json!({ "sid": null })));
    assert_eq!(post(&service, Some(&without), "").await, DONE, "a token without a session ends alone");
    assert!(is_rejected(&logout, &without).await);
    assert!(!is_rejected(&logout, &other).await);
}

fn refresh_verifier(clock: &ManualClock) -> JwtVerifier {
    JwtVerifier::hs256(SECRET).issuer(ISSUER).audience("refresh").clock(clock.clone()).build().unwrap()
}

fn refresh(jti: &str, changes: &Value) -> String {
    let mut claims = claims_with(jti, json!({ "aud": "refresh" }));
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    hs256(&claims)
}

fn body(refresh: &str) -> String {
    json!({ "refresh_token": refresh }).to_string()
}

#[tokio::test]
async fn it_revokes_the_refresh_token_of_the_body() {
    let clock = clock();
    let verifier = refresh_verifier(&clock);
    let logout = logout(&clock).refresh_tokens(verifier.clone());
    let refresh = refresh("refresh", &json!({}));
    let identity = verifier.verify(&refresh).await.unwrap();
    let service = logout.service();
    let one = token("one");
    assert_eq!(post(&service, Some(&one), &body(&refresh)).await, DONE);
    assert!(is_rejected(&logout, &one).await);
    assert!(logout.store().is_revoked(identity.identity()).await.unwrap());
    assert_eq!(post(&service, Some(&token("two")), &body(&refresh)).await, DONE, "one that is dead is nothing to end");
}

#[tokio::test]
async fn without_a_refresh_token_it_revokes_the_access_token_alone() {
    let clock = clock();
    let logout = logout(&clock).refresh_tokens(refresh_verifier(&clock));
    let service = logout.service();
    for (jti, body) in [("one", ""), ("two", "{}"), ("three", r#"{"refresh_token":null}"#), ("four", r#"{"other":1}"#)]
    {
        assert_eq!(post(&service, Some(&token(jti)), body).await, DONE, "{body}");
    }
    let expired = refresh("expired", &json!({ "iat": NOW - 100, "exp": NOW - 50 }));
    assert_eq!(post(&service, Some(&token("five")), &body(&expired)).await, DONE);
}

#[tokio::test]
async fn a_bad_refresh_token_revokes_nothing() {
    let clock = clock();
    let store = Arc::new(MemoryStore::new().clock(clock.clone()));
    let logout = Logout::new(verifier(&clock), Arc::clone(&store)).refresh_tokens(refresh_verifier(&clock));
    let service = logout.service();
    let access = token("one");
    let large = body(&"a".repeat(16 * 1024));
    let malformed = "The request is malformed, or does not carry exactly one access token.";
    let bad = "The refresh token is invalid, or belongs to another subject.";
    let bodies = [
        ("not json".to_owned(), malformed),
        (r#"{"refresh_token":7}"#.to_owned(), malformed),
        (r#"["refresh_token"]"#.to_owned(), bad),
        (body("a.b.c"), bad),
        (body(&access), bad),
        (body(&refresh("of another", &json!({ "sub": "usr_9" }))), bad),
        (large, malformed),
    ];
    for (body, description) in &bodies {
        assert_eq!(post(&service, Some(&access), body).await, BAD, "{}", &body[..body.len().min(60)]);
        assert_eq!(describe(&service, &access, body).await, *description, "{}", &body[..body.len().min(60)]);
        assert!(!is_rejected(&logout, &access).await);
    }
    assert!(store.is_empty());
}

/// The body holds one token and possibly other JSON.
#[tokio::test]
async fn a_body_may_be_twice_as_long_as_a_token_in_any_number_of_frames() {
    const LONGEST: usize = 500;
    let clock = clock();
    let logout = logout(&clock).refresh_tokens(refresh_verifier(&clock));
    let service = logout.token_source(TokenSource::authorization().max_token_len(LONGEST)).service();
    let send = async |jti: &str, len: usize, frame: usize| {
        let body = format!("{:len$}", body(&refresh(jti, &json!({}))));
        let frames: Vec<_> = body.as_bytes().chunks(frame).map(Bytes::copy_from_slice).map(Frame::data).collect();
        let body = StreamBody::new(futures_util::stream::iter(frames.into_iter().map(Ok::<_, Infallible>)));
        let request = Request::post("/").header("authorization", bearer(&token(jti))).body(body).unwrap();
        service.clone().oneshot(request).await.unwrap().status()
    };
    for frame in [2 * LONGEST + 1, LONGEST, 1] {
        let jti = frame.to_string();
        assert_eq!(send(&jti, 2 * LONGEST + 1, frame).await, StatusCode::BAD_REQUEST, "{frame}");
        assert_eq!(send(&jti, 2 * LONGEST, frame).await, StatusCode::OK, "{frame}");
    }
}

/// An issuer may give an access token and its refresh token the same `jti`, and a client may send
/// the same token twice.
#[tokio::test]
async fn an_access_token_sent_as_its_own_refresh_token_is_one_logout() {
    let clock = clock();
    let logout = logout(&clock).refresh_tokens(verifier(&clock));
    let service = logout.service();
    let one = token("one");
    assert_eq!(post(&service, Some(&one), &body(&one)).await, DONE);
    assert_eq!(post(&service, Some(&one), &body(&one)).await, REVOKED);
}

/// Access tokens live for minutes and refresh tokens for weeks. Revoking a subject revokes both and
/// must be retained for both.
#[tokio::test]
async fn a_revocation_of_refresh_tokens_is_retained_for_their_lifetime() {
    const MONTH: u64 = 30 * 24 * 60 * 60;
    let clock = clock();
    let access =
        JwtVerifier::hs256(SECRET).clock(clock.clone()).max_lifetime(Duration::from_secs(900)).build().unwrap();
    let refresh_of = |clock: &ManualClock| {
        let verifier = JwtVerifier::hs256(SECRET).audience("refresh").clock(clock.clone());
        verifier.max_lifetime(Duration::from_secs(MONTH)).build().unwrap()
    };
    let store = MemoryStore::new().capacity(2).clock(clock.clone());
    let logout = Logout::new(access, store).refresh_tokens(refresh_of(&clock));
    let other_device = refresh("other device", &json!({ "exp": NOW + MONTH }));
    let service = logout.service().scope(LogoutScope::Session);
    assert_eq!(post(&service, Some(&token("one")), "").await, DONE);

    clock.advance(Duration::from_secs(MONTH - 60));
    // The store is full, so it purges all it may before it accepts another entry.
    let _ = logout.revoker().subject(ISSUER, "another").await.unwrap();
    let other_device = refresh_of(&clock).verify(&other_device).await.unwrap();
    assert!(logout.store().is_revoked(other_device.identity()).await.unwrap());
}

#[tokio::test]
async fn rfc_7009_mode_is_an_error_if_more_was_to_be_revoked() {
    let clock = clock();
    let logout = logout(&clock);
    let services = [
        logout.service().idempotent().scope(LogoutScope::Session),
        logout.clone().refresh_tokens(refresh_verifier(&clock)).service().idempotent(),
    ];
    let one = token("one");
    assert_eq!(post(&logout.service(), Some(&one), "").await, DONE);
    for service in &services {
        assert_eq!(post(service, Some(&one), "").await, REVOKED);
    }
    clock.advance(Duration::from_secs(1000));
    for service in &services {
        assert_eq!(post(service, Some(&token("two")), "").await, EXPIRED);
    }
}

#[tokio::test]
async fn rfc_7009_mode_accepts_a_token_that_is_revoked_already() {
    let clock = clock();
    let logout = logout(&clock);
    let service = logout.service().idempotent();
    let one = token("one");
    assert_eq!(post(&service, Some(&one), "").await, DONE);
    assert_eq!(post(&service, Some(&one), "").await, DONE);
    assert_eq!(post(&service, Some("a.b.c"), "").await, INVALID);
    let not_yet = hs256(&claims_with("not yet", json!({ "nbf": NOW + 50 })));
    assert_eq!(post(&service, Some(&not_yet), "").await, INVALID, "it will be valid, and was not ended");
    assert_eq!(post(&service, None, "").await, MISSING);
    clock.advance(Duration::from_secs(1000));
    assert_eq!(post(&service, Some(&token("two")), "").await, DONE);
    assert_eq!(post(&logout.service(), Some(&token("two")), "").await, EXPIRED, "only by choice");
    assert_eq!(post(&logout.service(), Some("a.b.c"), "").await, INVALID);
}

#[tokio::test]
async fn rfc_7009_mode_writes_nothing_if_nothing_is_left_to_revoke() {
    let store = HandStore::new();
    let service = Logout::new(verifier(&clock()), store.clone()).service().idempotent();
    for _ in 0..2 {
        assert_eq!(post(&service, Some(&token("one")), "").await, DONE);
        assert_eq!(store.revocations().len(), 1);
    }
}

#[tokio::test]
async fn the_revoker_revokes_all_tokens_that_share_a_key() {
    let clock = clock();
    let verifier = JwtVerifier::hs256(SECRET).revocable_claim("tenant").clock(clock.clone()).build().unwrap();
    let logout = Logout::new(verifier, MemoryStore::new().clock(clock.clone()));
    let revoker = logout.revoker();
    let sample = |jti: &str| {
        hs256(&claims_with(jti, json!({ "sub": jti, "sid": jti, "client_id": jti, "tenant": jti, "iss": jti })))
    };
    let tokens = ["session", "subject", "client", "issuer", "claim", "token", "none"].map(sample);
    let token = logout.verifier().verify(&tokens[5]).await.unwrap();
    let receipts = [
        revoker.session("session", "session").await.unwrap(),
        revoker.subject("subject", "subject").await.unwrap(),
        revoker.client("client", "client").await.unwrap(),
        revoker.issuer("issuer").await.unwrap(),
        revoker.claim("claim", "tenant", "claim").await.unwrap(),
        revoker.token(token.identity()).await.unwrap(),
    ];
    for (receipt, token) in receipts.iter().zip(&tokens) {
        assert_eq!(receipt.outcome(), Outcome::Newly);
        assert!(is_rejected(&logout, token).await, "{receipt:?}");
    }
    assert!(!is_rejected(&logout, &tokens[6]).await);
    assert_eq!(revoker.everything().await.unwrap().outcome(), Outcome::Newly);
    assert!(is_rejected(&logout, &tokens[6]).await);
    assert_eq!(revoker.everything().await.unwrap().outcome(), Outcome::Already);
    assert_eq!(receipts[1].revocation().key(), RevocationKey::subject("subject", "subject"));

    clock.advance(Duration::from_secs(1));
    let later = hs256(&claims_with("later", json!({ "iat": NOW + 1 })));
    assert!(!is_rejected(&logout, &later).await, "what is issued later is good");
    assert_eq!(revoker.everything().await.unwrap().outcome(), Outcome::Newly);
}

#[tokio::test]
async fn a_token_of_no_issuer_is_revoked_without_one() {
    let clock = clock();
    let verifier = JwtVerifier::hs256(SECRET).clock(clock.clone()).build().unwrap();
    let logout = Logout::new(verifier, MemoryStore::new().clock(clock.clone()));
    let token = hs256(&claims_with("one", json!({ "iss": null })));
    let _ = logout.revoker().subject(ISSUER, "usr_123").await.unwrap();
    assert!(!is_rejected(&logout, &token).await);
    let _ = logout.revoker().subject(None, "usr_123").await.unwrap();
    assert!(is_rejected(&logout, &token).await);
}

/// The endpoint and the revoker revoke the same tokens, with the same retention.
#[tokio::test]
async fn settings_reach_the_endpoint_and_the_revoker_alike() {
    type Choice<'a> = &'a dyn Fn(Logout) -> Logout;
    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    let clock = clock();
    let refresh = || {
        let builder = JwtVerifier::hs256(SECRET).issuer(ISSUER).audience("refresh").clock(clock.clone());
        builder.max_lifetime(MONTH).build().unwrap()
    };
    let access = || {
        let builder = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone());
        builder.max_lifetime(Duration::from_secs(900)).build().unwrap()
    };
    let ahead = Duration::from_secs(3);
    let both: Choice<'_> = &|logout| logout.refresh_tokens(refresh()).issuer_clock_ahead(ahead);
    let either_order: Choice<'_> = &|logout| logout.issuer_clock_ahead(ahead).refresh_tokens(refresh());
    let neither: Choice<'_> = &|logout| logout;
    for (settings, through, lifetime) in
        [(both, NOW + 3, MONTH), (either_order, NOW + 3, MONTH), (neither, NOW, Duration::from_secs(900))]
    {
        let store = HandStore::new();
        let logout = settings(Logout::new(access(), store.clone()));
        let service = logout.service().scope(LogoutScope::Session);
        assert_eq!(post(&service, Some(&token("one")), "").await, DONE);
        let receipt = logout.revoker().session(ISSUER, "ses_1").await.unwrap();
        let by_endpoint = store.revocations()[0];
        assert_eq!((by_endpoint, by_endpoint.issued_through()), (*receipt.revocation(), at(through)));
        let retained = by_endpoint.retain_until().saturating_since(by_endpoint.issued_through());
        assert!((lifetime..lifetime + Duration::from_secs(120)).contains(&retained), "{retained:?}");
    }
}

/// A responder with its own success response.
struct Goodbye;

impl Respond for Goodbye {
    fn reject(&self, context: &RejectionContext) -> Response<AnswerBody> {
        JsonResponder.reject(context)
    }

    fn logged_out(&self) -> Response<AnswerBody> {
        Response::builder().status(StatusCode::ACCEPTED).header("x-farewell", "1").body("Goodbye.".into()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_responders_success_gets_what_every_success_has() {
    let clock = clock();
    let new = || logout(&clock).issuer_clock_ahead(Duration::from_secs(10));
    for logout in [new().respond(Goodbye), new().respond(AutoResponder::new(Goodbye))] {
        for (scope, retry_after) in [(LogoutScope::Token, None), (LogoutScope::Subject, Some("11"))] {
            let request = Request::post("/").header("authorization", bearer(&token(&format!("{scope:?}"))));
            // The clock stands still, so a login is not safe yet when the delay ends.
            let response = logout.service().scope(scope).oneshot(request.body(String::new()).unwrap()).await.unwrap();
            assert_eq!(response.status(), StatusCode::ACCEPTED);
            assert_eq!(response.headers()["x-farewell"], "1");
            assert_eq!(response.headers()["cache-control"], "no-store");
            let told = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
            assert_eq!(told, retry_after, "{scope:?}");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Goodbye.");
        }
    }
}

#[tokio::test]
async fn a_closure_responder_keeps_the_default_success() {
    let logout = logout(&clock()).respond(|_: &RejectionContext| Response::new("mine"));
    assert_eq!(post(&logout.service(), Some(&token("one")), "").await, DONE);
}
