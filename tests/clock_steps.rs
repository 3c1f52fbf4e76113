//! Promise: a clock that steps back brings no dead token to life.
#![cfg(all(feature = "test-util", feature = "jwt"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{NOW, at, clock, identity, token, verifier};
use tower_logout::{MemoryStore, Outcome, Revocation, RevocationSet, RevocationStore, Timestamp, TokenVerifier};

#[tokio::test]
async fn a_token_that_was_purged_stays_dead_when_the_clock_steps_back() {
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

#[test]
fn only_tokens_as_old_as_what_was_purged_are_refused() {
    let set = RevocationSet::new();
    for n in 0..100 {
        let until = Timestamp::from_unix_millis(1000 + n);
        set.join(&Revocation::new(tower_logout::RevocationKey::issuer(&n.to_string()), at(0), until)).unwrap();
    }
    set.purge(Timestamp::from_unix_millis(1050), |_| {});
    assert_eq!((set.len(), set.purged_through()), (49, Timestamp::from_unix_millis(1050)));
    // An identity's margins: one second and 30 seconds of skew after the whole second.
    assert!(!set.is_revoked(&identity("young", at(0))));
    set.raise_purged_through(Timestamp::from_unix_millis(31_000));
    assert!(set.is_revoked(&identity("old", at(0))));
    assert!(!set.is_revoked(&identity("young", Timestamp::from_unix_millis(1))));
    set.raise_purged_through(Timestamp::MIN);
    assert_eq!(set.purged_through(), Timestamp::from_unix_millis(31_000), "it never falls");
}

#[test]
fn what_was_purged_cannot_be_revoked_anew_a_second_time() {
    let set = RevocationSet::new();
    let token = identity("old", at(NOW));
    let revocation = Revocation::of_token(&token);
    assert_eq!(set.join(&revocation), Ok(Outcome::Newly));
    set.purge(at(NOW + 100), |_| {});
    assert!(set.is_empty() && set.is_revoked(&token) && set.knows(&revocation));
    assert_eq!(set.join(&revocation), Ok(Outcome::Already), "of all logouts with the token one was told Newly");
    assert!(set.is_empty(), "and it takes no room");
}
