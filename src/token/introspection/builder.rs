//! [`IntrospectionBuilder`]: the configuration of an [`Introspection`].

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::{
    ConfigError, Introspection,
    answer::Requirements,
    authentication::Authentication,
    endpoint::Endpoint,
    settings::{CacheSettings, RequestSettings},
};
use crate::{
    clock::{Clock, SystemClock},
    fetch::{Address, Fetch, HttpClient},
    token::{
        Claims,
        jwt::{ClaimsPolicy, Issuer, KeySet, SignedAnswers},
    },
};

/// Builder of an [`Introspection`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct IntrospectionBuilder<C = Claims> {
    endpoint: String,
    /// The requirements for tokens, without keys.
    pub(super) issuer: Issuer,
    pub(super) token_types: Vec<String>,
    pub(super) revocable: Vec<String>,
    pub(super) clock_skew: Duration,
    authentication: Option<Authentication>,
    signer: Option<Issuer>,
    client: Option<Arc<dyn Fetch>>,
    allow_http_on_loopback: bool,
    cache: CacheSettings,
    requests: RequestSettings,
    clock: Arc<dyn Clock>,
    claims: PhantomData<fn() -> C>,
}

impl Introspection {
    /// Asks this endpoint about tokens of this issuer.
    ///
    /// `endpoint` is the `introspection_endpoint` in the metadata of the authorization server, an
    /// `https` URL. `issuer` is its name: an answer with another `iss` is rejected, and the tokens
    /// can be revoked by it, whether or not answers have an `iss`.
    pub fn at(endpoint: impl Into<String>, issuer: impl Into<String>) -> IntrospectionBuilder {
        IntrospectionBuilder {
            endpoint: endpoint.into(),
            issuer: Issuer::keys(issuer, KeySet::default()),
            token_types: Vec::new(),
            revocable: Vec::new(),
            clock_skew: DEFAULT_CLOCK_SKEW,
            authentication: None,
            signer: None,
            client: None,
            allow_http_on_loopback: false,
            cache: CacheSettings::default(),
            requests: RequestSettings::default(),
            clock: Arc::new(SystemClock),
            claims: PhantomData,
        }
    }
}

/// How this service authenticates to the endpoint. One of these is required; the last one counts.
impl<C> IntrospectionBuilder<C> {
    /// Authenticates with a client identifier and a secret in the header `Authorization: Basic`,
    /// both encoded as RFC 6749, section 2.3.1, requires.
    ///
    /// If a server rejects a secret with special characters, it does not decode it as required; use
    /// [`client_secret_post`](Self::client_secret_post) then.
    pub fn client_secret_basic(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.authentication = Some(Authentication::Basic { id: id.into(), secret: secret.into() });
        self
    }

    /// Authenticates with a client identifier and a secret in the form that is posted.
    pub fn client_secret_post(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.authentication = Some(Authentication::Post { id: id.into(), secret: secret.into() });
        self
    }

    /// Authenticates with this bearer token.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.authentication = Some(Authentication::Bearer(token.into()));
        self
    }

    /// Authenticates with the bearer token that this closure returns, which is called for each
    /// request to the server.
    ///
    /// It must return at once: the application renews the token elsewhere. If the token is empty or
    /// cannot be sent, the request that needed it gets 503.
    pub fn bearer_token_by(mut self, current: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.authentication = Some(Authentication::BearerBy(Arc::new(current)));
        self
    }

    /// Requires that the authorization server signs its answers (RFC 9701), with the keys of this
    /// issuer, whose name must be that of the tokens' issuer.
    ///
    /// An answer is then protected also where TLS ends before it reaches this service. It must be
    /// meant for this client: its `aud` must be the client identifier, or an audience of the
    /// [`Issuer`]. Of the other settings of the issuer, only those of its keys apply. The server
    /// must have this client registered for signed answers; a plain answer is not accepted.
    ///
    /// If the keys are fetched ([`Issuer::discover`], [`Issuer::jwks`]), call
    /// [`build`](Self::build) on the Tokio runtime that serves requests.
    pub fn signed_answers(mut self, signer: Issuer) -> Self {
        self.signer = Some(signer);
        self
    }
}

/// Requests to the endpoint, and the cache of its answers.
impl<C> IntrospectionBuilder<C> {
    /// Sends requests by this client. Default: [`HttpClient`].
    pub fn fetch_with(mut self, client: impl Fetch) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Allows `http` in place of `https` for an endpoint on this machine.
    pub fn allow_http_on_loopback(mut self) -> Self {
        self.allow_http_on_loopback = true;
        self
    }

