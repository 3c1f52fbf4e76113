//! Promise: in whatever order threads meet in the set, what is revoked stays revoked, and of those who revoke it one is the first.
//!
//! `tests/model/` is what `loom` explores.
#![cfg(feature = "test-util")]
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod model;
// The names by which the room knows the house.
use model::{chain, clock, revocation, set};

use std::{sync::Arc, time::Duration};

use model::{explore, explore_switches, in_a_thread, of};
use set::RevocationSet;
use tower_logout::{Outcome, TokenIdentity};
use tower_logout::{Retention, Revocation, RevocationKey, Timestamp};

#[test]
fn what_was_revoked_is_found_while_the_table_grows() {
    explore(|| {
        let set = set_of(2);
        // The third does not fit in.
        let growing = in_a_thread(&set, |set| set.join(&of(&token(2, LATE))).unwrap());
        assert!(set.is_revoked(&token(1, LATE)));
        assert!(!set.is_revoked(&token(3, LATE)));
        assert_eq!(growing.join().unwrap(), Outcome::Newly);
        assert!((0..3).all(|n| set.is_revoked(&token(n, LATE))));
    });
}

#[test]
fn what_is_purged_counts_as_revoked() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        set.join(&of(&token(0, SOON))).unwrap();
        let purging = in_a_thread(&set, |set| set.purge(LATE, |_| {}));
        assert!(set.is_revoked(&token(0, SOON)));
        purging.join().unwrap();
        assert!(set.is_empty());
        assert!(set.is_revoked(&token(0, SOON)));
    });
}

#[test]
fn what_stays_is_found_while_the_rest_is_purged() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        // What stays has a smaller table.
        for n in 0..3 {
            set.join(&of(&token(n, if n == 0 { LATE } else { SOON }))).unwrap();
        }
        let purging = in_a_thread(&set, |set| set.purge(SOON, |_| {}));
        assert!(set.is_revoked(&token(0, LATE)));
        purging.join().unwrap();
        assert_eq!(set.len(), 1);
        assert!(set.is_revoked(&token(0, LATE)));
    });
}

#[test]
fn a_revocation_outlasts_the_purge_of_others_of_its_kind() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        set.join(&of(&token(0, SOON))).unwrap();
        let purging = in_a_thread(&set, |set| set.purge(SOON, |_| {}));
        set.join(&of(&token(1, LATE))).unwrap();
        assert!(set.is_revoked(&token(1, LATE)));
        purging.join().unwrap();
        assert!(set.is_revoked(&token(1, LATE)));
    });
}

#[test]
fn what_is_revoked_anew_outlasts_its_purge() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        set.join(&of_everyone(1, SOON)).unwrap();
        let purging = in_a_thread(&set, |set| set.purge(SOON, |_| {}));
        set.join(&of_everyone(2, LATE)).unwrap();
        let known = Some(of_everyone(2, LATE));
        assert_eq!(set.revocation(RevocationKey::everything()), known);
        purging.join().unwrap();
        assert_eq!(set.revocation(RevocationKey::everything()), known);
        assert_eq!(set.len(), 1);
    });
}

#[test]
fn one_of_two_is_the_first() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let other = in_a_thread(&set, |set| set.join(&of(&token(0, LATE))).unwrap());
        let mine = set.join(&of(&token(0, LATE))).unwrap();
        assert_ne!(mine, other.join().unwrap());
        assert_eq!(set.len(), 1);
    });
}

#[test]
fn the_last_place_is_given_once() {
    explore(|| {
        let set = Arc::new(RevocationSet::new().capacity(1));
        let other = in_a_thread(&set, |set| set.join(&of(&token(0, LATE))).is_ok());
        let mine = set.join(&of(&token(1, LATE))).is_ok();
        assert_ne!(mine, other.join().unwrap());
        assert_eq!((set.is_revoked(&token(0, LATE)), set.is_revoked(&token(1, LATE))), (!mine, mine));
    });
}

