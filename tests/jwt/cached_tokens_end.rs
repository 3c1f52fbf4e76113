//! Promise: a known token is rejected like one that is verified anew: at the same millisecond, with
//! its keys, and at its logout.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{Request, header::AUTHORIZATION};
use proptest::prelude::*;
use serde_json::json;
use test_support::{ISSUER, NOW, SECRET, at, bearer, claims_with, clock, hs256, identity, token};
use tokio::sync::Semaphore;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore, VerifiedToken,
    clock::{Clock, Timestamp},
    respond::Rejection,
    revocation::Revocation,
    token::{
        Caching, TokenVerifier, VerifyError,
        jwt::{Algorithm, Key, KeySet},
    },
};

use super::counting_verifier::{Counted, Echo, OTHER_SECRET, SECOND, check, counted, echo, passes, tokens, verdict};

#[test]
fn it_ends_at_its_expiry_to_the_millisecond() {
    for (exp, leeway, last) in [(60.0, 0, 59_999), (60.25, 0, 60_249), (60.0, 1500, 61_499), (60.5, 1500, 61_999)] {
        let clock = clock();
        let leeway = Duration::from_millis(leeway);
        let (verifier, logout) =
            counted(JwtVerifier::hs256(SECRET).clock(clock.clone()).leeway(leeway).build().unwrap());
        let text = hs256(&claims_with("one", json!({ "exp": NOW as f64 + exp })));
        assert_eq!(passes(&logout, &text), Ok(()));
        clock.advance(Duration::from_millis(last));
        assert!(verifier.knows(&logout, &text), "exp {exp}, {leeway:?}");
        clock.advance(Duration::from_millis(1));
        assert!(!verifier.knows(&logout, &text), "exp {exp}, {leeway:?}");
        assert_eq!(passes(&logout, &text), Err(Rejection::Expired));
    }
}

#[tokio::test]
async fn a_token_in_use_ends_with_its_time_its_logout_and_its_key() {
    let step = Duration::from_millis(10);
    let text = hs256(&claims_with("one", json!({ "exp": NOW + 1 })));
    for end in ["expiry", "logout", "key"] {
        let clock = clock();
        let verifier = JwtVerifier::hs256(SECRET).clock(clock.clone()).build().unwrap();
        let logout = Logout::new(verifier.clone(), test_support::memory());
        for _ in 0..50 {
            assert_eq!(passes(&logout, &text), Ok(()));
            clock.advance(step);
        }
        let expected = match end {
            "logout" => {
                let token = check(&logout, &text).unwrap();
                let _ = logout.store().revoke(&Revocation::of_token(token.identity())).await.unwrap();
                Rejection::Revoked
            }
            "key" => {
                verifier.replace_keys(Key::secret(Algorithm::HS256, [9; 32]).unwrap()).unwrap();
                Rejection::Invalid
            }
            _ => {
                for _ in 0..50 {
                    assert_eq!(passes(&logout, &text), Ok(()));
                    clock.advance(step);
                }
                Rejection::Expired
            }
        };
        for _ in 0..50 {
            assert_eq!(passes(&logout, &text), Err(expected), "{end}");
        }
    }
}

#[test]
fn after_a_clock_step_back_the_token_is_verified_anew() {
    let clock = clock();
    let (verifier, logout) = counted(test_support::verifier(&clock));
    let text = hs256(&claims_with("one", json!({ "nbf": NOW })));
    assert_eq!(passes(&logout, &text), Ok(()));
    // Further back than the clock tolerance.
    clock.set(at(NOW - 31));
    assert!(!verifier.knows(&logout, &text));
    assert_eq!(passes(&logout, &text), Err(Rejection::Invalid));
    clock.set(at(NOW));
    assert!(verifier.knows(&logout, &text));
}

/// Waits during the verification, with the revision of its beginning.
#[derive(Clone)]
struct Slow {
    inner: Echo,
    gates: Arc<Gates>,
}

struct Gates {
    begun: Semaphore,
    go_on: Semaphore,
}

#[async_trait]
impl TokenVerifier for Slow {
    type Claims = String;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<String>, VerifyError> {
        self.gates.begun.add_permits(1);
        self.gates.go_on.acquire().await.unwrap().forget();
        self.inner.verify(token).await
    }

    fn caching(&self) -> Caching {
        Caching::UntilExpiry
    }

    fn revision(&self) -> u64 {
        self.inner.revision()
    }
}

