//! Cases about single revocations, and the checks that follow them.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use super::{FAR, ISSUER, is_revoked, revoke, seconds, token, unique};
use crate::{
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::RevocationStore,
};

/// Before `revoke` returns, a store with signals raises those of the tokens that the revocation
/// applies to by any key, and no others.
pub async fn signals_are_raised_for_affected_tokens_only<S: RevocationStore>(store: &Arc<S>) {
    let name = unique("name");
    let subject = RevocationKey::subject(ISSUER, &name);
    let (own, other) = (token(&unique("jti"), 100), token(&unique("jti"), 100));
    let of_subject = token(&unique("jti"), 100).carries(subject);
    let watch = || Some((store.watch(&own)?, store.watch(&of_subject)?, store.watch(&other)?));
    let Some((mut by_own, mut by_subject, mut unconcerned)) = watch() else { return };
    let context = &mut Context::from_waker(Waker::noop());
    revoke(store, &Revocation::of_token(&own)).await;
    assert!(by_own.poll_raised(context).is_ready(), "its own key is revoked");
    assert!(by_subject.poll_raised(context).is_pending(), "another's key is revoked");
    revoke(store, &Revocation::new(subject, seconds(100), FAR)).await;
    assert!(by_subject.poll_raised(context).is_ready(), "its subject is revoked");
    assert!(by_own.poll_raised(context).is_pending(), "it is raised once");
    assert!(unconcerned.poll_raised(context).is_pending(), "none of its keys is revoked");
}

/// A store with a generation has a different one after a `revoke` that returned `Newly`.
pub async fn a_new_revocation_changes_the_generation<S: RevocationStore>(store: &Arc<S>) {
    let subject = RevocationKey::subject(ISSUER, &unique("sub"));
    for instant in [100, 200] {
        let Some(before) = store.generation() else { return };
        assert_eq!(revoke(store, &Revocation::new(subject, seconds(instant), FAR)).await, Outcome::Newly);
        let is_another = store.generation().is_none_or(|after| after.number() != before.number());
        assert!(is_another, "tokens issued at or before {instant} are revoked");
    }
}

/// After `revoke` has returned, a check reports the token as revoked.
pub async fn a_revoked_token_is_reported_as_revoked<S: RevocationStore>(store: &Arc<S>) {
    let token = token(&unique("jti"), 100);
    assert!(!is_revoked(store, &token).await);
    assert_eq!(revoke(store, &Revocation::of_token(&token)).await, Outcome::Newly);
    assert!(is_revoked(store, &token).await);
}

/// A revocation of a token does not apply to tokens with the same `jti` and another issuer, or with
/// the same issuer and another `jti`.
pub async fn other_tokens_are_not_revoked<S: RevocationStore>(store: &Arc<S>) {
    let (jti, other) = (unique("jti"), unique("jti"));
    revoke(store, &Revocation::of_token(&token(&jti, 100))).await;
    let of =
        |issuer| TokenIdentity::new(RevocationKey::token_id(issuer, &jti), seconds(100), FAR, &Retention::default());
    assert!(!is_revoked(store, &of(Some("https://other.example"))).await);
    assert!(!is_revoked(store, &of(None)).await);
    assert!(!is_revoked(store, &token(&other, 100)).await);
}

/// A token is revoked if any of its keys is.
pub async fn a_token_is_revoked_by_any_of_its_keys<S: RevocationStore>(store: &Arc<S>) {
    let name = unique("name");
    let keys = [
        RevocationKey::session(ISSUER, &name),
        RevocationKey::subject(ISSUER, &name),
        RevocationKey::client(ISSUER, &name),
        RevocationKey::issuer(&name),
        RevocationKey::claim(ISSUER, "tenant", &name),
        RevocationKey::signing_input(&name),
    ];
    for key in keys {
        let token = token(&unique("jti"), 100).carries(key);
        assert!(!is_revoked(store, &token).await, "{key:?} is not revoked yet");
        revoke(store, &Revocation::new(key, seconds(100), FAR)).await;
        assert!(is_revoked(store, &token).await, "{key:?} is revoked");
    }
}

/// Tokens issued at or before the instant are revoked; later ones are not.
pub async fn tokens_issued_later_are_not_revoked<S: RevocationStore>(store: &Arc<S>) {
    let subject = RevocationKey::subject(ISSUER, &unique("sub"));
    revoke(store, &Revocation::new(subject, seconds(100), FAR)).await;
    for (issued_at, revoked) in [(0, true), (99, true), (100, true), (101, false)] {
        let token = token(&unique("jti"), issued_at).carries(subject);
        assert_eq!(is_revoked(store, &token).await, revoked, "issued at {issued_at}");
    }
}

