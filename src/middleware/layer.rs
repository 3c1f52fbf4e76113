use std::{fmt, marker::PhantomData, sync::Arc};

use tower_layer::Layer;

use crate::{
    guard::Requirement,
    middleware::{AnyBodies, RevocationService, Shared},
    token::Claims,
};

/// Layer that rejects requests whose bearer token is missing, invalid, expired or revoked. Other
/// requests reach the inner service with a [`VerifiedToken`](crate::VerifiedToken) and a
/// [`RevocationWatch`](crate::RevocationWatch) in their extensions.
///
/// [`Logout::layer`](crate::Logout::layer) creates it for any Tower service, any body and any
/// service error: a rejection is a response. The inner service receives its body as a
/// [`RequestBody`](crate::middleware::RequestBody). With the feature `axum`, `Logout::axum_layer`
/// creates it for axum, and keeps axum's body type.
///
/// When a token is revoked or expires, the live streams opened with it are ended: the layer ends
/// response bodies and uploads, and handlers end WebSockets when their watch resolves. A handler
/// may revoke the token that it was called with. The part of its response that is ready is then
/// still sent; the rest is cut off.
///
/// # Nested layers
///
/// Layers of different [`Logout`](crate::Logout) objects can be nested around one route. Each is
/// fully enforced: a request passes only if all layers allow it, and a logout in any of the stores,
/// or the expiry of any of the tokens, ends the live streams.
///
/// * Tokens of different claims types are all in the extensions. If several layers have the same
///   claims type, the handler sees the token of the innermost one; if that layer found no token and
///   [allows this](crate::Logout::allow_anonymous), it sees the token of the next outer layer that
///   has one.
/// * The handler's `RevocationWatch` ends when any of the tokens does.
/// * A stream of events ends with the [last event](crate::Logout::last_event) of the layer that
///   ends it, or of another if that layer has none.
/// * A `VerifiedToken` that other code has put into the request is replaced or removed. A watch of
///   other code is combined with the layer's: it can end the streams sooner, never later.
///
/// # Order
///
/// Place it inside layers that must also see rejected requests (tracing, CORS: preflights carry no
/// token) and outside expensive ones.
///
/// # Large uploads
///
/// A rejection is sent before the request's body is read. Over HTTP/1.1 the server then closes the
/// connection, and a client that is still sending a large body may get a broken pipe instead of the
/// 401. With `Expect: 100-continue` or HTTP/2, the client receives the 401.
#[must_use]
pub struct RevocationLayer<C = Claims, K = AnyBodies> {
    shared: Arc<Shared<C>>,
    bodies: PhantomData<fn() -> K>,
}

impl<C, K> RevocationLayer<C, K> {
    pub(crate) fn new(shared: Shared<C>) -> Self {
        Self { shared: Arc::new(shared), bodies: PhantomData }
    }
}

impl<C: Send + Sync + 'static, K> RevocationLayer<C, K> {
    /// Adds a requirement that a valid token must also fulfil, such as a
    /// [`scope`](crate::guard::scope). Several must all be fulfilled.
    ///
    /// Otherwise, the request is rejected as
    /// [`InsufficientScope`](crate::respond::Rejection::InsufficientScope), with 403. Requests
    /// without a token are rejected, even if they are
    /// [allowed](crate::Logout::allow_anonymous). Of several cookies, the first accepted token
    /// counts. See [`Requirement`] for the details.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")]
    /// # mod app {
    /// use axum::{
    ///     Router,
    ///     routing::{get, post},
    /// };
    /// use tower_logout::{Logout, scope};
    ///
    /// fn routes(logout: &Logout) -> Router {
    ///     let read = get(async || "orders").layer(logout.axum_layer().require(scope("orders:read")));
    ///     let write = post(async || "ordered").layer(logout.axum_layer().require(scope("orders:write")));
    ///     Router::new()
    ///         .route("/api/v1/orders", read.merge(write))
    ///         .route_service("/api/v1/logout", logout.service())
    /// }
    /// # }
    /// ```
    pub fn require(self, requirement: impl Requirement<C>) -> Self {
        Self::new(Shared::clone(&self.shared).require(requirement))
    }
}

impl<Inner, C: Send + Sync + 'static, K> Layer<Inner> for RevocationLayer<C, K> {
    type Service = RevocationService<Inner, C, K>;

    fn layer(&self, inner: Inner) -> Self::Service {
        self.shared.guard.begin_use();
        RevocationService::new(inner, Arc::clone(&self.shared))
    }
}

impl<C, K> Clone for RevocationLayer<C, K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), bodies: PhantomData }
    }
}

impl<C, K> fmt::Debug for RevocationLayer<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationLayer")
            .field("guard", &self.shared.guard)
            .field("streams", &self.shared.streams)
            .finish_non_exhaustive()
    }
}