#[tokio::test]
async fn a_verification_begun_before_a_change_of_keys_is_not_cached() {
    let gates = Arc::new(Gates { begun: Semaphore::new(0), go_on: Semaphore::new(0) });
    let verifier = Counted::new(Slow { inner: echo(Caching::UntilExpiry, clock()).inner, gates: Arc::clone(&gates) });
    let logout = Logout::new(verifier.clone(), test_support::memory()).check_timeout(60 * SECOND);
    let request = Request::get("/").header(AUTHORIZATION, bearer("one")).body(()).unwrap();
    for change in [true, false] {
        let verifying = tokio::spawn(logout.check((&request).into()));
        gates.begun.acquire().await.unwrap().forget();
        if change {
            verifier.inner.inner.revision.fetch_add(1, Ordering::SeqCst);
        }
        gates.go_on.add_permits(1);
        assert_eq!(verifying.await.unwrap().unwrap().unwrap().claims(), "one");
        assert_eq!(verifier.knows(&logout, "one"), !change);
    }
}

#[test]
fn once_keys_are_replaced_no_thread_lets_an_old_token_pass() {
    let (old, new) =
        (Key::secret(Algorithm::HS256, SECRET).unwrap(), Key::secret(Algorithm::HS256, OTHER_SECRET).unwrap());
    let (verifier, text) = (test_support::verifier(&clock()), token("one"));
    let logout = Logout::new(verifier.clone(), test_support::memory());
    // Odd while the old key is not in use.
    let rounds = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while rounds.load(Ordering::SeqCst) < ROUNDS {
                    let before = rounds.load(Ordering::SeqCst);
                    let passes = passes(&logout, &text).is_ok();
                    let is_out = before % 2 == 1 && rounds.load(Ordering::SeqCst) == before;
                    assert!(!(passes && is_out));
                }
            });
        }
        while rounds.load(Ordering::SeqCst) < ROUNDS {
            verifier.replace_keys(new.clone()).unwrap();
            rounds.fetch_add(1, Ordering::SeqCst);
            assert!(passes(&logout, &text).is_err());
            rounds.fetch_add(1, Ordering::SeqCst);
            verifier.replace_keys(old.clone()).unwrap();
            assert!(passes(&logout, &text).is_ok());
        }
    });
}

/// A change between two checks.
#[derive(Clone, Debug)]
enum Step {
    Check(usize),
    Advance(u64),
    GoBack(u64),
    ReplaceKeys(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TOKENS).prop_map(Step::Check),
        2 => (0..90_000_u64).prop_map(Step::Advance),
        1 => (0..60_000_u64).prop_map(Step::GoBack),
        1 => any::<bool>().prop_map(Step::ReplaceKeys),
    ]
}

const TOKENS: usize = 12;

/// A few thousand rounds do not reveal a verifier whose revision changes before its keys do.
const ROUNDS: u64 = 40_000;

#[tokio::test]
async fn a_known_token_whose_revocation_may_have_been_purged_is_rejected() {
    let clock = clock();
    let store = Arc::new(MemoryStore::new().clock(clock.clone()));
    let logout = Logout::new(test_support::verifier(&clock), Arc::clone(&store));
    let known = token("known");
    // The revocation of another token with the same lifetime.
    store.revoke(&Revocation::of_token(&identity("other", at(NOW + 900)))).await.unwrap();
    assert!(check(&logout, &known).is_ok() && check(&logout, &known).is_ok());
    clock.set(at(NOW + 10_000));
    while !store.is_empty() {
        let _ = store.generation();
    }
    // Nothing has been revoked since, but the clock has stepped back to where the token is valid.
    clock.set(at(NOW + 10));
    assert_eq!(check(&logout, &known).unwrap_err(), Rejection::Revoked);
}

proptest! {
    #[test]
    fn a_logout_with_a_cache_and_one_without_never_disagree(
        steps in proptest::collection::vec(step(), 1..120), room in prop_oneof![Just(2_usize), Just(1000)],
    ) {
        let (clock, tokens) = (clock(), tokens());
        let build = || {
            JwtVerifier::hs256(SECRET)
                .issuer(ISSUER)
                .leeway(Duration::from_millis(1500))
                .max_lifetime(Duration::from_secs(120))
                .clock(clock.clone())
                .build()
                .unwrap()
        };
        let verifiers = [build(), build()];
        let [cached, uncached] = verifiers.each_ref().map(|verifier| Logout::new(verifier.clone(), test_support::memory()));
        let (cached, uncached) = (cached.token_cache(room, 1 << 20), uncached.token_cache(0, 0));
        for step in steps {
            match step {
                Step::Check(n) => prop_assert_eq!(verdict(&cached, &tokens[n]), verdict(&uncached, &tokens[n])),
                Step::Advance(millis) => clock.advance(Duration::from_millis(millis)),
                Step::GoBack(millis) => clock.set(Timestamp::from_unix_millis(clock.now().as_unix_millis() - millis)),
                Step::ReplaceKeys(both) => {
                    let mut keys = vec![Key::secret(Algorithm::HS256, OTHER_SECRET).unwrap()];
                    if both {
                        keys.push(Key::secret(Algorithm::HS256, SECRET).unwrap());
                    }
                    for verifier in &verifiers {
                        verifier.replace_keys(keys.iter().cloned().collect::<KeySet>()).unwrap();
                    }
                }
            }
        }
    }
}
