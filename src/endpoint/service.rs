use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use crate::{
    endpoint::{
        LogoutScope,
        log_out::{MAX_DELAY, Shared},
    },
    guard::{CheckTokens, Identify},
    respond::{AnswerBody, Respond},
    revoker::Revoker,
};

/// Service that is the logout endpoint: `POST` with a bearer token revokes that token.
///
/// A request that carries several tokens, as a browser sends cookies,
/// [logs out of all of them](crate::token::TokenSource#what-counts).
///
/// It answers 200 `{"message":"Successfully logged out"}` once the store has the revocation, and
/// otherwise as the layer does. It is an HTTP endpoint, not a gRPC method: that answer is JSON also
/// where the request is gRPC. A second logout with the same token is rejected as revoked; if
/// several requests race, exactly one succeeds.
///
/// Mount it with axum's `route_service`, with hyper's `TowerToHyperService`, or beside tonic's
/// routes. It checks the token itself, so it needs no layer around it; inside one it works the
/// same, unless it is [idempotent](Self::idempotent).
///
/// Make it by [`Logout::service`](crate::Logout::service) of **the `Logout` whose layer guards the
/// routes**, or of a clone. One of a second `Logout` ends tokens in the store of that one; where
/// the routes ask another store, it answers 200 and ends nothing. If the store is private to this
/// process and nothing is guarded by it, the event `revocation ends nothing` says so at level
/// `ERROR`.
///
/// # Refresh tokens
///
/// With [`Logout::refresh_tokens`](crate::Logout::refresh_tokens) the body may hold the refresh
/// token that is to end as well: `{"refresh_token":"…"}`. It may be twice as long as a
/// [token](crate::token::TokenSource::max_token_len), 16 KiB by default.
///
/// An empty body, or one without that member, is a logout of the access token alone, and an expired
/// refresh token is nothing to end. If the refresh token is invalid, or of another subject, the
/// request is [invalid](crate::respond::Rejection::InvalidRefreshToken) and nothing ends.
///
/// # Cancel safety
///
/// When the caller goes away, the logout is done or was not begun: once begun it runs on a task of
/// its own.
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
    /// How long a logout may take by default: 5 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// How long the answer to a logout of the [subject](LogoutScope::Subject) is delayed at most: 2
    /// s.
    pub const MAX_DELAY: Duration = MAX_DELAY;

    pub(crate) fn new(
        tokens: Arc<dyn CheckTokens>,
        refresh: Option<Arc<dyn Identify>>,
        revoker: Revoker,
        responder: Arc<dyn Respond>,
    ) -> Self {
        let (scope, timeout) = (LogoutScope::default(), Self::DEFAULT_TIMEOUT);
        let shared = Shared { tokens, refresh, revoker, responder, scope, idempotent: false, timeout };
        Self { shared: Arc::new(shared) }
    }

    /// Sets what a logout ends. Default: the token.
    pub fn scope(self, scope: LogoutScope) -> Self {
        self.configure(|shared| shared.scope = scope)
    }

    /// Answers 200 to a repeated logout too: a token that is revoked or expired already is what the
    /// client wanted.
    ///
    /// An invalid token is still rejected: it may not be valid yet. So is a repeated logout that is
    /// to end more than the token, because a token that is no longer valid does not show whether
    /// the rest has ended.
    ///
    /// Mount the service outside the layer, which would reject such a token first.
    pub fn idempotent(self) -> Self {
        self.configure(|shared| shared.idempotent = true)
    }

    /// Sets how long the store and the request's body together may take before the answer is 503.
    /// Default: 5 s.
    ///
    /// The revocation may still complete after the timeout; a retry then reports the token as
    /// revoked. A store whose `revoke` never resolves keeps one task for each such logout: give its
    /// calls a timeout of their own.
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
    type Future = LogoutFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> LogoutFuture {
        LogoutFuture(Box::pin(Arc::clone(&self.shared).answer(request)))
    }
}

/// Future of a [`LogoutService`].
///
/// # Cancel safety
///
/// When it is dropped, the logout is done, will be done, or was not begun.
#[must_use = "futures do nothing unless polled"]
pub struct LogoutFuture(Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>);

impl Future for LogoutFuture {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for LogoutFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutFuture").finish_non_exhaustive()
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
