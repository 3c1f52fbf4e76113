//! The modules of the OpenID Foundation's conformance suite for relying parties that concern keys,
//! as far as they apply to a service that verifies access tokens. Each test has the name of its
//! module.

use test_support::clock;
use tower_logout::{
    JwtVerifier, Logout,
    respond::Rejection,
    token::jwt::{ConfigError, KeySourceError},
};

use crate::provider::{
    Answer, IDP, JWKS, METADATA, Provider, SigningKey, check, check_now, guard, metadata, pass, seconds,
};

/// A guard that has found the provider by its metadata.
async fn discovered(provider: &Provider) -> Logout {
    provider.publish(METADATA, Answer::ok(metadata(IDP, JWKS)));
    guard(&JwtVerifier::discover(IDP).fetch_with(provider.client()).clock(clock()).start().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn discovery_openid_config_and_discovery_jwks_uri_keys() {
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    let logout = discovered(&provider).await;
    assert_eq!(provider.take_requests(), [METADATA, JWKS]);
    assert_eq!(check_now(&logout, &key.token(IDP, "1")), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn discovery_issuer_mismatch() {
    let provider = Provider::with_keys([&SigningKey::new("one")]);
    provider.publish(METADATA, Answer::ok(metadata("https://idp.example/INVALID", JWKS)));
    let error = JwtVerifier::discover(IDP).fetch_with(provider.client()).start().await.unwrap_err();
    let ConfigError::KeysNotFetched { source, .. } = error else { panic!("{error}") };
    assert!(matches!(&*source, KeySourceError::OtherIssuer { .. }), "{source}");
}

#[tokio::test(start_paused = true)]
async fn signing_key_rotation() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old]);
    let logout = discovered(&provider).await;
    assert_eq!(check_now(&logout, &old.token(IDP, "1")), Ok(()));
    provider.publish_keys([&new]);
    pass(seconds(30)).await;
    assert_eq!(check(&logout, &new.token(IDP, "2")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn signing_key_rotation_just_before_signing() {
    // The key is published at the moment it is used first; the set in use is seconds old.
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old]);
    let logout = discovered(&provider).await;
    provider.publish_keys([&new, &old]);
    let token = new.token(IDP, "1");
    assert_eq!(check_now(&logout, &token), Err(Rejection::Invalid), "an attempt was made less than 30 s ago");
    pass(seconds(30)).await;
    assert_eq!(check(&logout, &token).await, Ok(()), "the same token");
}

#[tokio::test(start_paused = true)]
async fn kid_absent_single_jwks() {
    let key = SigningKey::without_kid();
    for published in [SigningKey::jwk(&key), {
        let mut named = key.jwk();
        named["kid"] = "named".into();
        named
    }] {
        let provider = Provider::default();
        provider.publish(JWKS, Answer::ok(serde_json::json!({ "keys": [published] }).to_string()));
        assert_eq!(check_now(&discovered(&provider).await, &key.token(IDP, "1")), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn kid_absent_multiple_jwks() {
    // Either verdict conforms. A token without a `kid` is verified with each key that fits.
    let (key, other) = (SigningKey::without_kid(), SigningKey::new("other"));
    let provider = Provider::with_keys([&other, &key]);
    let logout = discovered(&provider).await;
    assert_eq!(check_now(&logout, &key.token(IDP, "1")), Ok(()));
    let forged = SigningKey::without_kid().token(IDP, "2");
    pass(seconds(30)).await;
    assert_eq!(check(&logout, &forged).await, Err(Rejection::Invalid));
}
