//! Promise: a token that is known is not verified again, and nothing else is different: it ends at the same millisecond, with its keys, and at its logout.
#![cfg(all(feature = "test-util", feature = "jwt"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

mod common;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use common::{ISSUER, NOW, SECRET, at, bearer, claims_with, clock, hs256, identity, token};
use http::Request;
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::Semaphore;
use tower_logout::{
    CachedVerifier, Claims, Clock, Guard, JwtVerifier, ManualClock, MemoryStore, Rejection, Retention, Revocation,
    RevocationStore, Timestamp, TokenVerifier, VerifiedToken, VerifyError,
    jwt::{Algorithm, Key, KeySet},
};

/// Accepts any text, says what it was, and counts.
#[derive(Debug, Default)]
struct Echo {
    verified: AtomicUsize,
    revision: AtomicU64,
}

impl Echo {
    fn verified(&self) -> usize {
        self.verified.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl TokenVerifier for Echo {
    type Claims = String;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<String>, VerifyError> {
        self.verify_now(token).unwrap()
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<String>, VerifyError>> {
        self.verified.fetch_add(1, Ordering::SeqCst);
        if token.starts_with("bad") {
            return Some(Err(VerifyError::invalid("it is bad")));
        }
        Some(Ok(VerifiedToken::new(identity(token, Timestamp::MAX), token.to_owned())))
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }
}

fn cached(tokens: usize, bytes: usize) -> CachedVerifier<Echo> {
    CachedVerifier::new(Echo::default()).capacity(tokens, bytes)
}

fn said(verifier: &CachedVerifier<Echo>, token: &str) -> String {
    verifier.verify_now(token).unwrap().unwrap().claims().clone()
}

fn check(guard: &Guard<JwtVerifier, Arc<MemoryStore>>, token: &str) -> Result<(), Rejection> {
    let request = Request::get("/").header("authorization", bearer(token)).body(()).unwrap();
    match poll(&mut guard.check((&request).into())) {
        Poll::Ready(verdict) => verdict.map(drop),
        Poll::Pending => unreachable!("nothing waits"),
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_known_token_is_verified_once() {
    let verifier = cached(16, 1 << 20);
    for _ in 0..10 {
        assert_eq!(said(&verifier, "one"), "one");
        assert_eq!(verifier.verify("one").await.unwrap().claims(), "one");
        assert_eq!(verifier.recall(b"one").unwrap().claims(), "one");
    }
    assert_eq!((verifier.verifier().verified(), verifier.len()), (1, 1));
    assert!(verifier.recall(b"two").is_none());
    assert_eq!(verifier.verifier().verified(), 1);
}

#[test]
fn a_jwt_verifier_has_a_cache_inside_unless_told_otherwise() {
    let text = token("one");
    let verifier = common::verifier(&clock());
    assert!(verifier.recall(text.as_bytes()).is_none());
    let first = verifier.verify_now(&text).unwrap().unwrap();
    let second = verifier.recall(text.as_bytes()).unwrap();
    assert!(std::ptr::eq(first.claims(), second.claims()));

    let verifier = JwtVerifier::hs256(SECRET).clock(clock()).uncached().build().unwrap();
    let first = verifier.verify_now(&text).unwrap().unwrap();
    assert!(verifier.recall(text.as_bytes()).is_none());
    assert!(!std::ptr::eq(first.claims(), verifier.verify_now(&text).unwrap().unwrap().claims()));
}

#[test]
fn only_the_whole_text_is_known() {
    // Of the same end, so that all have one hash.
    let end = "e".repeat(64);
    let verifier = cached(4096, 1 << 20);
    for n in 0..100 {
        let text = format!("{n}.{end}");
        assert_eq!(said(&verifier, &text), text);
        assert_eq!(said(&verifier, &text), text);
    }
    let genuine = token("one");
    let verifier = common::verifier(&clock());
    verifier.verify_now(&genuine).unwrap().unwrap();
    for position in 0..genuine.len() {
        let mut forged = genuine.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        assert!(verifier.recall(&forged).is_none());
        assert!(verifier.verify_now(std::str::from_utf8(&forged).unwrap()).unwrap().is_err(), "byte {position}");
    }
    assert!(verifier.recall(&genuine.as_bytes()[..genuine.len() - 1]).is_none());
    assert!(verifier.recall(format!("{genuine}A").as_bytes()).is_none());
    assert!(verifier.recall(b"").is_none());
}

#[test]
fn it_ends_at_its_expiry_to_the_millisecond() {
    for (exp, leeway, last) in [(60.0, 0, 59_999), (60.25, 0, 60_249), (60.0, 1500, 61_499), (60.5, 1500, 61_999)] {
        let clock = clock();
        let leeway = Duration::from_millis(leeway);
        let verifier = JwtVerifier::hs256(SECRET).clock(clock.clone()).leeway(leeway).build().unwrap();
        let text = hs256(&claims_with("one", json!({ "exp": NOW as f64 + exp })));
        verifier.verify_now(&text).unwrap().unwrap();
        clock.advance(Duration::from_millis(last));
        assert!(verifier.recall(text.as_bytes()).is_some(), "exp {exp}, {leeway:?}");
        clock.advance(Duration::from_millis(1));
        assert!(verifier.recall(text.as_bytes()).is_none(), "exp {exp}, {leeway:?}");
        assert!(matches!(verifier.verify_now(&text), Some(Err(VerifyError::Expired))));
    }
}

#[tokio::test]
async fn a_token_in_use_ends_with_its_time_its_logout_and_its_key() {
    let step = Duration::from_millis(10);
    let text = hs256(&claims_with("one", json!({ "exp": NOW + 1 })));
    for end in ["expiry", "logout", "key"] {
        let (clock, store) = (clock(), Arc::new(MemoryStore::new()));
        let verifier = JwtVerifier::hs256(SECRET).clock(clock.clone()).build().unwrap();
        let guard = Guard::new(verifier, Arc::clone(&store));
        for _ in 0..50 {
            assert_eq!(check(&guard, &text), Ok(()));
            clock.advance(step);
        }
        let expected = match end {
            "logout" => {
                let token = guard.verifier().recall(text.as_bytes()).unwrap();
                let _ = store.revoke(&Revocation::of_token(token.identity())).await.unwrap();
                Rejection::Revoked
            }
            "key" => {
                guard.verifier().replace_keys(Key::secret(Algorithm::HS256, [9; 32]).unwrap()).unwrap();
                Rejection::Invalid
            }
            _ => {
                for _ in 0..50 {
                    assert_eq!(check(&guard, &text), Ok(()));
                    clock.advance(step);
                }
                Rejection::Expired
            }
        };
        for _ in 0..50 {
            assert_eq!(check(&guard, &text), Err(expected), "{end}");
        }
    }
}

#[test]
fn a_clock_that_steps_back_has_the_token_verified_anew() {
    let clock = clock();
    let verifier = common::verifier(&clock);
    let text = hs256(&claims_with("one", json!({ "nbf": NOW })));
    verifier.verify_now(&text).unwrap().unwrap();
    // Further back than clocks may differ.
    clock.set(at(NOW - 31));
    assert!(verifier.recall(text.as_bytes()).is_none());
    assert!(matches!(verifier.verify_now(&text), Some(Err(VerifyError::Invalid(_)))));
    clock.set(at(NOW));
    assert!(verifier.recall(text.as_bytes()).is_some());
}

/// Waits in the middle of verifying, with the revision that it began with.
struct Slow {
    inner: Echo,
    begun: Semaphore,
    go_on: Semaphore,
}

#[async_trait]
impl TokenVerifier for Slow {
    type Claims = String;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<String>, VerifyError> {
        self.begun.add_permits(1);
        self.go_on.acquire().await.unwrap().forget();
        self.inner.verify(token).await
    }

    fn revision(&self) -> u64 {
        self.inner.revision()
    }
}

#[tokio::test]
async fn what_was_begun_before_a_change_of_keys_is_not_known_after_it() {
    let slow = Slow { inner: Echo::default(), begun: Semaphore::new(0), go_on: Semaphore::new(0) };
    let verifier = Arc::new(CachedVerifier::new(slow));
    let verifying = tokio::spawn({
        let verifier = Arc::clone(&verifier);
        async move { verifier.verify("one").await.map(drop) }
    });
    verifier.verifier().begun.acquire().await.unwrap().forget();
    verifier.verifier().inner.revision.fetch_add(1, Ordering::SeqCst);
    verifier.verifier().go_on.add_permits(1);
    verifying.await.unwrap().unwrap();
    assert!(verifier.recall(b"one").is_none());
}

#[test]
fn once_keys_are_replaced_no_thread_lets_an_old_token_pass() {
    let (old, new) =
        (Key::secret(Algorithm::HS256, SECRET).unwrap(), Key::secret(Algorithm::HS256, OTHER_SECRET).unwrap());
    let (verifier, text) = (common::verifier(&clock()), token("one"));
    // Odd while the old key is out.
    let rounds = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while rounds.load(Ordering::SeqCst) < ROUNDS {
                    let before = rounds.load(Ordering::SeqCst);
                    let passes = verifier.verify_now(&text).unwrap().is_ok();
                    let is_out = before % 2 == 1 && rounds.load(Ordering::SeqCst) == before;
                    assert!(!(passes && is_out));
                }
            });
        }
        while rounds.load(Ordering::SeqCst) < ROUNDS {
            verifier.replace_keys(new.clone()).unwrap();
            rounds.fetch_add(1, Ordering::SeqCst);
            assert!(verifier.verify_now(&text).unwrap().is_err());
            rounds.fetch_add(1, Ordering::SeqCst);
            verifier.replace_keys(old.clone()).unwrap();
            assert!(verifier.verify_now(&text).unwrap().is_ok());
        }
    });
}

