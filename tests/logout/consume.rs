//! Promise: a token that is good for one use is used once, by whomever, or nobody knows.

use std::sync::Arc;

use test_support::{
    clock,
    events::Events,
    hand::{Act, HandStore},
    identity, token, verifier,
};
use tokio::task::JoinSet;
use tower_logout::{
    Logout, Revoker,
    clock::Timestamp,
    revocation::Revocation,
    revoker::{Consumed, RevokeError},
    token::TokenVerifier,
};

#[tokio::test]
async fn the_first_use_is_first_and_every_other_is_again() {
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let revoker = logout.revoker();
    for jti in ["one", "two"] {
        let token = logout.verifier().verify(&token(jti)).await.unwrap();
        assert_eq!(revoker.consume(token.identity()).await.unwrap(), Consumed::First, "{jti}");
        assert_eq!(revoker.consume(token.identity()).await.unwrap(), Consumed::Again, "{jti}");
        assert!(revoker.revoked(token.identity()).await.unwrap());
        let own = Revocation::of_token(token.identity());
        assert_eq!(revoker.revocation(own.key()).await.unwrap(), Some(own));
    }
    let logged_out = logout.verifier().verify(&token("three")).await.unwrap();
    let _ = revoker.token(logged_out.identity()).await.unwrap();
    assert_eq!(revoker.consume(logged_out.identity()).await.unwrap(), Consumed::Again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_concurrent_uses_one_is_first() {
    let revoker = Revoker::new(test_support::memory());
    for round in 0..50 {
        let token = Arc::new(identity(&round.to_string(), Timestamp::MAX));
        let mut callers = JoinSet::new();
        for _ in 0..32 {
            let (revoker, token) = (revoker.clone(), Arc::clone(&token));
            callers.spawn(async move { revoker.consume(&token).await.unwrap() });
        }
        let uses = callers.join_all().await;
        assert_eq!(uses.iter().filter(|consumed| **consumed == Consumed::First).count(), 1);
    }
}

#[tokio::test]
async fn an_outage_or_an_unknown_outcome_is_an_error() {
    let store = HandStore::new();
    let token = identity("one", Timestamp::MAX);
    let revoker = Revoker::new(store.clone());
    let _ = store.clone().revokes(Act::Fail);
    assert!(matches!(revoker.consume(&token).await, Err(RevokeError::Store(_))));
    // The use was stored, and its answer was lost.
    let _ = store.clone().revokes(Act::DoneButFail);
    assert!(matches!(revoker.consume(&token).await, Err(RevokeError::Store(_))));
    let _ = store.clone().revokes(Act::Now);
    assert_eq!(revoker.consume(&token).await.unwrap(), Consumed::Again);
}

/// Whoever uses tokens asks the store about them, though no route is guarded.
#[tokio::test]
async fn a_use_is_reported_as_any_revocation_and_not_as_one_in_vain() {
    let events = Events::of_this_thread();
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let revoker = logout.revoker();
    let token = logout.verifier().verify(&token("one")).await.unwrap();
    for expected in [Consumed::First, Consumed::Again] {
        assert_eq!(revoker.consume(token.identity()).await.unwrap(), expected);
    }
    let outcomes: Vec<_> = events.named("revoked").iter().map(|event| event.fields["outcome"].clone()).collect();
    assert_eq!(outcomes, ["newly", "already"]);
    assert!(!events.all().iter().any(|event| event.fields["message"].contains("ends nothing")));
}
