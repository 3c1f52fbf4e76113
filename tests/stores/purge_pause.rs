//! Promise: no check waits for a purge or for a growing table, except for one shard of a thousand.
//!
//! The promise is a bound on work, not on time: how long a shard is locked follows from the number
//! of its entries, which these tests count. The benchmark `check` measures the longest pause.

use std::sync::{
    Barrier,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use test_support::{NOW, at, identity};
use tower_logout::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
    set::RevocationSet,
};

/// During `purge`'s callback one shard is locked. About two of 2,000 tokens are in it; all others
/// are answered meanwhile.
#[test]
fn while_one_shard_is_purged_the_others_answer() {
    let set = RevocationSet::new();
    let live: Vec<_> = (0..2000).map(|n| identity(&format!("live {n}"), at(NOW + 1000))).collect();
    for token in &live {
        set.join(&Revocation::of_token(token)).unwrap();
    }
    for n in 0..2000 {
        let key = RevocationKey::token_id("issuer", &n.to_string());
        set.join(&Revocation::new(key, Timestamp::MAX, at(NOW))).unwrap();
    }
    let (at_work, done) = (Barrier::new(2), AtomicBool::new(false));
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            at_work.wait();
            // The purge now stops inside one shard. At most the checks of that shard may wait for
            // it.
            let answers = live.iter().filter(|token| {
                let (sender, receiver) = std::sync::mpsc::channel();
                let (set, token) = (&set, *token);
                scope.spawn(move || sender.send(set.is_revoked(token)));
                receiver.recv_timeout(std::time::Duration::from_millis(200)).unwrap_or(false)
            });
            answered.store(answers.count(), Ordering::SeqCst);
            done.store(true, Ordering::SeqCst);
            at_work.wait();
        });
        let mut first = true;
        set.purge(at(NOW), |_| {
            if std::mem::take(&mut first) {
                at_work.wait();
                at_work.wait();
            }
        });
    });
    assert!(done.load(Ordering::SeqCst));
    assert!(answered.load(Ordering::SeqCst) >= 1980, "{answered:?}");
    assert_eq!(set.len(), 2000);
}

#[test]
fn a_shard_holds_a_thousandth_of_the_set() {
    let set = RevocationSet::new();
    let entries = 500_000;
    for n in 0..entries {
        let key = RevocationKey::token_id("issuer", &format!("{n}"));
        set.join(&Revocation::new(key, Timestamp::MAX, at(NOW))).unwrap();
    }
    // Each step purges one shard, so the set shrinks by what one lock covers.
    let late = at(NOW + 3600);
    let (mut largest, mut turns) = (0, 0);
    while !set.is_empty() {
        let before = set.len();
        set.purge_next(late, |_| {});
        largest = largest.max(before - set.len());
        turns += 1;
    }
    assert!(turns <= 1024, "{turns}");
    assert!(largest < entries / 1024 * 3 / 2, "{largest}");
}

#[test]
fn a_purge_that_is_interrupted_takes_nothing_back() {
    let set = RevocationSet::new();
    let subject = |name: &str| RevocationKey::subject("issuer", name);
    for n in 0..100 {
        set.join(&Revocation::new(subject(&n.to_string()), Timestamp::MAX, at(NOW))).unwrap();
    }
    let live = identity("live", at(NOW + 1000)).carries(subject("live"));
    set.join(&Revocation::new(subject("live"), Timestamp::MAX, at(NOW + 1000))).unwrap();
    let purge = || set.purge(at(NOW), |_| std::panic::panic_any("from the callback"));
    for _ in 0..200 {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(purge));
    }
    set.purge(at(NOW), |_| {});
    assert_eq!(set.len(), 1);
    assert!(set.is_revoked(&live));
}
