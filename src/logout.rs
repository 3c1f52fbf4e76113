//! [`Logout`]: the root object, of which everything else is made.

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "axum")]
use crate::middleware::AxumBodies;
use crate::{
    endpoint::LogoutService,
    guard::{self, Checking, Guard, Identify, RevocationWatch},
    middleware::{AnyBodies, RevocationLayer, Shared, Streams},
    respond::{self, AnswerBody, AutoResponder, JsonResponder, Protocol, Rejection, Respond},
    revocation::{Retention, Revocable},
    revoker::Revoker,
    store::RevocationStore,
    token::{Claims, RequestHead, TokenSource, TokenVerifier, VerifiedToken},
};

/// The root object: owns the verifier, the store and every setting, and makes the layer, the logout
/// endpoint and the revoker, which therefore agree.
///
/// It is cheap to clone, and has no type parameter but that of the claims: it fits into a struct
/// and into a function's signature. Configure it before it is shared: a setting changes this value
/// and what is made of it from then on. A clone that is configured differently shares the verifier
/// and the store; so routes that allow anonymous requests get a layer of
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
    responder: Arc<dyn Respond>,
    streams: Streams,
    refresh: Option<Refresh>,
    issuer_clock_ahead: Duration,
}

/// The verifier of refresh tokens, as the endpoint and the revoker see it.
#[derive(Clone)]
struct Refresh {
    tokens: Arc<dyn Identify>,
    retention: Retention,
    revocable: Arc<dyn Fn() -> Revocable + Send + Sync>,
}

