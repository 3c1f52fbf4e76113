use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::timeout_at;
use tower::Service;

use super::{
    logout_token::{Authentic, Present},
    refused::Refused,
    settings::Settings,
};
use crate::{
    clock::Clock,
    endpoint::{
        AnswerFuture, body, deadline,
        form::Form,
        oauth_error::{method_not_allowed, oauth_error, unavailable},
        report::{NotTaken, Reports, Taken},
    },
    respond::{self, AnswerBody},
    revoker::Source,
    telemetry::{self, MessageOutcome, Throttle},
    token::{
        VerifyError,
        jwt::{Accepted, Algorithm, InvalidToken, MessageVerifier, SignedMessage, Unsigned},
    },
};

/// Service that receives the logouts of an OpenID provider: OpenID Connect Back-Channel Logout 1.0.
///
/// When a user logs out there, the provider posts a signed logout token to this endpoint, and the
/// access tokens of that session, or of that user, are revoked here: on every node, with all that
/// they have opened.
///
/// [`Logout::backchannel`](crate::Logout::backchannel) creates it from **the `Logout` whose layer
/// guards the routes**. Mount it outside the layer, because a provider sends no bearer token: with
/// axum's `route_service`, with hyper's `TowerToHyperService`, or beside tonic's routes. Register its
/// URL at the provider as `backchannel_logout_uri` of the client, with
/// `backchannel_logout_session_required`.
///
/// # What it ends
///
/// | the logout token has | revoked |
/// |---|---|
/// | `sid`, with or without `sub` | the session: tokens of the issuer in which `sid`, or the claim of `session_claim`, has this value |
/// | `sub` alone | the subject: tokens of the issuer in which `sub`, or the claim of `subject_claim`, has this value; that claim is then read from the logout token, too |
///
/// Tokens end that were issued up to the delivery. Whether the session or the user is known here is
/// not looked at. A new login is not affected, and neither are tokens that the provider issues by a
/// refresh token afterwards, as it may with `offline_access`. If access tokens have no `sid`, see
/// [`always_end_subject`](super::BackchannelLogoutBuilder::always_end_subject).
///
/// # Which logout tokens are accepted
///
/// * The request is a `POST` of a form (`application/x-www-form-urlencoded`) of at most 64 KiB with
///   exactly one parameter `logout_token`; others are ignored.
/// * The type (`typ`) is absent, `JWT` or `logout+jwt`, so that no access token is one.
/// * One of the issuers has signed it, with its keys as they are fetched and rotated for access
///   tokens. A token with an unknown key costs at most the one request for keys that the cooldown
///   allows.
/// * `iss` is that issuer, `aud` contains one of the clients, and with several audiences, `azp` is
///   one of them, if present.
/// * `iat` and `nbf` are not in the future, `exp` is not in the past, apart from the leeway and the
///   clock skew of the verifier, and `iat` is not older than
///   [`max_age`](super::BackchannelLogoutBuilder::max_age).
/// * `jti` is present, `events` contains the logout, whose value is an object, and `nonce` is absent.
/// * `sid` and `sub`, if present, are texts that are not empty, and one of them is present.
///
/// # Responses
///
/// | case | status | body |
/// |---|---|---|
/// | revoked, also if it was before | 200 | empty |
/// | not accepted, for whatever reason | 400 | `{"error":"invalid_request","error_description":"…"}`, always the same |
/// | another method | 405, `Allow` | `{"description":"…","error":"method_not_allowed"}` |
/// | the store or the keys are unavailable | 503, `Retry-After` | `{"description":"…","error":"temporarily_unavailable"}` |
///
/// All carry `Cache-Control: no-store`. The standard has 400 for a logout that failed; with 503,
/// providers that repeat deliveries do so. The response does not wait for other nodes. The reason for
/// a 400 is only in the [events](crate::telemetry).
///
/// # Repeated deliveries
///
/// A logout token is remembered in the store, and therefore by all nodes and over a restart, until
/// no node would accept it any more. A repeat gets 200 and changes nothing, so that nobody can end a
/// later login with a logout token that was seen. It is remembered once the store has the
/// revocation: what failed can be delivered again.
///
/// # Cancel safety
///
/// If the provider disconnects, the logout either completes or has not started.
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
/// use tower_logout::Logout;
///
/// fn app(logout: &Logout) -> Result<Router, Box<dyn std::error::Error>> {
///     Ok(Router::new()
///         .route("/api/v1/orders", get(async || "…"))
///         .layer(logout.axum_layer())
///         .route_service("/backchannel-logout", logout.backchannel("shop").build()?))
/// }
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct BackchannelLogout {
    shared: Arc<Shared>,
}

/// State that all requests share.
pub(super) struct Shared {
    pub(super) messages: MessageVerifier,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reports: Reports,
    pub(super) throttle: Arc<Throttle>,
}

