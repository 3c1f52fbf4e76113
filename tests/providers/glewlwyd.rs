//! Promise: tokens of Glewlwyd, another implementation, verify by discovery.

use test_support::servers::Glewlwyd;
use tower_logout::{respond::Rejection, token::TokenVerifier};

use crate::support::{check, discovering, logout};

#[tokio::test]
#[ignore = "needs Glewlwyd"]
async fn tokens_verify_and_are_revoked() {
    let provider = Glewlwyd::start().await;
    let verifier = discovering(provider.issuer()).audience(Glewlwyd::AUDIENCE).start().await.unwrap();
    let session = provider.sign_in().await;
    let token = verifier.verify(&session.access_token).await.unwrap();
    assert_eq!(token.client_id.as_deref(), Some(Glewlwyd::CLIENT));
    assert!(token.jti.is_some() && token.sub.is_some());
    let logout = logout(verifier);
    assert_eq!(check(&logout, &session.access_token).await, Ok(()));
    logout.revoker().token(token.identity()).await.unwrap();
    assert_eq!(check(&logout, &session.access_token).await, Err(Rejection::Revoked));
}
