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

use crate::{
    endpoint::{
        AnswerFuture, LogoutScope,
        log_out::{MAX_DELAY, Shared},
    },
    guard::{CheckTokens, Identify},
    respond::{AnswerBody, Answers},
    revoker::Revoker,
};

/// Service that implements the logout endpoint: `POST` with a bearer token revokes that token.
///
/// If a request carries several tokens, as cookies of a browser can, [all of
/// them](crate::token::TokenSource#what-counts) are revoked.
///
/// The response is 200 `{"message":"Successfully logged out"}` once the store has accepted the
/// revocation. Rejections are the same as those of the layer. It is an HTTP endpoint, not a gRPC
/// method: the response to a successful logout is JSON even if the request is gRPC. A second logout
/// with the same token is rejected as revoked; if several requests race, exactly one succeeds.
///
/// Mount it with axum's `route_service`, with hyper's `TowerToHyperService`, or beside tonic's
/// routes. It checks the token itself and needs no layer around it. Inside the layer it works the
/// same, unless it is [idempotent](Self::idempotent).
///
/// Create it with [`Logout::service`](crate::Logout::service) of **the `Logout` whose layer guards
/// the routes**, or of a clone. A service of another `Logout` revokes in the store of that
/// `Logout`: if the routes use a different store, it responds with 200 without any effect. If the
/// store is private to this process and guards no route, the event `revocation ends nothing`
/// reports this at level `ERROR`.
///
/// # Refresh tokens
///
/// With [`Logout::refresh_tokens`](crate::Logout::refresh_tokens), the body may contain a refresh
/// token to revoke as well: `{"refresh_token":"…"}`. The body may be twice as long as a
/// [token](crate::token::TokenSource::max_token_len): 16 KiB by default.
///
/// If the body is empty or has no such member, or the refresh token has expired, only the access
/// token is revoked. If the refresh token is invalid, or of another subject, the request is
/// [invalid](crate::respond::Rejection::InvalidRefreshToken) and nothing is revoked.
///
/// # Cancel safety
///
/// If the client disconnects, the logout either completes or has not started: the revocation runs
/// on a separate task.
///
/// # Panics
///
/// When called outside a Tokio runtime with time enabled.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "aws-lc-rs")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_logout::{JwtVerifier, Logout, MemoryStore};
///
/// let logout = Logout::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
/// let request = Request::post("/api/v1/logout").body(String::new())?;
/// let response = logout.service().oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED); // there was no token
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "aws-lc-rs"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
#[must_use]
pub struct LogoutService {
    shared: Arc<Shared>,
}

impl LogoutService {
    /// The default [timeout](Self::timeout) of a logout: 5 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The longest delay of the response to a logout of the [subject](LogoutScope::Subject): 2 s.
    pub const MAX_DELAY: Duration = MAX_DELAY;

    pub(crate) fn new(
        tokens: Arc<dyn CheckTokens>,
        refresh: Option<Arc<dyn Identify>>,
        revoker: Revoker,
        answers: Answers,
    ) -> Self {
        let (scope, timeout) = (LogoutScope::default(), Self::DEFAULT_TIMEOUT);
        let shared = Shared { tokens, refresh, revoker, answers, scope, idempotent: false, timeout };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the tokens that a logout revokes. Default: the token of the request.
    pub fn scope(self, scope: LogoutScope) -> Self {
        self.configure(|shared| shared.scope = scope)
    }

    /// Responds to a repeated logout with 200 too, because the token is already revoked or expired,
    /// as the client wants it to be.
    ///
    /// An invalid token is still rejected, because it may become valid later (`nbf`). A repeated
    /// logout with another [scope](Self::scope), or with refresh tokens, is rejected too, because a
    /// revoked or expired token does not show whether the other tokens are revoked.
    ///
    /// Mount the service outside the layer, which would reject the token first.
    pub fn idempotent(self) -> Self {
        self.configure(|shared| shared.idempotent = true)
    }

    /// Sets how long revoking and reading the body may take together before the response is 503.
    /// Default: 5 s.
    ///
    /// The revocation may still complete after the timeout; a retry then reports the token as
    /// revoked. If the store's `revoke` never resolves, each such logout leaks a task, so the store
    /// should limit its calls itself.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.configure(|shared| shared.timeout = timeout)
    }

    fn configure(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<B> Service<Request<B>> for LogoutService
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

impl fmt::Debug for LogoutService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutService")
            .field("scope", &self.shared.scope)
            .field("idempotent", &self.shared.idempotent)
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}