/// The reason why nothing was revoked.
enum Failure {
    Refused(Refused),
    /// The store did not take the logout, which was reported.
    NotTaken,
    NotJudged(VerifyError),
}

impl BackchannelLogout {
    /// The default [timeout](super::BackchannelLogoutBuilder::timeout) of a request: 5 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

impl Shared {
    async fn answer<B: Body>(self: Arc<Self>, request: Request<B>) -> Response<AnswerBody> {
        if request.method() != Method::POST {
            return method_not_allowed();
        }
        match self.receive(request).await {
            Ok(outcome) => {
                telemetry::message(RECEIVER, outcome);
                respond::uncached(Response::new(AnswerBody::default()))
            }
            Err(Failure::Refused(refused)) => {
                telemetry::message_refused(&self.throttle, RECEIVER, refused.code(), refused.remedy(), &refused);
                bad_request()
            }
            Err(Failure::NotTaken) => {
                telemetry::message(RECEIVER, MessageOutcome::Unavailable);
                unavailable()
            }
            Err(Failure::NotJudged(error)) => {
                telemetry::message_not_judged(&self.throttle, RECEIVER, &error);
                unavailable()
            }
        }
    }

    async fn receive<B: Body>(&self, request: Request<B>) -> Result<MessageOutcome, Failure> {
        let deadline = deadline::after(self.settings.timeout);
        if !Form::is_announced(request.headers()) {
            return Err(Refused::ContentType.into());
        }
        let body = body::read(request.into_body(), MAX_LEN, deadline).await.map_err(Refused::Body)?;
        let token = Form::new(&body).only("logout_token").map_err(|_| Refused::Parameter)?;
        drop(body);
        let authentic = timeout_at(deadline, self.authenticate(token));
        let authentic = authentic.await.map_err(|late| Failure::NotJudged(VerifyError::unavailable(late)))??;
        // Determined now, so that a repeat is harmless: see `Reports::take`.
        let present = Present { now: self.clock.now(), issued_until: self.reports.revoker.now() };
        let report = self.settings.judge(&authentic, present)?;
        match self.reports.take(report, deadline).await {
            Ok(Taken::First) => Ok(MessageOutcome::Taken),
            Ok(Taken::Again) => Ok(MessageOutcome::Repeated),
            Err(NotTaken) => Err(Failure::NotTaken),
        }
    }

    async fn authenticate(&self, token: String) -> Result<Authentic, Failure> {
        let was_encrypted = token.bytes().filter(|byte| *byte == b'.').count() == DOTS_OF_A_JWE;
        let token = match &self.settings.decrypt {
            _ if !was_encrypted => token,
            None => return Err(Refused::Encrypted.into()),
            Some(decrypt) => decrypt.decrypt(token).await.map_err(|error| match error {
                VerifyError::Unavailable(_) => Failure::NotJudged(error),
                VerifyError::Invalid(_) | VerifyError::Expired => Refused::Undecryptable.into(),
            })?,
        };
        // What was decrypted may have been compressed.
        if token.len() > MAX_LEN {
            return Err(Refused::Undecryptable.into());
        }
        let (message, needs_algorithm_of_client) = match self.verify(&token, None).await {
            Err(Unsigned::Invalid(InvalidToken::AlgorithmNotAllowed)) if self.settings.sets_algorithms() => {
                let of_clients: Vec<Algorithm> = self.settings.algorithms_of_clients().collect();
                (self.verify(&token, Some(&of_clients)).await, true)
            }
            result => (result, false),
        };
        let message = message.map_err(|unsigned| match unsigned {
            Unsigned::Invalid(reason) => Refused::Token(reason).into(),
            Unsigned::Unavailable(error) => Failure::NotJudged(error),
        })?;
        Ok(Authentic { message, needs_algorithm_of_client, was_encrypted })
    }

    async fn verify(&self, token: &str, algorithms: Option<&[Algorithm]>) -> Result<SignedMessage, Unsigned> {
        self.messages.authenticate(token, Accepted { types: &TYPES, allow_no_type: true, algorithms }).await
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// The same for every reason, so that it says nothing about the keys and the settings.
fn bad_request() -> Response<AnswerBody> {
    oauth_error(StatusCode::BAD_REQUEST, "invalid_request", "The logout token is not accepted.")
}

impl<B> Service<Request<B>> for BackchannelLogout
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

impl fmt::Debug for BackchannelLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelLogout").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// The name in metrics and events.
const RECEIVER: &str = Source::BackChannel.name();
/// Of the body, and of a token that was encrypted.
const MAX_LEN: usize = 64 * 1024;
const DOTS_OF_A_JWE: usize = 4;
/// ID tokens have the type `JWT`, too, but other claims.
const TYPES: [&str; 2] = ["logout+jwt", "JWT"];
