//! A verifier that finds the keys of a provider by itself, and requests with tokens.

use std::time::Duration;

use http::Request;
use test_support::bearer;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore,
    respond::Rejection,
    token::{
        TokenVerifier,
        jwt::{JwtVerifierBuilder, KeyFetching},
    },
};

/// What the access tokens are for.
pub(super) const API: &str = "https://api.example";

pub(super) fn discovering(issuer: impl Into<String>) -> JwtVerifierBuilder {
    // Each unknown key may be asked for: the tests rotate more often than a provider does.
    let fetching = KeyFetching::new().cooldown(Duration::from_nanos(1)).timeout(PATIENCE);
    JwtVerifier::discover(issuer).key_fetching(fetching).allow_http_on_loopback()
}

/// A logout whose checks wait for the provider for as long as a test does.
pub(super) fn logout(verifier: impl TokenVerifier<Claims = tower_logout::Claims>) -> Logout {
    Logout::new(verifier, MemoryStore::new()).check_timeout(PATIENCE)
}

pub(super) async fn check(logout: &Logout, token: &str) -> Result<(), Rejection> {
    let request = Request::get("/").header("authorization", bearer(token)).body(()).unwrap();
    logout.check((&request).into()).await.map(drop)
}

/// How long the tests wait at most.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
