use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::RETRY_AFTER};
use http_body::Body;
use tokio::time::{Instant, timeout_at};
use tower::Service;

use crate::{
    clock::Timestamp,
    endpoint::{
        LogoutBody,
        refresh::{self, RefreshVerifier},
    },
    guard::{Guard, NO_TIMEOUT},
    respond::{self, AutoResponder, Protocol, Rejection, Respond},
    revocation::{KeyKind, Outcome, TokenIdentity},
    revoker::Revoker,
    store::{RevocationStore, StoreError},
    telemetry,
    token::{TokenVerifier, VerifyError},
};

/// The ready-made logout endpoint: `POST` with a bearer token ends that token.
///
/// A request that carries several tokens, as a browser sends cookies, [logs out of all of them](crate::TokenSource#what-counts).
///
/// It answers 200 `{"message":"Successfully logged out"}` once the store has the revocation, and otherwise as the layer does. It is an HTTP endpoint, not
/// a gRPC method: that answer is JSON also where the request is gRPC. A second logout with
/// the same token is refused as revoked; of any number at once exactly one succeeds.
///
/// Mount it with axum's `route_service`, with hyper's `TowerToHyperService`, or beside tonic's routes. It checks the token itself,
/// so it needs no layer around it; inside one it works the same, but for the choice of [RFC 7009](Self::rfc7009).
///
/// Make it by [`RevocationLayer::logout_service`](crate::RevocationLayer::logout_service) of **the layer that guards the
/// routes**, or of a clone. One of a second layer ends tokens in the store of that layer; where the routes ask another
/// store, it answers 200 and ends nothing. If the store is private to this process and guards nothing, the event
/// `revocation ends nothing` says so at level `ERROR`.
///
/// # Cancel safety
///
/// When the caller goes away, the logout is done or was not begun: once begun it runs on a task of its own.
///
/// # Panics
///
/// When called outside a Tokio runtime with time enabled.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_logout::{JwtVerifier, MemoryStore, RevocationLayer};
///
/// let layer = RevocationLayer::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
/// let request = Request::post("/api/v1/logout").body(String::new())?;
/// let response = layer.logout_service().oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED); // there was no token
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct LogoutService<V, S, R = AutoResponder> {
    shared: Arc<Shared<V, S, R>>,
}

struct Shared<V, S, R> {
    guard: Guard<V, S>,
    revoker: Revoker<S>,
    responder: Arc<R>,
    scope: Scope,
    refresh: Option<RefreshVerifier>,
    rfc7009: bool,
    timeout: Duration,
}

/// What ends beside the token itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    Token,
    Session,
    Subject,
}

impl<V: TokenVerifier, S: RevocationStore, R> LogoutService<V, S, R> {
    /// How long a logout may take unless told otherwise: 5 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// How long the answer to a logout [everywhere](Self::everywhere) is delayed at most: 2 s.
    pub const MAX_WAIT: Duration = MAX_WAIT;

    pub(crate) fn new(guard: Guard<V, S>, revoker: Revoker<S>, responder: Arc<R>) -> Self {
        Self {
            shared: Arc::new(Shared {
                guard: guard.token_required(),
                revoker,
                responder,
                scope: Scope::Token,
                refresh: None,
                rfc7009: false,
                timeout: Self::DEFAULT_TIMEOUT,
            }),
        }
    }

    /// Also ends the session (`sid`) that the token belongs to: all tokens of it that were issued until now. The issuer
    /// must stop issuing tokens for the session.
    ///
    /// A token without a `sid` belongs to no session that could be ended. It ends alone, which is a success for the
    /// client, and the event `token lacks a claim` tells the operator.
    pub fn end_session(self) -> Self {
        self.change(|shared| shared.scope = Scope::Session)
    }

