//! A verifier that counts its verifications, and checks with it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use http::{Request, header::AUTHORIZATION};
use serde_json::json;
use test_support::{NOW, bearer, claims_with, clock, hs256, identity};
use tower_logout::{
    Claims, JwtVerifier, Logout, VerifiedToken,
    clock::{Clock, ManualClock, Timestamp},
    respond::Rejection,
    revocation::TokenIdentity,
    token::{Caching, TokenVerifier, VerifyError},
};

/// Wraps a verifier and counts its verifications. Clones share the count.
#[derive(Clone)]
pub(super) struct Counted<V> {
    pub(super) inner: V,
    pub(super) counts: Arc<Counts>,
}

pub(super) struct Counts {
    pub(super) verified: AtomicUsize,
    pub(super) asked_for_caching: AtomicUsize,
    /// While set, every verification fails, so only cached tokens pass.
    pub(super) rejects_all: AtomicBool,
}

impl<V: TokenVerifier> Counted<V> {
    pub(super) fn new(inner: V) -> Self {
        let (verified, asked_for_caching) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let counts = Counts { verified, asked_for_caching, rejects_all: AtomicBool::new(false) };
        Self { inner, counts: Arc::new(counts) }
    }

    pub(super) fn verified(&self) -> usize {
        self.counts.verified.load(Ordering::SeqCst)
    }

    /// Whether the token passes without a verification. Nothing is added to the cache.
    pub(super) fn knows(&self, logout: &Logout<V::Claims>, token: &str) -> bool {
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

/// Accepts any text and returns it as the claims.
#[derive(Clone)]
pub(super) struct Echo {
    pub(super) caching: Caching,
    pub(super) clock: ManualClock,
    pub(super) revision: Arc<AtomicU64>,
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

pub(super) fn echo(caching: Caching, clock: ManualClock) -> Counted<Echo> {
    Counted::new(Echo { caching, clock, revision: Arc::default() })
}

/// With capacity for this many tokens, with this many bytes in total.
pub(super) fn cached(tokens: usize, bytes: usize) -> (Counted<Echo>, Logout<String>) {
    let verifier = echo(Caching::UntilExpiry, clock());
    (verifier.clone(), Logout::new(verifier, test_support::memory()).token_cache(tokens, bytes))
}

pub(super) fn counted(verifier: JwtVerifier) -> (Counted<JwtVerifier>, Logout) {
    let verifier = Counted::new(verifier);
    (verifier.clone(), Logout::new(verifier, test_support::memory()))
}

pub(super) fn said(logout: &Logout<String>, token: &str) -> String {
    check(logout, token).unwrap().claims().clone()
}

pub(super) fn check<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> Result<VerifiedToken<C>, Rejection> {
    let request = Request::get("/").header(AUTHORIZATION, bearer(token)).body(()).unwrap();
    match poll(&mut logout.check((&request).into())) {
        Poll::Ready(verdict) => verdict.map(|token| token.expect("nobody is anonymous")),
        Poll::Pending => unreachable!("nothing waits"),
    }
}

pub(super) fn passes<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> Result<(), Rejection> {
    check(logout, token).map(drop)
}

pub(super) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Tokens with lifetimes of all kinds, under either of two keys.
pub(super) fn tokens() -> Vec<String> {
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

pub(super) const OTHER_SECRET: [u8; 32] = [9; 32];

/// The result of a request, for comparison.
pub(super) fn verdict(logout: &Logout, token: &str) -> Result<(Claims, TokenIdentity), Rejection> {
    check(logout, token).map(|token| (token.claims().clone(), token.identity().clone()))
}

pub(super) const SECOND: Duration = Duration::from_secs(1);
