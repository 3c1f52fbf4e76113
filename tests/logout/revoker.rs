//! Promise: a revocation that cannot take effect is never a success: it is an error that names the
//! configured values, or an event.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use serde_json::json;
use test_support::{ISSUER, NOW, SECRET, at, claims_with, clock, eventually, hs256, token};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore, Revoker, VerifiedToken,
    clock::{ManualClock, Timestamp},
    revocation::{Outcome, Retention, Revocable, RevocationKey, TokenIdentity},
    revoker::RevokeError,
    token::{TokenVerifier, VerifyError},
};

fn logout<V: TokenVerifier>(verifier: V) -> Logout<V::Claims> {
    Logout::new(verifier, test_support::memory())
}

fn one_issuer(clock: &ManualClock) -> JwtVerifier {
    JwtVerifier::hs256(SECRET).issuer(ISSUER).revocable_claim("tenant").clock(clock.clone()).build().unwrap()
}

fn any_issuer(clock: &ManualClock) -> JwtVerifier {
    JwtVerifier::hs256(SECRET).clock(clock.clone()).build().unwrap()
}

async fn identity<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> TokenIdentity {
    logout.verifier().verify(token).await.unwrap().identity().clone()
}

async fn is_rejected<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> bool {
    logout.store().is_revoked(&identity(logout, token).await).await.unwrap()
}

#[tokio::test]
async fn an_unknown_issuer_is_an_error_that_names_the_configured_ones() {
    let store = Arc::new(test_support::memory());
    let revoker = Logout::new(one_issuer(&clock()), Arc::clone(&store)).revoker();
    let slash = format!("{ISSUER}/");
    for issuer in [Some("https://other.example"), Some(&*slash), None] {
        let mut answers = vec![
            revoker.subject(issuer, "usr_123").await,
            revoker.session(issuer, "ses_1").await,
            revoker.client(issuer, "app").await,
            revoker.claim(issuer, "tenant", "7").await,
            revoker.token_id(issuer, "one").await,
        ];
        if let Some(issuer) = issuer {
            answers.push(revoker.issuer(issuer).await);
        }
        for answer in answers {
            let error = answer.unwrap_err();
            assert!(matches!(&error, RevokeError::UnknownIssuer { known } if *known == [ISSUER]), "{error}");
            let text = error.to_string();
            assert!(text.contains(&format!("The verifier accepts `{ISSUER}`")), "{text}");
            assert!(!text.contains("other.example") && !text.contains("usr_123"), "{text}");
        }
    }
    assert!(store.is_empty(), "nothing is stored");
    assert_eq!(revoker.subject(ISSUER, "usr_123").await.unwrap().outcome(), Outcome::Newly);
    assert_eq!(revoker.issuer(ISSUER).await.unwrap().outcome(), Outcome::Newly);
}

#[tokio::test]
async fn a_claim_that_is_not_revocable_is_an_error_that_names_the_revocable_ones() {
    for verifier in [one_issuer(&clock()), any_issuer(&clock())] {
        let store = Arc::new(test_support::memory());
        let logout = Logout::new(verifier, Arc::clone(&store));
        for name in ["tenants", "Tenant", "sub", "sid", "jti"] {
            let error = logout.revoker().claim(ISSUER, name, "7").await.unwrap_err();
            let RevokeError::UnknownClaim { known } = &error else { panic!("{error}") };
            let text = error.to_string();
            assert!(text.contains("revocable_claim") && text.contains("Revoker::subject"), "{text}");
            assert!(known.iter().all(|known| text.contains(&format!("`{known}`"))), "{text}");
        }
        assert!(store.is_empty());
    }
    let logout = logout(one_issuer(&clock()));
    for value in ["7", "true", ""] {
        assert_eq!(logout.revoker().claim(ISSUER, "tenant", value).await.unwrap().outcome(), Outcome::Newly);
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        assert!(is_rejected(&logout, &hs256(&claims_with("one", json!({ "tenant": value })))).await);
    }
}

