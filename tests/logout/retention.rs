//! Promise: a revoked token stays rejected for as long as any verifier would accept it, and its
//! revocation is purged after that.

use std::time::Duration;

use serde_json::json;
use test_support::{NOW, SECRET, at, claims_with, hs256};
use tower_logout::{
    JwtVerifier, MemoryStore, RevocationStore,
    clock::{Clock, ManualClock, Timestamp},
    revocation::{Retention, Revocation, RevocationKey},
    token::{TokenVerifier, VerifyError},
};

const SKEW: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(100);

/// A verifier and a store whose clocks differ by a constant.
struct World {
    verifier: JwtVerifier,
    store: MemoryStore,
    verifiers_clock: ManualClock,
    stores_clock: ManualClock,
}

impl World {
    fn new(leeway: Duration, ahead: Duration, behind: Duration) -> Self {
        let verifiers_clock = ManualClock::at(at(NOW).saturating_add(ahead));
        let stores_clock = ManualClock::at(at(NOW).saturating_add(behind));
        let verifier = JwtVerifier::hs256(SECRET)
            .leeway(leeway)
            .clock_skew(SKEW)
            .max_lifetime(Duration::from_secs(60))
            .clock(verifiers_clock.clone())
            .build()
            .unwrap();
        Self {
            verifier,
            store: MemoryStore::new().capacity(1).clock(stores_clock.clone()),
            verifiers_clock,
            stores_clock,
        }
    }

    fn advance(&self) {
        self.verifiers_clock.advance(STEP);
        self.stores_clock.advance(STEP);
    }

    /// Makes the store purge all it may: its only place is taken, so it purges before it rejects
    /// another entry.
    async fn want_room(&self) {
        let other = Revocation::new(RevocationKey::everything(), Timestamp::MIN, Timestamp::MAX);
        drop(self.store.revoke(&other).await);
    }
}

/// Sweeps both clocks across the expiry of a revoked token. It must go from rejected by the store
/// to rejected by the verifier without a gap.
async fn sweep(leeway: Duration, ahead: Duration, behind: Duration, exp: f64) {
    let world = World::new(leeway, ahead, behind);
    let text = hs256(&claims_with("one", json!({ "exp": exp })));
    let token = world.verifier.verify(&text).await.unwrap();
    let _ = world.store.revoke(&Revocation::of_token(token.identity())).await.unwrap();
    let mut accepted = 0;
    loop {
        assert!(accepted < 100_000, "the token never expires");
        world.advance();
        world.want_room().await;
        match world.verifier.verify(&text).await {
            Ok(token) => {
                accepted += 1;
                assert!(
                    world.store.is_revoked(token.identity()).await.unwrap(),
                    "leeway {leeway:?}, exp {exp}, verifier at {:?}, store at {:?}",
                    world.verifiers_clock.now(),
                    world.stores_clock.now(),
                );
            }
            Err(VerifyError::Expired) => break,
            Err(error) => unreachable!("{error}"),
        }
    }
    assert!(accepted > 10, "the sweep saw the token alive");
    let mut steps = 0;
    while !world.store.is_revoked(&test_support::identity("room was made", Timestamp::MIN)).await.unwrap() {
        steps += 1;
        assert!(steps < 100_000, "the revocation is never purged");
        world.advance();
        world.want_room().await;
    }
}

#[tokio::test]
async fn there_is_no_gap_between_purge_and_expiry() {
    let zero = Duration::ZERO;
    for leeway in [zero, Duration::from_millis(500), Duration::from_secs(2)] {
        for exp in [0.0, 0.001, 0.1, 0.5, 0.999].map(|fraction| NOW as f64 + 5.0 + fraction) {
            for (ahead, behind) in [(zero, zero), (zero, SKEW), (SKEW, zero)] {
                sweep(leeway, ahead, behind, exp).await;
            }
        }
    }
}

