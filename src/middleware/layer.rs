use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use crate::{
    endpoint::LogoutService,
    guard::Guard,
    middleware::{RevocationService, admission::Streams},
    respond::{AutoResponder, Respond},
    revoker::Revoker,
    store::RevocationStore,
    token::{TokenSource, TokenVerifier},
};

/// Refuses requests whose bearer token is missing, bad, over or revoked, and hands the verified token of the others on.
///
/// The inner service finds a [`VerifiedToken`](crate::VerifiedToken) and a [`RevocationWatch`](crate::RevocationWatch) in the request's extensions. It works over any request body, response body and service error: a refusal is a response. The inner service gets its body as a
/// [`RequestBody`](crate::RequestBody).
///
/// What a token has opened ends with it: see [`end_streams`](Self::end_streams). A handler behind the layer may revoke the very token it was called with: its answer is
/// sent as far as it is ready, and only what would still be waited for is cut off.
///
/// One layer, with its clones, serves the routes and makes the [`logout_service`](Self::logout_service) and the
/// [`revoker`](Self::revoker): a second layer with a store of its own would revoke where no route asks.
///
/// # Nested layers
///
/// Layers can be nested around one route, each with a store, a verifier and a token source of its own.
/// Each keeps its whole promise: a request passes if all of them let it pass, and a logout in any of
/// the stores, or the expiry of any of the tokens, ends whatever is open.
///
/// * Tokens of different claims types are all in the extensions. Of one type, the handler sees the
///   innermost layer's; if that has found no token and [allows this](Self::allow_anonymous), it sees the
///   token of the next layer further out that has one.
/// * The handler's `RevocationWatch` ends when any of the tokens does.
/// * A stream of events ends with the [last event](Self::last_event) of the layer that ends it, or of
///   another if that layer has none.
/// * A `VerifiedToken` that something else than a layer has put into the request is replaced or removed.
///   A watch of something else is kept beside the layer's: it can end the request sooner, never later.
///
/// # Order
///
/// Put it inside what must also see refused requests (tracing, CORS: preflights carry no token) and outside what costs something.
///
/// # Large uploads
///
/// A refusal is sent before the request's body is read. Over HTTP/1.1 the server then closes the
/// connection, and a client that is still sending a large body can see a broken pipe in place of the 401.
/// It sees the 401 if it asks first, by `Expect: 100-continue`, or uses HTTP/2.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{JwtVerifier, MemoryStore, RevocationLayer};
///
/// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
/// let layer = RevocationLayer::new(verifier, MemoryStore::new());
/// let logout = layer.logout_service(); // mount it at `/api/v1/logout`
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct RevocationLayer<V, S, R = AutoResponder> {
    guard: Guard<V, S>,
    responder: Arc<R>,
    streams: Streams,
}

impl<V: TokenVerifier, S: RevocationStore> RevocationLayer<V, S> {
    /// Checks tokens of the `Authorization` header, and answers as [`AutoResponder`] does.
    pub fn new(verifier: V, store: S) -> Self {
        let streams = Streams { end: true, last_event: None };
        Self { guard: Guard::idle(verifier, store), responder: Arc::default(), streams }
    }
}

impl<V: TokenVerifier, S: RevocationStore, R> RevocationLayer<V, S, R> {
    /// Sets who writes refusals. Closures are [responders](crate::Respond).
    pub fn respond<T: Respond>(self, responder: T) -> RevocationLayer<V, S, T> {
        RevocationLayer { guard: self.guard, responder: Arc::new(responder), streams: self.streams }
    }

    /// Sets where the token is. Default: the `Authorization` header.
    pub fn token_source(self, source: TokenSource) -> Self {
        Self { guard: self.guard.token_source(source), ..self }
    }

    /// Sets how long verifier and store together may take before the request is refused with 503. Default: 250 ms.
    pub fn check_timeout(self, timeout: Duration) -> Self {
        Self { guard: self.guard.check_timeout(timeout), ..self }
    }

