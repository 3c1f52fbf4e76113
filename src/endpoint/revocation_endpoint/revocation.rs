//! A revocation by a client, from the request to the response.

use std::{error::Error, pin::Pin, sync::Arc, time::Duration};

use http::{Method, Request, Response};
use http_body::Body;
use tokio::time::{Instant, timeout_at};
use tower::BoxError;

use super::{
    credentials::{ClientCredentials, ClientRequest},
    owner::{Owner, owner},
    presented::{Presented, Tokens},
    refused::Refused,
    request::RevocationRequest,
};
use crate::{
    clock::Timestamp,
    endpoint::{
        LogoutScope,
        body::{self, Unreadable},
        deadline,
        form::Form,
        oauth_error::{method_not_allowed, unavailable},
        report::{NotTaken, complete},
    },
    respond::{self, AnswerBody},
    revocation::{KeyKind, Outcome, TokenIdentity},
    revoker::{Revoker, Source},
    store::StoreError,
    telemetry::{self, MessageOutcome, Throttle},
};

type Authenticating = Pin<Box<dyn Future<Output = Result<Option<String>, BoxError>> + Send>>;

/// Authenticates a client, and returns its identifier.
pub(crate) type Authenticate = dyn Fn(ClientRequest) -> Authenticating + Send + Sync;

/// State that all requests share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) authenticate: Arc<Authenticate>,
    pub(super) tokens: Tokens,
    pub(super) revoker: Revoker,
    pub(super) refresh_token_ends: LogoutScope,
    pub(super) allow_tokens_without_client: bool,
    pub(super) timeout: Duration,
    pub(super) throttle: Arc<Throttle>,
}

/// The reason why nothing was revoked.
enum Failure {
    Refused(Refused),
    /// The store did not take the revocation, which was reported.
    NotTaken,
    NotJudged(Box<dyn Error + Send + Sync>),
}

impl Shared {
    pub(super) async fn answer<B: Body>(self: Arc<Self>, request: Request<B>) -> Response<AnswerBody> {
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
                refused.response()
            }
            Err(Failure::NotTaken) => {
                telemetry::message(RECEIVER, MessageOutcome::Unavailable);
                unavailable()
            }
            Err(Failure::NotJudged(error)) => {
                telemetry::message_not_judged(&self.throttle, RECEIVER, &*error);
                unavailable()
            }
        }
    }

    async fn receive<B: Body>(&self, request: Request<B>) -> Result<MessageOutcome, Failure> {
        let deadline = deadline::after(self.timeout);
        let (head, body) = request.into_parts();
        if !Form::is_announced(&head.headers) {
            return Err(Refused::ContentType.into());
        }
        // A token may have all its characters encoded.
        let max_len = self.tokens.access.max_token_len().saturating_mul(3).saturating_add(MAX_LEN_OF_OTHERS);
        let body = body::read(body, max_len, deadline).await.map_err(|unreadable| match unreadable {
            Unreadable::Late => Failure::NotJudged("the body did not arrive in time".into()),
            Unreadable::TooLong | Unreadable::Broken => Refused::Body(unreadable).into(),
        })?;
        let RevocationRequest { credentials, token, hint } = RevocationRequest::read(&head.headers, &Form::new(&body))?;
        drop(body);
        let by_basic = matches!(credentials, ClientCredentials::Basic { .. });
        let authenticating = (self.authenticate)(ClientRequest { credentials, head });
        let client = timeout_at(deadline, authenticating).await.map_err(|late| Failure::NotJudged(late.into()))?;
        let client = client.map_err(Failure::NotJudged)?.ok_or(Refused::Client { by_basic })?;
        let is_probably_refresh = hint.is_some_and(|hint| hint == "refresh_token");
        match self.tokens.identify(&token, is_probably_refresh, deadline).await.map_err(Failure::not_judged)? {
            Presented::Access(access) => {
                self.require_client(&access, &token, &client)?;
                self.revoke(access, None, client, deadline).await
            }
            Presented::Refresh(refresh) => {
                self.require_client(&refresh, &token, &client)?;
                let kind = self.kind_that_ends(&refresh)?;
                self.revoke(refresh, kind, client, deadline).await
            }
            Presented::NotYetValid => Err(Refused::NotYetValid.into()),
            Presented::Unknown if is_probably_refresh && self.tokens.refresh.is_none() => {
                Err(Refused::RefreshToken.into())
            }
            Presented::Unknown => Ok(MessageOutcome::Ignored),
        }
    }

    fn require_client(&self, token: &TokenIdentity, text: &str, client: &str) -> Result<(), Refused> {
        match owner(token, text, &self.revoker.own_revocable(), client) {
            Owner::Client => Ok(()),
            Owner::Unknown if self.allow_tokens_without_client => Ok(()),
            Owner::Unknown => Err(Refused::NoClient),
            Owner::Other => Err(Refused::OtherClient),
        }
    }

    /// The kind of the key that ends with a refresh token, besides the token.
    fn kind_that_ends(&self, token: &TokenIdentity) -> Result<Option<KeyKind>, Refused> {
        let has = |kind| token.key(kind).is_some();
        match self.refresh_token_ends {
            LogoutScope::Session if !has(KeyKind::Session) => {
                let claim = || self.revoker.own_revocable().session_claim();
                telemetry::token_lacks_claim(&self.throttle, "session", claim, "only the token itself was revoked");
                Ok(None)
            }
            LogoutScope::Subject if !has(KeyKind::Subject) => Err(Refused::NoSubject),
            LogoutScope::Session => Ok(Some(KeyKind::Session)),
            LogoutScope::Subject => Ok(Some(KeyKind::Subject)),
            LogoutScope::Token => Ok(None),
        }
    }

    /// Revokes a token, and before it all tokens with its key of this kind.
    async fn revoke(
        &self,
        token: TokenIdentity,
        kind: Option<KeyKind>,
        client: String,
        deadline: Instant,
    ) -> Result<MessageOutcome, Failure> {
        let revoker = self.revoker.clone().by(client);
        // Determined before the store is asked, so that a repeat is harmless: see `Reports::take`.
        let issued_through = revoker.now().max(token.issued_at());
        let work = async move { revoke(&revoker, &token, kind, issued_through).await };
        match complete(work, deadline).await {
            Ok(Outcome::Newly) => Ok(MessageOutcome::Taken),
            Ok(Outcome::Already) => Ok(MessageOutcome::Repeated),
            Err(NotTaken) => Err(Failure::NotTaken),
        }
    }
}

/// Revokes the token itself last, so that what failed can be repeated. A token that is revoked
/// already ends nothing else: its user may have signed in again since.
async fn revoke(
    revoker: &Revoker,
    token: &TokenIdentity,
    kind: Option<KeyKind>,
    issued_through: Timestamp,
) -> Result<Outcome, StoreError> {
    if let Some(key) = kind.and_then(|kind| token.key(kind)) {
        // The key is looked up in the whole fleet.
        if revoker.remembers(token.own_key()).await? || revoker.is_revoked(token).await? {
            let _ = revoker.own_key_of(token).await?;
            return Ok(Outcome::Already);
        }
        revoker.all_issued_through([(key, issued_through)]).await?;
    }
    Ok(revoker.own_key_of(token).await?.outcome())
}

impl Failure {
    fn not_judged(error: impl Error + Send + Sync + 'static) -> Self {
        Self::NotJudged(error.into())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// The name in metrics and events.
const RECEIVER: &str = Source::RevocationEndpoint.name();
/// The maximum length of the parameters other than the token.
const MAX_LEN_OF_OTHERS: usize = 8 * 1024;
