//! [`Logout`]: the root object, which creates the layer, the endpoint and the revoker.

mod audit;
#[cfg(feature = "receivers")]
mod global_revocation;
#[cfg(feature = "receivers")]
mod receivers;
mod resource_server;
#[cfg(feature = "receivers")]
mod revocation_endpoint;

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "axum")]
use crate::middleware::AxumBodies;
use crate::{
    endpoint::{LogoutService, Resource},
    guard::{self, Checking, Guard, Identify, RevocationWatch},
    middleware::{AnyBodies, RevocationLayer, Shared, Streams},
    respond::{AnswerBody, Answers, AutoResponder, Challenge, JsonResponder, Protocol, Rejection, Respond},
    revocation::{Retention, Revocable},
    revoker::{Hook, Revoker, Source},
    store::RevocationStore,
    token::{Claims, RequestHead, TokenSource, TokenVerifier, VerifiedToken},
};

/// The root object: owns the verifier, the store and all settings, and creates the layer, the
/// logout endpoint and the revoker from them, so that these are consistent.
///
/// It is cheap to clone, and its only type parameter is the type of the claims, so it is easy to
/// store in a struct or pass to a function. Configure it before sharing it: a setting changes only
/// this value, and what is created from it afterwards. A clone with other settings shares the
/// verifier and the store: for routes that allow anonymous requests, use the layer of
/// `logout.clone().allow_anonymous()`.
///
/// # Examples
///
/// ```
/// # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))]
/// # mod app {
/// use axum::{Router, routing::get};
/// use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken};
///
/// fn logout(secret: &[u8]) -> Result<Logout, Box<dyn std::error::Error>> {
///     let verifier = JwtVerifier::hs256(secret).issuer("https://matar.app").build()?;
///     Ok(Logout::new(verifier, MemoryStore::new()))
/// }
///
/// fn routes(logout: &Logout) -> Router {
///     Router::new()
///         .route("/api/v1/me", get(me))
///         .layer(logout.axum_layer())
///         .route_service("/api/v1/logout", logout.service())
/// }
///
/// async fn me(token: VerifiedToken<Claims>) -> String {
///     token.sub.clone().unwrap_or_default()
/// }
/// # }
/// ```
#[must_use]
pub struct Logout<C = Claims> {
    guard: Guard<C>,
    answers: Answers,
    streams: Streams,
    refresh: Option<Refresh>,
    issuer_clock_ahead: Duration,
    resource: Option<Arc<Resource>>,
    hook: Option<Hook>,
}

/// The verifier of refresh tokens, as the endpoint and the revoker use it.
#[derive(Clone)]
struct Refresh {
    tokens: Arc<dyn Identify>,
    retention: Retention,
    revocable: Arc<dyn Fn() -> Revocable + Send + Sync>,
}

