//! Promise: opaque tokens of real providers are accepted by introspection, plain or signed, beside
//! JWTs, and end when the provider or this service ends them.

use test_support::servers::{Glewlwyd, OidcProvider};
use tower_logout::{
    respond::Rejection,
    token::{
        TokenVerifier,
        introspection::{Introspection, IntrospectionBuilder},
        jwt::Issuer,
    },
};

use crate::support::{API, check, discovering, logout};

/// An audience whose tokens are opaque.
const OPAQUE: &str = "https://api.example/opaque";

fn introspection(provider: &OidcProvider) -> IntrospectionBuilder {
    let endpoint = format!("{}/token/introspection", provider.issuer());
    Introspection::at(endpoint, provider.issuer())
        .client_secret_basic(OidcProvider::INTROSPECTING, OidcProvider::SECRET)
        .audience(OPAQUE)
        .allow_http_on_loopback()
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn jwts_and_opaque_tokens_are_accepted_side_by_side() {
    let provider = OidcProvider::start("ES256").await;
    let jwts = discovering(provider.issuer()).audience(API).start().await.unwrap();
    let logout = logout(jwts.or_opaque(introspection(&provider).build().unwrap()));
    let [jwt, opaque] = [provider.token_for(API).await, provider.token_for(OPAQUE).await];
    assert_eq!((jwt.matches('.').count(), opaque.matches('.').count()), (2, 0));
    for _ in 0..3 {
        assert_eq!((check(&logout, &jwt).await, check(&logout, &opaque).await), (Ok(()), Ok(())));
    }
    assert_eq!(provider.requests("/token/introspection").await, 1);
    let invented = "an-invented-token";
    assert_eq!(check(&logout, invented).await, Err(Rejection::Invalid));
    let for_another = provider.token_for("https://other.example/opaque").await;
    assert_eq!(check(&logout, &for_another).await, Err(Rejection::Invalid));
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn signed_answers_are_accepted_in_every_algorithm() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let provider = OidcProvider::start(algorithm).await;
        let signer = Issuer::discover(provider.issuer()).allow_http_on_loopback();
        let verifier = introspection(&provider).signed_answers(signer).build().unwrap();
        let token = verifier.verify(&provider.token_for(OPAQUE).await).await.unwrap();
        assert_eq!(token.client_id.as_deref(), Some("service"), "{algorithm}");
    }
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn an_opaque_token_ends_at_its_revocation_here_or_there() {
    let provider = OidcProvider::start("ES256").await;
    let verifier = || introspection(&provider).build().unwrap();
    let [here, there] = [provider.token_for(OPAQUE).await, provider.token_for(OPAQUE).await];
    let identity = verifier().verify(&here).await.unwrap();
    let one = logout(verifier());
    assert_eq!(check(&one, &here).await, Ok(()), "it is cached now");
    one.revoker().token(identity.identity()).await.unwrap();
    assert_eq!(check(&one, &here).await, Err(Rejection::Revoked));
    provider.revoke(&there).await;
    assert_eq!(check(&logout(verifier()), &there).await, Err(Rejection::Invalid));
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn a_provider_that_is_down_or_rejects_this_client_is_an_outage() {
    let provider = OidcProvider::start("ES256").await;
    let token = provider.token_for(OPAQUE).await;
    let wrong = introspection(&provider).client_secret_basic(OidcProvider::INTROSPECTING, "wrong").build().unwrap();
    assert_eq!(check(&logout(wrong), &token).await, Err(Rejection::Unavailable));
    let good = logout(introspection(&provider).build().unwrap());
    provider.kill();
    assert_eq!(check(&good, &token).await, Err(Rejection::Unavailable));
}

#[tokio::test]
#[ignore = "needs Glewlwyd"]
async fn a_logout_at_glewlwyd_ends_the_token() {
    let provider = Glewlwyd::start().await;
    let endpoint = format!("{}/introspect", provider.issuer());
    let plain = || {
        Introspection::at(&endpoint, provider.issuer())
            .client_secret_basic(Glewlwyd::CLIENT, Glewlwyd::SECRET)
            .audience(Glewlwyd::AUDIENCE)
            .allow_http_on_loopback()
    };
    // Its signed answers have the audience of the token.
    let signer = || Issuer::discover(provider.issuer()).audience(Glewlwyd::AUDIENCE).allow_http_on_loopback();
    let signed = || plain().signed_answers(signer());
    let session = provider.sign_in().await;
    let fresh = async |introspection: IntrospectionBuilder| {
        check(&logout(introspection.build().unwrap()), &session.access_token).await
    };
    assert_eq!((fresh(plain()).await, fresh(signed()).await), (Ok(()), Ok(())));
    session.end().await;
    assert_eq!(fresh(plain()).await, Err(Rejection::Invalid));
    // It answers 400 if a signed answer is asked for: it has not judged the token then.
    assert_eq!(fresh(signed()).await, Err(Rejection::Unavailable));
}
