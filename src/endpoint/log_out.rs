//! A logout, from the request to the response.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, header::RETRY_AFTER};
use http_body::Body;
use tokio::time::{Instant, timeout_at};

use crate::{
    clock::Timestamp,
    endpoint::{LogoutScope, deadline, refresh},
    guard::{CheckTokens, Identify},
    respond::{self, AnswerBody, Answers, Protocol, Rejection},
    revocation::{KeyKind, Outcome, TokenIdentity},
    revoker::Revoker,
    store::StoreError,
    telemetry,
    token::VerifyError,
};

/// State that all requests to a logout endpoint share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) tokens: Arc<dyn CheckTokens>,
    pub(super) refresh: Option<Arc<dyn Identify>>,
    pub(super) revoker: Revoker,
    pub(super) answers: Answers,
    pub(super) scope: LogoutScope,
    pub(super) idempotent: bool,
    pub(super) timeout: Duration,
}

impl Shared {
    pub(super) async fn answer<B: Body>(self: Arc<Self>, request: Request<B>) -> Response<AnswerBody> {
        let protocol = Protocol::of(request.method(), request.version(), request.headers());
        match self.log_out(request).await {
            Ok(unsettled) => self.success(unsettled),
            Err(rejection) => self.answers.reject(rejection, protocol),
        }
    }

    /// Logs out, and returns for how long a new login may still be affected.
    async fn log_out<B: Body>(self: &Arc<Self>, request: Request<B>) -> Result<Duration, Rejection> {
        if request.method() != Method::POST {
            return Err(Rejection::MethodNotAllowed);
        }
        let texts = self.tokens.all_of_several(&(&request).into());
        let checking = self.tokens.check((&request).into());
        let token = match checking.await {
            Ok(token) => Some(token),
            Err(Rejection::Revoked | Rejection::Expired) if self.has_nothing_else_to_end() => None,
            Err(rejection) => return Err(rejection),
        };
        let deadline = deadline::after(self.timeout);
        let mut others = self.verify_all(texts, deadline).await?;
        let Some(token) = token else {
            if let Some(last) = others.pop() {
                let _ = self.revoke(last, others, None, deadline).await?;
            }
            return Ok(Duration::ZERO);
        };
        self.require_claim(&token)?;
        let refresh = match &self.refresh {
            None => None,
            Some(verifier) => {
                let max_len = self.tokens.max_token_len().saturating_mul(2);
                let throttle = self.tokens.throttle();
                refresh::identify(request.into_body(), max_len, &**verifier, &token, deadline, throttle).await?
            }
        };
        let (outcome, settles_at) = self.revoke(token, others, refresh, deadline).await?;
        let unsettled = match settles_at {
            Some(settles_at) => self.settle(settles_at, deadline).await,
            None => Duration::ZERO,
        };
        match outcome {
            Outcome::Newly => Ok(unsettled),
            Outcome::Already if self.idempotent => Ok(unsettled),
            Outcome::Already => Err(Rejection::Revoked),
        }
    }

    /// Rejects a token without the subject that it must have, and reports a missing session.
    fn require_claim(&self, token: &TokenIdentity) -> Result<(), Rejection> {
        let throttle = self.tokens.throttle();
        match self.scope {
            LogoutScope::Subject if token.key(KeyKind::Subject).is_none() => {
                let claim = || self.revoker.own_revocable().subject_claim();
                telemetry::token_lacks_claim(throttle, "subject", claim, "nothing was revoked; answered with 400");
                Err(Rejection::NoSubject)
            }
            LogoutScope::Session if token.key(KeyKind::Session).is_none() => {
                let claim = || self.revoker.own_revocable().session_claim();
                telemetry::token_lacks_claim(throttle, "session", claim, "only the token itself was revoked");
                Ok(())
            }
            LogoutScope::Token | LogoutScope::Session | LogoutScope::Subject => Ok(()),
        }
    }

    /// Verifies the tokens of a request that carries several, and returns the valid ones.
    async fn verify_all(&self, texts: Vec<String>, deadline: Instant) -> Result<Vec<TokenIdentity>, Rejection> {
        let mut valid = Vec::new();
        for text in texts {
            match self.tokens.verify(&text, deadline).await {
                Ok(token) => valid.push(token),
                Err(error @ VerifyError::Unavailable(_)) => {
                    telemetry::verifier_failed(&error);
                    return Err(Rejection::Unavailable);
                }
                Err(VerifyError::Expired | VerifyError::Invalid(_)) => {}
            }
        }
        Ok(valid)
    }

    /// Whether the logout of a token that is no longer valid is a success.
    fn has_nothing_else_to_end(&self) -> bool {
        self.idempotent && self.scope == LogoutScope::Token && self.refresh.is_none()
    }

    /// Revokes on a separate task, so that a client that disconnects does not leave a logout half
    /// done.
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
        // Whether a store that failed has stored the revocation is unknown.
        answer.map_err(|_| Rejection::Unavailable)
    }

    /// Waits until new logins are unaffected, or until the maximum delay has passed. Returns the
    /// time that is left.
    async fn settle(&self, settles_at: Timestamp, deadline: Instant) -> Duration {
        let clock = self.revoker.own_clock();
        let latest = clock.now().saturating_add(MAX_DELAY);
        // A second deadline, because the clock may step back meanwhile.
        let deadline = deadline.min(Instant::now() + MAX_DELAY);
        let _ = timeout_at(deadline, clock.sleep_until(settles_at.min(latest))).await;
        settles_at.saturating_since(clock.now())
    }

    /// Revokes the token's own key last: until then, the client can retry with the token.
    async fn revoke_all(
        &self,
        token: &TokenIdentity,
        others: &[TokenIdentity],
        refresh: Option<&TokenIdentity>,
    ) -> Result<(Outcome, Option<Timestamp>), StoreError> {
        // An issuer may give both the same `jti`, and the outcome of the access token decides.
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

    /// Revokes the session or subject of an access token, and then the token itself.
    async fn revoke_one(&self, token: &TokenIdentity) -> Result<(Outcome, Option<Timestamp>), StoreError> {
        let shared_key = match self.scope {
            LogoutScope::Token => None,
            LogoutScope::Session => token.key(KeyKind::Session),
            LogoutScope::Subject => token.key(KeyKind::Subject),
        };
        let mut settles_at = None;
        if let Some(key) = shared_key {
            let receipt = self.revoker.issued_with(key, token).await?;
            settles_at = receipt.settles_at().filter(|_| self.scope == LogoutScope::Subject);
        }
        let receipt = self.revoker.own_key_of(token).await?;
        Ok((receipt.outcome(), settles_at))
    }

    /// Returns the response to a successful logout. New logins are unaffected after `unsettled`.
    fn success(&self, unsettled: Duration) -> Response<AnswerBody> {
        let mut response = respond::uncached(self.answers.responder.logged_out());
        if !unsettled.is_zero() {
            let seconds = unsettled.as_secs() + u64::from(unsettled.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(super) const MAX_DELAY: Duration = Duration::from_secs(2);
