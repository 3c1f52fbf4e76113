//! Promise: an endpoint that could never end anything is not built, and the error says what to do.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use test_support::{ISSUER, SECRET, clock, memory, verifier};
use tower_logout::{
    Claims, JwtVerifier, Logout, VerifiedToken,
    clock::ManualClock,
    endpoint::{BackchannelError, BackchannelLogoutBuilder},
    respond::Rejection,
    token::{
        TokenVerifier, VerifyError,
        introspection::Introspection,
        jwt::{Algorithm, Issuer, Key, KeySet, MessageVerifier},
    },
};

use super::support::{Api, CLIENT, check, logout_token, status};

fn error_of(settings: impl FnOnce(BackchannelLogoutBuilder) -> BackchannelLogoutBuilder) -> BackchannelError {
    settings(Api::new().logout.backchannel(CLIENT)).build().unwrap_err()
}

#[tokio::test]
async fn settings_that_cannot_work_are_errors_that_name_the_remedy() {
    let api = Api::new();
    let empty = api.logout.backchannel("").build().unwrap_err();
    assert!(matches!(empty, BackchannelError::EmptyClient), "{empty}");
    for (error, text) in [
        (error_of(|builder| builder.client("")), "environment variable"),
        (error_of(|builder| builder.algorithms_of("app", [Algorithm::RS256])), "client()"),
        (error_of(|builder| builder.algorithms_of(CLIENT, [])), "list what the provider signs with"),
        (error_of(|builder| builder.max_age(Duration::ZERO)), "max_age is zero"),
        (error_of(|builder| builder.timeout(Duration::ZERO)), "timeout is zero"),
        (
            error_of(|builder| builder.issuer(Issuer::keys("https://issuer.example/", KeySet::default()))),
            r#"it accepts ["https://issuer.example"]"#,
        ),
        (error_of(|builder| builder.issuer(Issuer::keys(ISSUER, KeySet::default()))), "there is no key"),
    ] {
        assert!(format!("{error:?}").contains(text), "{error:?}");
    }
}

fn never(_: Request<Bytes>) -> impl Future<Output = Result<Response<Full<Bytes>>, std::io::Error>> {
    std::future::pending()
}

fn introspection(clock: &ManualClock) -> Introspection {
    let answer = |_: Request<Bytes>| async {
        let answer = json!({ "active": true, "sub": "usr_123", "sid": "ses_1", "iat": test_support::NOW });
        Ok::<_, std::io::Error>(Response::new(Full::new(Bytes::from(answer.to_string()))))
    };
    Introspection::at("https://issuer.example/introspect", ISSUER)
        .bearer_token("t")
        .fetch_with(answer)
        .clock(clock.clone())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_verifier_without_keys_needs_those_of_the_issuer() {
    let clock = clock();
    let logout = Logout::new(introspection(&clock), memory());
    let error = logout.backchannel(CLIENT).build().unwrap_err();
    assert!(matches!(error, BackchannelError::NoKeys) && error.to_string().contains("issuer()"), "{error}");
    let keys = Key::secret(Algorithm::HS256, SECRET).unwrap();
    let service = logout.backchannel(CLIENT).issuer(Issuer::keys(ISSUER, keys)).build().unwrap();
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    assert_eq!(status(&service, &logout_token(json!({}))).await, 200);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Revoked));
}

#[test]
fn keys_that_are_fetched_need_a_runtime() {
    let issuer = Issuer::jwks(ISSUER, "https://issuer.example/jwks").fetch_with(never);
    let error = Api::new().logout.backchannel(CLIENT).issuer(issuer).build().unwrap_err();
    assert!(format!("{error:?}").contains("Tokio runtime"), "{error:?}");
}

/// A verifier of the application around a [`JwtVerifier`].
struct Own(JwtVerifier, bool);

#[async_trait]
impl TokenVerifier for Own {
    type Claims = Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        self.0.verify(token).await
    }

    fn clock(&self) -> std::sync::Arc<dyn tower_logout::clock::Clock> {
        self.0.clock()
    }

    fn messages(&self) -> Option<MessageVerifier> {
        self.1.then(|| self.0.messages()).flatten()
    }
}

#[tokio::test]
async fn an_own_verifier_passes_on_the_keys_of_the_one_that_it_contains() {
    let (with, without) = (Own(verifier(&clock()), true), Own(verifier(&clock()), false));
    assert!(Logout::new(without, memory()).backchannel(CLIENT).build().is_err());
    let service = Logout::new(with, memory()).backchannel(CLIENT).build().unwrap();
    assert_eq!(status(&service, &logout_token(json!({}))).await, 200);
}

#[tokio::test]
async fn jwts_beside_opaque_tokens_keep_their_keys() {
    let clock = clock();
    let logout = Logout::new(verifier(&clock).or_opaque(introspection(&clock)), memory());
    let service = logout.backchannel(CLIENT).build().unwrap();
    assert_eq!(status(&service, &logout_token(json!({}))).await, 200);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Revoked));
}