    /// Sets how long a request to the server may take, from the connection to the last byte of the
    /// answer. Default: 5 seconds. A request waits for its [turn](Self::max_concurrent) at most as
    /// long.
    ///
    /// Requests to the service wait for [`check_timeout`](crate::Logout::check_timeout); answers
    /// that arrive later are cached.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.requests.timeout = timeout;
        self
    }

    /// Sets how many requests to the server run at a time. Default: 64.
    ///
    /// Fifteen times as many wait for their turn. Beyond that, a request with a token that is not
    /// cached gets 503 at once.
    pub fn max_concurrent(mut self, max_concurrent: usize) -> Self {
        self.requests.max_concurrent = max_concurrent;
        self
    }

    /// Sets how long the answer that a token is active is cached, from the moment at which the
    /// request was sent, and at most until the token expires. Default: 15 seconds.
    ///
    /// This is how late a token that was revoked only at the authorization server is noticed. A
    /// logout at this service takes effect at once, whatever is cached. Zero: the server is asked
    /// on every request, and each must wait for its answer.
    pub fn cache_for(mut self, duration: Duration) -> Self {
        self.cache.accepted_for = duration;
        self
    }

    /// Sets how long the answer that a token is not active, or the rejection of an active one, is
    /// cached. Default: 5 seconds. At most 16,384 such answers are cached, and they displace only
    /// one another.
    pub fn cache_rejections_for(mut self, duration: Duration) -> Self {
        self.cache.rejected_for = duration;
        self
    }

    /// Sets how many accepted tokens are cached. Default: 16,384.
    pub fn cache_size(mut self, tokens: usize) -> Self {
        self.cache.tokens = tokens;
        self
    }

    /// Sets the clock. Default: the system clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl<C> IntrospectionBuilder<C> {
    /// Sets the type of the claims, which is deserialized from the answer, as from the claims of a
    /// JWT.
    ///
    /// An active token whose answer cannot be deserialized as this type is rejected as invalid.
    /// `()` accepts any answer and keeps none of its members.
    pub fn claims<D>(self) -> IntrospectionBuilder<D> {
        let Self { endpoint, issuer, token_types, revocable, clock_skew, authentication, signer, client, .. } = self;
        let Self { allow_http_on_loopback, cache, requests, clock, .. } = self;
        IntrospectionBuilder {
            endpoint,
            issuer,
            token_types,
            revocable,
            clock_skew,
            authentication,
            signer,
            client,
            allow_http_on_loopback,
            cache,
            requests,
            clock,
            claims: PhantomData,
        }
    }

    /// Validates the configuration and builds the verifier. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the remedy, if the configuration is incomplete or
    /// contradictory, or if keys for signed answers must be fetched and there is no Tokio runtime.
    pub fn build(self) -> Result<Introspection<C>, ConfigError>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        let address = Address::parse(&self.endpoint, self.allow_http_on_loopback).map_err(ConfigError::Endpoint)?;
        let authentication = self.authentication.ok_or(ConfigError::NoAuthentication)?;
        authentication.check()?;
        let RequestSettings { timeout, max_concurrent } = self.requests;
        for (what, is_zero) in [("timeout", timeout.is_zero()), ("max_concurrent", max_concurrent == 0)] {
            if is_zero {
                return Err(ConfigError::Zero(what));
            }
        }
        if self.token_types.iter().any(String::is_empty) {
            return Err(ConfigError::Empty("a type of tokens (`token_type`)"));
        }
        let client = self.client.unwrap_or_else(|| Arc::new(HttpClient::new()));
        let signed = match self.signer {
            Some(signer) if signer.name() != self.issuer.name() => {
                let [issuer, signer] = [&self.issuer, &signer].map(|issuer| issuer.name().to_owned());
                return Err(ConfigError::OtherSigner { issuer, signer });
            }
            Some(signer) => {
                let id = authentication.client_id().map(str::to_owned);
                if id.is_none() && !signer.has_audience() {
                    return Err(ConfigError::NoAnswerAudience);
                }
                let (clock, client) = (Arc::clone(&self.clock), Arc::clone(&client));
                let signed = SignedAnswers::new(signer, id, self.clock_skew, clock, client);
                Some(signed.map_err(ConfigError::of_signer)?)
            }
            None => None,
        };
        let policy = ClaimsPolicy::new(self.issuer, self.revocable, self.clock_skew)?;
        let requirements = Requirements { policy, token_types: self.token_types };
        let turns = Semaphore::new(max_concurrent.min(Semaphore::MAX_PERMITS));
        let endpoint = Endpoint { address, authentication, signed, client, settings: self.requests, turns };
        Ok(Introspection::new(endpoint, requirements, self.cache, self.clock))
    }
}

/// Without credentials.
impl<C> fmt::Debug for IntrospectionBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionBuilder")
            .field("issuer", &self.issuer)
            .field("authentication", &self.authentication)
            .field("signer", &self.signer)
            .field("cache", &self.cache)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(30);
