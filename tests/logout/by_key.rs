//! Promise: keys are revoked up to the given instant, which the future does not extend, and many at
//! once, all or with an error.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use test_support::{ISSUER, NOW, at, claims_with, clock, hs256, verifier};
use tower_logout::{
    Logout, MemoryStore, RevocationStore, Revoker,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    revoker::{Receipt, RevokeError},
    store::StoreError,
    token::TokenVerifier,
};

const SKEW: u64 = 30;

fn revoker() -> Revoker {
    Revoker::new(test_support::memory()).clock(clock())
}

fn subject(name: &str) -> RevocationKey {
    RevocationKey::subject(ISSUER, name)
}

#[tokio::test]
async fn tokens_that_carry_the_key_and_were_issued_through_the_instant_are_revoked() {
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let receipt = logout.revoker().revoke(subject("usr_123"), at(NOW - 100)).await.unwrap();
    assert_eq!(receipt.outcome(), Outcome::Newly);
    assert_eq!(
        *receipt.revocation(),
        Revocation::new(subject("usr_123"), at(NOW - 100), receipt.revocation().retain_until())
    );
    assert_eq!(receipt.settles_at(), Some(at(NOW - 99)));
    for (issued_at, is_revoked) in [(NOW - 101, true), (NOW - 100, true), (NOW - 99, false), (NOW, false)] {
        let token = hs256(&claims_with("one", json!({ "iat": issued_at })));
        let token = logout.verifier().verify(&token).await.unwrap();
        assert_eq!(logout.revoker().revoked(token.identity()).await.unwrap(), is_revoked, "{issued_at}");
    }
    assert_eq!(logout.revoker().revoke(subject("usr_123"), at(NOW - 200)).await.unwrap().outcome(), Outcome::Already);
}

#[tokio::test]
async fn an_instant_in_the_future_counts_as_the_latest_that_a_token_can_have() {
    let retention = Retention::new().with_leeway(Duration::from_secs(5));
    for (revoker, latest) in [
        (revoker(), NOW + SKEW),
        (revoker().issuer_clock_ahead(Duration::from_secs(7)), NOW + SKEW + 7),
        (revoker().retention(retention), NOW + SKEW + 5),
    ] {
        for (number, instant) in [
            at(latest + 1),
            Timestamp::MAX,
            // Milliseconds that were taken for seconds.
            at(NOW * 1000),
        ]
        .into_iter()
        .enumerate()
        {
            let receipt = revoker.revoke(subject(&number.to_string()), instant).await.unwrap();
            assert_eq!(receipt.revocation().issued_through(), at(latest));
        }
        for instant in [at(latest), at(latest - 1), at(NOW), at(1), Timestamp::MIN] {
            let key = RevocationKey::session(ISSUER, &instant.as_unix_millis().to_string());
            let receipt = revoker.revoke(key, instant).await.unwrap();
            assert_eq!(receipt.revocation().issued_through(), instant);
        }
    }
}

#[tokio::test]
async fn a_single_token_is_revoked_whenever_it_was_issued() {
    let revoker = revoker();
    let latest = Retention::default().of_issued_through(at(NOW + SKEW));
    for key in [RevocationKey::token_id(ISSUER, "one"), RevocationKey::signing_input("header.payload")] {
        for instant in [at(1), Timestamp::MAX] {
            let receipt = revoker.revoke(key, instant).await.unwrap();
            assert_eq!(*receipt.revocation(), Revocation::new(key, Timestamp::MAX, latest));
            assert_eq!(receipt.settles_at(), None);
        }
        let [receipt] = <[_; 1]>::try_from(revoker.revoke_all([key]).await.unwrap()).unwrap();
        assert_eq!((receipt.outcome(), receipt.revocation().issued_through()), (Outcome::Already, Timestamp::MAX));
    }
}

/// A store that counts its calls, and fails in the middle of many if told to.
#[derive(Default)]
struct Counting {
    memory: Option<MemoryStore>,
    calls: AtomicUsize,
    fails_after: AtomicUsize,
}

#[async_trait]
impl RevocationStore for Counting {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.memory.as_ref().unwrap().revoke(revocation).await
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut outcomes = Vec::new();
        let fails_after = self.fails_after.load(Ordering::SeqCst);
        for revocation in revocations {
            if fails_after > 0 && outcomes.len() == fails_after {
                return Err(StoreError::new("revoke", "the disk is on fire"));
            }
            outcomes.push(self.revoke(revocation).await?);
        }
        Ok(outcomes)
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.memory.as_ref().unwrap().is_revoked(token).await
    }
}

fn counting() -> Arc<Counting> {
    Arc::new(Counting { memory: Some(test_support::memory()), ..Counting::default() })
}

#[tokio::test]
async fn a_thousand_keys_are_one_call_to_the_store_with_one_date() {
    let store = counting();
    let revoker = Revoker::new(Arc::clone(&store)).clock(clock());
    revoker.revoke(subject("7"), at(NOW)).await.map(drop).unwrap();
    let keys: Vec<_> = (0..1000).map(|number| subject(&number.to_string())).collect();
    let receipts = revoker.revoke_all(keys.iter().copied()).await.unwrap();
    assert_eq!(store.calls.load(Ordering::SeqCst), 1);
    assert_eq!(receipts.len(), keys.len());
    for (number, (receipt, key)) in receipts.iter().zip(&keys).enumerate() {
        assert_eq!((receipt.revocation().key(), receipt.revocation().issued_through()), (*key, at(NOW)));
        assert_eq!(receipt.outcome(), if number == 7 { Outcome::Already } else { Outcome::Newly });
    }
    let twice = revoker.revoke_all([subject("new"), subject("new")]).await.unwrap();
    assert_eq!(twice.iter().map(Receipt::outcome).collect::<Vec<_>>(), [Outcome::Newly, Outcome::Already]);
    assert!(revoker.revoke_all([]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_half_way_is_an_error_and_a_repeat_revokes_all() {
    let store = counting();
    store.fails_after.store(3, Ordering::SeqCst);
    let revoker = Revoker::new(Arc::clone(&store)).clock(clock());
    let keys = || (0..10).map(|number| subject(&number.to_string()));
    assert!(matches!(revoker.revoke_all(keys()).await, Err(RevokeError::Store(_))));
    store.fails_after.store(0, Ordering::SeqCst);
    let outcomes: Vec<_> = revoker.revoke_all(keys()).await.unwrap().iter().map(Receipt::outcome).collect();
    assert_eq!(outcomes[..4], [Outcome::Already, Outcome::Already, Outcome::Already, Outcome::Newly]);
    assert_eq!(outcomes.len(), 10);
}

/// A store that forgets what it was given.
struct Forgetful;

#[async_trait]
impl RevocationStore for Forgetful {
    async fn revoke(&self, _: &Revocation) -> Result<Outcome, StoreError> {
        Ok(Outcome::Newly)
    }

    async fn revoke_all(&self, _: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        Ok(vec![Outcome::Newly])
    }

    async fn is_revoked(&self, _: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_for_each_is_an_error() {
    let error = Revoker::new(Forgetful).revoke_all([subject("1"), subject("2")]).await.unwrap_err();
    assert!(error.to_string().contains("one outcome for each"), "{error}");
}