/// Of two revocations of a key, the later `issued_through` applies, in whichever order they are
/// made.
pub async fn revocations_join_by_maximum<S: RevocationStore>(store: &Arc<S>) {
    for [first, second] in [[100, 200], [200, 100]] {
        let subject = RevocationKey::subject(ISSUER, &unique("sub"));
        revoke(store, &Revocation::new(subject, seconds(first), FAR)).await;
        revoke(store, &Revocation::new(subject, seconds(second), FAR)).await;
        assert!(is_revoked(store, &token(&unique("jti"), 200).carries(subject)).await);
        assert!(!is_revoked(store, &token(&unique("jti"), 201).carries(subject)).await);
    }
}

/// The outcome is `Newly` if the revocation applies to tokens that were not revoked before, and
/// `Already` otherwise.
pub async fn the_outcome_is_newly_only_for_new_revocations<S: RevocationStore>(store: &Arc<S>) {
    let subject = RevocationKey::subject(ISSUER, &unique("sub"));
    let through = |instant| Revocation::new(subject, seconds(instant), FAR);
    assert_eq!(revoke(store, &through(100)).await, Outcome::Newly);
    assert_eq!(revoke(store, &through(100)).await, Outcome::Already);
    assert_eq!(revoke(store, &through(99)).await, Outcome::Already);
    assert_eq!(revoke(store, &through(101)).await, Outcome::Newly);
    let longer = Revocation::new(subject, seconds(101), FAR.saturating_add(std::time::Duration::from_secs(1)));
    assert_eq!(revoke(store, &longer).await, Outcome::Already);
}

/// Of 64 parallel callers, exactly one receives `Newly`, and all then find the token revoked.
pub async fn exactly_one_parallel_caller_receives_newly<S: RevocationStore>(store: &Arc<S>) {
    for _ in 0..20 {
        let token = Arc::new(token(&unique("jti"), 100));
        let callers: Vec<_> = (0..64)
            .map(|_| {
                let (store, token) = (Arc::clone(store), Arc::clone(&token));
                tokio::spawn(async move {
                    let outcome = revoke(&store, &Revocation::of_token(&token)).await;
                    assert!(is_revoked(&store, &token).await);
                    outcome
                })
            })
            .collect();
        let mut newly = 0;
        for caller in callers {
            let outcome = caller.await.unwrap_or_else(|error| panic!("a caller panicked: {error}"));
            newly += usize::from(outcome == Outcome::Newly);
        }
        assert_eq!(newly, 1);
    }
}

/// A `revoke` future that is dropped after any number of polls leaves the revocation written or
/// absent, and the store usable.
pub async fn a_dropped_future_leaves_a_revocation_written_or_absent<S: RevocationStore>(store: &Arc<S>) {
    for polls in 0..8 {
        let token = token(&unique("jti"), 100);
        let revocation = Revocation::of_token(&token);
        {
            let mut future = pin!(store.revoke(&revocation));
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if future.as_mut().poll(&mut cx).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let outcome = revoke(store, &revocation).await;
        assert!(is_revoked(store, &token).await, "{outcome:?} after {polls} polls");
        assert_eq!(revoke(store, &revocation).await, Outcome::Already);
    }
}

/// A thousand random revocations and checks of a few keys have the same results as a simple model.
pub async fn random_operations_agree_with_a_model<S: RevocationStore>(store: &Arc<S>) {
    let keys: Vec<_> = (0..8).map(|_| RevocationKey::subject(ISSUER, &unique("sub"))).collect();
    let mut model: HashMap<RevocationKey, u64> = HashMap::new();
    for _ in 0..1000 {
        let key = keys[fastrand::usize(..keys.len())];
        let instant = fastrand::u64(..50);
        if fastrand::bool() {
            let newly = model.get(&key).is_none_or(|known| *known < instant);
            model.entry(key).and_modify(|known| *known = instant.max(*known)).or_insert(instant);
            let outcome = revoke(store, &Revocation::new(key, seconds(instant), FAR)).await;
            assert_eq!(outcome, if newly { Outcome::Newly } else { Outcome::Already });
        } else {
            let second = keys[fastrand::usize(..keys.len())];
            let token = token(&unique("jti"), instant).carries(key).carries(second);
            let revoked = [key, second].iter().any(|key| model.get(key).is_some_and(|known| instant <= *known));
            assert_eq!(is_revoked(store, &token).await, revoked);
        }
    }
}

/// After 5120 revocations by 64 parallel callers, all tokens are reported as revoked.
pub async fn live_revocations_are_never_evicted<S: RevocationStore>(store: &Arc<S>) {
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let tokens: Vec<_> = (0..80).map(|_| token(&unique("jti"), 100)).collect();
                for token in &tokens {
                    assert_eq!(revoke(&store, &Revocation::of_token(token)).await, Outcome::Newly);
                }
                tokens
            })
        })
        .collect();
    for caller in callers {
        for token in caller.await.unwrap_or_else(|error| panic!("a caller panicked: {error}")) {
            assert!(is_revoked(store, &token).await);
        }
    }
}