#[tokio::test]
async fn an_empty_name_is_an_error() {
    for verifier in [one_issuer(&clock()), any_issuer(&clock())] {
        let store = Arc::new(test_support::memory());
        let revoker = Logout::new(verifier, Arc::clone(&store)).revoker();
        let answers = [
            revoker.subject(ISSUER, "").await,
            revoker.session(ISSUER, "").await,
            revoker.client(ISSUER, "").await,
            revoker.claim(ISSUER, "", "7").await,
            revoker.token_id(ISSUER, "").await,
            revoker.issuer("").await,
            revoker.subject("", "usr_123").await,
        ];
        for answer in answers {
            let error = answer.unwrap_err();
            assert!(matches!(error, RevokeError::Empty(_)), "{error}");
            assert!(error.to_string().contains("is empty") && error.to_string().contains("unset"), "{error}");
        }
        assert!(store.is_empty());
    }
}

/// Without a configured issuer there is nothing to compare with.
#[tokio::test]
async fn without_configured_issuers_any_issuer_may_be_revoked() {
    let logout = logout(any_issuer(&clock()));
    assert_eq!(logout.revoker().subject("https://other.example", "usr_9").await.unwrap().outcome(), Outcome::Newly);
    assert_eq!(logout.revoker().subject(None, "usr_123").await.unwrap().outcome(), Outcome::Newly);
    assert!(is_rejected(&logout, &hs256(&claims_with("one", json!({ "iss": null })))).await);
}

#[tokio::test]
async fn the_short_forms_cannot_name_a_wrong_issuer() {
    let clock = clock();
    let sample = |jti: &str| hs256(&claims_with(jti, json!({ "sub": jti, "sid": jti })));

    let logout = logout(one_issuer(&clock));
    assert_eq!(logout.revoker().user("one").await.unwrap().outcome(), Outcome::Newly);
    assert!(is_rejected(&logout, &sample("one")).await && !is_rejected(&logout, &sample("two")).await);
    assert!(matches!(logout.revoker().user("").await, Err(RevokeError::Empty(_))));

    // With a token's own keys, and its `iat` if its issuer's clock is ahead.
    let ahead = hs256(&claims_with("ahead", json!({ "sub": "ahead", "sid": "ahead", "iat": NOW + 20 })));
    let also_ahead = hs256(&claims_with("also", json!({ "sub": "ahead", "sid": "other", "iat": NOW + 20 })));
    let one_session = hs256(&claims_with("same", json!({ "sub": "other", "sid": "ahead", "iat": NOW + 20 })));
    let given = identity(&logout, &ahead).await;
    let _ = logout.revoker().session_of(&given).await.unwrap();
    assert!(
        is_rejected(&logout, &ahead).await
            && is_rejected(&logout, &one_session).await
            && !is_rejected(&logout, &also_ahead).await
    );
    let _ = logout.revoker().subject_of(&given).await.unwrap();
    assert!(is_rejected(&logout, &also_ahead).await);

    let nobody = identity(&logout, &hs256(&claims_with("nobody", json!({ "sub": "", "sid": null })))).await;
    assert!(matches!(logout.revoker().subject_of(&nobody).await, Err(RevokeError::NoSubject)));
    assert!(matches!(logout.revoker().session_of(&nobody).await, Err(RevokeError::NoSession)));
}

#[tokio::test]
async fn a_subject_without_an_issuer_is_an_error_unless_there_is_exactly_one() {
    let error = logout(any_issuer(&clock())).revoker().user("usr_123").await.unwrap_err();
    assert!(matches!(&error, RevokeError::NoSingleIssuer { known } if known.is_empty()), "{error}");
    assert!(error.to_string().contains("JwtVerifierBuilder::issuer"), "{error}");
    let two = Saying(Revocable::unknown().with_issuers([ISSUER, "https://b.example"]));
    let error = logout(two).revoker().user("usr_123").await.unwrap_err();
    assert!(matches!(&error, RevokeError::NoSingleIssuer { known } if known.len() == 2), "{error}");
    assert!(error.to_string().contains(ISSUER) && error.to_string().contains("https://b.example"), "{error}");
}

