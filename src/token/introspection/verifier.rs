//! [`Introspection`]: a verifier of opaque tokens.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::{
    IntrospectionError,
    answer::Requirements,
    cache::{AnswerCache, Digest, digest},
    endpoint::{Endpoint, Judged},
    settings::CacheSettings,
    verdict::{Rejected, Verdict},
};
use crate::{
    clock::{Clock, Timestamp},
    revocation::{Retention, Revocable},
    telemetry::{self, Throttle},
    token::{Caching, Claims, SingleFlight, TokenVerifier, VerifiedToken, VerifyError},
};

/// Verifies opaque tokens by asking the authorization server about them, and returns claims of type
/// `C` from its answers (RFC 7662).
///
/// The [module](super) has the table of answers, and how long one counts. Concurrent requests with
/// one token share a request to the server, which goes on when they no longer wait: an answer that
/// arrives after [`check_timeout`](crate::Logout::check_timeout) is cached for the next request, if
/// it arrives within [`cache_for`](super::IntrospectionBuilder::cache_for). In an outage, cached
/// answers count until they are too old; after that, requests get 503.
///
/// The requirements for tokens are those of [`JwtVerifier`](crate::JwtVerifier), so the two accept
/// the same tokens of an issuer. Tokens that are not opaque can be introspected, too; see
/// [`JwtVerifier::or_opaque`](crate::JwtVerifier::or_opaque) for both kinds.
///
/// # Revocation
///
/// A token is identified by its issuer and `jti`; without a `jti`, by its text. Session (`sid`),
/// subject (`sub`), client (`client_id`, `azp`) and revocable claims are read from the answer. A
/// token without `iat` counts as issued before every revocation. A token without `exp` expires when
/// [`max_lifetime`](super::IntrospectionBuilder::max_lifetime) has passed since its `iat`; if the
/// answer has neither, a revocation of it may be forgotten after that time.
///
/// # Examples
///
/// ```
/// use tower_logout::{Logout, MemoryStore, token::introspection::Introspection};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = "from the environment"; // of this service, registered at the server
/// let verifier = Introspection::at("https://login.example/oauth2/introspect", "https://login.example")
///     .client_secret_basic("orders", secret)
///     .audience("https://api.example")
/// #   .fetch_with(|_| async { Err::<http::Response<http_body_util::Empty<bytes::Bytes>>, _>("no network") })
///     .build()?;
/// let logout = Logout::new(verifier, MemoryStore::new());
/// # Ok(())
/// # }
/// ```
pub struct Introspection<C = Claims> {
    shared: Arc<Shared<C>>,
}

/// The state that the clones of a verifier share.
pub(super) struct Shared<C> {
    endpoint: Endpoint,
    requirements: Requirements,
    cache: AnswerCache<C>,
    lookups: SingleFlight<Digest, Result<Found<C>, Arc<IntrospectionError>>>,
    clock: Arc<dyn Clock>,
    throttle: Arc<Throttle>,
}

impl<C: DeserializeOwned + Send + Sync + 'static> Introspection<C> {
    pub(super) fn new(
        endpoint: Endpoint,
        requirements: Requirements,
        cache: CacheSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let settings = endpoint.settings;
        // A request waits for its turn, and for the answer; a signed one may need new keys.
        let limit = settings.timeout.saturating_mul(2).saturating_add(Duration::from_secs(10));
        let lookups = SingleFlight::new(settings.max_concurrent.saturating_mul(WAITING + 1), limit);
        let cache = AnswerCache::new(cache);
        Self { shared: Arc::new(Shared { endpoint, requirements, cache, lookups, clock, throttle: Arc::default() }) }
    }

    fn known(&self, digest: &Digest) -> Option<Verdict<C>> {
        self.shared.cache.find(digest, self.shared.clock.now())
    }
}

/// The result of a lookup.
struct Found<C> {
    verdict: Verdict<C>,
    /// When the server was asked.
    sent: Timestamp,
}

impl<C> Found<C> {
    /// Whether the result may be used for a request that began at this time and that has joined the
    /// lookup.
    fn suits(&self, began: Timestamp) -> bool {
        let is_young = |token: &VerifiedToken<C>| began <= self.sent || began < token.cached_until();
        self.verdict.as_ref().map_or(true, is_young)
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Shared<C> {
    async fn look_up(self: Arc<Self>, digest: Digest, token: String) -> Result<Found<C>, Arc<IntrospectionError>> {
        // An earlier lookup may have ended since the caller searched.
        let now = self.clock.now();
        if let Some(verdict) = self.cache.find(&digest, now) {
            return Ok(Found { verdict, sent: now });
        }
        match self.endpoint.ask(&token, &self.requirements, &*self.clock).await {
            Ok(Judged { verdict, sent, at }) => {
                telemetry::introspected(verdict.as_ref().map_or_else(Rejected::code, |_| "active"));
                Ok(Found { verdict: self.cache.keep(digest, verdict, sent, at), sent })
            }
            Err(error) => {
                telemetry::introspection_failed(&self.throttle, error.code(), &error);
                Err(Arc::new(error))
            }
        }
    }
}

#[async_trait]
impl<C: DeserializeOwned + Send + Sync + 'static> TokenVerifier for Introspection<C> {
    type Claims = C;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, VerifyError> {
        if let Some(verdict) = self.verify_now(token) {
            return verdict;
        }
        let (digest, began) = (digest(token), self.shared.clock.now());
        for _ in 0..ATTEMPTS {
            let (shared, token) = (Arc::clone(&self.shared), token.to_owned());
            let found = self.shared.lookups.run(digest, move || shared.look_up(digest, token)).await?;
            let found = found.map_err(VerifyError::unavailable)?;
            // A lookup that was joined may have asked the server too long ago. The next one asks it
            // later than this request began.
            if found.suits(began) {
                return Ok(found.verdict?);
            }
        }
        Err(VerifyError::unavailable("the clock was set back while the server was asked"))
    }

    /// Returns the result if the answer of the server is cached.
    fn verify_now(&self, token: &str) -> Option<Result<VerifiedToken<C>, VerifyError>> {
        if token.is_empty() {
            return Some(Err(VerifyError::invalid("the token is empty")));
        }
        Some(self.known(&digest(token))?.map_err(VerifyError::from))
    }

    /// Each token says how long it may be cached ([`VerifiedToken::cache_until`]).
    fn caching(&self) -> Caching {
        Caching::UntilExpiry
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock)
    }

    fn retention(&self) -> Retention {
        self.shared.requirements.policy.retention()
    }

    fn revocable(&self) -> Revocable {
        self.shared.requirements.policy.revocable()
    }

    /// Explains a rejection while its answer is cached.
    fn explain(&self, token: &str) -> Option<String> {
        self.known(&digest(token))?.err()?.explain()
    }
}

impl<C> Clone for Found<C> {
    fn clone(&self) -> Self {
        Self { verdict: self.verdict.clone(), sent: self.sent }
    }
}

/// Clones share their cache.
impl<C> Clone for Introspection<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C> fmt::Debug for Introspection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { endpoint, requirements, cache, lookups, .. } = &*self.shared;
        f.debug_struct("Introspection")
            .field("endpoint", endpoint)
            .field("requirements", requirements)
            .field("cache", cache)
            .field("lookups", lookups)
            .finish_non_exhaustive()
    }
}

/// More than two are needed only if the clock is set back.
const ATTEMPTS: usize = 4;
/// For each request that runs, this many may wait for their turn.
const WAITING: usize = 15;
