//! Promise: what users have reported about introspection elsewhere does not happen here. Each test
//! names the report.

use std::time::Duration;

use serde_json::json;
use test_support::{NOW, clock};
use tower_logout::{
    respond::Rejection,
    token::{TokenVerifier, jwt::InvalidToken},
};

use super::support::{ENDPOINT, Said, Server, active, active_with, check, inactive, knows, says};

const SECOND: Duration = Duration::from_secs(1);

/// lua-resty-openidc (`introspection_interval` 0), mitreid#837, Duende#151, `mod_auth_openidc`: a
/// token that was revoked at the server was accepted until its expiry.
#[tokio::test]
async fn by_default_a_token_revoked_at_the_server_is_rejected_within_15_seconds() {
    let (clock, server) = (clock(), Server::always(&active_with(json!({ "exp": NOW + 86_400 }))));
    let logout = server.logout(&clock);
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    server.always_says(&inactive());
    clock.advance(15 * SECOND);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Invalid));
}

/// lua-resty-openidc: nothing was cached if the answer has no expiry.
#[tokio::test]
async fn an_answer_without_expiry_is_cached() {
    let (clock, server) = (clock(), Server::always(&active_with(json!({ "exp": null }))));
    let logout = server.logout(&clock);
    for _ in 0..10 {
        assert_eq!(check(&logout, "opaque").await, Ok(()));
    }
    assert_eq!(server.asked(), 1);
}

/// lua-resty-openidc: a rejected token was asked about on each request.
#[tokio::test]
async fn a_rejected_token_is_not_asked_about_on_each_request() {
    let (clock, server) = (clock(), Server::always(&inactive()));
    let logout = server.logout(&clock);
    for _ in 0..10 {
        assert_eq!(check(&logout, "opaque").await, Err(Rejection::Invalid));
    }
    assert_eq!(server.asked(), 1);
}

/// quarkus#43994, spring-security: an expired token was accepted, because the server's word was
/// enough or its answer was cached.
#[tokio::test]
async fn an_expired_token_is_rejected_from_the_cache_and_from_the_server() {
    let (clock, server) = (clock(), Server::always(&active_with(json!({ "exp": NOW + 10 }))));
    let logout = server.logout(&clock);
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    clock.advance(10 * SECOND);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Expired));
}

/// spring-security: the string `"true"` was accepted.
#[tokio::test]
async fn the_string_true_is_not_an_active_token() {
    let mut answer = active();
    answer["active"] = "true".into();
    let (clock, server) = (clock(), Server::always(&answer));
    assert_eq!(check(&server.logout(&clock), "opaque").await, Err(Rejection::Unavailable));
}

/// oathkeeper#293, couper#632, zitadel-rust#471, synapse#16117, fastmcp#3285: each request asked
/// the server.
#[tokio::test]
async fn by_default_the_server_is_not_asked_on_each_request() {
    let (clock, server) = (clock(), Server::always(&active()));
    let logout = server.logout(&clock);
    for _ in 0..1000 {
        assert_eq!(check(&logout, "opaque").await, Ok(()));
    }
    assert_eq!(server.asked(), 1);
}

/// sttp-oauth2#311: an outage of the server was an outage of the service.
#[tokio::test]
async fn known_tokens_are_accepted_during_an_outage_until_their_answer_is_too_old() {
    let (clock, server) = (clock(), Server::always(&active()));
    let verifier = server.builder(&clock).cache_for(300 * SECOND).build().unwrap();
    let logout = tower_logout::Logout::new(verifier, test_support::memory());
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    server.has_no_answer();
    clock.advance(299 * SECOND);
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    clock.advance(SECOND);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Unavailable));
}

/// `mod_auth_openidc`#177: there was no way to end a cached token at once.
#[tokio::test]
async fn a_cached_token_is_ended_by_a_logout_here_at_once() {
    let (clock, server) = (clock(), Server::always(&active()));
    let logout = server.logout(&clock);
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    let token = logout.verifier().verify("opaque").await.unwrap();
    let _ = logout.revoker().token(token.identity()).await.unwrap();
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Revoked));
    assert_eq!(server.asked(), 1);
}

/// node-oidc-provider: its JWTs are answered with 400 `unsupported_token_type`, and a valid token
/// was rejected as invalid.
#[tokio::test]
async fn a_token_that_the_server_does_not_introspect_is_not_called_invalid() {
    let (clock, server) = (
        clock(),
        Server::new(|_| {
            let error = json!({ "error": "unsupported_token_type", "error_description": "Structured JWT Tokens cannot be introspected" });
            Some((400, Some(super::support::JSON), error.to_string().into()))
        }),
    );
    let verifier = server.verifier(&clock);
    let token = test_support::token("one");
    assert_eq!(says(&verifier, &token).await, Said::Unavailable("request"));
    let both = test_support::verifier(&clock).or_opaque(verifier);
    assert_eq!(says(&both, &token).await, Said::Accepted);
}

/// huskarl: a token is rejected only if it was judged.
#[tokio::test]
async fn wrong_credentials_of_this_service_are_not_the_clients_fault() {
    for status in [401, 403] {
        let body = json!({ "error": "invalid_client" }).to_string();
        let (clock, server) =
            (clock(), Server::new(move |_| Some((status, Some(super::support::JSON), body.clone().into()))));
        let logout = server.logout(&clock);
        assert_eq!(check(&logout, "opaque").await, Err(Rejection::Unavailable));
        // The credentials were put right; nothing was remembered.
        server.always_says(&active());
        assert_eq!(check(&logout, "opaque").await, Ok(()));
    }
}

/// RFC 7662, section 4: a cache must not contain tokens, and an answer must not outlive the expiry.
#[tokio::test]
async fn the_cache_contains_no_token_and_ends_with_the_expiry() {
    let (clock, server) = (clock(), Server::always(&active_with(json!({ "exp": NOW + 5 }))));
    let verifier = server.builder(&clock).cache_for(Duration::MAX).build().unwrap();
    assert_eq!(says(&verifier, "opaque").await, Said::Accepted);
    assert!(!format!("{verifier:?}").contains("opaque"));
    clock.advance(5 * SECOND);
    assert_eq!(knows(&verifier, "opaque"), None);
}

/// RFC 7662, section 2.1: with GET, the token would be in the logs of servers and proxies.
#[tokio::test]
async fn no_token_is_in_a_url() {
    let server = Server::always(&active());
    assert_eq!(says(&server.verifier(&clock()), "opaque").await, Said::Accepted);
    let request = &server.requests()[0];
    assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", ENDPOINT));
}

/// Ory Hydra and Keycloak introspect refresh tokens and ID tokens as active.
#[tokio::test]
async fn a_refresh_token_is_not_an_access_token() {
    let (clock, server) = (clock(), Server::always(&active_with(json!({ "token_use": "refresh_token" }))));
    assert_eq!(says(&server.verifier(&clock), "opaque").await, Said::Invalid(InvalidToken::Type));
}
