use std::{fmt, marker::PhantomData, sync::Arc};

use tower_layer::Layer;

use crate::{
    middleware::{AnyBodies, RevocationService, Shared},
    token::Claims,
};

/// Rejects requests whose bearer token is missing, invalid, expired or revoked. Other requests
/// reach the inner service with a [`VerifiedToken`](crate::VerifiedToken) and a
/// [`RevocationWatch`](crate::RevocationWatch) in their extensions.
///
/// [`Logout::layer`](crate::Logout::layer) makes it for any Tower service, any bodies and any
/// service error: a rejection is a response. The inner service gets its body as a
/// [`RequestBody`](crate::middleware::RequestBody).
/// With the feature `axum`, `Logout::axum_layer` makes it for axum, whose body type stays as it is.
///
/// What a token has opened ends with it: response bodies and uploads by themselves, WebSockets by
/// their watch. A handler behind the layer may revoke the very token it was called with: its answer
/// is sent as far as it is ready, and only what would still be waited for is cut off.
///
/// # Nested layers
///
/// Layers can be nested around one route, each of a [`Logout`](crate::Logout) of its own. Each
/// keeps its whole promise: a request passes if all of them let it pass, and a logout in any of the
/// stores, or the expiry of any of the tokens, ends whatever is open.
///
/// * Tokens of different claims types are all in the extensions. Of one type, the handler sees the
///   innermost layer's; if that has found no token and [allows
///   this](crate::Logout::allow_anonymous), it sees the token of the next layer further out that
///   has one.
/// * The handler's `RevocationWatch` ends when any of the tokens does.
/// * A stream of events ends with the [last event](crate::Logout::last_event) of the layer that
///   ends it, or of another if that layer has none.
/// * A `VerifiedToken` that something else than a layer has put into the request is replaced or
///   removed. A watch of something else is kept beside the layer's: it can end the request sooner,
///   never later.
///
/// # Order
///
/// Place it inside layers that must also see rejected requests (tracing, CORS: preflights carry no
/// token) and outside expensive ones.
///
/// # Large uploads
///
/// A rejection is sent before the request's body is read. Over HTTP/1.1 the server then closes the
/// connection, and a client that is still sending a large body can see a broken pipe in place of
/// the 401. It sees the 401 if it asks first, by `Expect: 100-continue`, or uses HTTP/2.
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
