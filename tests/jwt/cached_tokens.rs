//! Promise: a token that is known is not verified again, where its verifier allows that, and
//! nothing else is different: it ends at the same millisecond, with its keys, and at its logout.

use std::{
    pin::Pin,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use http::{Request, header::AUTHORIZATION};
use proptest::prelude::*;
use serde_json::json;
use test_support::{ISSUER, NOW, SECRET, at, bearer, claims_with, clock, hs256, identity, token};
use tokio::sync::Semaphore;
use tower_logout::{
    Claims, JwtVerifier, Logout, MemoryStore, RevocationStore, VerifiedToken,
    clock::{Clock, ManualClock, Timestamp},
    respond::Rejection,
    revocation::{Revocation, TokenIdentity},
    token::{
        Caching, TokenSource, TokenVerifier, VerifyError,
        jwt::{Algorithm, Key, KeySet},
    },
};

/// Another verifier, whose verifications are counted. Clones are one.
#[derive(Clone)]
struct Counted<V> {
    inner: V,
    counts: Arc<Counts>,
}

struct Counts {
    verified: AtomicUsize,
    asked_for_caching: AtomicUsize,
    /// While it is set nothing is accepted, so that only those pass that are known.
    rejects_all: AtomicBool,
}

impl<V: TokenVerifier> Counted<V> {
    fn new(inner: V) -> Self {
        let (verified, asked_for_caching) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let counts = Counts { verified, asked_for_caching, rejects_all: AtomicBool::new(false) };
        Self { inner, counts: Arc::new(counts) }
    }

    fn verified(&self) -> usize {
        self.counts.verified.load(Ordering::SeqCst)
    }

    /// Whether the token passes without a verification. Nothing comes into the cache by this.
    fn knows(&self, logout: &Logout<V::Claims>, token: &str) -> bool {
        let verified = self.verified();
        self.counts.rejects_all.store(true, Ordering::SeqCst);
        let passes = check(logout, token).is_ok();
        self.counts.rejects_all.store(false, Ordering::SeqCst);
        self.counts.verified.store(verified, Ordering::SeqCst);
        passes
    }
}

#[async_trait]
impl<V: TokenVerifier> TokenVerifier for Counted<V> {
    type Claims = V::Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<V::Claims>, VerifyError> {
        self.counts.verified.fetch_add(1, Ordering::SeqCst);
        self.inner.verify(token).await
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<V::Claims>, VerifyError>> {
        if self.counts.rejects_all.load(Ordering::SeqCst) {
            return Some(Err(VerifyError::invalid("nothing is accepted now")));
        }
        let verdict = self.inner.verify_now(token)?;
        self.counts.verified.fetch_add(1, Ordering::SeqCst);
        Some(verdict)
    }

    fn caching(&self) -> Caching {
        self.counts.asked_for_caching.fetch_add(1, Ordering::SeqCst);
        self.inner.caching()
    }

    fn revision(&self) -> u64 {
        self.inner.revision()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }
}

/// Accepts any text, and says what it was.
#[derive(Clone)]
struct Echo {
    caching: Caching,
    clock: ManualClock,
    revision: Arc<AtomicU64>,
}

#[async_trait]
impl TokenVerifier for Echo {
    type Claims = String;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<String>, VerifyError> {
        self.verify_now(token).unwrap()
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<String>, VerifyError>> {
        if token.starts_with("bad") {
            return Some(Err(VerifyError::invalid("it is bad")));
        }
        Some(Ok(VerifiedToken::new(identity(token, Timestamp::MAX), token.to_owned())))
    }

    fn caching(&self) -> Caching {
        self.caching
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }
}

fn echo(caching: Caching, clock: ManualClock) -> Counted<Echo> {
    Counted::new(Echo { caching, clock, revision: Arc::default() })
}

/// With room for so many tokens, whose texts have so many bytes together.
fn cached(tokens: usize, bytes: usize) -> (Counted<Echo>, Logout<String>) {
    let verifier = echo(Caching::UntilExpiry, clock());
    (verifier.clone(), Logout::new(verifier, MemoryStore::new()).token_cache(tokens, bytes))
}

fn counted(verifier: JwtVerifier) -> (Counted<JwtVerifier>, Logout) {
    let verifier = Counted::new(verifier);
    (verifier.clone(), Logout::new(verifier, MemoryStore::new()))
}

fn said(logout: &Logout<String>, token: &str) -> String {
    check(logout, token).unwrap().claims().clone()
}

fn check<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> Result<VerifiedToken<C>, Rejection> {
    let request = Request::get("/").header(AUTHORIZATION, bearer(token)).body(()).unwrap();
    match poll(&mut logout.check((&request).into())) {
        Poll::Ready(verdict) => verdict.map(|token| token.expect("nobody is anonymous")),
        Poll::Pending => unreachable!("nothing waits"),
    }
}

fn passes<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> Result<(), Rejection> {
    check(logout, token).map(drop)
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_known_token_is_verified_once() {
    let (verifier, logout) = cached(16, 1 << 20);
    for _ in 0..10 {
        assert_eq!(said(&logout, "one"), "one");
    }
    assert_eq!(verifier.verified(), 1);
    assert_eq!(said(&logout, "two"), "two");
    assert_eq!(verifier.verified(), 2);
}

#[test]
fn what_a_jwt_verifier_has_accepted_is_known_unless_told_otherwise() {
    let text = token("one");
    let (verifier, logout) = counted(test_support::verifier(&clock()));
    let [first, second] = [(); 2].map(|()| check(&logout, &text).unwrap());
    assert!(ptr::eq(first.claims(), second.claims()));
    assert_eq!(verifier.verified(), 1);

    let logout = logout.token_cache(0, 0);
    let [first, second] = [(); 2].map(|()| check(&logout, &text).unwrap());
    assert!(!ptr::eq(first.claims(), second.claims()));
    assert_eq!(verifier.verified(), 3);
}

#[test]
fn a_verifier_that_never_wants_to_be_remembered_is_asked_each_time() {
    let verifier = echo(Caching::Never, clock());
    let logout = Logout::new(verifier.clone(), MemoryStore::new()).token_cache(1000, 1 << 20);
    for asked in 1..=5 {
        assert_eq!(said(&logout, "one"), "one");
        assert_eq!(verifier.verified(), asked);
    }
    assert_eq!(Caching::default(), Caching::Never, "nobody is remembered who has not agreed");
}

#[test]
fn a_token_that_may_be_remembered_for_a_while_is_verified_anew_after_it_by_the_verifiers_clock() {
    let (clock, text) = (clock(), token("one"));
    let verifier = echo(Caching::For(Duration::from_millis(1500)), clock.clone());
    let logout = Logout::new(verifier.clone(), MemoryStore::new());
    for round in 1..=3 {
        assert_eq!(said(&logout, &text), text);
        clock.advance(Duration::from_millis(1499));
        assert_eq!(said(&logout, &text), text);
        assert_eq!(verifier.verified(), round, "it is used, and known");
        clock.advance(Duration::from_millis(1));
        assert!(!verifier.knows(&logout, &text), "that it was used makes it no longer");
    }
}

/// A JWT verifier whose verdicts may be remembered for a minute.
struct ForAMinute(JwtVerifier);

#[async_trait]
impl TokenVerifier for ForAMinute {
    type Claims = Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        self.0.verify(token).await
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<Claims>, VerifyError>> {
        self.0.verify_now(token)
    }

    fn caching(&self) -> Caching {
        Caching::For(Duration::from_secs(60))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock()
    }
}

#[test]
fn however_long_it_may_be_remembered_a_token_ends_at_its_expiry() {
    let (clock, text) = (clock(), hs256(&claims_with("one", json!({ "exp": NOW + 30 }))));
    let logout = Logout::new(ForAMinute(test_support::verifier(&clock)), MemoryStore::new());
    assert_eq!(passes(&logout, &text), Ok(()));
    clock.advance(Duration::from_millis(29_999));
    assert_eq!(passes(&logout, &text), Ok(()));
    clock.advance(Duration::from_millis(1));
    assert_eq!(passes(&logout, &text), Err(Rejection::Expired));
}

#[test]
fn clones_share_the_cache_until_one_asks_the_store_otherwise() {
    let (verifier, logout) = cached(16, 1 << 20);
    said(&logout, "one");
    let shares = [logout.clone(), logout.clone().allow_anonymous(), logout.clone().issuer_clock_ahead(SECOND)];
    for clone in shares {
        said(&clone, "one");
        assert_eq!(verifier.verified(), 1);
    }
    // What was let pass is watched as it was, so that another timeout needs another cache.
    let own = logout.clone().check_timeout(SECOND);
    for _ in 0..3 {
        said(&own, "one");
        said(&logout, "one");
        assert_eq!(verifier.verified(), 2);
    }
    assert!(!verifier.knows(&own, "two"));
    said(&own, "two");
    assert!(verifier.knows(&own, "two") && !verifier.knows(&logout, "two"));
}

#[test]
fn a_verifier_is_asked_once_whether_its_tokens_may_be_cached() {
    let (verifier, logout) = counted(JwtVerifier::hs256(SECRET).clock(clock()).build().unwrap());
    let logout = logout.check_timeout(SECOND).recheck_interval(SECOND).token_cache(16, 1 << 20);
    let (first, second) = (logout.clone(), logout.insecure_allow_on_store_failure());
    for logout in [&first, &second, &first] {
        assert_eq!(passes(logout, &token("one")), Ok(()));
    }
    assert_eq!(verifier.verified(), 2, "settings after the clone have a cache of their own");
    assert_eq!(verifier.counts.asked_for_caching.load(Ordering::SeqCst), 1);
}

#[test]
fn clones_made_before_the_first_token_share_the_cache() {
    let (verifier, logout) = cached(16, 1 << 20);
    let clones = [logout.clone(), logout.clone().allow_anonymous()];
    for logout in clones.iter().chain([&logout]) {
        said(logout, "one");
    }
    assert_eq!(verifier.verified(), 1);
}

#[test]
fn only_the_whole_text_is_known() {
    // Of the same end, so that all have one hash.
    let end = "e".repeat(64);
    let (_, logout) = cached(4096, 1 << 20);
    for n in 0..100 {
        let text = format!("{n}.{end}");
        assert_eq!(said(&logout, &text), text);
        assert_eq!(said(&logout, &text), text);
    }
    let genuine = token("one");
    let (verifier, logout) = counted(test_support::verifier(&clock()));
    assert_eq!(passes(&logout, &genuine), Ok(()));
    for position in 0..genuine.len() {
        let mut forged = genuine.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        let forged = std::str::from_utf8(&forged).unwrap();
        assert_eq!(passes(&logout, forged), Err(Rejection::Invalid), "byte {position}");
    }
    assert_eq!(passes(&logout, &genuine[..genuine.len() - 1]), Err(Rejection::Invalid));
    assert_eq!(passes(&logout, &format!("{genuine}A")), Err(Rejection::Invalid));
    assert!(verifier.knows(&logout, &genuine));
}

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
        let logout = Logout::new(verifier.clone(), MemoryStore::new());
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
fn a_clock_that_steps_back_has_the_token_verified_anew() {
    let clock = clock();
    let (verifier, logout) = counted(test_support::verifier(&clock));
    let text = hs256(&claims_with("one", json!({ "nbf": NOW })));
    assert_eq!(passes(&logout, &text), Ok(()));
    // Further back than clocks may differ.
    clock.set(at(NOW - 31));
    assert!(!verifier.knows(&logout, &text));
    assert_eq!(passes(&logout, &text), Err(Rejection::Invalid));
    clock.set(at(NOW));
    assert!(verifier.knows(&logout, &text));
}

/// Waits in the middle of verifying, with the revision that it began with.
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
async fn what_was_begun_before_a_change_of_keys_is_not_known_after_it() {
    let gates = Arc::new(Gates { begun: Semaphore::new(0), go_on: Semaphore::new(0) });
    let verifier = Counted::new(Slow { inner: echo(Caching::UntilExpiry, clock()).inner, gates: Arc::clone(&gates) });
    let logout = Logout::new(verifier.clone(), MemoryStore::new()).check_timeout(60 * SECOND);
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
    let logout = Logout::new(verifier.clone(), MemoryStore::new());
    // Odd while the old key is out.
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

#[test]
fn forged_tokens_displace_nothing() {
    let (verifier, logout) = cached(8, 1 << 10);
    for n in 0..8 {
        said(&logout, &n.to_string());
    }
    for n in 0..10_000 {
        assert_eq!(passes(&logout, &format!("bad-{n}")), Err(Rejection::Invalid));
    }
    assert!((0..8).all(|n| verifier.knows(&logout, &n.to_string())));
}

#[test]
fn there_is_never_more_than_there_is_room_for() {
    for (tokens, bytes) in [(1, 1 << 20), (7, 1 << 20), (100, 1 << 20), (1 << 20, 4096), (100, 1000), (64, 20_000)] {
        let (verifier, logout) = cached(tokens, bytes);
        let texts: Vec<_> = (0..1000_usize).map(|n| format!("{n:0len$}", len = 4 + n * 37 % 90 * 10)).collect();
        for (n, text) in texts.iter().enumerate() {
            assert_eq!(said(&logout, text), *text);
            if n % 250 == 249 {
                let known: Vec<_> = texts.iter().filter(|text| verifier.knows(&logout, text)).collect();
                let known_bytes: usize = known.iter().map(|text| text.len()).sum();
                assert!((1..=tokens).contains(&known.len()), "{} of {tokens} tokens", known.len());
                assert!(known_bytes <= bytes, "{known_bytes} of {bytes} bytes");
            }
        }
    }
    let (verifier, logout) = cached(100, 1000);
    let long = "x".repeat(1001);
    assert_eq!(said(&logout, &long), long);
    assert!(!verifier.knows(&logout, &long));
}

#[test]
fn a_token_of_any_length_is_remembered_where_eight_of_its_length_have_room() {
    let by_default = (Logout::<String>::DEFAULT_CACHED_TOKENS, Logout::<String>::DEFAULT_CACHED_BYTES);
    let (longer, room) = (60 * 1024, 128);
    for ((tokens, bytes), longest) in [(by_default, 8 * 1024), ((8 * room, room * longer), longer)] {
        let (verifier, logout) = cached(tokens, bytes);
        let logout = logout.token_source(TokenSource::authorization().max_token_len(longest + 1));
        let [fits, does_not] = [longest, longest + 1].map(|len| "x".repeat(len));
        for text in [&fits, &does_not] {
            assert_eq!(said(&logout, text), *text);
        }
        assert!(verifier.knows(&logout, &fits));
        assert!(!verifier.knows(&logout, &does_not));
        let texts: Vec<_> = (0..room * 3 / 2).map(|n| format!("{n:0longest$}")).chain([fits]).collect();
        for text in &texts {
            assert_eq!(said(&logout, text), *text);
        }
        let known = texts.iter().filter(|text| verifier.knows(&logout, text)).count();
        assert!(known > 0 && known * longest <= bytes, "{known}");
    }
}

#[test]
fn what_is_used_stays_and_what_is_not_makes_room_for_what_comes_again() {
    let (verifier, logout) = cached(8, 1 << 20);
    said(&logout, "used");
    for n in 0..1000 {
        assert!(verifier.knows(&logout, "used"), "after {n} others");
        said(&logout, &n.to_string());
    }
    assert!(verifier.knows(&logout, "0"));
    assert!(!verifier.knows(&logout, "999"));
    for _ in 0..10 {
        said(&logout, "again");
        assert!(verifier.knows(&logout, "used"));
    }
    assert!(verifier.knows(&logout, "again"));
}

#[test]
fn a_cache_of_nothing_keeps_no_token() {
    for (tokens, bytes) in [(0, 0), (0, 1 << 20), (100, 0)] {
        let (verifier, logout) = cached(tokens, bytes);
        for verified in 1..=3 {
            said(&logout, "one");
            assert_eq!(verifier.verified(), verified);
        }
        assert!(!verifier.knows(&logout, "one"));
    }
}

#[test]
fn a_text_that_no_request_may_carry_is_neither_verified_nor_remembered() {
    let (verifier, logout) = cached(8, 1 << 20);
    let anywhere = TokenSource::closure(|head| Ok(head.extensions.get::<String>().cloned()));
    let logout = logout.token_source(anywhere);
    let request = |text: &str| Request::get("/").extension(text.to_owned()).body(()).unwrap();
    for text in ["a b", "", "=", "ä"] {
        for _ in 0..2 {
            let verdict = poll(&mut logout.check((&request(text)).into()));
            assert!(matches!(verdict, Poll::Ready(Err(Rejection::InvalidRequest))), "{text:?}");
        }
    }
    assert_eq!(verifier.verified(), 0);
    assert!(matches!(poll(&mut logout.check((&request("one")).into())), Poll::Ready(Ok(Some(_)))));
    assert_eq!(verifier.verified(), 1);
}

#[test]
fn nothing_shows_what_is_remembered() {
    let (verifier, logout) = counted(test_support::verifier(&clock()));
    let text = token("one");
    assert_eq!(passes(&logout, &text), Ok(()));
    assert!(verifier.knows(&logout, &text));
    let shown = format!("{logout:?} {:?}", logout.layer());
    assert!(text.split('.').all(|part| !shown.contains(part)), "{shown}");
}

#[tokio::test]
async fn two_logouts_over_one_verifier_watch_each_its_own_store() {
    let text = token("one");
    let verifier = Arc::new(test_support::verifier(&clock()));
    let stores = [(); 2].map(|()| Arc::new(MemoryStore::new()));
    let logouts = stores.each_ref().map(|store| Logout::new(Arc::clone(&verifier), Arc::clone(store)));
    for _ in 0..2 {
        let mut watches = Vec::new();
        for logout in &logouts {
            let token = check(logout, &text).unwrap();
            assert_eq!(token.jti.as_deref(), Some("one"));
            let mut watch = logout.watch(&token);
            assert!(poll(&mut watch).is_pending());
            watches.push(watch);
        }
        assert_eq!(stores.each_ref().map(|store| store.watched()), [1, 1]);
    }
    let token = check(&logouts[1], &text).unwrap();
    let mut watches = logouts.each_ref().map(|logout| logout.watch(&token));
    let _ = stores[1].revoke(&Revocation::of_token(token.identity())).await.unwrap();
    assert!(poll(&mut watches[0]).is_pending());
    assert!(poll(&mut watches[1]).is_ready());
    assert_eq!(passes(&logouts[0], &text), Ok(()));
    assert_eq!(passes(&logouts[1], &text), Err(Rejection::Revoked));
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
        .flat_map(|claims| {
            [hs256(&claims), test_support::sign(&header, &claims, jsonwebtoken::Algorithm::HS256, &other)]
        })
        .collect()
}

const OTHER_SECRET: [u8; 32] = [9; 32];

/// A few thousand do not show a verifier whose revision changes before its keys do.
const ROUNDS: u64 = 40_000;

/// What becomes of a request, to be compared.
fn verdict(logout: &Logout, token: &str) -> Result<(Claims, TokenIdentity), Rejection> {
    check(logout, token).map(|token| (token.claims().clone(), token.identity().clone()))
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_known_token_whose_revocation_may_have_been_purged_is_rejected() {
    let clock = clock();
    let store = Arc::new(MemoryStore::new().clock(clock.clone()));
    let logout = Logout::new(test_support::verifier(&clock), Arc::clone(&store));
    let known = token("known");
    // Of another token that lives as long.
    store.revoke(&Revocation::of_token(&identity("other", at(NOW + 900)))).await.unwrap();
    assert!(check(&logout, &known).is_ok() && check(&logout, &known).is_ok());
    clock.set(at(NOW + 10_000));
    while !store.is_empty() {
        let _ = store.generation();
    }
    // Nothing was revoked since, but the clock has stepped back to where the token is valid.
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
        let [cached, uncached] = verifiers.each_ref().map(|verifier| Logout::new(verifier.clone(), MemoryStore::new()));
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