    /// Lets requests without a token pass, without claims. A bad token is still rejected, unless it is an invalid one in a
    /// [cookie](TokenSource#what-counts).
    ///
    /// Handlers must then decide what unauthenticated requests may do.
    pub fn allow_anonymous(self) -> Self {
        Self { guard: self.guard.allow_anonymous(), ..self }
    }

    /// Lets requests without a token pass, as [`allow_anonymous`](Self::allow_anonymous) does, and those whose token is authentic but
    /// has expired: without claims, as if they had no token.
    ///
    /// The client is then not told that its token has expired. See [`Guard::allow_expired_as_anonymous`].
    pub fn allow_expired_as_anonymous(self) -> Self {
        Self { guard: self.guard.allow_expired_as_anonymous(), ..self }
    }

    /// Lets requests through while the store does not answer.
    ///
    /// A revoked token is then accepted for as long as the outage lasts. See [`Guard::insecure_allow_on_store_failure`].
    pub fn insecure_allow_on_store_failure(self) -> Self {
        Self { guard: self.guard.insecure_allow_on_store_failure(), ..self }
    }

    /// Sets whether bodies that are open when their token is revoked or expires end with it. Default: they do.
    ///
    /// Without it a stream goes on for as long as its handler sends. See [`ResponseBody`](crate::ResponseBody) and [`RequestBody`](crate::RequestBody) for how they end, and
    /// [`RevocationWatch`](crate::RevocationWatch) for WebSockets, which requests carry in any case.
    pub fn end_streams(self, end: bool) -> Self {
        Self { streams: Streams { end, ..self.streams }, ..self }
    }

    /// Ends streams of server-sent events with an event of this name, so that a browser knows not to connect again. Without it they end
    /// with an error, after which an `EventSource` does.
    ///
    /// Its data is the [code](crate::EndReason::code) of the reason, such as `token_revoked`; then the body ends properly. It concerns responses whose `content-type` is
    /// `text/event-stream`; one that is cut in the middle of an event still ends with an error. Of a name with several lines only the first is used.
    pub fn last_event(self, name: &str) -> Self {
        let line = name.split(['\r', '\n']).next().unwrap_or_default();
        Self { streams: Streams { last_event: Some(line.into()), ..self.streams }, ..self }
    }

    /// Sets how often the store is asked again about a token that holds a stream open, where the store does not tell by itself. Default: every 5 s.
    ///
    /// See [`Guard::recheck_interval`].
    pub fn recheck_interval(self, interval: Duration) -> Self {
        Self { guard: self.guard.recheck_interval(interval), ..self }
    }

    /// What decides, for use without a service.
    #[must_use]
    pub fn guard(&self) -> &Guard<V, S> {
        self.guard.usage().begins();
        &self.guard
    }
}

impl<V: TokenVerifier, S: RevocationStore, R> RevocationLayer<V, S, R> {
    /// The ready-made logout endpoint, with this layer's verifier, store and responder.
    pub fn logout_service(&self) -> LogoutService<V, S, R> {
        LogoutService::new(self.guard.clone(), self.revoker(), Arc::clone(&self.responder))
    }

    /// Revokes from application code, in this layer's store.
    #[must_use]
    pub fn revoker(&self) -> Revoker<S> {
        Revoker::of(&self.guard)
    }
}

impl<Inner, V, S, R> Layer<Inner> for RevocationLayer<V, S, R> {
    type Service = RevocationService<Inner, V, S, R>;

    fn layer(&self, inner: Inner) -> Self::Service {
        self.guard.usage().begins();
        RevocationService::new(inner, self.guard.clone(), Arc::clone(&self.responder), self.streams.clone())
    }
}

impl<V, S, R> Clone for RevocationLayer<V, S, R> {
    fn clone(&self) -> Self {
        self.guard.usage().begins();
        Self { guard: self.guard.clone(), responder: Arc::clone(&self.responder), streams: self.streams.clone() }
    }
}
