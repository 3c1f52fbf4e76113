//! Promise: an opaque token is logged out here as a JWT is: at once, by each of its keys, with its
//! streams, whatever is cached.

use http::{Request, StatusCode};
use serde_json::{Value, json};
use test_support::{
    ISSUER, NOW, at, bearer, clock,
    streams::{Http, Streams},
};
use tower::ServiceExt;
use tower_logout::{Logout, LogoutScope, LogoutService, respond::Rejection};

use super::support::{Server, active_with, check, inactive, ok};

/// Answers with the token as `jti`, and the members that are in its text: `sub~ann.sid~1`.
fn named() -> Server {
    Server::new(|token| {
        let mut members = json!({ "sub": null, "sid": null, "jti": token });
        for (name, value) in token.split('.').filter_map(|member| member.split_once('~')) {
            members[name] = if value == "none" { Value::Null } else { value.into() };
        }
        ok(&active_with(members))
    })
}

async fn log_out(service: LogoutService, token: &str) -> StatusCode {
    let request = Request::post("/").header("authorization", bearer(token)).body(String::new()).unwrap();
    service.oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn the_endpoint_revokes_the_token_at_once_although_its_answer_is_cached() {
    for token in ["opaque", "jti~none.opaque"] {
        let server = named();
        let logout = server.logout(&clock());
        assert_eq!((check(&logout, token).await, check(&logout, "other").await), (Ok(()), Ok(())));
        assert_eq!(log_out(logout.service(), token).await, StatusCode::OK);
        assert_eq!(check(&logout, token).await, Err(Rejection::Revoked));
        assert_eq!(check(&logout, "other").await, Ok(()));
        assert_eq!(log_out(logout.service(), token).await, StatusCode::UNAUTHORIZED);
        assert_eq!(server.asked(), 2);
    }
}

#[tokio::test]
async fn a_logout_of_an_unknown_token_asks_the_server_and_an_outage_is_no_success() {
    let server = named();
    let logout = server.logout(&clock());
    assert_eq!(log_out(logout.service(), "opaque").await, StatusCode::OK);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Revoked));
    server.has_no_answer();
    assert_eq!(log_out(logout.service(), "unknown").await, StatusCode::SERVICE_UNAVAILABLE);
    server.always_says(&inactive());
    assert_eq!(log_out(logout.service(), "inactive").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn session_subject_client_issuer_and_claims_end_the_tokens_that_have_them() {
    let all = "sub~ann.sid~1.client_id~app.tenant~7";
    let other = "sub~bob.sid~2.client_id~cli.tenant~8";
    for kind in ["session", "subject", "client", "claim", "issuer", "everything"] {
        let (server, clock) = (named(), clock());
        let verifier = server.builder(&clock).revocable_claim("tenant").build().unwrap();
        let logout = Logout::new(verifier, test_support::memory());
        assert_eq!((check(&logout, all).await, check(&logout, other).await), (Ok(()), Ok(())));
        let revoker = logout.revoker();
        let _ = match kind {
            "session" => revoker.session(ISSUER, "1").await,
            "subject" => revoker.subject(ISSUER, "ann").await,
            "client" => revoker.client(ISSUER, "app").await,
            "claim" => revoker.claim(ISSUER, "tenant", "7").await,
            "issuer" => revoker.issuer(ISSUER).await,
            _ => revoker.everything().await,
        }
        .unwrap();
        assert_eq!(check(&logout, all).await, Err(Rejection::Revoked), "{kind}");
        let expected = if ["issuer", "everything"].contains(&kind) { Err(Rejection::Revoked) } else { Ok(()) };
        assert_eq!(check(&logout, other).await, expected, "{kind}");
        assert_eq!(server.asked(), 2);
    }
    let logout = named().logout(&clock());
    assert!(logout.revoker().subject("https://other.example", "ann").await.is_err(), "it would end nothing");
}

#[tokio::test]
async fn a_revocation_ends_what_was_issued_before_it_and_what_does_not_say_when() {
    let (server, clock) = (named(), clock());
    let logout = server.logout(&clock);
    clock.set(at(NOW + 10));
    let _ = logout.revoker().subject(ISSUER, "ann").await.unwrap();
    let answer = |iat: Value| move |_: &str| ok(&active_with(json!({ "sub": "ann", "iat": iat })));
    server.says(answer(json!(NOW)));
    assert_eq!(check(&logout, "older").await, Err(Rejection::Revoked));
    server.says(answer(json!(NOW + 11)));
    assert_eq!(check(&logout, "newer").await, Ok(()));
    server.says(answer(Value::Null));
    assert_eq!(check(&logout, "undated").await, Err(Rejection::Revoked));
}

#[tokio::test]
async fn the_scope_of_the_endpoint_applies() {
    let server = named();
    let logout = server.logout(&clock());
    let [first, second, other] = ["sub~ann.sid~1.a", "sub~ann.sid~1.b", "sub~ann.sid~2.c"];
    for token in [first, second, other] {
        assert_eq!(check(&logout, token).await, Ok(()));
    }
    assert_eq!(log_out(logout.service().scope(LogoutScope::Session), first).await, StatusCode::OK);
    assert_eq!(check(&logout, second).await, Err(Rejection::Revoked));
    assert_eq!(check(&logout, other).await, Ok(()));
    assert_eq!(log_out(logout.service().scope(LogoutScope::Subject), other).await, StatusCode::OK);
    assert_eq!(check(&logout, other).await, Err(Rejection::Revoked));
}

#[tokio::test]
async fn streams_end_with_a_logout_and_at_the_expiry() {
    let (server, clock) = (named(), clock());
    let streams = Streams::behind(server.logout(&clock)).await;
    for http in [Http::One, Http::Two] {
        let [own, other] = ["own", "other"].map(|name| format!("{name}{http:?}"));
        let mut ended = streams.open(http, &own, &own).await;
        let mut goes_on = streams.open(http, &other, &other).await;
        ended.passes().await;
        goes_on.passes().await;
        streams.log_out(&own).await;
        ended.has_ended().await;
        goes_on.passes().await;
        // What the server says later does not concern what is open.
        server.always_says(&inactive());
        goes_on.passes().await;
        server.says(|token| ok(&active_with(json!({ "jti": token }))));
    }
    let mut expiring = streams.open(Http::One, "expiring", "expiring").await;
    expiring.passes().await;
    clock.set(at(NOW + 900));
    expiring.has_ended().await;
}

#[tokio::test]
async fn nothing_is_written_to_the_store_because_the_server_says_so() {
    let (server, clock) = (named(), clock());
    let logout = server.logout(&clock);
    server.always_says(&inactive());
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Invalid));
    server.says(|token| ok(&active_with(json!({ "jti": token }))));
    clock.set(at(NOW + 5));
    assert_eq!(check(&logout, "opaque").await, Ok(()), "the server had a bad moment");
}
