//! Promise: revocations join by maximum, different names have different keys, and a store agrees
//! with its model, purges included.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use tower_logout::{
    MemoryStore, RevocationStore,
    clock::{ManualClock, Timestamp},
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    set::RevocationSet,
};

fn at(instant: u64) -> Timestamp {
    Timestamp::from_unix_millis(instant)
}

fn key(name: u8) -> RevocationKey {
    RevocationKey::subject("https://issuer.example", &name.to_string())
}

fn revocation(name: u8) -> impl Strategy<Value = Revocation> {
    (any::<u64>(), any::<u64>()).prop_map(move |(through, until)| Revocation::new(key(name), at(through), at(until)))
}

proptest! {
    #[test]
    fn joining_is_commutative_associative_and_idempotent(a in revocation(0), b in revocation(0), c in revocation(0)) {
        prop_assert_eq!(a.join(&a), Some(a));
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.join(&b).unwrap().join(&c), a.join(&b.join(&c).unwrap()));
    }

    #[test]
    fn revocations_of_different_keys_do_not_join(a in revocation(0), b in revocation(1)) {
        prop_assert_eq!(a.join(&b), None);
    }

    #[test]
    fn different_names_have_different_keys(
        names in proptest::collection::hash_set((proptest::option::of("[a\x00\x01]{0,3}"), "[a\x00\x01]{0,3}", "[a\x00\x01]{0,3}"), 1..40)
    ) {
        let mut keys = HashSet::new();
        let mut made = HashSet::new();
        for (issuer, name, value) in &names {
            let issuer = issuer.as_deref();
            for (kind, key) in [
                ("token", RevocationKey::token_id(issuer, name)),
                ("session", RevocationKey::session(issuer, name)),
                ("subject", RevocationKey::subject(issuer, name)),
                ("client", RevocationKey::client(issuer, name)),
            ] {
                if made.insert((kind, issuer, name.as_str(), "")) {
                    prop_assert!(keys.insert(key), "{kind} {issuer:?} {name:?}");
                }
            }
            prop_assert!(keys.insert(RevocationKey::claim(issuer, name, value)), "claim {issuer:?} {name:?} {value:?}");
            if made.insert(("input", None, name, "")) {
                prop_assert!(keys.insert(RevocationKey::signing_input(name)));
            }
            if made.insert(("issuer", None, name, "")) {
                prop_assert!(keys.insert(RevocationKey::issuer(name)));
            }
        }
        prop_assert!(keys.insert(RevocationKey::everything()));
    }

    #[test]
    fn a_key_survives_being_stored(bytes in any::<[u8; 16]>()) {
        match RevocationKey::from_bytes(bytes) {
            Some(key) => {
                prop_assert_eq!(*key.as_bytes(), bytes);
                prop_assert_eq!(key.kind() as u8, bytes[0]);
            }
            None => prop_assert!(bytes[0] == 0 || bytes[0] > 8),
        }
    }

    #[test]
    fn a_store_is_its_model(steps in proptest::collection::vec(step(), 1..200)) {
        let clock = ManualClock::at(at(0));
        let store = MemoryStore::new().clock(clock.clone());
        run(store, |store| store, &clock, &steps)?;
    }

    #[test]
    fn a_set_purges_only_what_has_expired(
        entries in proptest::collection::vec((any::<u8>(), 0..100_u64), 1..100), now in 0..100_u64
    ) {
        let set = RevocationSet::new();
        let mut until = HashMap::<u8, u64>::new();
        for (name, retain_until) in &entries {
            set.join(&Revocation::new(key(*name), Timestamp::MAX, at(*retain_until))).unwrap();
            until.entry(*name).and_modify(|known| *known = (*known).max(*retain_until)).or_insert(*retain_until);
        }
        let mut purged = HashSet::new();
        set.purge(at(now), |key| { purged.insert(key); });
        for (name, retain_until) in &until {
            prop_assert_eq!(set.revocation(key(*name)).is_some(), *retain_until > now);
            prop_assert_eq!(purged.contains(&key(*name)), *retain_until <= now);
        }
        prop_assert_eq!(set.len() + purged.len(), until.len());
        let over = until.values().filter(|until| **until <= now).max();
        prop_assert_eq!(set.purged_through(), over.map_or(Timestamp::MIN, |through| at(*through)));
    }
}

