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

use super::{
    presented::Tokens,
    revocation::{Authenticate, Shared},
};
use crate::{
    endpoint::{AnswerFuture, LogoutScope},
    guard::{CheckTokens, Identify},
    respond::AnswerBody,
    revoker::Revoker,
};

/// Service at which clients revoke their tokens: OAuth 2.0 Token Revocation (RFC 7009), for services
/// that issue tokens themselves.
///
/// [`Logout::revocation_endpoint`](crate::Logout::revocation_endpoint) creates it from **the `Logout`
/// whose layer guards the routes**. Mount it outside the layer, because the credentials of a client
/// are no access token: with axum's `route_service`, with hyper's `TowerToHyperService`, or beside
/// tonic's routes. Publish its URL as `revocation_endpoint` of the metadata (RFC 8414). For clients
/// in browsers, put a CORS layer around it, which answers preflight requests.
///
/// # Requests
///
/// A `POST` of a form (`application/x-www-form-urlencoded`) with one parameter `token`, and possibly
/// `token_type_hint`. The hint `refresh_token` has the token tried as a refresh token first; every
/// other hint is ignored. Unknown parameters are ignored, and no known one may be repeated.
///
/// The closure authenticates the client: see [`ClientRequest`](super::ClientRequest).
///
/// # What it ends
///
/// * An access token: itself. It is one if the verifier of the `Logout` accepts it, its audience
///   included.
/// * A refresh token: its access tokens, and then itself. It is one if the verifier of
///   [`Logout::refresh_tokens`](crate::Logout::refresh_tokens) accepts it; the two verifiers must
///   tell the kinds apart, for example by the type. By default, the access tokens of its session end;
///   see [`refresh_token_ends`](Self::refresh_token_ends).
/// * Everything else, such as a forged or an expired token: nothing. The response is 200 as well,
///   because such a token is not accepted anywhere (RFC 7009, section 2.2).
///
/// A token must have been issued to the client: one of its claims `client_id` and `azp` is the
/// client's.
///
/// # Responses
///
/// | case | status | `error` |
/// |---|---|---|
/// | revoked, also if it was before; or nothing to revoke | 200, without a body | |
/// | malformed; or two methods of client authentication | 400 | `invalid_request` |
/// | the token is not valid yet (`nbf`, `iat`), so that it cannot be revoked | 400 | `invalid_request` |
/// | the token was issued to another client, or does not say to which | 400 | `invalid_grant` |
/// | the hint is `refresh_token`, and the `Logout` has no verifier of refresh tokens; or its subject is to end, and it has none | 400 | `unsupported_token_type` |
/// | the client is not authenticated | 401; `WWW-Authenticate` if it has used `Basic` | `invalid_client` |
/// | another method | 405, `Allow` | `method_not_allowed` |
/// | the store, a verifier or the closure is unavailable, or the body is late | 503, `Retry-After` | `temporarily_unavailable` |
///
/// All carry `Cache-Control: no-store`. Errors have a JSON body (RFC 6749, section 5.2). Without the
/// hint, an unknown refresh token cannot be told from a forged token, and gets 200.
///
/// # Repeated requests
///
/// A token that is revoked already gets 200, and ends nothing else, because its user may have signed
/// in again since. The refresh token itself is revoked last, so that what failed can be repeated.
/// Give access tokens and refresh tokens identifiers (`jti`) of their own: tokens with the same one
/// are revoked together.
///
/// # Cancel safety
///
/// If the client disconnects, the revocation either completes or has not started.
///
/// # Panics
///
/// When called outside a Tokio runtime with time enabled.
#[derive(Clone)]
#[must_use]
pub struct RevocationEndpoint {
    shared: Arc<Shared>,
}

impl RevocationEndpoint {
    /// The default [timeout](Self::timeout) of a request: 5 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    pub(crate) fn new(
        authenticate: Arc<Authenticate>,
        access: Arc<dyn CheckTokens>,
        refresh: Option<Arc<dyn Identify>>,
        revoker: Revoker,
    ) -> Self {
        let shared = Shared {
            authenticate,
            tokens: Tokens { access, refresh },
            revoker,
            refresh_token_ends: LogoutScope::Session,
            allow_tokens_without_client: false,
            timeout: Self::DEFAULT_TIMEOUT,
            throttle: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the access tokens that end with a refresh token. Default: those of its
    /// [session](LogoutScope::Session).
    ///
    /// A refresh token without a session ends alone, and the event `token lacks a claim` informs
    /// operators. One without a subject that is to end the [subject](LogoutScope::Subject) gets 400
    /// `unsupported_token_type`. The response is not delayed: an access token of the subject that is
    /// issued later in the same second ends, too.
    pub fn refresh_token_ends(self, scope: LogoutScope) -> Self {
        self.configure(|shared| shared.refresh_token_ends = scope)
    }

    /// Allows clients to revoke tokens that have neither `client_id` nor `azp`. By default, such a
    /// token is refused as that of another client.
    ///
    /// Any authenticated client that has the text of a token can then revoke it.
    pub fn allow_tokens_without_client(self) -> Self {
        self.configure(|shared| shared.allow_tokens_without_client = true)
    }

    /// Sets how long a request may take in total, from reading its body to the answer of the store.
    /// Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.configure(|shared| shared.timeout = timeout)
    }

    fn configure(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<B> Service<Request<B>> for RevocationEndpoint
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

impl fmt::Debug for RevocationEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationEndpoint")
            .field("refresh_token_ends", &self.shared.refresh_token_ends)
            .field("allow_tokens_without_client", &self.shared.allow_tokens_without_client)
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}