#[tokio::test]
async fn a_subjects_revocation_outlives_every_token_it_covers() {
    let retention = Retention::new().with_max_lifetime(Duration::from_secs(60)).with_clock_skew(SKEW);
    for through in 0..3000 {
        let through = Timestamp::from_unix_millis(through);
        let remembered = retention.of_issued_through(through);
        // The last token that is covered was issued at that instant and has the maximum lifetime.
        let expires_at = through.saturating_add(Duration::from_secs(60));
        assert!(retention.of_token(expires_at) <= remembered);
    }
}

/// The same sweep for a token with the maximum lifetime that its subject's revocation covers.
#[tokio::test]
async fn there_is_no_gap_for_a_token_that_its_subjects_revocation_covers() {
    let zero = Duration::ZERO;
    for leeway in [zero, Duration::from_millis(500)] {
        for (ahead, behind) in [(zero, zero), (zero, SKEW), (SKEW, zero)] {
            let world = World::new(leeway, ahead, behind);
            let text = hs256(&claims_with("one", json!({ "exp": NOW + 60 })));
            let retention = world.verifier.retention();
            let subject = RevocationKey::subject(test_support::ISSUER, "usr_123");
            let through = at(NOW);
            let revocation = Revocation::new(subject, through, retention.of_issued_through(through));
            let _ = world.store.revoke(&revocation).await.unwrap();
            let mut steps = 0;
            while let Ok(token) = world.verifier.verify(&text).await {
                steps += 1;
                assert!(steps < 100_000, "the token never expires");
                assert!(
                    world.store.is_revoked(token.identity()).await.unwrap(),
                    "at {:?}",
                    world.verifiers_clock.now()
                );
                world.advance();
                world.want_room().await;
            }
        }
    }
}

#[test]
fn the_formulas_are_those_of_the_contract() {
    let retention = Retention::new()
        .with_leeway(Duration::from_secs(7))
        .with_clock_skew(Duration::from_secs(30))
        .with_max_lifetime(Duration::from_secs(1000));
    let millis = Timestamp::from_unix_millis;
    assert_eq!(retention.of_token(millis(500_000)), millis(500_000 + 7_000 + 1_000 + 30_000));
    assert_eq!(retention.of_token(millis(500_001)), millis(501_000 + 7_000 + 1_000 + 30_000));
    assert_eq!(retention.of_issued_through(millis(500_000)), millis(1_500_000 + 7_000 + 1_000 + 30_000));
    assert_eq!(retention.of_token(Timestamp::MAX), Timestamp::MAX);
}

/// A revocation in a store that two verifiers share outlives the tokens of both.
#[test]
fn joined_policies_have_the_larger_value_of_each_setting() {
    let policy = |max_lifetime, leeway, clock_skew| {
        Retention::new()
            .with_max_lifetime(Duration::from_secs(max_lifetime))
            .with_leeway(Duration::from_secs(leeway))
            .with_clock_skew(Duration::from_secs(clock_skew))
    };
    // One setting of each is above its default, the others are below.
    let (one, other) = (policy(40_000_000, 2, 3), policy(1_000, 20, 300));
    assert_eq!(one.join(&other), policy(40_000_000, 20, 300));
    assert_eq!(other.join(&one), policy(40_000_000, 20, 300));
    assert_eq!(policy(1_000, 2, 3).join(&policy(500, 1, 1)), policy(1_000, 2, 3));
}

#[tokio::test]
async fn expired_revocations_are_purged_on_their_own() {
    let clock = ManualClock::at(at(NOW));
    let store = MemoryStore::new().clock(clock.clone());
    for n in 0..10_000 {
        let revocation = Revocation::of_token(&test_support::identity(&n.to_string(), at(NOW + 60)));
        let _ = store.revoke(&revocation).await.unwrap();
    }
    assert_eq!(store.len(), 10_000);
    clock.advance(Duration::from_secs(3600));
    let token = test_support::identity("another", at(NOW + 7200));
    for _ in 0..1024 * 256 {
        assert!(!store.is_revoked(&token).await.unwrap());
    }
    assert_eq!(store.len(), 0, "checks alone have emptied it");
}
