//! Promise: a known token is not verified again if its verifier allows that.

use std::{
    ptr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt;
use serde_json::json;
use test_support::{NOW, SECRET, at, claims_with, clock, hs256, token};
use tower_logout::{
    Claims, JwtVerifier, Logout, RevocationStore, VerifiedToken,
    clock::{Clock, Timestamp},
    respond::Rejection,
    revocation::Revocation,
    token::{Caching, TokenVerifier, VerifyError},
};

use super::counting_verifier::{Counted, SECOND, cached, check, counted, echo, passes, poll, said};

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
fn a_token_that_a_jwt_verifier_accepted_is_cached_by_default() {
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
fn a_verifier_without_caching_is_called_each_time() {
    let verifier = echo(Caching::Never, clock());
    let logout = Logout::new(verifier.clone(), test_support::memory()).token_cache(1000, 1 << 20);
    for asked in 1..=5 {
        assert_eq!(said(&logout, "one"), "one");
        assert_eq!(verifier.verified(), asked);
    }
    assert_eq!(Caching::default(), Caching::Never, "nobody is remembered who has not agreed");
}

#[test]
fn a_token_with_a_caching_time_is_verified_anew_after_it_by_the_verifiers_clock() {
    let (clock, text) = (clock(), token("one"));
    let verifier = echo(Caching::For(Duration::from_millis(1500)), clock.clone());
    let logout = Logout::new(verifier.clone(), test_support::memory());
    for round in 1..=3 {
        assert_eq!(said(&logout, &text), text);
        clock.advance(Duration::from_millis(1499));
        assert_eq!(said(&logout, &text), text);
        assert_eq!(verifier.verified(), round, "it is used, and known");
        clock.advance(Duration::from_millis(1));
        assert!(!verifier.knows(&logout, &text), "that it was used makes it no longer");
    }
}

/// A JWT verifier whose results may be cached for a minute.
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
fn a_cached_token_ends_at_its_expiry_whatever_its_caching_time() {
    let (clock, text) = (clock(), hs256(&claims_with("one", json!({ "exp": NOW + 30 }))));
    let logout = Logout::new(ForAMinute(test_support::verifier(&clock)), test_support::memory());
    assert_eq!(passes(&logout, &text), Ok(()));
    clock.advance(Duration::from_millis(29_999));
    assert_eq!(passes(&logout, &text), Ok(()));
    clock.advance(Duration::from_millis(1));
    assert_eq!(passes(&logout, &text), Err(Rejection::Expired));
}

/// A JWT verifier whose tokens have bounds of their own.
#[derive(Clone)]
struct BoundedBy {
    inner: JwtVerifier,
    caching: Caching,
    bounds: Vec<Timestamp>,
}

#[async_trait]
impl TokenVerifier for BoundedBy {
    type Claims = Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        let verified = self.inner.verify(token).await?;
        // A clone has the bound, too.
        Ok(self.bounds.iter().fold(verified, |token, bound| token.cache_until(*bound).clone()))
    }

    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<Claims>, VerifyError>> {
        self.verify(token).now_or_never()
    }

    fn caching(&self) -> Caching {
        self.caching
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }
}

#[test]
fn a_token_with_its_own_bound_is_cached_until_then_at_most() {
    let second = Duration::from_secs(1);
    let for_10_s = Caching::For(10 * second);
    for (caching, bounds, cached_for) in [
        (Caching::UntilExpiry, vec![], 30),
        (Caching::UntilExpiry, vec![5], 5),
        (Caching::UntilExpiry, vec![5, 20], 5),
        (Caching::UntilExpiry, vec![20, 5], 5),
        (Caching::UntilExpiry, vec![60], 30),
        (Caching::UntilExpiry, vec![0], 0),
        (for_10_s, vec![5], 5),
        (for_10_s, vec![20], 10),
        (Caching::Never, vec![20], 0),
    ] {
        let (clock, text) = (clock(), hs256(&claims_with("one", json!({ "exp": NOW + 30 }))));
        let bounds = bounds.into_iter().map(|bound| at(NOW + bound)).collect::<Vec<_>>();
        let case = format!("{caching:?}, {bounds:?}");
        let verifier = Counted::new(BoundedBy { inner: test_support::verifier(&clock), caching, bounds });
        let logout = Logout::new(verifier.clone(), test_support::memory());
        assert_eq!(passes(&logout, &text), Ok(()), "{case}");
        if cached_for > 0 {
            clock.advance((cached_for * second).saturating_sub(Duration::from_millis(1)));
            assert!(verifier.knows(&logout, &text), "{case}");
            clock.advance(Duration::from_millis(1));
        }
        assert!(!verifier.knows(&logout, &text), "{case}");
    }
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
    // An accepted token is watched with the settings of that time, so another timeout needs another
    // cache.
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
    // With the same end, so that all have the same hash.
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
fn no_debug_output_shows_a_cached_token() {
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
    let stores = [(); 2].map(|()| Arc::new(test_support::memory()));
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
