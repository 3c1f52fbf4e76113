use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::receive::Shared;
use crate::{endpoint::AnswerFuture, respond::AnswerBody};

/// Service at which an identity provider ends all tokens of a user: Global Token Revocation
/// (`draft-parecki-oauth-global-token-revocation-05`), which Okta calls Universal Logout.
///
/// [`Logout::global_revocation`](crate::Logout::global_revocation) creates it from **the `Logout`
/// whose layer guards the routes**. Mount it outside the layer, because the credentials of the
/// provider are no access token: with axum's `route_service`, with hyper's `TowerToHyperService`, or
/// beside tonic's routes.
///
/// # Who is named
///
/// The body is a JSON object of at most 8 KiB whose member `sub_id`, or `subject` as in older
/// drafts, is a [`SubjectIdentifier`](crate::endpoint::SubjectIdentifier). Other members are ignored.
///
/// | format | tokens of |
/// |---|---|
/// | `iss_sub` | the subject `sub` of the issuer `iss`, which must be one of the verifier's, or of [`issuers`](super::GlobalRevocationBuilder::issuers) |
/// | `opaque` | the subject with this identifier, if there is a single issuer |
/// | `email`, `phone_number` | the users with this value in [`email_claim`](super::GlobalRevocationBuilder::email_claim) or [`phone_number_claim`](super::GlobalRevocationBuilder::phone_number_claim) |
/// | `aliases` | everyone that one of the names means |
/// | any other, and what the lines above leave open | whom [`resolve`](super::GlobalRevocationBuilder::resolve) returns |
///
/// If the verifier reads the subject of tokens from another claim than `sub`, the closure is asked
/// for `iss_sub` and `opaque`, too. Tokens end that were issued up to the request; a later login is
/// not affected. That no new ones are issued before the user has signed in again is for the provider
/// to see to.
///
/// # Signed tokens
///
/// With [`signed_jwt`](super::GlobalRevocationAuth::signed_jwt), the bearer token is accepted if
///
/// * its type (`typ`) is `global-token-revocation+jwt`, `JWT`, or absent, so that no access token of
///   RFC 9068 is one;
/// * a key of the issuer has signed it, and `iss` is that issuer;
/// * `sub` is the application, and `aud` contains the URL of this endpoint;
/// * `iat` and `nbf` are not in the future, `exp` is not in the past, apart from the leeway of the
///   issuer and the clock skew of the verifier, and there are at most ten minutes between `iat` and
///   `exp`;
/// * `jti` is present, and the token has authenticated no other request.
///
/// # Responses
///
/// | case | status |
/// |---|---|
/// | revoked, also if it was before | 204 |
/// | malformed, or a format for which no token can be found | 400 |
/// | not authenticated | 401, `WWW-Authenticate: Bearer` |
/// | authenticated, and not allowed; or a user of another issuer | 403 |
/// | the user is unknown | 404, or 204 with [`unknown_as_success`](super::GlobalRevocationBuilder::unknown_as_success) |
/// | another method | 405, `Allow` |
/// | the closure returns [`CannotBeRevoked`](super::CannotBeRevoked) | 422 |
/// | the store, the keys or the closure are unavailable, or the body is late | 503, `Retry-After` |
///
/// All carry `Cache-Control: no-store`, and errors a JSON body, `{"error":"…","error_description":"…"}`.
/// The reason why credentials are not accepted is only in the [events](crate::telemetry).
///
/// # Repeated requests
///
/// A signed token is remembered in the store, and therefore by all nodes and over a restart, with
/// the user that the request has named, once the store has the revocation. The same request gets 204
/// and changes nothing, so that nobody can end a later login with a request that was seen; what
/// failed can be repeated. A request with a secret, or one that a closure allows, revokes each time.
///
/// # Cancel safety
///
/// If the provider disconnects, the revocation either completes or has not started.
///
/// # Panics
///
/// When called outside a Tokio runtime with time enabled.
///
/// # Examples
///
/// ```
/// # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))]
/// # mod app {
/// use axum::{Router, routing::get};
/// use tower_logout::{Logout, endpoint::GlobalRevocationAuth};
///
/// fn app(logout: &Logout, secret: &str) -> Result<Router, Box<dyn std::error::Error>> {
///     let authentication = GlobalRevocationAuth::bearer(secret);
///     Ok(Router::new()
///         .route("/api/v1/orders", get(async || "…"))
///         .layer(logout.axum_layer())
///         .route_service(
///             "/global-token-revocation",
///             logout.global_revocation(authentication).build()?,
///         ))
/// }
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct GlobalRevocation {
    shared: Arc<Shared>,
}

impl GlobalRevocation {
    /// The default [timeout](super::GlobalRevocationBuilder::timeout) of a request: 5 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

impl<B> Service<Request<B>> for GlobalRevocation
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> AnswerFuture {
        AnswerFuture::new(Arc::clone(&self.shared).answer(request))
    }
}

impl fmt::Debug for GlobalRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalRevocation")
            .field("issuers", &self.shared.mapping.issuers)
            .field("unknown_as_success", &self.shared.unknown_as_success)
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}
