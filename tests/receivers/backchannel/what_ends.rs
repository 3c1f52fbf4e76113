//! Promise: a session ends by its `sid`, a user by `sub` alone, up to the delivery, and nothing else
//! does.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::{ISSUER, NOW, at, clock, hand::HandStore, memory};
use tower_logout::{
    JwtVerifier, Logout,
    clock::Timestamp,
    endpoint::BackchannelLogoutBuilder,
    respond::Rejection,
    revocation::{Retention, RevocationKey},
    token::jwt::{JwtVerifierBuilder, TestIssuer},
};

use super::support::{Api, CLIENT, access_token, check, deliver, logout_token, status};

const REVOKED: Result<(), Rejection> = Err(Rejection::Revoked);

#[tokio::test]
async fn a_logout_token_with_sid_ends_that_session_only() {
    for named in [json!({ "sub": null }), json!({})] {
        let api = Api::new();
        let own = access_token("1", json!({}));
        let another_session = access_token("2", json!({ "sid": "ses_2" }));
        let without_session = access_token("3", json!({ "sid": null }));
        let another_user = access_token("4", json!({ "sid": "ses_3", "sub": "usr_456" }));
        assert_eq!(status(&api.service(), &logout_token(named)).await, 200);
        assert_eq!(api.check(&own).await, REVOKED);
        for other in [another_session, without_session, another_user] {
            assert_eq!(api.check(&other).await, Ok(()));
        }
    }
}

#[tokio::test]
async fn a_logout_token_with_sub_alone_ends_all_sessions_of_that_user() {
    let api = Api::new();
    let token = logout_token(json!({ "sid": null }));
    assert_eq!(status(&api.service(), &token).await, 200);
    for (jti, sid) in [("1", json!("ses_1")), ("2", json!("ses_2")), ("3", Value::Null)] {
        assert_eq!(api.check(&access_token(jti, json!({ "sid": sid }))).await, REVOKED);
    }
    assert_eq!(api.check(&access_token("4", json!({ "sub": "usr_456" }))).await, Ok(()));
}

#[tokio::test]
async fn it_is_revoked_for_the_lifetime_of_tokens_and_remembered_for_that_of_the_message() {
    let api = Api::new();
    assert_eq!(status(&api.service(), &logout_token(json!({}))).await, 200);
    let [session, message] = api.stored()[..] else { panic!("{:?}", api.stored()) };
    let retention = Retention::default();
    assert_eq!(session.key(), RevocationKey::session(ISSUER, "ses_1"));
    assert_eq!(session.issued_through(), at(NOW));
    assert_eq!(session.retain_until(), retention.of_issued_through(at(NOW)));
    // Accepted until the expiry and the skew; other clocks may be behind by as much.
    assert_eq!(message.retain_until(), at(NOW + 120 + 30 + 1 + 30));
}

#[tokio::test]
async fn a_message_that_is_valid_for_ever_is_remembered_for_a_day() {
    let api = Api::new();
    assert_eq!(status(&api.service(), &logout_token(json!({ "exp": u64::MAX }))).await, 200);
    assert_eq!(api.stored()[1].retain_until(), at(NOW + 24 * 3600 + 30 + 1 + 30));
}

/// The instant through which tokens are revoked by a delivery at this time.
async fn dated(api: &Api, iat: u64, delivered: Timestamp) -> Timestamp {
    api.clock.set(delivered);
    assert_eq!(status(&api.service(), &logout_token(json!({ "iat": iat, "sid": null }))).await, 200);
    api.stored()[0].issued_through()
}

#[tokio::test]
async fn it_ends_what_was_issued_up_to_the_delivery() {
    let late = Timestamp::from_unix_millis((NOW + 60) * 1000 + 500);
    assert_eq!(dated(&Api::new(), NOW, late).await, late);
    assert_eq!(dated(&Api::new(), NOW + 20, at(NOW)).await, at(NOW + 20), "the provider's clock is ahead");
}

#[tokio::test]
async fn an_access_token_that_was_issued_before_the_provider_ended_the_session_ends_too() {
    let api = Api::new();
    api.clock.set(at(NOW + 2));
    let minted_meanwhile = access_token("1", json!({ "iat": NOW + 1 }));
    assert_eq!(status(&api.service(), &logout_token(json!({}))).await, 200);
    assert_eq!(api.check(&minted_meanwhile).await, REVOKED);
    // As by a refresh token with `offline_access`.
    api.clock.set(at(NOW + 3));
    assert_eq!(api.check(&access_token("2", json!({ "iat": NOW + 3 }))).await, Ok(()));
}

#[tokio::test]
async fn by_choice_it_ends_only_what_was_issued_up_to_its_iat() {
    let api = Api::new();
    api.clock.set(at(NOW + 60));
    let service = api.endpoint(BackchannelLogoutBuilder::allow_tokens_since_iat);
    assert_eq!(status(&service, &logout_token(json!({ "sid": null }))).await, 200);
    assert_eq!(api.stored()[0].issued_through(), at(NOW));
    assert_eq!(api.check(&access_token("1", json!({ "iat": NOW }))).await, REVOKED);
    assert_eq!(api.check(&access_token("2", json!({ "iat": NOW + 1 }))).await, Ok(()));
}

