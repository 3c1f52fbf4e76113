//! Promise: in every order of threads, the check after `watch` finds a revocation or the signal is
//! raised, and a dropped signal is no longer registered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use tower_logout::revocation::Revocation;

use crate::model::{explore, in_a_thread, of, subject, token};
use crate::set::RevocationSet;

#[test]
fn a_revocation_is_found_or_signalled() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let revoking = in_a_thread(&set, |set| revoke(set, &subject()));
        let token = token("one");
        let mut signal = set.watch(&token);
        let wakes = Arc::new(Wakes::default());
        if set.is_revoked(&token) {
            revoking.join().unwrap();
            return;
        }
        let ready = signal.poll_raised(&mut Context::from_waker(&Waker::from(Arc::clone(&wakes))));
        revoking.join().unwrap();
        assert!(ready.is_ready() || wakes.count() == 1, "neither found nor signalled");
        assert!(ready.is_ready() || poll(&mut signal).is_ready());
        // The check after a wake-up finds the revocation.
        assert!(set.is_revoked(&token));
    });
}

/// A signal of two sets, as of two regions.
#[test]
fn a_revocation_in_another_set_is_found_or_signalled() {
    explore(|| {
        let (set, other) = (RevocationSet::new(), Arc::new(RevocationSet::new()));
        let revoking = in_a_thread(&other, |other| revoke(other, &subject()));
        let token = token("one");
        let mut signal = set.watch_with([&*other].into_iter(), &token);
        if other.is_revoked(&token) {
            revoking.join().unwrap();
        } else {
            let ready = poll(&mut signal);
            revoking.join().unwrap();
            assert!(ready.is_ready() || poll(&mut signal).is_ready(), "neither found nor signalled");
        }
        assert_eq!((set.watched(), other.watched()), (1, 1));
        drop(signal);
        assert_eq!((set.watched(), other.watched()), (0, 0));
    });
}

#[test]
fn a_signal_dropped_during_a_revocation_is_no_longer_registered() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let revoking = in_a_thread(&set, |set| revoke(set, &subject()));
        let signal = set.watch(&token("one"));
        drop(signal);
        revoking.join().unwrap();
        assert_eq!(set.watched(), 0);
    });
}

#[test]
fn two_signals_that_are_made_and_dropped_concurrently_are_distinguished() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let coming = in_a_thread(&set, |set| drop(set.watch(&token("two"))));
        let token = token("one");
        let mut signal = set.watch(&token);
        set.join(&of(&token)).unwrap();
        assert!(poll(&mut signal).is_ready());
        coming.join().unwrap();
        assert_eq!(set.watched(), 1);
    });
}

#[test]
fn a_signal_that_was_raised_is_raised_again() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let token = token("one");
        let mut signal = set.watch(&token);
        set.join(&subject()).unwrap();
        let revoking = in_a_thread(&set, |set| revoke(set, &of(&crate::model::token("one"))));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(signal.poll_raised(&mut Context::from_waker(&waker)).is_ready());
        let sees_both = set.revocation(token.own_key()).is_some();
        let ready = signal.poll_raised(&mut Context::from_waker(&waker));
        revoking.join().unwrap();
        assert!(sees_both || ready.is_ready() || wakes.count() == 1, "the second was not signalled");
    });
}

fn revoke(set: &RevocationSet, revocation: &Revocation) {
    set.join(revocation).unwrap();
}

fn poll(signal: &mut crate::set::RevocationSignal) -> Poll<()> {
    signal.poll_raised(&mut Context::from_waker(Waker::noop()))
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}