impl<C: Send + Sync + 'static> Logout<C> {
    /// The default [timeout](Self::check_timeout) of a check: 250 ms.
    pub const DEFAULT_CHECK_TIMEOUT: Duration = guard::DEFAULT_CHECK_TIMEOUT;

    /// The default [interval](Self::recheck_interval) of re-checks of live streams: 5 s.
    pub const DEFAULT_RECHECK_INTERVAL: Duration = guard::DEFAULT_RECHECK_INTERVAL;

    /// The default maximum number of [cached tokens](Self::token_cache): 16,384.
    pub const DEFAULT_CACHED_TOKENS: usize = guard::DEFAULT_CACHED_TOKENS;

    /// The default maximum size of the texts of all [cached tokens](Self::token_cache): 16 MiB.
    pub const DEFAULT_CACHED_BYTES: usize = guard::DEFAULT_CACHED_BYTES;

    /// Creates a `Logout` that checks tokens of the `Authorization` header, and responds as
    /// [`AutoResponder`] does.
    ///
    /// To use the verifier later, for example to replace its keys, keep a clone of it. A store that
    /// is not `Clone` can be passed in an `Arc`.
    pub fn new(verifier: impl TokenVerifier<Claims = C>, store: impl RevocationStore) -> Self {
        Self {
            guard: Guard::new(Arc::new(verifier), Arc::new(store)),
            answers: Answers {
                responder: Arc::new(AutoResponder::<JsonResponder>::default()),
                challenge: Challenge::default(),
            },
            streams: Streams { end: true, last_event: None },
            refresh: None,
            issuer_clock_ahead: Duration::ZERO,
            resource: None,
            hook: None,
        }
    }

    /// Sets where requests carry the token. Default: the `Authorization` header.
    pub fn token_source(self, source: TokenSource) -> Self {
        Self { guard: self.guard.token_source(source), ..self }
    }

    /// Sets the responder, which writes the responses to rejected requests and to logouts. Closures
    /// are [responders](Respond).
    pub fn respond(self, responder: impl Respond) -> Self {
        Self { answers: Answers { responder: Arc::new(responder), ..self.answers }, ..self }
    }

    /// Sets how long the verifier and the store may take together before a request is rejected with
    /// 503. Default: 250 ms.
    pub fn check_timeout(self, timeout: Duration) -> Self {
        Self { guard: self.guard.configure(|store| store.check_timeout = timeout), ..self }
    }

    /// Sets the maximum number of cached tokens, and the maximum size of their texts in bytes, if
    /// the verifier [allows caching](TokenVerifier::caching). Default: 16,384 tokens, 16 MiB. If
    /// either is zero, each request verifies its token, and no token is kept in memory.
    ///
    /// The cache holds results of the verifier, not of the store: the store is still asked on each
    /// request. A token leaves the cache exactly at its expiry, when the verifier's
    /// [`revision`](TokenVerifier::revision) changes, and when there is no room. Only accepted
    /// tokens are cached: a flood of forged tokens displaces nothing, and tokens that are seen once
    /// do not displace those in use.
    ///
    /// Neither limit is ever exceeded. The cache is divided into groups of eight tokens by the hash
    /// of the text, so tokens are displaced before it is full: set twice the number of tokens that
    /// are in use at a time. A token that is longer than the share of a group, `8 * bytes /
    /// tokens`, is not cached. The default share is 8 KiB, the default maximum length of a token;
    /// for [longer tokens](TokenSource::max_token_len), set more bytes.
    ///
    /// The texts of cached tokens are in the memory of the process, and therefore in a dump of it.
    /// Their claims and keys need about as much memory again.
    pub fn token_cache(self, tokens: usize, bytes: usize) -> Self {
        Self { guard: self.guard.cache_size(tokens, bytes), ..self }
    }

    /// Allows requests without a token. An invalid token is still rejected, unless it is in a
    /// [cookie](TokenSource#what-counts).
    ///
    /// Handlers must then decide what unauthenticated requests may do.
    pub fn allow_anonymous(self) -> Self {
        Self { guard: self.guard.allow_anonymous(), ..self }
    }

    /// Allows requests without a token, as [`allow_anonymous`](Self::allow_anonymous) does, and
    /// treats an authentic but expired token as no token.
    ///
    /// No response then reports that the token has expired, and the client may not notice that it
    /// is no longer signed in. A revoked token is rejected until it expires. An invalid token is
    /// always rejected, unless it is in a cookie.
    pub fn allow_expired_as_anonymous(self) -> Self {
        Self { guard: self.guard.allow_expired_as_anonymous(), ..self }
    }

    /// Allows requests with a valid token while the store does not answer.
    ///
    /// A revoked token is then accepted for as long as the outage lasts. Use this only if rejecting
    /// a request is worse than accepting a revoked token, and monitor `tower_logout_checks_total`
    /// with the outcome `insecurely_allowed`. Logging out still fails. Live streams stay open
    /// during the outage, and are re-checked after it.
    pub fn insecure_allow_on_store_failure(self) -> Self {
        Self { guard: self.guard.configure(|store| store.allow_on_store_failure = true), ..self }
    }

    /// Allows bodies to continue after their token is revoked or expires, for as long as the
    /// handler sends. By default, they are ended.
    ///
    /// See [`ResponseBody`](crate::middleware::ResponseBody) and
    /// [`RequestBody`](crate::middleware::RequestBody) for how they are ended. Requests carry a
    /// [`RevocationWatch`] in any case.
    pub fn allow_streams_after_revocation(self) -> Self {
        Self { streams: Streams { end: false, ..self.streams }, ..self }
    }

    /// Ends streams of server-sent events with an event of this name, so that a page can stop its
    /// `EventSource` from reconnecting. By default, they end with an error, after which an
    /// `EventSource` reconnects.
    ///
    /// The data of the event is the [code](crate::guard::EndReason::code) of the reason, such as
    /// `token_revoked`. The body then ends normally. It applies to responses whose `content-type`
    /// is `text/event-stream`; a response that is ended in the middle of an event still ends with
    /// an error. If the name has several lines, only the first is used.
    pub fn last_event(self, name: &str) -> Self {
        let line = name.split(['\r', '\n']).next().unwrap_or_default();
        Self { streams: Streams { last_event: Some(line.into()), ..self.streams }, ..self }
    }

    /// Sets how often a live stream is re-checked if the store does not notify of revocations, or
    /// cannot at the moment. Default: every 5 s.
    ///
    /// A `Replica` and stores of a single process notify. The first re-check comes after a random
    /// part of the interval, so that many watches do not ask at the same time. An interval shorter
    /// than 1 ms counts as 1 ms.
    pub fn recheck_interval(self, interval: Duration) -> Self {
        Self { guard: self.guard.configure(|store| store.recheck_interval = interval), ..self }
    }

    /// Sets the verifier of refresh tokens, so that a logout can revoke the one in its body: see
    /// [`LogoutService`](crate::LogoutService#refresh-tokens).
    ///
    /// The service that redeems refresh tokens must ask the same store. The endpoint and the
    /// [`revoker`](Self::revoker) then retain revocations of a session or a subject for the
    /// lifetime of refresh tokens, and accept their issuers and claims.
    pub fn refresh_tokens(self, verifier: impl TokenVerifier) -> Self {
        let verifier = Arc::new(verifier);
        let (retention, revocable) = (verifier.retention(), Arc::clone(&verifier));
        let revocable = Arc::new(move || revocable.revocable());
        Self { refresh: Some(Refresh { tokens: verifier, retention, revocable }), ..self }
    }

    /// Extends revocations of the endpoint and the [`revoker`](Self::revoker) to tokens issued up
    /// to this far in the future, for issuers whose clock runs ahead or rounds up. Default: zero.
    ///
    /// A login within that time after a revocation is affected too: see
    /// [`LogoutScope::Subject`](crate::LogoutScope::Subject) and
    /// [`Receipt::settled`](crate::revoker::Receipt::settled).
    pub fn issuer_clock_ahead(self, ahead: Duration) -> Self {
        Self { issuer_clock_ahead: ahead, ..self }
    }

    /// Creates the layer that guards routes, for any Tower service.
    pub fn layer(&self) -> RevocationLayer<C> {
        RevocationLayer::<C, AnyBodies>::new(self.shared())
    }

    /// Creates the layer that guards routes of axum. Unlike with [`layer`](Self::layer), requests
    /// and responses keep axum's `Body`, so that it composes with `from_fn` and other layers of
    /// axum in one `ServiceBuilder`, in any order, and bodies that are not watched are not wrapped.
    ///
    /// `Router::layer` guards what the router has at that moment: its routes and its fallback. A
    /// fallback of your own is guarded only if it is added before; one that is added afterwards is
    /// not, and `Router::route_layer` never guards a fallback. Without one, an unknown path gets
    /// 401 with `layer` and 404 with `route_layer`, unless `merge` or `nest` makes the fallback of
    /// another router answer it.
    #[cfg(feature = "axum")]
    pub fn axum_layer(&self) -> RevocationLayer<C, AxumBodies> {
        RevocationLayer::new(self.shared())
    }

    /// Creates the logout endpoint.
    pub fn service(&self) -> LogoutService {
        let refresh = self.refresh.as_ref().map(|refresh| Arc::clone(&refresh.tokens));
        let guard = Arc::new(self.guard.clone().require_token_alone());
        let answers = self.answers.clone().challenge(Challenge::without_scope);
        LogoutService::new(guard, refresh, self.revoker().source(Source::Endpoint), answers)
    }

    /// Creates the revoker, for revocations from application code.
    #[must_use]
    pub fn revoker(&self) -> Revoker {
        let verifier = Arc::clone(self.guard.verifier());
        let revoker = Revoker::of(Arc::clone(self.guard.store()), verifier.clock())
            .issuer_clock_ahead(self.issuer_clock_ahead)
            .hook(self.hook.clone())
            .store_use(Arc::clone(self.guard.in_use()), Arc::clone(self.guard.throttle()));
        match self.refresh.clone() {
            None => revoker.retention(verifier.retention()).revocable(move || verifier.revocable()),
            Some(Refresh { retention, revocable, .. }) => revoker
                .retention(verifier.retention().join(&retention))
                .revocable(move || verifier.revocable().join(revocable())),
        }
    }

    /// Returns the verifier.
    #[must_use]
    pub fn verifier(&self) -> &Arc<dyn TokenVerifier<Claims = C>> {
        self.guard.verifier()
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn RevocationStore> {
        self.guard.store()
    }

    /// Checks a request, for frameworks that do not support Tower layers. If no waiting is
    /// necessary, the check is complete when this returns.
    ///
    /// [`reject`](Self::reject) writes the response to a rejected request, and
    /// [`ResponseBody::watched`](crate::middleware::ResponseBody::watched) ends a body when its
    /// token is revoked or expires.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_logout::{JwtVerifier, Logout, MemoryStore, respond::Rejection};
    ///
    /// let logout = Logout::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
    /// let request = http::Request::new(());
    /// assert_eq!(logout.check((&request).into()).await.unwrap_err(), Rejection::Missing);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn check(&self, head: RequestHead<'_>) -> Checking<C> {
        self.guard.begin_use();
        self.guard.checking(head)
    }

    /// Creates a watch of an accepted token, for anything that outlives the request. The layer adds
    /// a watch to each request; use this function where there is no layer.
    pub fn watch(&self, token: &VerifiedToken<C>) -> RevocationWatch {
        self.guard.watch(token)
    }

    /// Writes the response to a rejected request, as the layer does.
    #[must_use]
    pub fn reject(&self, reason: Rejection, protocol: Protocol) -> http::Response<AnswerBody> {
        self.answers.reject(reason, protocol)
    }

    /// Ends all live streams, and those that are opened later, with
    /// [`EndReason::ShuttingDown`](crate::guard::EndReason::ShuttingDown): bodies end, and
    /// [watches](RevocationWatch) resolve. Requests are still handled.
    ///
    /// Use it for a graceful shutdown, which would otherwise wait for streams that never end.
    /// Server-sent events end normally, with the [last event](Self::last_event) if one is set, and
    /// gRPC streams with status 14 (unavailable); other bodies end with an error. The handler of a
    /// WebSocket closes it when its watch resolves:
    /// [`EndReason::close_code`](crate::guard::EndReason::close_code) is 1001 (going away).
    ///
    /// It applies to all clones of this `Logout` and to everything created from them, and cannot be
    /// undone. With [`allow_streams_after_revocation`](Self::allow_streams_after_revocation),
    /// bodies are not watched and not ended; only watches resolve. Handlers of such streams should
    /// await a [`RevocationWatch`], or the shutdown should have a time limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")]
    /// # mod app {
    /// use axum::Router;
    /// use tokio::net::TcpListener;
    /// use tower_logout::Logout;
    ///
    /// async fn serve(listener: TcpListener, app: Router, logout: Logout) -> std::io::Result<()> {
    ///     axum::serve(listener, app)
    ///         .with_graceful_shutdown(async move {
    ///             let _ = tokio::signal::ctrl_c().await;
    ///             logout.drain();
    ///         })
    ///         .await
    /// }
    /// # }
    /// ```
    pub fn drain(&self) {
        self.guard.drain().begin();
    }

    fn shared(&self) -> Shared<C> {
        Shared { guard: self.guard.clone(), answers: self.answers.clone(), streams: self.streams.clone() }
    }
}

impl<C> Clone for Logout<C> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
            answers: self.answers.clone(),
            streams: self.streams.clone(),
            refresh: self.refresh.clone(),
            issuer_clock_ahead: self.issuer_clock_ahead,
            resource: self.resource.clone(),
            hook: self.hook.clone(),
        }
    }
}

impl<C> fmt::Debug for Logout<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logout")
            .field("guard", &self.guard)
            .field("streams", &self.streams)
            .field("issuer_clock_ahead", &self.issuer_clock_ahead)
            .finish_non_exhaustive()
    }
}
