//! [`TestIssuer`]: an identity provider for tests, in the process of the test.
#![expect(clippy::panic, reason = "tests fail by panicking")]

mod answers;
mod keys;
mod pair;
mod server;
mod token;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;
use tower::BoxError;

use crate::{
    clock::{Clock, SystemClock},
    fetch::FetchBody,
    token::jwt::{Algorithm, KeySet},
};
use answers::Answers;
use keys::Keys;
use server::Server;

/// An identity provider for tests: it signs access tokens of any claims, and serves its discovery
/// document and its public keys on a free port of this machine (feature `test-util`).
///
/// Verifiers find it at [`url`](Self::url), which is plain HTTP, so they need
/// `allow_http_on_loopback()`. It rotates its keys and fails on demand, so that a test can show
/// what an application does then. Nobody can sign in at it.
///
/// Methods that change it take effect for the next token and the next request. It stops when it is
/// dropped. It runs on the Tokio runtime of the test, which needs I/O and time enabled.
///
/// # Panics
///
/// As a tool for tests, it panics where other types return errors: if there is no free port, no
/// Tokio runtime, or if claims cannot be serialized to a JSON object.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "aws-lc-rs")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use serde_json::json;
/// use tower_logout::{JwtVerifier, token::{TokenVerifier, jwt::{Issuer, TestIssuer}}};
///
/// let issuer = TestIssuer::start().await;
/// let verifier = JwtVerifier::issuers([Issuer::keys(issuer.url(), issuer.key_set())]).build()?;
/// let token = issuer.token(&json!({ "sub": "ann" }));
/// assert_eq!(verifier.verify(&token).await?.sub.as_deref(), Some("ann"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "aws-lc-rs"))]
/// # fn main() {}
/// ```
pub struct TestIssuer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    server: Server,
}

/// What the server answers with.
struct Shared {
    url: String,
    keys: Mutex<Keys>,
    answers: Answers,
    requests: Mutex<HashMap<String, usize>>,
}

/// Starting and stopping.
impl TestIssuer {
    /// The path of the discovery document, below [`url`](Self::url).
    pub const DISCOVERY: &str = "/.well-known/openid-configuration";

    /// The path of the public keys, below [`url`](Self::url).
    pub const KEYS: &str = "/jwks";

    /// Starts an issuer that signs with ES256, on a free port.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left when the future is dropped.
    pub async fn start() -> Self {
        let keys = Mutex::new(Keys::new(Algorithm::ES256));
        let server = Server::start(|address| {
            let url = format!("http://{address}");
            Arc::new(Shared { url, keys, answers: Answers::default(), requests: Mutex::default() })
        })
        .await;
        Self { shared: Arc::clone(server.shared()), clock: Arc::new(SystemClock), server }
    }

    /// Signs with this algorithm instead, with a new key. Keys that it had are removed.
    ///
    /// RSA keys take up to a second to generate, and need the feature `aws-lc-rs`.
    ///
    /// # Panics
    ///
    /// If the algorithm has no public keys, or the crypto library cannot generate keys for it.
    #[must_use]
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        *self.shared.keys() = Keys::new(algorithm);
        self
    }

    /// Dates tokens by this clock, which is also the verifier's. Default: the system clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Closes the port and all connections, as if the provider were down: connections are refused.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the port closes a moment later.
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Opens the port again after [`stop`](Self::stop): the same one, with the same keys.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the port is open or still closed.
    pub async fn resume(&self) {
        self.server.resume().await;
    }
}

/// Tokens.
impl TestIssuer {
    /// Returns the issuer identifier, such as `http://127.0.0.1:41234`, which tokens have in `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Signs a token with these claims.
    ///
    /// Claims that are absent are added, so that a short test is short: the issuer as `iss`, the
    /// present time as `iat`, an `exp` ten minutes later, and a `jti` that no other token has. The
    /// header has the type `at+jwt`, the algorithm and the [`kid`](Self::kid).
    ///
    /// # Panics
    ///
    /// If the claims are not a JSON object when they are serialized.
    #[must_use]
    pub fn token(&self, claims: &impl Serialize) -> String {
        let claims = token::complete(claims, self.url(), self.clock.now());
        let keys = self.shared.keys();
        let key = keys.current();
        token::signed(&json!({ "typ": "at+jwt", "alg": key.algorithm().to_string(), "kid": key.kid() }), &claims, key)
    }