#[tokio::test]
async fn one_token_is_revoked_by_its_issuer_and_name_for_as_long_as_it_can_live() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let clock = clock();
    let verifier = || {
        let builder = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone());
        builder.max_lifetime(DAY).leeway(Duration::from_secs(60)).build().unwrap()
    };
    // So small that each revocation purges all it may.
    let logout = Logout::new(verifier(), MemoryStore::new().capacity(1).clock(clock.clone()));
    // The longest-lived token that can exist already, from an issuer whose clock is ahead.
    let iat = NOW + 90;
    let longest = hs256(&claims_with("longest", json!({ "iat": iat, "exp": iat + DAY.as_secs() })));
    let receipt = logout.revoker().token_id(ISSUER, "longest").await.unwrap();
    assert_eq!((receipt.outcome(), receipt.settles_at()), (Outcome::Newly, None));
    assert_eq!(receipt.revocation().key(), RevocationKey::token_id(ISSUER, "longest"));
    assert!(is_rejected(&logout, &longest).await && !is_rejected(&logout, &token("another")).await);

    clock.set(Timestamp::from_unix_seconds(iat + DAY.as_secs() + 59));
    let again = logout.revoker().user("somebody").await;
    assert!(again.is_err(), "the store is full, and what it holds may not be forgotten yet");
    assert!(is_rejected(&logout, &longest).await);
}

/// A custom verifier that returns configured values.
struct Saying(Revocable);

#[async_trait]
impl TokenVerifier for Saying {
    type Claims = ();

    async fn verify(&self, _: &str) -> Result<VerifiedToken<()>, VerifyError> {
        Err(VerifyError::Expired)
    }

    fn revocable(&self) -> Revocable {
        self.0.clone()
    }
}

#[tokio::test]
async fn a_custom_verifier_is_checked_as_far_as_it_declares() {
    let unknown = logout(Saying(Revocable::unknown()));
    assert_eq!(unknown.revoker().subject("anybody", "usr_123").await.unwrap().outcome(), Outcome::Newly);
    assert_eq!(unknown.revoker().claim(None, "anything", "7").await.unwrap().outcome(), Outcome::Newly);

    let no_issuer = logout(Saying(Revocable::unknown().with_issuers([] as [&str; 0])));
    assert_eq!(no_issuer.revoker().subject(None, "usr_123").await.unwrap().outcome(), Outcome::Newly);
    let error = no_issuer.revoker().subject(ISSUER, "usr_123").await.unwrap_err();
    assert!(error.to_string().contains("pass `None`"), "{error}");

    let claims = logout(Saying(Revocable::unknown().with_claims(["tenant"])));
    assert!(claims.revoker().claim(ISSUER, "tenant", "7").await.is_ok());
    assert!(matches!(claims.revoker().claim(ISSUER, "team", "7").await, Err(RevokeError::UnknownClaim { .. })));
}

async fn assert_rejects<V: TokenVerifier>(verifier: V) {
    let revoker = logout(verifier).revoker();
    assert!(matches!(revoker.subject("other", "usr_123").await, Err(RevokeError::UnknownIssuer { .. })));
    assert!(matches!(revoker.claim(ISSUER, "team", "7").await, Err(RevokeError::UnknownClaim { .. })));
}

#[tokio::test]
async fn wrappers_of_a_verifier_declare_the_same() {
    let verifier = || Saying(Revocable::unknown().with_issuers([ISSUER]).with_claims(["tenant"]));
    assert_rejects(verifier()).await;
    assert_rejects(Arc::new(verifier())).await;
    assert_rejects(Box::new(verifier())).await;
    assert_rejects(Box::new(verifier()) as Box<dyn TokenVerifier<Claims = ()>>).await;
    assert_rejects(one_issuer(&clock())).await;
    assert_rejects(Arc::new(one_issuer(&clock()))).await;
}

