//! Promise: a success is never answered without the revocation, and what failed can be repeated.

use std::{io, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use test_support::{
    NOW, clock,
    hand::{Act, HandStore},
    memory, verifier,
};
use tower_logout::{
    Claims, Logout, VerifiedToken,
    token::{TokenVerifier, VerifyError},
};

use super::support::{access_token, endpoint, logout, refresh_token, request_of_app, revoke};
use crate::support::{FailingStore, check, send};

#[tokio::test]
async fn whichever_call_of_the_store_fails_the_answer_is_503_and_a_repeat_takes_effect() {
    for (token, calls) in [(access_token("1", &json!({})), 1), (refresh_token("1", &json!({})), 3)] {
        for call in 0..calls {
            let store = FailingStore::new();
            let logout = logout(store.clone());
            store.fail_at(call);
            assert_eq!(revoke(&endpoint(&logout), &token).await.status, 503, "call {call}");
            assert_eq!(store.recover(), call + 1);
            assert_eq!(revoke(&endpoint(&logout), &token).await.status, 200, "call {call}");
            assert!(check(&logout, &access_token("1", &json!({}))).await.is_err(), "call {call}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_or_panics_is_answered_with_503() {
    for act in [Act::Hang, Act::Panic, Act::Fail, Act::DoneButFail] {
        for token in [access_token("1", &json!({})), refresh_token("1", &json!({}))] {
            let service = endpoint(&logout(HandStore::new().revokes(act))).timeout(Duration::from_millis(50));
            assert_eq!(revoke(&service, &token).await.status, 503, "{act:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_nothing_half_done() {
    let store = HandStore::new().revokes(Act::Gated);
    let logout = logout(store.clone());
    let service = endpoint(&logout);
    let request = tokio::spawn(async move { revoke(&service, &refresh_token("r", &json!({}))).await });
    test_support::eventually("the revocation", || store.waiting() == 1).await;
    request.abort();
    store.open(2);
    test_support::eventually("both are stored", || store.revocations().len() == 2).await;
    assert!(check(&logout, &access_token("1", &json!({ "iat": NOW }))).await.is_err());
}

/// Cannot verify anything at the moment.
struct Down;

#[async_trait]
impl TokenVerifier for Down {
    type Claims = Claims;

    async fn verify(&self, _: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        Err(VerifyError::unavailable(io::Error::other("no keys")))
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_verified_now_is_answered_with_503() {
    let no_refresh = Logout::new(verifier(&clock()), memory()).refresh_tokens(Down);
    let no_access = Logout::new(Down, memory());
    for (logout, token, hint, status) in [
        (&no_refresh, "x", "", 503),
        (&no_refresh, "x", "&token_type_hint=refresh_token", 503),
        (&no_refresh, &*access_token("1", &json!({})), "&token_type_hint=refresh_token", 200),
        (&no_access, &*access_token("1", &json!({})), "", 503),
        (&no_access, "x", "&token_type_hint=refresh_token", 503),
    ] {
        assert_eq!(send(&endpoint(logout), request_of_app(token, hint)).await.status, status, "{token} {hint}");
    }
}