#[test]
fn forged_tokens_displace_nothing() {
    let verifier = cached(8, 1 << 10);
    for n in 0..8 {
        said(&verifier, &n.to_string());
    }
    for n in 0..10_000 {
        assert!(verifier.verify_now(&format!("bad-{n}")).unwrap().is_err());
    }
    assert!((0..8).all(|n| verifier.recall(n.to_string().as_bytes()).is_some()));
}

#[test]
fn there_is_never_more_than_there_is_room_for() {
    for (tokens, bytes) in [(1, 1 << 20), (7, 1 << 20), (100, 1 << 20), (1 << 20, 4096), (100, 1000), (64, 20_000)] {
        let verifier = cached(tokens, bytes);
        let texts: Vec<_> = (0..1000_usize).map(|n| format!("{n:0len$}", len = 4 + n * 37 % 90 * 10)).collect();
        for text in &texts {
            assert_eq!(said(&verifier, text), *text);
            assert!(verifier.len() <= tokens);
        }
        let known: usize =
            texts.iter().filter(|text| verifier.recall(text.as_bytes()).is_some()).map(String::len).sum();
        assert!(known <= bytes, "{known} of {bytes} bytes");
        assert!(!verifier.is_empty());
    }
    let verifier = cached(100, 1000);
    let long = "x".repeat(1001);
    assert_eq!(said(&verifier, &long), long);
    assert!(verifier.recall(long.as_bytes()).is_none());
}

