//! Cases about several revocations at once.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use super::{FAR, ISSUER, find, is_revoked, revoke, revoke_all, seconds, token, unique};
use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::RevocationStore,
};

/// The outcomes are in the order of the revocations, as if they were made one after the other, also
/// for a key that occurs several times. All of them are in force afterwards.
pub async fn many_at_once_have_the_outcomes_of_one_after_the_other<S: RevocationStore>(store: &Arc<S>) {
    assert_eq!(revoke_all(store, &[]).await, []);
    let subjects: Vec<_> = (0..4).map(|_| RevocationKey::subject(ISSUER, &unique("sub"))).collect();
    let own = token(&unique("jti"), 100);
    let through = |subject: usize, instant| Revocation::new(subjects[subject], seconds(instant), FAR);
    revoke(store, &through(1, 100)).await;
    let outcomes = [
        (through(0, 100), Outcome::Newly),
        (through(1, 100), Outcome::Already),
        (Revocation::of_token(&own), Outcome::Newly),
        (through(2, 100), Outcome::Newly),
        (through(2, 100), Outcome::Already),
        (through(2, 200), Outcome::Newly),
        (Revocation::of_token(&own), Outcome::Already),
        (through(1, 300), Outcome::Newly),
        (through(2, 150), Outcome::Already),
        (through(1, 200), Outcome::Already),
        (through(3, 1), Outcome::Newly),
    ];
    let (revocations, outcomes): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
    assert_eq!(revoke_all(store, &revocations).await, outcomes);
    assert!(is_revoked(store, &own).await);
    for (subject, last) in [(0, 100), (1, 300), (2, 200), (3, 1)] {
        let of_subject = |issued_at| token(&unique("jti"), issued_at).carries(subjects[subject]);
        assert!(is_revoked(store, &of_subject(last)).await, "subject {subject}");
        assert!(!is_revoked(store, &of_subject(last + 1)).await, "subject {subject}");
        assert_eq!(find(store, subjects[subject]).await, Some(through(subject, last)));
    }
    assert_eq!(revoke_all(store, &revocations).await, vec![Outcome::Already; revocations.len()]);
    // More than a store may write at once.
    let tokens: Vec<_> = (0..1100).map(|_| token(&unique("jti"), 100)).collect();
    let many: Vec<_> = tokens.iter().map(Revocation::of_token).collect();
    assert_eq!(revoke_all(store, &many).await, vec![Outcome::Newly; many.len()]);
    for token in &tokens {
        assert!(is_revoked(store, token).await);
    }
}

/// Of 16 parallel callers with the same hundred keys in different orders, exactly one receives
/// `Newly` for each key.
pub async fn exactly_one_parallel_caller_receives_newly_for_each_of_many<S: RevocationStore>(store: &Arc<S>) {
    for _ in 0..3 {
        let tokens: Arc<Vec<TokenIdentity>> = Arc::new((0..100).map(|_| token(&unique("jti"), 100)).collect());
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (store, tokens) = (Arc::clone(store), Arc::clone(&tokens));
                tokio::spawn(async move {
                    let mut order: Vec<_> = (0..tokens.len()).collect();
                    fastrand::shuffle(&mut order);
                    let revocations: Vec<_> = order.iter().map(|&at| Revocation::of_token(&tokens[at])).collect();
                    let outcomes = revoke_all(&store, &revocations).await;
                    assert_eq!(outcomes.len(), order.len());
                    let newly = order.into_iter().zip(outcomes).filter(|(_, outcome)| *outcome == Outcome::Newly);
                    newly.map(|(at, _)| at).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut newly = Vec::new();
        for caller in callers {
            newly.extend(caller.await.unwrap_or_else(|error| panic!("a caller panicked: {error}")));
        }
        newly.sort_unstable();
        assert_eq!(newly, (0..tokens.len()).collect::<Vec<_>>());
    }
}

/// A `revoke_all` future that is dropped after any number of polls leaves each revocation written
/// or absent, and the store usable.
pub async fn a_dropped_future_leaves_each_of_many_written_or_absent<S: RevocationStore>(store: &Arc<S>) {
    for polls in 0..8 {
        let tokens: Vec<_> = (0..10).map(|_| token(&unique("jti"), 100)).collect();
        let revocations: Vec<_> = tokens.iter().map(Revocation::of_token).collect();
        {
            let mut future = pin!(store.revoke_all(&revocations));
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if future.as_mut().poll(&mut cx).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(revoke_all(store, &revocations).await.len(), revocations.len());
        for token in &tokens {
            assert!(is_revoked(store, token).await, "after {polls} polls");
        }
        assert_eq!(revoke_all(store, &revocations).await, vec![Outcome::Already; revocations.len()]);
    }
}

/// Before `revoke_all` returns, a store with signals raises those of the affected tokens, and one
/// with a generation has a different one.
pub async fn many_at_once_raise_signals_and_change_the_generation<S: RevocationStore>(store: &Arc<S>) {
    let tokens: Vec<_> = (0..3).map(|_| token(&unique("jti"), 100)).collect();
    let before = store.generation();
    let mut signals: Vec<_> = tokens.iter().map(|token| store.watch(token)).collect();
    revoke_all(store, &[Revocation::of_token(&tokens[0]), Revocation::of_token(&tokens[2])]).await;
    let context = &mut Context::from_waker(Waker::noop());
    for (signal, is_revoked) in signals.iter_mut().zip([true, false, true]) {
        if let Some(signal) = signal {
            assert_eq!(signal.poll_raised(context).is_ready(), is_revoked);
        }
    }
    if let (Some(before), Some(after)) = (before, store.generation()) {
        assert_ne!(before.number(), after.number(), "tokens are revoked");
    }
}

/// Random batches of revocations of a few keys have the same results as a simple model.
pub async fn random_batches_agree_with_a_model<S: RevocationStore>(store: &Arc<S>) {
    let keys: Vec<_> = (0..8).map(|_| RevocationKey::subject(ISSUER, &unique("sub"))).collect();
    let mut model: HashMap<RevocationKey, Revocation> = HashMap::new();
    for _ in 0..60 {
        let (mut batch, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..fastrand::usize(..12) {
            let key = keys[fastrand::usize(..keys.len())];
            let until = FAR.saturating_add(std::time::Duration::from_secs(fastrand::u64(..3)));
            let revocation = Revocation::new(key, seconds(fastrand::u64(..50)), until);
            let known = model.get(&key);
            let newly = known.is_none_or(|known| known.issued_through() < revocation.issued_through());
            expected.push(if newly { Outcome::Newly } else { Outcome::Already });
            let joined = known.and_then(|known| known.join(&revocation)).unwrap_or(revocation);
            model.insert(key, joined);
            batch.push(revocation);
        }
        assert_eq!(revoke_all(store, &batch).await, expected, "{batch:?}");
        let key = keys[fastrand::usize(..keys.len())];
        assert_eq!(find(store, key).await, model.get(&key).copied());
    }
}