#[test]
fn what_is_seen_of_a_revocation_is_retained_for_as_long_as_it_asks() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        set.join(&of_everyone(1, SOON)).unwrap();
        let joining = in_a_thread(&set, |set| set.join(&of_everyone(2, LATE)).unwrap());
        let seen = set.revocation(RevocationKey::everything()).unwrap();
        assert!([of_everyone(1, SOON), of_everyone(1, LATE), of_everyone(2, LATE)].contains(&seen), "{seen:?}");
        assert_eq!(joining.join().unwrap(), Outcome::Newly);
        assert_eq!(set.revocation(RevocationKey::everything()), Some(of_everyone(2, LATE)));
    });
}

#[test]
fn what_was_found_clean_is_looked_for_again() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let token = Arc::new(token(0, LATE));
        set.join(&of_everyone(0, LATE)).unwrap();
        let checking = in_a_thread(&set, {
            let token = Arc::clone(&token);
            move |set| set.is_revoked(&token)
        });
        set.join(&of(&token)).unwrap();
        assert!(set.is_revoked(&token));
        checking.join().unwrap();
        assert!(set.is_revoked(&token));
    });
}

#[test]
fn whoever_is_told_that_it_was_revoked_already_finds_it_revoked() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let token = Arc::new(token(0, LATE));
        assert!(!set.is_revoked(&token));
        let revoke_and_look = |set: &RevocationSet, token: &TokenIdentity| {
            set.join(&of(token)).unwrap();
            assert!(set.is_revoked(token));
        };
        let other = in_a_thread(&set, {
            let token = Arc::clone(&token);
            move |set| revoke_and_look(set, &token)
        });
        revoke_and_look(&set, &token);
        other.join().unwrap();
    });
}

#[test]
fn what_was_found_revoked_stays_revoked() {
    explore_switches(2, || {
        let set = Arc::new(RevocationSet::new());
        let token = Arc::new(token(0, LATE));
        let share = || Arc::clone(&token);
        let (revoked, checked) = (share(), share());
        let revoking = in_a_thread(&set, move |set| set.join(&of(&revoked)).unwrap());
        let checking = in_a_thread(&set, move |set| set.is_revoked(&checked));
        if set.is_revoked(&token) {
            assert!(set.is_revoked(&token));
        }
        revoking.join().unwrap();
        checking.join().unwrap();
    });
}

#[test]
fn of_two_revocations_at_once_neither_is_overlooked() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let tokens = Arc::new([token(0, LATE), token(1, LATE)]);
        let revoking = [0, 1].map(|n| {
            let tokens = Arc::clone(&tokens);
            in_a_thread(&set, move |set| {
                set.join(&of(&tokens[n])).unwrap();
                assert!(set.is_revoked(&tokens[n]));
                // Whatever is found of the other now.
                set.is_revoked(&tokens[1 - n])
            })
        });
        for thread in revoking {
            thread.join().unwrap();
        }
        assert!(tokens.iter().all(|token| set.is_revoked(token)));
    });
}

fn set_of(entries: u64) -> Arc<RevocationSet> {
    let set = RevocationSet::new();
    for n in 0..entries {
        set.join(&of(&token(n, LATE))).unwrap();
    }
    Arc::new(set)
}

fn token(n: u64, until: Timestamp) -> TokenIdentity {
    let own = RevocationKey::token_id("https://issuer.example", &n.to_string());
    let retention = Retention::default().clock_skew(Duration::ZERO);
    let expires_at = Timestamp::from_unix_millis(until.as_unix_millis() - 1000);
    TokenIdentity::new(own, Timestamp::MIN, expires_at, &retention)
}

fn of_everyone(issued_through: u64, until: Timestamp) -> Revocation {
    Revocation::new(RevocationKey::everything(), Timestamp::from_unix_seconds(issued_through), until)
}

const SOON: Timestamp = Timestamp::from_unix_seconds(10);
const LATE: Timestamp = Timestamp::from_unix_seconds(20);