    /// Ends all tokens of the subject (`sub`) that were issued until now: "log out everywhere".
    ///
    /// A token without a subject ends nothing, not even itself: the answer is 400 [`Rejection::NoSubject`], whose text says
    /// so, and the event `token lacks a claim` tells the operator.
    ///
    /// `iat` has whole seconds, so what is issued later in the same second is refused as well. The answer is therefore
    /// delayed until that second is over, but never by more than [`MAX_WAIT`](Self::MAX_WAIT) (2 s) nor beyond the
    /// [`timeout`](Self::timeout). A login made after an answer **without** the header `Retry-After` is never caught,
    /// unless the clock of whoever issues the tokens runs behind this node's.
    ///
    /// # When a login is safe
    ///
    /// The second lies further ahead where the token is dated later than this node's clock, or where
    /// [`issuer_clock_ahead`](Self::issuer_clock_ahead) says that tokens may be. The answer is then the same 200, sent
    /// before that second is over, and `Retry-After` (RFC 9110, section 10.2.3) says in how many whole seconds a login
    /// is safe: one that is made earlier may be refused as revoked. The revocation itself is in force in any case.
    ///
    /// A script in a browser reads that header across origins only if the CORS layer exposes it
    /// (`Access-Control-Expose-Headers: Retry-After`). In code, [`Receipt::settles_at`](crate::Receipt::settles_at)
    /// says the same.
    ///
    /// # Timeouts around it
    ///
    /// A `TimeoutLayer` or a proxy that waits for less than [`timeout`](Self::timeout) (5 s) and a check's 250 ms can
    /// answer the client with an error although the logout takes effect; tried again, it is refused as revoked. Let them
    /// wait longer here, or leave this route out of the `TimeoutLayer`.
    pub fn everywhere(self) -> Self {
        self.change(|shared| shared.scope = Scope::Subject)
    }

    /// Also ends the refresh token that a JSON body may hold: `{"refresh_token":"…"}`.
    ///
    /// The body may be twice as long as a [token](crate::TokenSource::max_token_len), 16 KiB by default.
    ///
    /// An empty body, or one without that member, is a logout of the access token alone, and an expired refresh token is nothing to end. If
    /// the refresh token is not genuine, or of another subject, the request is invalid and nothing ends. Whoever redeems refresh tokens must ask the
    /// same store. Revocations of a session or a subject are then remembered for as long as refresh tokens live.
    pub fn refresh_tokens(self, verifier: impl TokenVerifier) -> Self
    where
        S: RevocationStore,
    {
        self.change(|shared| {
            let verifier = Arc::new(verifier);
            shared.revoker = shared.revoker.clone().also_for(Arc::clone(&verifier));
            shared.refresh = Some(verifier);
        })
    }

    /// Answers as RFC 7009, section 2.2, says: a token that is revoked or expired already is what the client wanted, and gets 200.
    ///
    /// A token that is invalid is still refused: it may not be valid yet. So is a repeated logout that is to end more than the token,
    /// because a dead token does not tell whether the rest has ended.
    ///
    /// Mount the service outside the layer, which would refuse such a token first.
    pub fn rfc7009(self) -> Self {
        self.change(|shared| shared.rfc7009 = true)
    }