    /// Signs exactly this header and these claims, for tokens that must be rejected.
    ///
    /// The key is the one that the header names as `kid`, even if it was revoked, and otherwise the
    /// current one. Whatever the header says, the algorithm is that of the key.
    ///
    /// # Panics
    ///
    /// If the header or the claims cannot be serialized as JSON.
    #[must_use]
    pub fn sign_exactly(&self, header: &impl Serialize, claims: &impl Serialize) -> String {
        let header = token::json(header);
        let keys = self.shared.keys();
        let named = header.get("kid").and_then(|kid| keys.by_kid(kid.as_str()?));
        token::signed(&header, &token::json(claims), named.unwrap_or_else(|| keys.current()))
    }
}

/// Keys.
impl TestIssuer {
    /// Returns the `kid` of the key that signs: `key-1`, and `key-2` after a rotation.
    #[must_use]
    pub fn kid(&self) -> String {
        self.shared.keys().current().kid().to_owned()
    }

    /// Returns the published keys, for a verifier that does not fetch them.
    ///
    /// # Panics
    ///
    /// If all keys were revoked.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        KeySet::jwks(&self.jwks()).expect("a key is published")
    }

    /// Returns the published keys as a JSON Web Key Set (RFC 7517, section 5), as they are served.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.shared.keys().document()
    }

    /// Signs with a new key of the same algorithm. The old ones stay published, so tokens that they
    /// have signed remain valid.
    pub fn rotate(&self) {
        let mut keys = self.shared.keys();
        let algorithm = keys.current().algorithm();
        keys.add(algorithm);
    }

    /// Signs with a new key of this algorithm. The old ones stay published.
    ///
    /// # Panics
    ///
    /// As [`algorithm`](Self::algorithm).
    pub fn rotate_to(&self, algorithm: Algorithm) {
        self.shared.keys().add(algorithm);
    }

    /// Signs with a new key of the same algorithm, and removes all others, as after a key was
    /// stolen: tokens that they have signed are no longer valid.
    pub fn rotate_without_overlap(&self) {
        let mut keys = self.shared.keys();
        let algorithm = keys.current().algorithm();
        keys.withdraw_all();
        keys.add(algorithm);
    }

    /// Removes the key with this `kid` from the published ones. If it is the current one, it signs
    /// further tokens nevertheless, as a thief would.
    ///
    /// # Panics
    ///
    /// If no published key has this `kid`.
    pub fn revoke_key(&self, kid: &str) {
        assert!(self.shared.keys().withdraw(kid), "no published key has the `kid` {kid}");
    }
}

/// Faults, which last until [`recover`](Self::recover).
impl TestIssuer {
    /// Answers every request this much later.
    pub fn delay(&self, delay: Duration) {
        self.shared.answers.delay(delay);
    }

    /// Accepts requests and does not answer them. Those that still wait at
    /// [`recover`](Self::recover) are answered then.
    pub fn hang(&self) {
        self.shared.answers.hang();
    }

    /// Answers requests for this path with a response of the test, such as an error, a redirect or
    /// another document.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # async fn example(issuer: tower_logout::token::jwt::TestIssuer) -> http::Result<()> {
    /// use http::Response;
    /// use tower_logout::token::jwt::TestIssuer;
    ///
    /// issuer.answer_with(TestIssuer::KEYS, Response::builder().status(500).body("")?);
    /// let cached = Response::builder().header("cache-control", "max-age=60").body(issuer.jwks())?;
    /// issuer.answer_with(TestIssuer::KEYS, cached);
    /// # Ok(())
    /// # }
    /// ```
    pub fn answer_with(&self, path: &str, response: Response<impl Into<Bytes>>) {
        let response = response.map(Into::into);
        self.answer_by(path, move |_| response.clone().map(Full::new));
    }

    /// Answers requests for this path with what a function makes of them, such as bodies of any
    /// length, or the answers of another endpoint.
    pub fn answer_by<F, B>(&self, path: &str, answer: F)
    where
        F: Fn(Request<Bytes>) -> Response<B> + Send + Sync + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.shared.answers.set(path, Arc::new(move |request| answer(request).map(FetchBody::new)));
    }

    /// Ends all faults and forgets the answers of the test. [`stop`](Self::stop) is ended by
    /// [`resume`](Self::resume).
    pub fn recover(&self) {
        self.shared.answers.recover();
    }

    /// Returns how many requests for this path have arrived since the start, so that a test can
    /// show how often keys are fetched.
    #[must_use]
    pub fn requests(&self, path: &str) -> usize {
        lock(&self.shared.requests).get(path).copied().unwrap_or_default()
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

impl Shared {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        lock(&self.keys)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
