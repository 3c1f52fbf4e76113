//! Promise: the eight modules of the OpenID Foundation's conformance suite for back-channel logout
//! of relying parties get exactly the responses that they demand.

use std::sync::Arc;

use serde_json::{Value, json};
use test_support::clock;
use tower_logout::{
    JwtVerifier, Logout,
    endpoint::BackchannelLogout,
    respond::Rejection,
    token::jwt::{Algorithm, Issuer, TestIssuer},
};

use super::support::{CLIENT, check, claims_with, form, send};

/// The suite: a provider that signs with RS256, as the client is registered, and also has a key for
/// ES256.
struct Suite {
    issuer: TestIssuer,
    logout: Logout,
    service: BackchannelLogout,
}

impl Suite {
    async fn start() -> Self {
        let clock = clock();
        let issuer = TestIssuer::start().await.clock(clock.clone()).algorithm(Algorithm::RS256);
        issuer.rotate_to(Algorithm::ES256);
        let keys = Issuer::keys(issuer.url(), issuer.key_set());
        let logout = Logout::new(JwtVerifier::issuers([keys]).clock(clock).build().unwrap(), test_support::memory());
        Self { service: Self::service(&logout), issuer, logout }
    }

    fn service(logout: &Logout) -> BackchannelLogout {
        logout.backchannel(CLIENT).algorithms_of(CLIENT, [Algorithm::RS256]).build().unwrap()
    }

    /// The same provider, and a service that has revoked nothing.
    fn again(self) -> Self {
        let logout = Logout::new(Arc::clone(self.logout.verifier()), test_support::memory());
        Self { service: Self::service(&logout), logout, ..self }
    }

    /// The logout token of the suite, with some claims changed. It has no type.
    fn logout_token(&self, algorithm: &str, changes: &Value) -> String {
        let mut all = json!({ "iss": self.issuer.url(), "ignored_claim": "ignored" });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let claims = claims_with(all);
        let kid = if algorithm == "ES256" { "key-2" } else { "key-1" };
        let token = self.issuer.sign_exactly(&json!({ "alg": algorithm, "kid": kid }), &claims);
        match algorithm {
            "none" => format!("{}.", token.rsplit_once('.').unwrap().0),
            _ => token,
        }
    }

    fn access_token(&self) -> String {
        self.issuer.token(&json!({ "sub": "usr_123", "sid": "ses_1" }))
    }
}

#[tokio::test]
async fn the_eight_modules_get_the_responses_that_they_demand() {
    let (own, mut suite) = ("RS256", Suite::start().await);
    for (module, algorithm, changes, demanded) in [
        ("rpinitlogout", own, json!({}), 200),
        ("alg-none", "none", json!({}), 400),
        ("wrong-alg", "ES256", json!({}), 400),
        ("wrong-iss", own, json!({ "iss": "INVALID" }), 400),
        ("wrong-aud", own, json!({ "aud": format!("{CLIENT}INVALID") }), 400),
        ("no-event", own, json!({ "events": null }), 400),
        ("wrong-event", own, json!({ "events": { "http://schemas.openid.net/event/foobar": {} } }), 400),
        ("with-nonce", own, json!({ "nonce": "a nonce" }), 400),
    ] {
        suite = suite.again();
        let wrong_iss = json!({ "iss": format!("{}INVALID", suite.issuer.url()) });
        let changes = if module == "wrong-iss" { wrong_iss } else { changes };
        let token = suite.logout_token(algorithm, &changes);
        let access = suite.access_token();
        assert_eq!(check(&suite.logout, &access).await, Ok(()), "{module}");
        let answer = send(&suite.service, form(format!("ignored_parameter=ignored&logout_token={token}"))).await;
        assert_eq!(answer.status, demanded, "{module}");
        let cache_control = answer.header("cache-control").unwrap();
        assert!(cache_control.split(',').any(|piece| piece.trim() == "no-store"), "{module}: {cache_control}");
        let expected = if demanded == 200 { Err(Rejection::Revoked) } else { Ok(()) };
        assert_eq!(check(&suite.logout, &access).await, expected, "{module}");
    }
}

#[tokio::test]
async fn the_wrong_algorithm_is_another_one_than_that_of_the_client_and_not_of_the_issuer() {
    let suite = Suite::start().await;
    let token = suite.logout_token("ES256", &json!({}));
    let any = suite.logout.backchannel(CLIENT).build().unwrap();
    assert_eq!(send(&any, form(format!("logout_token={token}"))).await.status, 200, "by default, as Keycloak needs it");
}

#[tokio::test]
async fn the_algorithms_of_clients_are_their_own() {
    let suite = Suite::start().await;
    let several = suite
        .logout
        .backchannel(CLIENT)
        .client("app")
        .client("any")
        .algorithms_of(CLIENT, [Algorithm::RS256])
        .algorithms_of("app", [Algorithm::ES256, Algorithm::PS256])
        .build()
        .unwrap();
    for (aud, algorithm, status) in [
        (json!(CLIENT), "RS256", 200),
        (json!(CLIENT), "ES256", 400),
        (json!("app"), "ES256", 200),
        (json!("app"), "RS256", 400),
        (json!("any"), "RS256", 200),
        (json!("any"), "ES256", 200),
        (json!([CLIENT, "app"]), "ES256", 200),
    ] {
        let token = suite.logout_token(algorithm, &json!({ "aud": aud }));
        let answer = send(&several, form(format!("logout_token={token}"))).await;
        assert_eq!(answer.status, status, "{aud} {algorithm}");
    }
}

#[tokio::test]
async fn logout_tokens_may_have_another_algorithm_than_access_tokens() {
    let clock = clock();
    let issuer = TestIssuer::start().await.clock(clock.clone()).algorithm(Algorithm::RS256);
    issuer.rotate_to(Algorithm::ES256);
    let keys = Issuer::keys(issuer.url(), issuer.key_set()).algorithms([Algorithm::ES256]);
    let logout = Logout::new(JwtVerifier::issuers([keys]).clock(clock).build().unwrap(), test_support::memory());
    let claims = claims_with(json!({ "iss": issuer.url(), "aud": [CLIENT, "any"] }));
    let token = issuer.sign_exactly(&json!({ "alg": "RS256", "kid": "key-1" }), &claims);
    let body = || form(format!("logout_token={token}"));
    let without = logout.backchannel(CLIENT).build().unwrap();
    assert_eq!(send(&without, body()).await.status, 400);
    let other = logout.backchannel("any").client("app").algorithms_of("app", [Algorithm::RS256]).build().unwrap();
    assert_eq!(send(&other, body()).await.status, 400, "only for that client");
    let with = logout.backchannel(CLIENT).algorithms_of(CLIENT, [Algorithm::RS256]).build().unwrap();
    assert_eq!(send(&with, body()).await.status, 200);
}