    /// Sets how long the store and the request's body together may take before the answer is 503. Default: 5 s.
    ///
    /// The revocation may still come to be after that; trying again then answers that the token was revoked. A store whose `revoke`
    /// never resolves keeps one task for each such logout: give its calls a timeout of their own.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.change(|shared| shared.timeout = timeout)
    }

    /// Sets how far an issuer's clock may run ahead of ours: see [`Revoker::issuer_clock_ahead`].
    pub fn issuer_clock_ahead(self, ahead: Duration) -> Self {
        self.change(|shared| shared.revoker = shared.revoker.clone().issuer_clock_ahead(ahead))
    }

    fn change(mut self, change: impl FnOnce(&mut Shared<V, S, R>)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<V: TokenVerifier, S: RevocationStore, R: Respond> Shared<V, S, R> {
    async fn answer<B: Body>(self: Arc<Self>, request: Request<B>) -> Response<Bytes> {
        let protocol = Protocol::of(request.method(), request.version(), request.headers());
        match self.log_out(request).await {
            Ok(unsettled) => logged_out(unsettled),
            Err(rejection) => respond::refuse(&*self.responder, rejection, protocol),
        }
    }

    /// Logs out. For how long a login is not safe yet, if it succeeds.
    async fn log_out<B: Body>(self: &Arc<Self>, request: Request<B>) -> Result<Duration, Rejection> {
        if request.method() != Method::POST {
            return Err(Rejection::MethodNotAllowed);
        }
        let texts = self.guard.all_of_several(&(&request).into());
        let checking = self.guard.check((&request).into());
        let token = match checking.await {
            Ok(token) => Some(token.ok_or(Rejection::Missing)?),
            Err(Rejection::Revoked | Rejection::Expired) if self.forgives_the_dead() => None,
            Err(rejection) => return Err(rejection),
        };
        let deadline = Instant::now() + self.timeout.min(NO_TIMEOUT);
        let mut others = self.verify_all(texts, deadline).await?;
        let Some(token) = token else {
            if let Some(last) = others.pop() {
                let _ = self.revoke(last, others, None, deadline).await?;
            }
            return Ok(Duration::ZERO);
        };
        let identity = token.identity().clone();
        self.require_claim(&identity)?;
        let refresh = match &self.refresh {
            None => None,
            Some(verifier) => {
                let max_len = self.guard.longest_token().saturating_mul(2);
                let throttle = self.guard.usage().throttle();
                refresh::identify(request.into_body(), max_len, &**verifier, &identity, deadline, throttle).await?
            }
        };
        let (outcome, settles_at) = self.revoke(identity, others, refresh, deadline).await?;
        let unsettled = match settles_at {
            Some(settles_at) => self.settle(settles_at, deadline).await,
            None => Duration::ZERO,
        };
        match outcome {
            Outcome::Newly => Ok(unsettled),
            Outcome::Already if self.rfc7009 => Ok(unsettled),
            Outcome::Already => Err(Rejection::Revoked),
        }
    }

    /// Whether the token has the claim that more is to be ended by.
    fn require_claim(&self, token: &TokenIdentity) -> Result<(), Rejection> {
        let throttle = self.guard.usage().throttle();
        match self.scope {
            Scope::Subject if token.key(KeyKind::Subject).is_none() => {
                telemetry::token_lacks_claim(throttle, "sub", "nothing was ended: 400");
                Err(Rejection::NoSubject)
            }
            Scope::Session if token.key(KeyKind::Session).is_none() => {
                telemetry::token_lacks_claim(throttle, "sid", "only the token itself is ended");
                Ok(())
            }
            Scope::Token | Scope::Session | Scope::Subject => Ok(()),
        }
    }

    /// The tokens that are good among those of a request that carries several.
    async fn verify_all(&self, texts: Vec<String>, deadline: Instant) -> Result<Vec<TokenIdentity>, Rejection> {
        let mut good = Vec::new();
        for text in texts {
            let verified = timeout_at(deadline, self.guard.verifier().verify(&text)).await;
            match verified.unwrap_or_else(|late| Err(VerifyError::unavailable(late))) {
                Ok(token) => good.push(token.identity().clone()),
                Err(error @ VerifyError::Unavailable(_)) => {
                    telemetry::verifier_failed(&error);
                    return Err(Rejection::Unavailable);
                }
                Err(VerifyError::Expired | VerifyError::Invalid(_)) => {}
            }
        }
        Ok(good)
    }

    /// Whether a token that is dead already leaves nothing to end.
    fn forgives_the_dead(&self) -> bool {
        self.rfc7009 && self.scope == Scope::Token && self.refresh.is_none()
    }

    /// Revokes on a task of its own, so that a caller who goes away leaves no half of a logout.
    async fn revoke(
        self: &Arc<Self>,
        token: TokenIdentity,
        others: Vec<TokenIdentity>,
        refresh: Option<TokenIdentity>,
        deadline: Instant,
    ) -> Result<(Outcome, Option<Timestamp>), Rejection> {
        let shared = Arc::clone(self);
        let task = telemetry::in_span(async move { shared.revoke_all(&token, &others, refresh.as_ref()).await });
        let late_or_panicked = |error| {
            telemetry::store_failed("revoke", &error);
            error
        };
        let answer = match timeout_at(deadline, tokio::spawn(task)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panicked)) => Err(late_or_panicked(StoreError::new("revoke", panicked))),
            Err(late) => Err(late_or_panicked(StoreError::new("revoke", late))),
        };
        // Nobody knows what a store did that has failed, so nothing is promised.
        answer.map_err(|_| Rejection::Unavailable)
    }

    /// Waits until logins are safe, as long as a client may be kept waiting. How much of that time is left then.
    async fn settle(&self, settles_at: Timestamp, deadline: Instant) -> Duration {
        let clock = self.revoker.clock();
        let patience = clock.now().saturating_add(MAX_WAIT);
        // The clock may step back meanwhile; this deadline does not.
        let deadline = deadline.min(Instant::now() + MAX_WAIT);
        let _ = timeout_at(deadline, clock.sleep_until(settles_at.min(patience))).await;
        settles_at.saturating_since(clock.now())
    }

    /// The token's own key comes last and decides: while anything else is missing, the client may try again.
    async fn revoke_all(
        &self,
        token: &TokenIdentity,
        others: &[TokenIdentity],
        refresh: Option<&TokenIdentity>,
    ) -> Result<(Outcome, Option<Timestamp>), StoreError> {
        // An issuer may give two the same name, and the token's own outcome decides.
        if let Some(refresh) = refresh.filter(|refresh| refresh.own_key() != token.own_key()) {
            let _ = self.revoker.own_key_of(refresh).await?;
        }
        let mut latest = None;
        for other in others.iter().filter(|other| other.own_key() != token.own_key()) {
            let (_, settles_at) = self.revoke_one(other).await?;
            latest = latest.max(settles_at);
        }
        let (outcome, settles_at) = self.revoke_one(token).await?;
        Ok((outcome, latest.max(settles_at)))
    }

    /// Revokes what ends with an access token, and then the token itself.
    async fn revoke_one(&self, token: &TokenIdentity) -> Result<(Outcome, Option<Timestamp>), StoreError> {
        let shared_key = match self.scope {
            Scope::Token => None,
            Scope::Session => token.key(KeyKind::Session),
            Scope::Subject => token.key(KeyKind::Subject),
        };
        let mut settles_at = None;
        if let Some(key) = shared_key {
            let receipt = self.revoker.issued_with(key, token).await?;
            settles_at = receipt.settles_at().filter(|_| self.scope == Scope::Subject);
        }
        let receipt = self.revoker.own_key_of(token).await?;
        Ok((receipt.outcome(), settles_at))
    }
}

