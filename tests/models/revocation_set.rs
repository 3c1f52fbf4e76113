//! Promise: in every order of threads, a revoked key stays revoked, and exactly one of the threads
//! that revoke it is the first.

use std::{sync::Arc, time::Duration};

use tower_logout::{
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
};

use crate::model::{explore, explore_preemptions, in_a_thread, of};
use crate::set::RevocationSet;

#[test]
fn what_was_revoked_is_found_while_the_table_grows() {
    explore(|| {
        let set = set_of(2);
        // The third entry does not fit into the table.
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
fn live_entries_are_found_during_a_purge() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        // The purge replaces the table with a smaller one.
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
fn a_key_revoked_again_survives_its_purge() {
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
fn the_last_free_slot_is_taken_once() {
    explore(|| {
        let set = Arc::new(RevocationSet::with_capacity(1));
        let other = in_a_thread(&set, |set| set.join(&of(&token(0, LATE))).is_ok());
        let mine = set.join(&of(&token(1, LATE))).is_ok();
        assert_ne!(mine, other.join().unwrap());
        assert_eq!((set.is_revoked(&token(0, LATE)), set.is_revoked(&token(1, LATE))), (!mine, mine));
    });
}

#[test]
fn a_revocation_that_is_seen_is_retained_as_long_as_it_asks() {
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
fn the_generation_never_hides_a_revocation_that_was_found() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let token = token(0, LATE);
        // The generation as the guard remembers it.
        let valid_at = set.generation();
        assert!(valid_at.is_some() && !set.is_revoked(&token));
        let revocation = of(&token);
        let joining = in_a_thread(&set, move |set| set.join(&revocation).unwrap());
        if set.is_revoked(&token) {
            assert_ne!(set.generation(), valid_at, "it was found already");
        }
        joining.join().unwrap();
        assert_ne!(set.generation(), valid_at);
    });
}

#[test]
fn a_check_that_found_nothing_does_not_hide_a_later_revocation() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let token = Arc::new(token(0, LATE));
        set.join(&of_everyone(0, LATE)).unwrap();
        // In the order of the guard: first the generation, then the keys.
        let checking = in_a_thread(&set, {
            let token = Arc::clone(&token);
            move |set| set.generation().filter(|_| !set.is_revoked(&token))
        });
        set.join(&of(&token)).unwrap();
        let found_clean_at = checking.join().unwrap();
        assert!(set.is_revoked(&token));
        assert!(found_clean_at.is_none() || found_clean_at != set.generation(), "the keys are searched again");
    });
}

#[test]
fn an_outcome_of_already_means_that_checks_find_the_revocation() {
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
    explore_preemptions(2, || {
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
fn two_concurrent_revocations_are_both_found() {
    explore(|| {
        let set = Arc::new(RevocationSet::new());
        let tokens = Arc::new([token(0, LATE), token(1, LATE)]);
        let revoking = [0, 1].map(|n| {
            let tokens = Arc::clone(&tokens);
            in_a_thread(&set, move |set| {
                set.join(&of(&tokens[n])).unwrap();
                assert!(set.is_revoked(&tokens[n]));
                // Whether the other is found is open at this point.
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
    let retention = Retention::new().with_clock_skew(Duration::ZERO);
    let expires_at = Timestamp::from_unix_millis(until.as_unix_millis() - 1000);
    TokenIdentity::new(own, Timestamp::MIN, expires_at, &retention)
}

fn of_everyone(issued_through: u64, until: Timestamp) -> Revocation {
    Revocation::new(RevocationKey::everything(), Timestamp::from_unix_seconds(issued_through), until)
}

const SOON: Timestamp = Timestamp::from_unix_seconds(10);
const LATE: Timestamp = Timestamp::from_unix_seconds(20);
