//! Promise: exactly one of many callers gets `Newly`, callers share commits, a dropped call is
//! written entirely or not at all, and dropping the store loses nothing.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use tempfile::TempDir;
use test_support::{
    eventually,
    redb::{Faults, block_on, is_revoked, place, revocation, revoke, token},
};
use tokio::{sync::Barrier, task::JoinSet};
use tower_logout::{
    RedbStore, RevocationStore, conformance,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::RevocationSignal,
    store::{StoreError, StoreErrorKind},
};

/// A store that deletes its directory when it is dropped.
struct Placed {
    store: RedbStore,
    _directory: TempDir,
}

fn store() -> Placed {
    let (directory, path) = place();
    Placed { store: RedbStore::open(path).unwrap(), _directory: directory }
}

#[async_trait]
impl RevocationStore for Placed {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.store.revoke(revocation).await
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        self.store.revoke_all(revocations).await
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.store.find(key).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.store.is_revoked(token).await
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        self.store.is_revoked_now(token)
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        self.store.watch(token)
    }
}

conformance! {
    redb => store();
    erased => Arc::new(store()) as Arc<dyn RevocationStore>;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_64_is_new() {
    let store = Arc::new(store());
    for round in 0..100 {
        let barrier = Arc::new(Barrier::new(64));
        let mut callers = JoinSet::new();
        for _ in 0..64 {
            let (store, barrier) = (Arc::clone(&store), Arc::clone(&barrier));
            callers.spawn(async move {
                barrier.wait().await;
                let outcome = store.revoke(&revocation(round)).await.unwrap();
                assert!(is_revoked(&store.store, round));
                outcome
            });
        }
        let outcomes = callers.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Newly).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_share_commits() {
    let (_directory, path) = place();
    let faults = Faults::default();
    let store = Arc::new(faults.open(&path).unwrap());
    // The first commit is blocked until all other callers are queued.
    let before = faults.syncs();
    faults.hold_syncs();
    let mut callers = JoinSet::new();
    let mut waiting: Vec<_> = (0..64)
        .map(|number| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.revoke(&revocation(number)).await.unwrap() })
        })
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting[0].as_mut().poll(&mut context).is_pending());
    eventually("a sync waits", || faults.sync_waits()).await;
    for caller in &mut waiting[1..] {
        assert!(caller.as_mut().poll(&mut context).is_pending());
    }
    for caller in waiting {
        callers.spawn(caller);
    }
    faults.release_syncs();
    assert_eq!(callers.join_all().await, [Outcome::Newly; 64]);
    // Two commits with two syncs each: the first caller's, and that of all callers queued
    // meanwhile.
    assert_eq!(faults.syncs() - before, 4);
}

#[tokio::test]
async fn many_at_once_are_one_commit() {
    let (_directory, path) = place();
    let faults = Faults::default();
    let store = faults.open(&path).unwrap();
    let all: Vec<_> = (0..1000).map(revocation).collect();
    let before = faults.syncs();
    assert_eq!(store.revoke_all(&all).await.unwrap(), vec![Outcome::Newly; all.len()]);
    assert_eq!(faults.syncs() - before, 2, "a commit has two syncs");
    let before = faults.syncs();
    assert_eq!(store.revoke_all(&all).await.unwrap(), vec![Outcome::Already; all.len()]);
    assert!(store.revoke_all(&[]).await.unwrap().is_empty());
    assert_eq!(faults.syncs(), before, "nothing has changed");
    drop(store);
    let store = RedbStore::open(&path).unwrap();
    for revocation in &all {
        assert_eq!(store.find(revocation.key()).await.unwrap(), Some(*revocation));
    }
}

#[tokio::test]
async fn more_than_there_is_room_for_is_an_error_and_what_is_stored_is_in_force() {
    let (_directory, path) = place();
    let store = RedbStore::options().capacity(5).open(&path).unwrap();
    let all: Vec<_> = (0..10).map(revocation).collect();
    assert_eq!(store.revoke_all(&all).await.unwrap_err().kind(), StoreErrorKind::Full);
    assert!(store.len() <= 5);
    assert_eq!(store.revoke_all(&all[..5]).await.unwrap().len(), 5);
    assert_eq!(store.find(all[4].key()).await.unwrap(), Some(all[4]));
    assert_eq!(store.find(all[5].key()).await.unwrap(), None);
}