proptest! {
    // Each step can be a commit, and each restart reads the file: a sixteenth of the cases.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(16), ..ProptestConfig::default() })]

    #[test]
    fn a_redb_store_is_its_model_across_restarts(steps in proptest::collection::vec(step(), 1..100)) {
        let clock = ManualClock::at(at(0));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revocations.redb");
        let open = || tower_logout::RedbStore::options().clock(clock.clone()).open(&path).unwrap();
        let restart = |store| {
            drop(store);
            open()
        };
        run(open(), restart, &clock, &steps)?;
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Revoke { name: u8, through: u64, lifetime: u64 },
    Check { names: [u8; 2], issued: u64, lifetime: u64 },
    Move { to: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..6_u8;
    prop_oneof![
        (name.clone(), 0..100_u64, 0..200_u64).prop_map(|(name, through, lifetime)| Step::Revoke {
            name,
            through,
            lifetime
        }),
        ([name.clone(), name], 0..100_u64, 0..200_u64).prop_map(|(names, issued, lifetime)| Step::Check {
            names,
            issued,
            lifetime
        }),
        (0..400_000_u64).prop_map(|to| Step::Move { to }),
        Just(Step::Restart),
    ]
}

/// Runs the steps against a store and its model: every revocation is found, joined, and none is
/// lost.
///
/// The store may purge expired revocations and must then reject every token of that age. It may
/// therefore report "revoked" where the model does not, but only for a token that has expired by
/// the latest time that the clock has shown.
fn run<S: RevocationStore>(
    mut store: S,
    restart: impl Fn(S) -> S,
    clock: &ManualClock,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let retention = Retention::default();
    let mut model = HashMap::<RevocationKey, Revocation>::new();
    // The same model, except that an expired entry is dropped when its key is revoked again, and a
    // revocation that has expired already is not recorded.
    let mut remembered = HashMap::<RevocationKey, Revocation>::new();
    let mut tokens = Vec::<TokenIdentity>::new();
    let mut latest = at(0);
    for step in steps {
        match *step {
            Step::Move { to } => {
                clock.set(at(to));
                latest = latest.max(at(to));
            }
            Step::Restart => store = restart(store),
            Step::Revoke { name, through, lifetime } => {
                let revocation = Revocation::new(key(name), at(through), at(through + lifetime * 1000));
                let outcome = runtime.block_on(store.revoke(&revocation)).unwrap();
                let known = model.get(&key(name)).copied();
                let newly = known.is_none_or(|known| known.issued_through() < revocation.issued_through());
                // Expired entries may have been purged, and expired revocations need not be
                // recorded.
                if revocation.retain_until() > latest && known.is_none_or(|known| known.retain_until() > latest) {
                    prop_assert_eq!(outcome, if newly { Outcome::Newly } else { Outcome::Already });
                }
                model.insert(key(name), known.map_or(revocation, |known| known.join(&revocation).unwrap()));
                if revocation.retain_until() > latest {
                    let known = remembered.get(&key(name)).filter(|known| known.retain_until() > latest);
                    remembered.insert(key(name), known.map_or(revocation, |known| known.join(&revocation).unwrap()));
                }
            }
            Step::Check { names, issued, lifetime } => {
                let own = RevocationKey::token_id("https://issuer.example", "t");
                let token = TokenIdentity::new(own, at(issued), at(issued + lifetime * 1000), &retention);
                tokens.push(names.iter().fold(token, |token, name| token.carries(key(*name))));
            }
        }
        // All tokens are checked after each step: earlier results must not be reused.
        for token in &tokens {
            let is_dead = |known: &&Revocation| token.issued_at() <= known.issued_through();
            let mut dead = token.keys().iter().filter_map(|key| remembered.get(key)).filter(is_dead);
            let must = dead.any(|known| known.retain_until() > latest);
            let may = token.keys().iter().filter_map(|key| model.get(key)).any(|known| is_dead(&known))
                || token.retain_until() <= latest;
            let answer = runtime.block_on(store.is_revoked(token)).unwrap();
            prop_assert!(!must || answer, "a live revocation was forgotten");
            prop_assert!(!answer || may, "a token is dead that nobody revoked");
        }
    }
    Ok(())
}
