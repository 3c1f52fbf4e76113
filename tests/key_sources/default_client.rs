//! Promise: with the feature `oidc`, keys are fetched over HTTP without further settings.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore,
    respond::Rejection,
    token::jwt::{ConfigError, Issuer, KeyFetching, TestIssuer},
};

use crate::provider::check;

#[tokio::test]
async fn a_verifier_needs_the_issuer_alone() {
    let issuer = TestIssuer::start().await;
    let verifier = JwtVerifier::discover(issuer.url()).allow_http_on_loopback().start().await.unwrap();
    let logout = Logout::new(verifier, MemoryStore::new());
    assert_eq!(check(&logout, &issuer.token(&json!({ "sub": "usr_123" }))).await, Ok(()));
    let other = TestIssuer::start().await;
    assert_eq!(check(&logout, &other.token(&json!({ "iss": issuer.url() }))).await, Err(Rejection::Invalid));
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_an_error_with_its_cause() {
    let issuer = TestIssuer::start().await;
    let url = issuer.url().to_owned();
    drop(issuer);
    let error = JwtVerifier::discover(&url).allow_http_on_loopback().start().await.unwrap_err();
    assert!(matches!(error, ConfigError::KeysNotFetched { .. }));
    let text = format!("{error:?}").to_lowercase();
    assert!(text.contains(&url) && text.contains("connection refused"), "{text}");
}

#[tokio::test]
async fn verifiers_of_many_issuers_share_a_client() {
    let issuers = join_all((0..8).map(|_| TestIssuer::start())).await;
    let fetching = KeyFetching::new().cooldown(Duration::from_millis(1));
    let verifier = JwtVerifier::issuers(issuers.iter().map(|issuer| Issuer::discover(issuer.url())))
        .key_fetching(fetching)
        .allow_http_on_loopback()
        .start()
        .await
        .unwrap();
    let logout = Logout::new(verifier.clone(), MemoryStore::new());
    for issuer in &issuers {
        issuer.rotate();
        let token = issuer.token(&json!({}));
        let accepted = async {
            while check(&logout, &token).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), accepted).await.expect("the new key is found");
    }
    assert!(verifier.health().is_ready());
}