/// The answer to a logout after which a login is safe once `unsettled` is over.
fn logged_out(unsettled: Duration) -> Response<Bytes> {
    let mut response = respond::logged_out();
    if !unsettled.is_zero() {
        let seconds = unsettled.as_secs() + u64::from(unsettled.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

impl<V, S, R, B> Service<Request<B>> for LogoutService<V, S, R>
where
    V: TokenVerifier,
    S: RevocationStore,
    R: Respond,
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<LogoutBody>;
    type Error = Infallible;
    type Future = LogoutFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> LogoutFuture {
        LogoutFuture(Box::pin(Arc::clone(&self.shared).answer(request)))
    }
}

/// The response of a [`LogoutService`].
///
/// # Cancel safety
///
/// When it is dropped, the logout is done, will be done, or was not begun.
#[must_use = "futures do nothing unless polled"]
pub struct LogoutFuture(Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>);

impl Future for LogoutFuture {
    type Output = Result<Response<LogoutBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(|response| Ok(response.map(LogoutBody::new)))
    }
}

impl fmt::Debug for LogoutFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutFuture").finish_non_exhaustive()
    }
}

impl<V, S, R> Clone for LogoutService<V, S, R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<V, S, R> Clone for Shared<V, S, R> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
            revoker: self.revoker.clone(),
            responder: Arc::clone(&self.responder),
            refresh: self.refresh.clone(),
            ..*self
        }
    }
}

impl<V, S, R> fmt::Debug for LogoutService<V, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutService")
            .field("guard", &self.shared.guard)
            .field("scope", &self.shared.scope)
            .field("rfc7009", &self.shared.rfc7009)
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}

impl<V, S, R> fmt::Debug for Shared<V, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

const MAX_WAIT: Duration = Duration::from_secs(2);