/// Refresh tokens of another issuer, in the same store.
#[tokio::test]
async fn the_verifier_of_refresh_tokens_adds_its_issuers_and_claims() {
    let clock = clock();
    let refresh = || {
        let builder = JwtVerifier::hs256(SECRET).issuer("https://refresh.example").revocable_claim("family");
        builder.clock(clock.clone()).build().unwrap()
    };
    let logout = logout(one_issuer(&clock));
    let alone = logout.revoker();
    assert!(alone.subject("https://refresh.example", "usr_123").await.is_err());
    let both = logout.clone().refresh_tokens(refresh()).revoker();
    for issuer in [ISSUER, "https://refresh.example"] {
        assert_eq!(both.subject(issuer, "usr_123").await.unwrap().outcome(), Outcome::Newly);
        assert_eq!(both.claim(issuer, "family", "7").await.unwrap().outcome(), Outcome::Newly);
    }
    let error = both.subject("other", "usr_123").await.unwrap_err();
    assert!(matches!(&error, RevokeError::UnknownIssuer { known } if known.len() == 2), "{error}");
    assert!(matches!(both.user("usr_123").await, Err(RevokeError::NoSingleIssuer { .. })));
    let unknown = logout.refresh_tokens(any_issuer(&clock)).revoker();
    assert!(unknown.subject("other", "usr_123").await.is_ok(), "tokens of any issuer are in the store");
}

/// A process without keys knows no issuers and can still revoke.
#[tokio::test]
async fn a_revoker_without_a_verifier_checks_no_issuer() {
    let revoker = Revoker::new(test_support::memory()).clock(clock()).retention(Retention::default());
    assert_eq!(revoker.subject("anybody", "usr_123").await.unwrap().outcome(), Outcome::Newly);
    assert!(matches!(revoker.subject("anybody", "").await, Err(RevokeError::Empty(_))));
    assert!(matches!(revoker.user("usr_123").await, Err(RevokeError::NoSingleIssuer { .. })));
}

#[tokio::test]
async fn a_revoker_without_a_verifier_applies_its_own_settings() {
    let retention = Retention::new().with_max_lifetime(Duration::from_secs(60));
    let revoker = Revoker::new(test_support::memory()).clock(clock()).retention(retention);
    let revoker = revoker.issuer_clock_ahead(Duration::from_secs(3));
    let receipt = revoker.subject("anybody", "usr_123").await.unwrap();
    assert_eq!(receipt.revocation().issued_through(), at(NOW + 3));
    assert_eq!(receipt.revocation().retain_until(), retention.of_issued_through(at(NOW + 3)));
}

#[tokio::test]
async fn a_store_failure_is_passed_on_unchanged() {
    let logout = Logout::new(one_issuer(&clock()), MemoryStore::new().capacity(0));
    let error = logout.revoker().user("usr_123").await.unwrap_err();
    let RevokeError::Store(store) = &error else { panic!("{error}") };
    assert_eq!(error.to_string(), store.to_string());
    assert_eq!(format!("{error:?}"), format!("{store:?}"));
    let boxed: Box<dyn Error + Send + Sync> = error.into();
    assert!(boxed.downcast_ref::<RevokeError>().is_some());
}

#[tokio::test]
async fn a_receipt_waits_by_the_verifiers_clock_until_a_new_token_is_unaffected() {
    for (ahead, settled_at) in [(0, NOW + 1), (5, NOW + 6)] {
        let clock = ManualClock::at(Timestamp::from_unix_millis(NOW * 1000 + 250));
        let logout = logout(one_issuer(&clock)).issuer_clock_ahead(Duration::from_secs(ahead));
        let receipt = logout.revoker().user("usr_123").await.unwrap();
        assert_eq!(receipt.settles_at(), Some(at(settled_at)));
        let waiting = receipt.clone();
        let settled = tokio::spawn(async move { waiting.settled().await });
        eventually("it waits for the clock", || clock.sleepers() == 1).await;
        clock.set(Timestamp::from_unix_millis(settled_at * 1000 - 1));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!settled.is_finished(), "a token that is issued now would be dead");
        let issued = |iat| hs256(&claims_with("new", json!({ "iat": iat })));
        assert!(is_rejected(&logout, &issued(settled_at - 1)).await);
        clock.set(at(settled_at));
        settled.await.unwrap();
        assert!(!is_rejected(&logout, &issued(settled_at)).await);
        assert!(receipt.settled().now_or_never().is_some(), "it is over");
    }
}

#[tokio::test]
async fn the_receipt_of_a_single_token_has_nothing_to_wait_for() {
    let logout = logout(one_issuer(&clock()));
    let token = identity(&logout, &token("one")).await;
    for receipt in [logout.revoker().token(&token).await, logout.revoker().token_id(ISSUER, "two").await] {
        assert!(receipt.unwrap().settled().now_or_never().is_some());
    }
}
