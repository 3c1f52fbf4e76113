//! Promise: a signed token authenticates a request only if everything in it is as Okta sends it.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::{NOW, at, clock, events::Events, hand::HandStore, hs256, verifier};
use tower_logout::{
    Logout,
    clock::ManualClock,
    endpoint::GlobalRevocationAuth,
    token::jwt::{Issuer, TestIssuer},
};

use super::support::{
    APP, URL, assertion, assertion_claims, assertion_with, changed, endpoint, header, iss_sub, logout, revoke, signed,
    signed_jwt,
};

/// Whether an assertion is accepted by a new endpoint, whose store is asked for its revocations.
async fn is_accepted(token: &str) -> bool {
    let store = HandStore::new();
    let logout = logout(store.clone());
    let reply = revoke(&endpoint(&logout), token, &iss_sub("ann")).await;
    match reply.status {
        204 => true,
        401 => {
            assert_eq!(reply.header("www-authenticate"), "Bearer");
            assert_eq!(reply.error(), "invalid_client");
            assert!(store.revocations().is_empty(), "nothing is revoked or remembered");
            false
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_type_is_oktas_or_none_in_particular() {
    for (typ, accepted) in [
        (json!("global-token-revocation+jwt"), true),
        (json!("application/global-token-revocation+jwt"), true),
        (json!("JWT"), true),
        (Value::Null, true),
        (json!("at+jwt"), false),
        (json!("logout+jwt"), false),
        (json!("secevent+jwt"), false),
        (json!("global-token-revocation"), false),
    ] {
        let header = changed(header(), &json!({ "typ": typ }));
        assert_eq!(is_accepted(&signed(&header, &assertion_claims("1"))).await, accepted, "{typ}");
    }
    let critical = changed(header(), &json!({ "crit": ["exp"] }));
    assert!(!is_accepted(&signed(&critical, &assertion_claims("1"))).await);
}

#[tokio::test]
async fn claims_are_pinned_and_dates_are_bounded() {
    for (changes, accepted) in [
        (json!({}), true),
        (json!({ "iss": "https://acme.okta.example/" }), false),
        (json!({ "iss": null }), false),
        (json!({ "sub": "0oa1b2c4" }), false),
        (json!({ "sub": null }), false),
        (json!({ "aud": [URL, "https://other.example"] }), true),
        (json!({ "aud": "https://api.example/global-token-revocation/" }), false),
        (json!({ "aud": ["https://api.example"] }), false),
        (json!({ "aud": [] }), false),
        (json!({ "aud": null }), false),
        (json!({ "jti": null }), false),
        (json!({ "jti": "" }), false),
        (json!({ "jti": 7 }), false),
        (json!({ "iat": null }), false),
        (json!({ "iat": NOW.to_string() }), false),
        (json!({ "exp": null }), false),
        (json!({ "nbf": null }), true),
        // The verifier's clock skew is 30 seconds.
        (json!({ "iat": NOW + 30 }), true),
        (json!({ "iat": NOW + 31 }), false),
        (json!({ "nbf": NOW + 30 }), true),
        (json!({ "nbf": NOW + 31 }), false),
        (json!({ "iat": NOW - 300, "exp": NOW - 29 }), true),
        (json!({ "iat": NOW - 300, "exp": NOW - 30 }), false),
        (json!({ "iat": NOW, "exp": NOW + 600 }), true),
        (json!({ "iat": NOW, "exp": NOW + 601 }), false),
        (json!({ "iat": NOW, "exp": u64::MAX }), false),
        (json!({ "iat": 1e300 }), false),
        (json!({ "exp": 1e300 }), false),
        (json!({ "iat": -1 }), false),
        (json!({ "scope": "x", "nonce": "x" }), true),
    ] {
        assert_eq!(is_accepted(&assertion_with(&changes)).await, accepted, "{changes}");
    }
}

#[tokio::test]
async fn a_token_of_another_key_or_a_damaged_one_is_refused() {
    let token = assertion("1");
    let (input, signature) = token.rsplit_once('.').unwrap();
    for forged in [
        hs256(&assertion_claims("1")),
        format!("{input}."),
        input.to_owned(),
        format!("{token}.x"),
        format!("{input}.{}", signature.chars().rev().collect::<String>()),
        signed(&changed(header(), &json!({ "alg": "none" })), &assertion_claims("1")),
        "x".to_owned(),
    ] {
        assert!(!is_accepted(&forged).await, "{forged}");
    }
}

#[tokio::test]
async fn a_token_for_another_endpoint_is_reported_to_operators_without_its_claims() {
    let events = Events::of_this_thread();
    assert!(!is_accepted(&assertion_with(&json!({ "aud": "https://other.example/secret" }))).await);
    let event = events.named("message refused by the configuration");
    assert_eq!(event.len(), 1, "{event:?}");
    assert_eq!(event[0].fields["reason"], "audience");
    assert!(event[0].fields["remedy"].contains("the URL of this endpoint"));
    assert!(!format!("{event:?}").contains("other.example"));
}

/// An endpoint whose keys are those that the provider publishes.
async fn with_fetched_keys() -> (TestIssuer, ManualClock, Logout, GlobalRevocationAuth) {
    let clock = clock();
    let issuer = TestIssuer::start().await.clock(clock.clone());
    let keys = format!("{}{}", issuer.url(), TestIssuer::KEYS);
    let fetched = Issuer::jwks(issuer.url(), keys).allow_http_on_loopback();
    let logout = Logout::new(verifier(&clock), test_support::memory());
    (issuer, clock, logout, GlobalRevocationAuth::signed_jwt(fetched, APP, URL))
}

fn by(issuer: &TestIssuer, jti: &str) -> String {
    let claims = changed(assertion_claims(jti), &json!({ "iss": issuer.url() }));
    issuer.sign_exactly(&json!({ "alg": "ES256", "typ": "JWT", "kid": issuer.kid() }), &claims)
}

#[tokio::test]
async fn keys_are_fetched_and_a_rotation_is_noticed() {
    let (issuer, _, logout, authentication) = with_fetched_keys().await;
    let service = logout.global_revocation(authentication).build().unwrap();
    assert_eq!(revoke(&service, &by(&issuer, "1"), &iss_sub("ann")).await.status, 204);
    let requests = issuer.requests(TestIssuer::KEYS);
    for jti in ["2", "3"] {
        let unknown = changed(json!({ "alg": "ES256", "kid": "unknown" }), &json!({}));
        let claims = changed(assertion_claims(jti), &json!({ "iss": issuer.url() }));
        let token = issuer.sign_exactly(&unknown, &claims);
        assert_eq!(revoke(&service, &token, &iss_sub("ann")).await.status, 401);
    }
    assert!(issuer.requests(TestIssuer::KEYS) <= requests + 1, "unknown keys cost the cooldown's request at most");
}

#[tokio::test]
async fn while_the_keys_cannot_be_fetched_the_answer_is_503() {
    let (issuer, _, logout, authentication) = with_fetched_keys().await;
    issuer.stop().await;
    let token = by(&issuer, "1");
    let builder = logout.global_revocation(authentication).timeout(Duration::from_secs(60));
    assert_eq!(revoke(&builder.build().unwrap(), &token, &iss_sub("ann")).await.status, 503);
}

#[tokio::test]
async fn an_older_request_revokes_up_to_its_arrival_and_one_of_a_faster_clock_up_to_its_date() {
    for (iat, through) in [(NOW - 200, NOW), (NOW + 20, NOW + 20)] {
        let store = HandStore::new();
        let logout = logout(store.clone());
        let service = logout.global_revocation(signed_jwt()).build().unwrap();
        let token = assertion_with(&json!({ "iat": iat, "exp": NOW + 100 }));
        assert_eq!(revoke(&service, &token, &iss_sub("ann")).await.status, 204);
        assert_eq!(store.revocations()[0].issued_through(), at(through));
    }
}