impl<C: Send + Sync + 'static> Logout<C> {
    /// How long a check may take by default: 250 ms.
    pub const DEFAULT_CHECK_TIMEOUT: Duration = guard::DEFAULT_CHECK_TIMEOUT;

    /// How often a watch asks its store again by default, where the store does not notify: every 5
    /// s.
    pub const DEFAULT_RECHECK_INTERVAL: Duration = guard::DEFAULT_RECHECK_INTERVAL;

    /// How many verified tokens are cached by default: 16,384.
    pub const DEFAULT_CACHED_TOKENS: usize = guard::DEFAULT_CACHED_TOKENS;

    /// How many bytes the texts of cached tokens may have together by default: 16 MiB.
    pub const DEFAULT_CACHED_BYTES: usize = guard::DEFAULT_CACHED_BYTES;

    /// Checks tokens of the `Authorization` header, and answers as [`AutoResponder`] does.
    ///
    /// To reach the verifier later, for instance to replace its keys, keep a clone of it. A store
    /// that is not `Clone` can be given as an `Arc`.
    pub fn new(verifier: impl TokenVerifier<Claims = C>, store: impl RevocationStore) -> Self {
        Self {
            guard: Guard::new(Arc::new(verifier), Arc::new(store)),
            responder: Arc::new(AutoResponder::<JsonResponder>::default()),
            streams: Streams { end: true, last_event: None },
            refresh: None,
            issuer_clock_ahead: Duration::ZERO,
        }
    }

    /// Sets where the token is. Default: the `Authorization` header.
    pub fn token_source(self, source: TokenSource) -> Self {
        Self { guard: self.guard.token_source(source), ..self }
    }

    /// Sets the responder, which writes the answers to rejected requests and to logouts. Closures
    /// are [responders](Respond).
    pub fn respond(self, responder: impl Respond) -> Self {
        Self { responder: Arc::new(responder), ..self }
    }

    /// Sets how long verifier and store together may take before a request is rejected with 503.
    /// Default: 250 ms.
    pub fn check_timeout(self, timeout: Duration) -> Self {
        Self { guard: self.guard.configure(|store| store.check_timeout = timeout), ..self }
    }

    /// Sets how many verified tokens are cached, and how many bytes their texts may have together,
    /// where the verifier [allows it](TokenVerifier::caching). Default: 16,384 tokens, 16 MiB. Zero
    /// of either turns the cache off: each request then verifies its token, and no token is kept in
    /// memory.
    ///
    /// The cache remembers what a token says, never that it was not revoked: the store is asked
    /// with each request, as without it. A token leaves it at its expiry, to the millisecond, when
    /// the verifier's [`revision`](TokenVerifier::revision) changes, and when there is no room.
    /// Only tokens that were accepted come in: a flood of forged ones displaces nothing, and tokens
    /// that are seen once do not displace those in use.
    ///
    /// Both bounds hold at every moment. The room is divided among groups of eight tokens that
    /// their texts choose, so that some are displaced before all of it is taken: give twice what is
    /// in use at a time. A token longer than the share of eight tokens, `8 * bytes / tokens`, is
    /// not cached. That is 8 KiB by default, as long as a token may be; where [longer
    /// ones](TokenSource::max_token_len) are accepted, give more bytes.
    ///
    /// The texts of cached tokens are in memory, where a dump of the process shows them; their
    /// claims and keys take about as much again.
    pub fn token_cache(self, tokens: usize, bytes: usize) -> Self {
        Self { guard: self.guard.cache_size(tokens, bytes), ..self }
    }

    /// Lets requests without a token pass, without claims. An invalid token is still rejected,
    /// unless it is in a [cookie](TokenSource#what-counts).
    ///
    /// Handlers must then decide what unauthenticated requests may do.
    pub fn allow_anonymous(self) -> Self {
        Self { guard: self.guard.allow_anonymous(), ..self }
    }

    /// Lets requests without a token pass, as [`allow_anonymous`](Self::allow_anonymous) does, and
    /// those whose token is authentic but has expired: without claims, as if they had no token.
    ///
    /// No answer then says that the token has expired, and the client may not notice that it is no
    /// longer signed in. A revoked token is rejected for as long as it has not expired, an invalid
    /// one always.
    pub fn allow_expired_as_anonymous(self) -> Self {
        Self { guard: self.guard.allow_expired_as_anonymous(), ..self }
    }

    /// Lets requests through while the store does not answer.
    ///
    /// A revoked token is then accepted for as long as the outage lasts. Choose this only where a
    /// rejected request does more harm than a revoked one that passes, and watch
    /// `tower_logout_checks_total` with the outcome `insecurely_allowed`. Logging out still fails.
    /// Streams stay open meanwhile, and end at the first answer that says so.
    pub fn insecure_allow_on_store_failure(self) -> Self {
        Self { guard: self.guard.configure(|store| store.allow_on_store_failure = true), ..self }
    }

    /// Lets bodies that are open when their token is revoked or expires go on, for as long as the
    /// handler sends. By default they end.
    ///
    /// See [`ResponseBody`](crate::middleware::ResponseBody) and
    /// [`RequestBody`](crate::middleware::RequestBody) for how they end. Requests carry a
    /// [`RevocationWatch`] in any case.
    pub fn allow_streams_after_revocation(self) -> Self {
        Self { streams: Streams { end: false, ..self.streams }, ..self }
    }

    /// Ends streams of server-sent events with an event of this name, so that a browser knows not
    /// to connect again. Without it they end with an error, after which an `EventSource` does.
    ///
    /// Its data is the [code](crate::guard::EndReason::code) of the reason, such as
    /// `token_revoked`; then the body ends properly. It concerns responses whose `content-type` is
    /// `text/event-stream`; one that is cut in the middle of an event still ends with an error. Of
    /// a name with several lines only the first is used.
    pub fn last_event(self, name: &str) -> Self {
        let line = name.split(['\r', '\n']).next().unwrap_or_default();
        Self { streams: Streams { last_event: Some(line.into()), ..self.streams }, ..self }
    }

    /// Sets how often a live stream is re-checked where the store does not notify of revocations,
    /// or cannot at the moment. Default: every 5 s.
    ///
    /// A `Replica` and the stores of one process notify. The first time comes after a random part
    /// of the interval, so that many watches do not ask at once. An interval shorter than 1 ms
    /// counts as 1 ms.
    pub fn recheck_interval(self, interval: Duration) -> Self {
        Self { guard: self.guard.configure(|store| store.recheck_interval = interval), ..self }
    }

    /// Sets the verifier of refresh tokens, so that a logout can end the one that its body holds:
    /// see [`LogoutService`](crate::LogoutService#refresh-tokens).
    ///
    /// The service that redeems refresh tokens must ask the same store. Revocations of a session or
    /// a subject, at the endpoint and by the [`revoker`](Self::revoker), are then retained for as
    /// long as refresh tokens live, and may name their issuers and claims.
    pub fn refresh_tokens(self, verifier: impl TokenVerifier) -> Self {
        let verifier = Arc::new(verifier);
        let (retention, revocable) = (verifier.retention(), Arc::clone(&verifier));
        let revocable = Arc::new(move || revocable.revocable());
        Self { refresh: Some(Refresh { tokens: verifier, retention, revocable }), ..self }
    }

    /// Also revokes what was issued up to this much in the future, because an issuer's clock runs
    /// ahead or rounds up, at the endpoint and by the [`revoker`](Self::revoker). Default: zero.
    ///
    /// A login in that time after a revocation is affected too: see
    /// [`LogoutScope::Subject`](crate::LogoutScope::Subject) and
    /// [`Receipt::settled`](crate::revoker::Receipt::settled).
    pub fn issuer_clock_ahead(self, ahead: Duration) -> Self {
        Self { issuer_clock_ahead: ahead, ..self }
    }

    /// Makes the layer that guards routes, for any Tower service.
    pub fn layer(&self) -> RevocationLayer<C> {
        RevocationLayer::<C, AnyBodies>::new(self.shared())
    }

    /// Makes the layer that guards axum's routes. It is the same as [`layer`](Self::layer), but
    /// requests and responses keep axum's `Body`, so that it composes with `from_fn` and other
    /// layers of axum in one `ServiceBuilder`, in any order, and bodies that are not watched are
    /// not wrapped.
    ///
    /// `Router::layer` also guards the fallback: without a token, an unknown path gets 401. Use
    /// `Router::route_layer` if it should get 404.
    #[cfg(feature = "axum")]
    pub fn axum_layer(&self) -> RevocationLayer<C, AxumBodies> {
        RevocationLayer::new(self.shared())
    }

    /// Makes the logout endpoint.
    pub fn service(&self) -> LogoutService {
        let refresh = self.refresh.as_ref().map(|refresh| Arc::clone(&refresh.tokens));
        let guard = Arc::new(self.guard.clone());
        LogoutService::new(guard, refresh, self.revoker(), Arc::clone(&self.responder))
    }

    /// Makes the revoker, which revokes from application code.
    #[must_use]
    pub fn revoker(&self) -> Revoker {
        let verifier = Arc::clone(self.guard.verifier());
        let revoker = Revoker::of(Arc::clone(self.guard.store()), verifier.clock())
            .issuer_clock_ahead(self.issuer_clock_ahead)
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

    /// Checks a request, where there is no Tower service to put a layer around. What can be settled
    /// without waiting is settled before this returns.
    ///
    /// [`reject`](Self::reject) writes the answer to a request that is rejected, and
    /// [`ResponseBody::watched`](crate::middleware::ResponseBody::watched) ends a body with its
    /// token.
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

    /// Watches a token that was let pass, for what outlives the request. The layer puts a watch
    /// into each request; this is for where there is no layer.
    pub fn watch(&self, token: &VerifiedToken<C>) -> RevocationWatch {
        self.guard.watch(token)
    }

    /// Writes the answer to a request that was rejected, as the layer does.
    #[must_use]
    pub fn reject(&self, reason: Rejection, protocol: Protocol) -> http::Response<AnswerBody> {
        respond::reject(&*self.responder, reason, protocol)
    }

    /// Ends everything that is open with a token, now and from now on: bodies and
    /// [watches](RevocationWatch) resolve to
    /// [`EndReason::ShuttingDown`](crate::guard::EndReason::ShuttingDown). Requests are still
    /// answered.
    ///
    /// For a graceful shutdown, which would otherwise wait for streams that never end: server-sent
    /// events end properly, with the [last event](Self::last_event) if there is one, gRPC streams
    /// with status 14 (unavailable); other bodies end with an error. A WebSocket is closed by its
    /// handler, whose watch resolves:
    /// [`EndReason::close_code`](crate::guard::EndReason::close_code) is 1001 (going away).
    ///
    /// It applies to all clones of this `Logout` and to everything made of them, and cannot be
    /// undone. With [`allow_streams_after_revocation`](Self::allow_streams_after_revocation) bodies
    /// are not watched, so this does not end them; only watches resolve. Let the handlers of such
    /// streams await a [`RevocationWatch`], or limit how long the shutdown waits.
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
        Shared { guard: self.guard.clone(), responder: Arc::clone(&self.responder), streams: self.streams.clone() }
    }
}

impl<C> Clone for Logout<C> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
            responder: Arc::clone(&self.responder),
            streams: self.streams.clone(),
            refresh: self.refresh.clone(),
            issuer_clock_ahead: self.issuer_clock_ahead,
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