#[tokio::test]
async fn the_margin_for_the_issuers_clock_applies() {
    let api = Api::new();
    let logout = api.logout.clone().issuer_clock_ahead(Duration::from_secs(5));
    let service = logout.backchannel(CLIENT).build().unwrap();
    assert_eq!(status(&service, &logout_token(json!({}))).await, 200);
    assert_eq!(api.stored()[0].issued_through(), at(NOW + 5));
}

#[tokio::test]
async fn by_choice_a_session_ends_with_all_of_its_user() {
    let api = Api::new();
    let service = api.endpoint(BackchannelLogoutBuilder::always_end_subject);
    let sid_only = logout_token(json!({ "sub": null }));
    assert_eq!(status(&service, &sid_only).await, 400, "nothing could end");
    assert!(api.stored().is_empty());
    assert_eq!(status(&service, &logout_token(json!({}))).await, 200);
    assert_eq!(
        api.stored_keys()[..2],
        [RevocationKey::session(ISSUER, "ses_1"), RevocationKey::subject(ISSUER, "usr_123")]
    );
    assert_eq!(api.check(&access_token("1", json!({ "sid": null }))).await, REVOKED);
    assert_eq!(api.check(&access_token("2", json!({ "sub": "usr_456", "sid": null }))).await, Ok(()));
}

fn with_claims(settings: impl FnOnce(JwtVerifierBuilder) -> JwtVerifierBuilder) -> (Logout, HandStore) {
    let (clock, store) = (clock(), HandStore::new());
    let builder = JwtVerifier::hs256(test_support::SECRET).issuer(ISSUER).clock(clock);
    (Logout::new(settings(builder).build().unwrap(), store.clone()), store)
}

#[tokio::test]
async fn the_claim_of_the_session_in_access_tokens_may_have_another_name() {
    let (logout, _) = with_claims(|builder| builder.session_claim("https://api.example/sid"));
    let access = |sid| access_token(sid, json!({ "sid": null, "https://api.example/sid": sid }));
    let service = logout.backchannel(CLIENT).build().unwrap();
    assert_eq!(status(&service, &logout_token(json!({}))).await, 200);
    assert_eq!(check(&logout, &access("ses_1")).await, REVOKED);
    assert_eq!(check(&logout, &access("ses_2")).await, Ok(()));
}

#[tokio::test]
async fn the_claim_of_the_subject_is_read_from_the_logout_token_or_the_logout_is_refused() {
    let (logout, store) = with_claims(|builder| builder.subject_claim("oid"));
    let access = |oid| access_token(oid, json!({ "sid": null, "sub": "pairwise", "oid": oid }));
    let service = logout.backchannel(CLIENT).build().unwrap();
    for lacking in [json!({ "sid": null }), json!({ "sid": null, "oid": "" }), json!({ "sid": null, "oid": [] })] {
        assert_eq!(status(&service, &logout_token(lacking)).await, 400, "nothing could end");
    }
    assert!(store.revocations().is_empty());
    assert_eq!(status(&service, &logout_token(json!({ "sid": null, "oid": "ann" }))).await, 200);
    assert_eq!(check(&logout, &access("ann")).await, REVOKED);
    assert_eq!(check(&logout, &access("bob")).await, Ok(()));
}

#[tokio::test]
async fn an_unknown_session_or_user_is_a_success() {
    let api = Api::new();
    for named in [json!({ "sid": "unknown" }), json!({ "sid": null, "sub": "unknown", "jti": "2" })] {
        assert_eq!(deliver(&api.service(), &logout_token(named)).await.status, 200);
    }
}

#[tokio::test]
async fn an_issuer_cannot_end_sessions_of_another() {
    let [one, two] = [TestIssuer::start().await, TestIssuer::start().await];
    let issuers = [&one, &two]
        .map(|issuer| tower_logout::token::jwt::Issuer::keys(issuer.url(), issuer.key_set()).allow_any_audience());
    let logout = Logout::new(JwtVerifier::issuers(issuers).build().unwrap(), tower_logout::MemoryStore::new());
    let service = logout.backchannel(CLIENT).build().unwrap();
    let access = |issuer: &TestIssuer| issuer.token(&json!({ "sub": "ann", "sid": "ses_1" }));
    let ends = |signer: &TestIssuer, iss: &str| {
        let claims: Value = serde_json::from_slice(&decoded(&signer.token(&json!({
            "iss": iss, "aud": CLIENT, "sid": "ses_1", "events": { super::support::EVENT: {} },
        }))))
        .unwrap();
        signer.sign_exactly(&json!({ "alg": "ES256", "kid": signer.kid() }), &claims)
    };
    assert_eq!(status(&service, &ends(&one, two.url())).await, 400);
    assert_eq!(status(&service, &ends(&one, one.url())).await, 200);
    assert_eq!((check(&logout, &access(&one)).await, check(&logout, &access(&two)).await), (REVOKED, Ok(())));
}

fn decoded(token: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn a_verifier_of_any_issuer_ends_sessions_of_the_issuer_that_the_message_names() {
    let verifier = JwtVerifier::hs256(test_support::SECRET).clock(clock()).build().unwrap();
    let logout = Logout::new(verifier, memory());
    let service = logout.backchannel(CLIENT).build().unwrap();
    assert_eq!(status(&service, &logout_token(json!({ "iss": "https://other.example" }))).await, 200);
    assert_eq!(check(&logout, &access_token("1", json!({}))).await, Ok(()));
    assert_eq!(check(&logout, &access_token("1", json!({ "iss": "https://other.example" }))).await, REVOKED);
}
