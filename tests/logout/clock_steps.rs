//! Promise: a token is accepted from the clock tolerance before its `nbf` and `iat` until its
//! expiry, and a clock that steps back makes no revoked or expired token valid.

use std::time::Duration;

use serde_json::json;
use test_support::{ISSUER, NOW, SECRET, at, claims_with, clock, hs256, identity, token, verifier};
use tower_logout::{
    JwtVerifier, MemoryStore, RevocationStore,
    clock::{Clock, Timestamp},
    revocation::{Outcome, Revocation, RevocationKey},
    set::RevocationSet,
    token::TokenVerifier,
};

#[tokio::test]
async fn a_token_whose_revocation_was_purged_stays_rejected_when_the_clock_steps_back() {
    let clock = clock();
    let (verifier, store) = (verifier(&clock), MemoryStore::new().clock(clock.clone()));
    let token = token("one");
    let revoked = verifier.verify(&token).await.unwrap();
    let _ = store.revoke(&Revocation::of_token(revoked.identity())).await.unwrap();

    clock.advance(Duration::from_secs(24 * 60 * 60));
    for n in 0..1024 {
        let _ = store.revoke(&Revocation::of_token(&identity(&n.to_string(), at(NOW + 90_000)))).await.unwrap();
    }
    assert_eq!(store.len(), 1024, "the revocation of the token is forgotten");

    clock.set(at(NOW));
    let revived = verifier.verify(&token).await.unwrap();
    assert!(store.is_revoked(revived.identity()).await.unwrap());
}

/// Sweeps the clock across a token's whole life. The token is revoked as soon as it is accepted,
/// and stays revoked for as long as it would be accepted.
#[tokio::test]
async fn a_token_is_accepted_from_the_tolerance_before_its_nbf_and_iat_until_its_expiry() {
    let (leeway, skew) = (Duration::from_millis(700), Duration::from_secs(3));
    let (begin, end) = (NOW + 20, NOW + 30);
    for dates in [
        json!({ "nbf": begin, "iat": null, "exp": end }),
        json!({ "iat": begin, "exp": end }),
        json!({ "nbf": begin, "exp": end }),
    ] {
        let clock = clock();
        let builder = JwtVerifier::hs256(SECRET).leeway(leeway).clock_skew(skew).max_lifetime(Duration::from_secs(30));
        let verifier = builder.clock(clock.clone()).build().unwrap();
        let store = MemoryStore::new().capacity(1).clock(clock.clone());
        let text = hs256(&claims_with("one", dates.clone()));
        let mut accepted = Vec::new();
        while clock.now() < at(NOW + 60) {
            if let Ok(token) = verifier.verify(&text).await {
                if accepted.is_empty() {
                    let (subject, through) = (RevocationKey::subject(ISSUER, "usr_123"), token.identity().issued_at());
                    let through = through.max(clock.now());
                    let until = verifier.retention().of_issued_through(through);
                    let _ = store.revoke(&Revocation::new(subject, through, until)).await.unwrap();
                }
                accepted.push(clock.now().as_unix_millis());
                assert!(store.is_revoked(token.identity()).await.unwrap(), "{dates}, at {:?}", clock.now());
            }
            clock.advance(Duration::from_millis(100));
            if !accepted.is_empty() {
                // The only place is taken, so the store purges whatever it may.
                let other = Revocation::new(RevocationKey::everything(), Timestamp::MIN, Timestamp::MAX);
                drop(store.revoke(&other).await);
            }
        }
        let tolerated: Vec<_> = (begin * 1000 - 3_700..end * 1000 + 700).step_by(100).collect();
        assert!(accepted == tolerated, "{dates}: from {:?} to {:?}", accepted.first(), accepted.last());
    }
}

#[test]
fn only_tokens_as_old_as_what_was_purged_are_rejected() {
    let set = RevocationSet::new();
    for n in 0..100 {
        let until = Timestamp::from_unix_millis(1000 + n);
        set.join(&Revocation::new(tower_logout::revocation::RevocationKey::issuer(&n.to_string()), at(0), until))
            .unwrap();
    }
    set.purge(Timestamp::from_unix_millis(1050), |_| {});
    assert_eq!((set.len(), set.purged_through()), (49, Timestamp::from_unix_millis(1050)));
    // The margins of an identity: one second, and 30 seconds of skew after the whole second.
    assert!(!set.is_revoked(&identity("young", at(0))));
    set.raise_purged_through(Timestamp::from_unix_millis(31_000));
    assert!(set.is_revoked(&identity("old", at(0))));
    assert!(!set.is_revoked(&identity("young", Timestamp::from_unix_millis(1))));
    set.raise_purged_through(Timestamp::MIN);
    assert_eq!(set.purged_through(), Timestamp::from_unix_millis(31_000), "it never falls");
}

#[test]
fn a_purged_token_cannot_be_revoked_a_second_time() {
    let set = RevocationSet::new();
    let token = identity("old", at(NOW));
    let revocation = Revocation::of_token(&token);
    assert_eq!(set.join(&revocation), Ok(Outcome::Newly));
    set.purge(at(NOW + 100), |_| {});
    assert!(set.is_empty() && set.is_revoked(&token) && set.knows(&revocation));
    assert_eq!(set.join(&revocation), Ok(Outcome::Already), "of all logouts with the token one was told Newly");
    assert!(set.is_empty(), "and it takes no room");
}