#[test]
fn a_token_of_any_length_is_remembered_where_eight_of_its_length_have_room() {
    for (bytes, longest) in [(CachedVerifier::<Echo>::DEFAULT_BYTES, 8 * 1024), (120 << 20, 60 * 1024)] {
        let verifier = cached(CachedVerifier::<Echo>::DEFAULT_TOKENS, bytes);
        let [fits, does_not] = [longest, longest + 1].map(|len| "x".repeat(len));
        for text in [&fits, &does_not] {
            assert_eq!(said(&verifier, text), *text);
        }
        assert!(verifier.recall(fits.as_bytes()).is_some());
        assert!(verifier.recall(does_not.as_bytes()).is_none());
        for n in 0..3000 {
            said(&verifier, &format!("{n:0longest$}"));
        }
        assert!(verifier.len() * longest <= bytes);
    }
}

#[test]
fn what_is_used_stays_and_what_is_not_makes_room() {
    let verifier = cached(8, 1 << 20);
    said(&verifier, "used");
    for n in 0..1000 {
        assert!(verifier.recall(b"used").is_some(), "after {n} others");
        said(&verifier, &n.to_string());
    }
    assert!(verifier.recall(b"0").is_none());
    assert!(verifier.recall(b"999").is_some());
}

#[test]
fn a_capacity_of_zero_is_no_cache() {
    for verifier in [cached(0, 1 << 20), cached(100, 0)] {
        for _ in 0..3 {
            said(&verifier, "one");
        }
        assert_eq!((verifier.verifier().verified(), verifier.len()), (3, 0));
    }
}

#[test]
fn a_text_that_no_request_may_carry_is_not_remembered() {
    let verifier = cached(8, 1 << 20);
    for text in ["a b", "", "=", "ä"] {
        said(&verifier, text);
        assert!(verifier.recall(text.as_bytes()).is_none(), "{text:?}");
    }
}

