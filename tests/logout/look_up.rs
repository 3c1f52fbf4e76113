//! Promise: application code sees what is revoked, or that nobody can tell.

use serde_json::json;
use test_support::{
    ISSUER, NOW, at, claims_with, clock,
    hand::{Act, HandStore},
    hs256, identity, token, verifier,
};
use tower_logout::{
    Logout, Revoker,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey, TokenIdentity},
    revoker::RevokeError,
    token::TokenVerifier,
};

async fn verified(logout: &Logout, token: &str) -> TokenIdentity {
    logout.verifier().verify(token).await.unwrap().identity().clone()
}

#[tokio::test]
async fn a_token_is_revoked_by_any_of_its_keys() {
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let revoker = logout.revoker();
    for (jti, changes) in [("token", json!({})), ("session", json!({ "sid": "s" })), ("user", json!({ "sub": "u" }))] {
        let token = verified(&logout, &hs256(&claims_with(jti, changes))).await;
        assert!(!revoker.revoked(&token).await.unwrap());
        match jti {
            "token" => revoker.token(&token).await,
            "session" => revoker.session(ISSUER, "s").await,
            _ => revoker.user("u").await,
        }
        .map(drop)
        .unwrap();
        assert!(revoker.revoked(&token).await.unwrap(), "{jti}");
    }
    assert!(!revoker.revoked(&verified(&logout, &token("other")).await).await.unwrap());
}

#[tokio::test]
async fn a_revocation_is_seen_by_its_key() {
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let revoker = logout.revoker();
    let key = RevocationKey::subject(ISSUER, "usr_123");
    assert_eq!(revoker.revocation(key).await.unwrap(), None);
    let receipt = revoker.user("usr_123").await.unwrap();
    assert_eq!(revoker.revocation(key).await.unwrap(), Some(*receipt.revocation()));
    assert_eq!(receipt.revocation().issued_through(), at(NOW));
    let _ = revoker.revoke(key, at(NOW - 5)).await.unwrap();
    assert_eq!(revoker.revocation(key).await.unwrap(), Some(*receipt.revocation()), "nothing is taken back");
    assert_eq!(revoker.revocation(RevocationKey::subject(ISSUER, "other")).await.unwrap(), None);

    let token = verified(&logout, &token("one")).await;
    let _ = revoker.token(&token).await.unwrap();
    assert_eq!(revoker.revocation(token.own_key()).await.unwrap(), Some(Revocation::of_token(&token)));
}

#[tokio::test]
async fn a_store_that_cannot_answer_is_an_error() {
    let store = HandStore::new();
    let revoker = Revoker::new(store.clone().checks(Act::Fail).finds(Act::Fail));
    let token = identity("one", Timestamp::MAX);
    for error in [revoker.revoked(&token).await.unwrap_err(), revoker.revocation(token.own_key()).await.unwrap_err()] {
        assert!(matches!(&error, RevokeError::Store(store) if store.to_string().contains("on fire")), "{error}");
    }
}
