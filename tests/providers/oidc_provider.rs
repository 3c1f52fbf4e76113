//! Promise: tokens of `oidc-provider` verify by discovery alone, through rotations and restarts,
//! and end when their key is removed or their session is revoked.

use test_support::servers::OidcProvider;
use tokio::time::timeout;
use tower_logout::{respond::Rejection, token::TokenVerifier};

use crate::support::{API, PATIENCE, check, discovering, logout};

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn tokens_of_every_algorithm_verify() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let provider = OidcProvider::start(algorithm).await;
        let verifier = discovering(provider.issuer()).audience(API).start().await.unwrap();
        let token = verifier.verify(&provider.token_for(API).await).await.unwrap();
        assert_eq!(token.client_id.as_deref(), Some("service"), "{algorithm}");
        assert_eq!(token.scope.as_deref(), Some("orders:read"), "{algorithm}");
    }
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn only_access_tokens_for_this_service_are_accepted() {
    let provider = OidcProvider::start("ES256").await;
    let logout = logout(discovering(provider.issuer()).audience(API).start().await.unwrap());
    let other = provider.token_for("https://other.example").await;
    assert_eq!(check(&logout, &other).await, Err(Rejection::Invalid));
    let signed_in = provider.sign_in("ann", API).await;
    assert_eq!(check(&logout, &signed_in.id_token).await, Err(Rejection::Invalid));
    assert_eq!(check(&logout, &signed_in.access_token).await, Ok(()));
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn keys_are_fetched_once_and_again_for_a_new_key() {
    let provider = OidcProvider::start("ES256").await;
    let logout = logout(discovering(provider.issuer()).audience(API).start().await.unwrap());
    for _ in 0..10 {
        assert_eq!(check(&logout, &provider.token_for(API).await).await, Ok(()));
    }
    assert_eq!(provider.requests("/jwks").await, 1);
    let old = provider.token_for(API).await;
    provider.rotate(true).await;
    let new = provider.token_for(API).await;
    for _ in 0..10 {
        assert_eq!((check(&logout, &new).await, check(&logout, &old).await), (Ok(()), Ok(())));
    }
    assert_eq!(provider.requests("/jwks").await, 2);
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn a_removed_key_ends_the_tokens_that_it_has_signed() {
    let provider = OidcProvider::start("ES256").await;
    let logout = logout(discovering(provider.issuer()).audience(API).start().await.unwrap());
    let old = provider.token_for(API).await;
    assert_eq!(check(&logout, &old).await, Ok(()), "it is cached now");
    provider.rotate(false).await;
    let new = provider.token_for(API).await;
    assert_eq!(check(&logout, &new).await, Ok(()), "its key is fetched");
    assert_eq!(check(&logout, &old).await, Err(Rejection::Invalid));
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn a_logout_ends_a_session_at_the_provider_by_its_sid() {
    let provider = OidcProvider::start("ES256").await;
    let verifier = discovering(provider.issuer()).audience(API).start().await.unwrap();
    let [one, other] = [provider.sign_in("ann", API).await, provider.sign_in("ann", API).await];
    let [one, other] = [one.access_token, other.access_token];
    let token = verifier.verify(&one).await.unwrap();
    assert!(token.sid.is_some() && token.sub.as_deref() == Some("ann"));
    let logout = logout(verifier);
    assert_eq!((check(&logout, &one).await, check(&logout, &other).await), (Ok(()), Ok(())));
    logout.revoker().session(&*provider.issuer(), token.sid.as_deref().unwrap()).await.unwrap();
    assert_eq!((check(&logout, &one).await, check(&logout, &other).await), (Err(Rejection::Revoked), Ok(())));
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn tokens_verify_while_the_provider_is_down_and_after_it_is_back() {
    let provider = OidcProvider::start("ES256").await;
    let logout = logout(discovering(provider.issuer()).audience(API).start().await.unwrap());
    let [cached, unknown] = [provider.token_for(API).await, provider.token_for(API).await];
    assert_eq!(check(&logout, &cached).await, Ok(()));
    provider.kill();
    assert_eq!((check(&logout, &cached).await, check(&logout, &unknown).await), (Ok(()), Ok(())));
    provider.restart().await;
    provider.rotate(true).await;
    assert_eq!(check(&logout, &provider.token_for(API).await).await, Ok(()));
    assert_eq!(check(&logout, &cached).await, Ok(()));
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn a_service_may_start_before_its_provider() {
    let provider = OidcProvider::start("ES256").await;
    let token = provider.token_for(API).await;
    provider.kill();
    assert!(discovering(provider.issuer()).audience(API).start().await.is_err());
    let logout = logout(discovering(provider.issuer()).audience(API).start_lazily().unwrap());
    assert_eq!(check(&logout, &token).await, Err(Rejection::Unavailable));
    provider.restart().await;
    let recovered = async {
        while check(&logout, &token).await != Ok(()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, recovered).await.expect("keys are fetched when the provider is there");
}