/// Polls a future a number of times and drops it.
fn poll_and_drop<F: Future>(future: F, polls: usize) -> Poll<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    let mut last = Poll::Pending;
    for _ in 0..polls {
        last = future.as_mut().poll(&mut context);
        if last.is_ready() {
            break;
        }
        std::thread::yield_now();
    }
    last
}

#[test]
fn a_dropped_future_leaves_all_or_nothing() {
    let (_directory, path) = place();
    let rounds = 300;
    let mut finished = Vec::new();
    let mut seen = Vec::new();
    {
        let store = RedbStore::open(&path).unwrap();
        for number in 0..rounds {
            let outcome = poll_and_drop(store.revoke(&revocation(number)), number as usize);
            if let Poll::Ready(outcome) = outcome {
                assert_eq!(outcome.unwrap(), Outcome::Newly);
                finished.push(number);
            }
            assert!(number > 0 || !is_revoked(&store, 0), "a future that was never polled has done something");
        }
        // A call that is queued behind all of them.
        revoke(&store, rounds).unwrap();
        for number in 0..rounds {
            seen.push(is_revoked(&store, number));
            // The revocation is stored or absent: the second caller sees which, and afterwards it
            // is stored.
            let outcome = revoke(&store, number).unwrap();
            assert_eq!(outcome == Outcome::Already, seen[number as usize], "{number}");
        }
    }
    for number in finished {
        assert!(seen[number as usize], "{number} was answered");
    }
    let store = RedbStore::open(&path).unwrap();
    for number in 0..=rounds {
        assert!(is_revoked(&store, number));
    }
}

#[test]
fn dropping_the_store_finishes_what_is_in_the_queue() {
    let (_directory, path) = place();
    for round in 0..20 {
        let store = Arc::new(RedbStore::open(&path).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let numbers = round * 1000..round * 1000 + 200;
        let mut callers = JoinSet::new();
        for number in numbers.clone() {
            let store = Arc::clone(&store);
            callers.spawn_on(
                async move {
                    let answer = store.revoke(&revocation(number)).await;
                    // The last task drops the store on a thread of the runtime.
                    drop(store);
                    answer.unwrap()
                },
                runtime.handle(),
            );
        }
        drop(store);
        runtime.block_on(async { while callers.join_next().await.is_some_and(|caller| caller.is_ok()) {} });
        assert!(callers.is_empty());
        let store = RedbStore::open(&path).unwrap();
        for number in numbers {
            assert!(is_revoked(&store, number), "{number}");
        }
    }
}

#[test]
fn clones_are_one_store_and_the_last_one_closes_the_file() {
    let (_directory, path) = place();
    let first = RedbStore::open(&path).unwrap();
    assert!(first.is_private());
    let second = first.clone();
    assert!(!first.is_private() && !second.is_private(), "the other one can ask");
    revoke(&first, 1).unwrap();
    assert!(is_revoked(&second, 1));
    assert_eq!(revoke(&second, 1).unwrap(), Outcome::Already);
    drop(first);
    assert!(second.is_private());
    revoke(&second, 2).unwrap();
    RedbStore::open(&path).unwrap_err();
    drop(second);
    assert!(is_revoked(&RedbStore::open(&path).unwrap(), 2));
}

#[test]
fn abandoned_calls_are_complete_or_absent_when_the_store_is_dropped() {
    let (_directory, path) = place();
    let store = RedbStore::open(&path).unwrap();
    for number in 0..1000 {
        assert!(poll_and_drop(store.revoke(&revocation(number)), 1).is_pending());
    }
    drop(store);
    let store = RedbStore::open(&path).unwrap();
    let kept = (0..1000).filter(|number| is_revoked(&store, *number)).count();
    assert_eq!(store.len(), kept);
    assert!(!block_on(store.is_revoked(&token(1000))).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_queue_that_is_full_is_an_error_at_once() {
    let (_directory, path) = place();
    let faults = Faults::default();
    let store = Arc::new(faults.open(&path).unwrap());
    let mut waiting = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut refused = 0;
    faults.hold_syncs();
    for number in 0..30_000 {
        let store = Arc::clone(&store);
        let mut caller = Box::pin(async move { store.revoke(&revocation(number)).await });
        match caller.as_mut().poll(&mut context) {
            Poll::Pending => waiting.push(caller),
            Poll::Ready(answer) => {
                assert!(test_support::redb::chain(&answer.unwrap_err()).contains("already waiting to be written"));
                refused += 1;
            }
        }
    }
    faults.release_syncs();
    assert!(refused > 0);
    for caller in waiting {
        assert_eq!(caller.await.unwrap(), Outcome::Newly);
    }
}
