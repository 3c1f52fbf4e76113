//! Promise: a logout that cannot take effect, or only in part, is reported to the operator.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{Empty, Full};
use metrics_util::debugging::DebuggingRecorder;
use serde_json::json;
use test_support::{
    ISSUER, NOW, SECRET, at, bearer, claims_with, clock, events::Events, hand::HandStore, hs256, replica::SharedLog,
    token, verifier,
};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, LogoutScope, LogoutService, Replica, VerifiedToken,
    clock::Timestamp,
    revocation::{Retention, RevocationKey, TokenIdentity},
    token::{
        TokenSource, TokenVerifier, VerifyError,
        jwt::{Algorithm, Issuer, Key},
    },
};

use super::support::{guarded, metrics_of, request, status};

#[tokio::test(start_paused = true)]
async fn a_logout_that_lacks_its_claim_is_reported_once_a_minute() {
    let events = Events::of_this_thread();
    let logout = Logout::new(verifier(&clock()), HandStore::new());
    let log_out = async |claim: &str, jti: &str| {
        let token = bearer(&hs256(&claims_with(jti, json!({ claim: null }))));
        let service = match claim {
            "sub" => logout.service().scope(LogoutScope::Subject),
            _ => logout.service().scope(LogoutScope::Session),
        };
        status(service, request("POST", Some(&token))).await
    };
    for jti in ["1", "2", "3"] {
        assert_eq!(log_out("sub", jti).await, StatusCode::BAD_REQUEST);
        assert_eq!(log_out("sid", jti).await, StatusCode::OK);
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(log_out("sub", "4").await, StatusCode::BAD_REQUEST);
    let reported = events.named("token lacks a claim");
    assert!(reported.iter().all(|event| event.level == "WARN" && event.fields["remedy"].contains("issuer")));
    let reported: Vec<_> = ["claim", "effect", "suppressed"]
        .map(|field| reported.iter().map(|event| event.fields[field].clone()).collect::<Vec<_>>())
        .to_vec();
    assert_eq!(reported[0], ["sub", "sid", "sub"]);
    assert_eq!(reported[1][..2], ["nothing was revoked; answered with 400", "only the token itself was revoked"]);
    assert_eq!(reported[2], ["0", "0", "2"]);
}

#[tokio::test]
async fn the_claim_that_is_reported_is_the_one_that_the_verifier_reads() {
    let events = Events::of_this_thread();
    let key = || Key::secret(Algorithm::HS256, SECRET).unwrap();
    let one = JwtVerifier::hs256(SECRET).clock(clock()).session_claim("https://me/sid").subject_claim("oid");
    let several = JwtVerifier::issuers([
        Issuer::keys(ISSUER, key()).session_claim("ses"),
        Issuer::keys("https://other.example", key()).session_claim("ses").subject_claim("oid"),
    ]);
    for verifier in [one, several.clock(clock())] {
        let logout = Logout::new(verifier.build().unwrap(), HandStore::new());
        for (scope, expected) in
            [(LogoutScope::Session, StatusCode::OK), (LogoutScope::Subject, StatusCode::BAD_REQUEST)]
        {
            let token = bearer(&hs256(&claims_with(&format!("{scope:?}"), json!({ "sub": null }))));
            assert_eq!(status(logout.service().scope(scope), request("POST", Some(&token))).await, expected);
        }
    }
    let reported: Vec<_> =
        events.named("token lacks a claim").iter().map(|event| event.fields["claim"].clone()).collect();
    assert_eq!(reported, ["https://me/sid", "oid", "ses", "sub or oid"]);
}

#[tokio::test]
async fn a_logout_whose_token_has_its_claims_is_not_reported() {
    let events = Events::of_this_thread();
    let logout = Logout::new(verifier(&clock()), HandStore::new());
    for scope in [LogoutScope::Token, LogoutScope::Session] {
        let token = bearer(&token(&format!("{scope:?}")));
        assert_eq!(status(logout.service().scope(scope), request("POST", Some(&token))).await, StatusCode::OK);
    }
    assert!(events.named("token lacks a claim").is_empty());
}

/// Two layers with a store each: the logout gets a 200 and revokes nothing.
#[tokio::test(start_paused = true)]
async fn a_logout_through_a_layer_that_guards_nothing_is_an_error_for_the_operator() {
    let events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let routes = Logout::new(verifier(&clock()), test_support::memory());
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    guarded(&routes, Some(&bearer(&token("1")))).await;
    for jti in ["1", "2", "3"] {
        assert_eq!(status(logout.service(), request("POST", Some(&bearer(&token(jti))))).await, StatusCode::OK);
    }
    let _ = logout.revoker().user("usr_123").await.unwrap();
    let reported = events.named(IN_VAIN);
    assert_eq!((reported.len(), &*reported[0].level), (1, "ERROR"));
    assert!(reported[0].fields["remedy"].contains("one Logout"), "{reported:?}");
    assert_eq!(metrics_of(&recorder).counters["tower_logout_revocations_in_vain_total"], 4);
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_another_guard_sees_is_no_error() {
    let events = Events::of_this_thread();
    let new = || Logout::new(verifier(&clock()), test_support::memory());

    let guards = new();
    guarded(&guards, None).await;
    log_out(guards.service(), "the layer has made a service").await;

    let cloned = new();
    let logout = cloned.service();
    let _routes = axum::Router::<()>::new().route("/", axum::routing::get(async || "hello")).layer(cloned.axum_layer());
    log_out(logout, "the layer was cloned for a router that has made no service yet").await;

    let asked = new();
    let logout = asked.service();
    let _ = asked.check((&request("GET", None)).into()).await;
    log_out(logout, "its guard is used directly").await;

    let store = Arc::new(test_support::memory());
    let routes = Logout::new(verifier(&clock()), Arc::clone(&store));
    let logout = Logout::new(verifier(&clock()), store);
    guarded(&routes, None).await;
    log_out(logout.service(), "another layer asks the same store").await;

    let store = Arc::new(test_support::memory());
    let guard = Logout::new(verifier(&clock()), Arc::clone(&store));
    log_out(Logout::new(verifier(&clock()), store).service(), "a guard asks the same store").await;
    drop(guard);

    let shared = Logout::new(verifier(&clock()), HandStore::new());
    log_out(shared.service(), "others may ask the store").await;
    let replica = Replica::start(SharedLog::new());
    replica.ready().await.unwrap();
    log_out(Logout::new(verifier(&clock()), replica).service(), "other processes ask the log").await;

    assert_eq!(events.named(IN_VAIN).len(), 0);
}

async fn log_out(service: LogoutService, jti: &str) {
    assert_eq!(status(service, request("POST", Some(&bearer(&token(jti))))).await, StatusCode::OK, "{jti}");
}

const IN_VAIN: &str = "revocation ends nothing: its Logout guards no route, and nothing else can ask its store";

/// A verifier that fails or does not answer in time.
struct Down(bool);

#[async_trait]
impl TokenVerifier for Down {
    type Claims = ();

    async fn verify(&self, _: &str) -> Result<VerifiedToken<()>, VerifyError> {
        if self.0 {
            std::future::pending::<()>().await;
        }
        Err(VerifyError::unavailable("the identity provider is on fire"))
    }
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_verifier_is_logged_and_counted_like_an_unavailable_store() {
    let events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let good = bearer(&token("one"));
    for hangs in [false, true] {
        let logout = Logout::new(Down(hangs), test_support::memory());
        assert_eq!(guarded(&logout, Some(&good)).await, StatusCode::SERVICE_UNAVAILABLE);
        // The verifier of refresh tokens too.
        let logout = Logout::new(verifier(&clock()), test_support::memory());
        let body = Full::new(Bytes::from(r#"{"refresh_token":"a"}"#));
        let request = Request::post("/").header(AUTHORIZATION, &good).body(body).unwrap();
        let answer = logout.refresh_tokens(Down(hangs)).service().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let reported = events.named("verifier failed");
    assert!(reported.iter().all(|event| event.level == "ERROR"));
    let errors: Vec<_> = reported.iter().map(|event| &*event.fields["error"]).collect();
    let down = "the token could not be verified: the identity provider is on fire";
    let late = "the token could not be verified: deadline has elapsed";
    assert_eq!(errors, [down, down, late, late]);
    assert_eq!(metrics_of(&recorder).counters["tower_logout_verifier_failures_total"], 4);
}

/// A verifier that knows one token and fails for others.
struct KnowsOne;

#[async_trait]
impl TokenVerifier for KnowsOne {
    type Claims = ();

    async fn verify(&self, token: &str) -> Result<VerifiedToken<()>, VerifyError> {
        let key = RevocationKey::signing_input(token);
        match token {
            "one" => {
                Ok(VerifiedToken::new(TokenIdentity::new(key, at(NOW), Timestamp::MAX, &Retention::default()), ()))
            }
            _ => Err(VerifyError::unavailable("the identity provider is on fire")),
        }
    }
}

#[tokio::test]
async fn a_logout_whose_second_cookie_cannot_be_verified_is_reported() {
    let events = Events::of_this_thread();
    let logout = Logout::new(KnowsOne, HandStore::new()).token_source(TokenSource::cookie("session"));
    let request = Request::post("/").header("cookie", "session=one; session=two").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(status(logout.service(), request).await, StatusCode::SERVICE_UNAVAILABLE);
    let reported = events.named("verifier failed");
    assert_eq!((reported.len(), &*reported[0].level), (1, "ERROR"));
}