#[test]
fn nothing_shows_what_is_remembered() {
    let verifier = common::verifier(&clock());
    let text = token("one");
    verifier.verify_now(&text).unwrap().unwrap();
    let shown = format!("{verifier:?}");
    assert!(text.split('.').all(|part| !shown.contains(part)), "{shown}");
}

#[tokio::test]
async fn two_guards_that_share_a_cache_watch_each_its_own_store() {
    let text = token("one");
    let verifier = Arc::new(common::verifier(&clock()));
    let guards = [(); 2].map(|()| Guard::new(Arc::clone(&verifier), MemoryStore::new()));
    let request = Request::get("/").header("authorization", bearer(&text)).body(()).unwrap();
    for _ in 0..2 {
        let mut watches = Vec::new();
        for guard in &guards {
            let token = guard.check((&request).into()).await.unwrap().unwrap();
            assert_eq!(token.jti.as_deref(), Some("one"));
            let mut watch = guard.watch(&token);
            assert!(poll(&mut watch).is_pending());
            watches.push(watch);
        }
        assert_eq!(guards.each_ref().map(|guard| guard.store().watched()), [1, 1]);
    }
    let token = guards[1].check((&request).into()).await.unwrap().unwrap();
    let mut watches = guards.each_ref().map(|guard| guard.watch(&token));
    let _ = guards[1].store().revoke(&Revocation::of_token(token.identity())).await.unwrap();
    assert!(poll(&mut watches[0]).is_pending());
    assert!(poll(&mut watches[1]).is_ready());
    assert!(guards[0].check((&request).into()).await.is_ok());
    assert_eq!(guards[1].check((&request).into()).await.unwrap_err(), Rejection::Revoked);
}

/// What can be done to a verifier between two checks.
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

/// Tokens whose lives begin and end in every way, under either of two keys.
fn tokens() -> Vec<String> {
    let other = jsonwebtoken::EncodingKey::from_secret(&OTHER_SECRET).unwrap();
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let lives = [
        json!({ "exp": NOW + 60 }),
        json!({ "exp": NOW as f64 + 60.123 }),
        json!({ "iat": NOW + 40, "exp": NOW + 100 }),
        json!({ "nbf": NOW + 20, "exp": NOW + 50 }),
        json!({ "iat": null, "exp": NOW + 150 }),
        json!({ "jti": null, "exp": NOW + 30 }),
    ];
    let claims = lives.iter().enumerate().map(|(n, life)| claims_with(&n.to_string(), life.clone()));
    claims
        .flat_map(|claims| [hs256(&claims), common::sign(&header, &claims, jsonwebtoken::Algorithm::HS256, &other)])
        .collect()
}

const OTHER_SECRET: [u8; 32] = [9; 32];

/// A few thousand do not show a verifier whose revision changes before its keys do.
const ROUNDS: u64 = 40_000;

/// What a verifier says, to be compared.
fn verdict(verifier: &JwtVerifier, token: &str) -> Result<(Claims, tower_logout::TokenIdentity), String> {
    match verifier.verify_now(token).unwrap() {
        Ok(token) => Ok((token.claims().clone(), token.identity().clone())),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            Err(format!("{error}: {source:?}"))
        }
    }
}

proptest! {
    #[test]
    fn a_verifier_with_a_cache_and_one_without_never_disagree(
        steps in proptest::collection::vec(step(), 1..120), room in prop_oneof![Just(2_usize), Just(1000)],
    ) {
        let (clock, tokens) = (clock(), tokens());
        let build = || {
            JwtVerifier::hs256(SECRET)
                .issuer(ISSUER)
                .leeway(Duration::from_millis(1500))
                .max_lifetime(Duration::from_secs(120))
                .clock(clock.clone())
        };
        let (cached, uncached) = (build().cache(room, 1 << 20).build().unwrap(), build().uncached().build().unwrap());
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
                    for verifier in [&cached, &uncached] {
                        verifier.replace_keys(keys.iter().cloned().collect::<KeySet>()).unwrap();
                    }
                }
            }
        }
    }
}

/// So that the verifiers above are what services have.
#[test]
fn a_cache_repeats_the_verifiers_clock_and_retention() {
    let clock: ManualClock = clock();
    let retention = Retention::new().with_leeway(Duration::from_secs(7));
    let inner = JwtVerifier::hs256(SECRET).clock(clock.clone()).leeway(Duration::from_secs(7)).build().unwrap();
    let verifier = CachedVerifier::new(inner);
    assert_eq!((verifier.retention(), verifier.clock().now()), (retention, clock.now()));
}
