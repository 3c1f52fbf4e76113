//! Promise: an access token ends alone, a refresh token with what was issued by it, and anything
//! that is no valid token changes nothing.

use serde_json::json;
use test_support::{NOW, SECRET, at, clock, events::Events, hand::HandStore, hs256, memory, verifier};
use tower_logout::{JwtVerifier, Logout, LogoutScope, MemoryStore, endpoint::RevocationEndpoint, respond::Rejection};

use super::support::{access_token, endpoint, logout, logout_at, refresh_token, request_of_app, revoke};
use crate::support::{check, send};

#[tokio::test]
async fn what_is_no_valid_token_is_answered_with_200_and_changes_nothing() {
    let store = HandStore::new();
    let service = endpoint(&logout(store.clone()));
    let token = access_token("1", &json!({}));
    let (input, _) = token.rsplit_once('.').unwrap();
    for unknown in [
        "x",
        "a%20b",
        "%FF",
        "..",
        &format!("{input}.AAAA"),
        &access_token("2", &json!({ "exp": NOW })),
        &access_token("3", &json!({ "iss": "https://other.example" })),
        &refresh_token("4", &json!({ "exp": NOW })),
        &"x".repeat(9 * 1024),
    ] {
        for hint in ["", "&token_type_hint=access_token", "&token_type_hint=refresh_token", "&token_type_hint=saml"] {
            assert_eq!(send(&service, request_of_app(unknown, hint)).await.status, 200, "{unknown} {hint}");
        }
    }
    assert!(store.revocations().is_empty());
}

#[tokio::test]
async fn a_repeat_is_answered_with_200_and_changes_nothing() {
    let clock = clock();
    let logout = logout_at(&clock, MemoryStore::new().clock(clock.clone()));
    let service = endpoint(&logout).refresh_token_ends(LogoutScope::Subject);
    for token in [access_token("1", &json!({})), refresh_token("r", &json!({}))] {
        assert_eq!(revoke(&service, &token).await.status, 200);
    }
    clock.set(at(NOW + 10));
    let login = access_token("2", &json!({ "iat": NOW + 5 }));
    for token in [access_token("1", &json!({})), refresh_token("r", &json!({}))] {
        assert_eq!(revoke(&service, &token).await.status, 200);
    }
    assert!(check(&logout, &login).await.is_ok(), "the user has signed in again");
}

#[tokio::test]
async fn a_refresh_token_that_was_revoked_with_others_does_not_end_a_later_login() {
    let clock = clock();
    let logout = logout_at(&clock, MemoryStore::new().clock(clock.clone()));
    let _ = logout.revoker().subject(test_support::ISSUER, "usr_123").await.unwrap();
    clock.set(at(NOW + 10));
    let login = access_token("2", &json!({ "iat": NOW + 5 }));
    let service = endpoint(&logout).refresh_token_ends(LogoutScope::Subject);
    assert_eq!(revoke(&service, &refresh_token("old", &json!({}))).await.status, 200);
    assert!(check(&logout, &login).await.is_ok());
}

#[tokio::test]
async fn a_refresh_token_ends_its_session_its_subject_or_nothing_else() {
    for (scope, ends) in [
        (None, [true, false, false]),
        (Some(LogoutScope::Session), [true, false, false]),
        (Some(LogoutScope::Subject), [true, true, false]),
        (Some(LogoutScope::Token), [false, false, false]),
    ] {
        for hint in ["", "&token_type_hint=refresh_token", "&token_type_hint=access_token"] {
            let logout = logout(memory());
            let service = scope.into_iter().fold(endpoint(&logout), RevocationEndpoint::refresh_token_ends);
            let own = refresh_token("r", &json!({}));
            assert_eq!(send(&service, request_of_app(&own, hint)).await.status, 200);
            let others = [json!({}), json!({ "sid": "ses_2" }), json!({ "sub": "usr_456", "sid": "ses_3" })];
            for (changes, ends) in others.iter().zip(ends) {
                let answer = check(&logout, &access_token("a", changes)).await;
                assert_eq!(answer, if ends { Err(Rejection::Revoked) } else { Ok(()) }, "{scope:?} {changes}");
            }
            let later = access_token("later", &json!({ "iat": NOW + 1 }));
            assert_eq!(check(&logout, &later).await, Ok(()), "a token that is issued later");
        }
    }
}

#[tokio::test]
async fn what_a_refresh_token_of_a_faster_clock_ends_includes_access_tokens_of_its_date() {
    let logout = logout(memory());
    let ahead = json!({ "iat": NOW + 20 });
    assert_eq!(revoke(&endpoint(&logout), &refresh_token("r", &ahead)).await.status, 200);
    assert_eq!(check(&logout, &access_token("a", &ahead)).await, Err(Rejection::Revoked));
    assert_eq!(check(&logout, &access_token("a", &json!({ "iat": NOW + 21 }))).await, Ok(()));
}

#[tokio::test]
async fn the_refresh_token_itself_is_revoked_for_the_service_that_redeems_it() {
    let refresh = JwtVerifier::hs256(SECRET).issuer(test_support::ISSUER).clock(clock()).typ("rt+jwt").build().unwrap();
    let store = std::sync::Arc::new(memory());
    let redeeming = Logout::new(refresh, std::sync::Arc::clone(&store));
    let issuing = logout(store);
    let service = endpoint(&issuing).refresh_token_ends(LogoutScope::Token);
    let (one, other) = (refresh_token("1", &json!({})), refresh_token("2", &json!({})));
    assert_eq!(revoke(&service, &one).await.status, 200);
    assert_eq!(check(&redeeming, &one).await, Err(Rejection::Revoked));
    assert_eq!(check(&redeeming, &other).await, Ok(()));
}

#[tokio::test]
async fn a_refresh_token_without_a_session_ends_alone_and_without_a_subject_it_is_not_supported() {
    let events = Events::of_this_thread();
    let store = HandStore::new();
    let logout = logout(store.clone());
    let token = refresh_token("r", &json!({ "sid": null }));
    assert_eq!(revoke(&endpoint(&logout), &token).await.status, 200);
    assert_eq!(store.revocations().len(), 1);
    assert_eq!(events.named("token lacks a claim").len(), 1);
    let service = endpoint(&logout).refresh_token_ends(LogoutScope::Subject);
    let reply = revoke(&service, &refresh_token("s", &json!({ "sub": null }))).await;
    assert_eq!((reply.status, &*reply.error()), (400, "unsupported_token_type"));
    assert_eq!(store.revocations().len(), 1);
}

#[tokio::test]
async fn without_a_verifier_of_refresh_tokens_a_client_that_names_one_is_told_so() {
    let store = HandStore::new();
    let service = endpoint(&Logout::new(verifier(&clock()), store.clone()));
    let refresh = refresh_token("r", &json!({}));
    let reply = send(&service, request_of_app(&refresh, "&token_type_hint=refresh_token")).await;
    assert_eq!((reply.status, &*reply.error()), (400, "unsupported_token_type"));
    assert_eq!(revoke(&service, &refresh).await.status, 200, "it cannot be told from a forged one");
    assert!(store.revocations().is_empty());
    // The hint is only a hint.
    let access = access_token("1", &json!({}));
    assert_eq!(send(&service, request_of_app(&access, "&token_type_hint=refresh_token")).await.status, 200);
    assert_eq!(store.revocations().len(), 1);
}

#[tokio::test]
async fn a_token_that_becomes_valid_later_is_no_success() {
    let store = HandStore::new();
    let service = endpoint(&logout(store.clone()));
    for changes in [json!({ "nbf": NOW + 100 }), json!({ "iat": NOW + 100 })] {
        for token in [access_token("1", &changes), refresh_token("1", &changes)] {
            let reply = revoke(&service, &token).await;
            assert_eq!((reply.status, &*reply.error()), (400, "invalid_request"), "{changes}");
        }
    }
    let forged = hs256(&json!({ "nbf": NOW + 100, "exp": NOW + 200 }));
    assert_eq!(revoke(&service, &forged[..forged.len() - 2]).await.status, 200);
    assert!(store.revocations().is_empty());
}
