//! A request, from the authentication of its sender to the response.

use std::{error::Error, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::{
    assertion::Assertion,
    authenticator::{Authenticator, Denied, authenticate},
    document,
    mapping::{Mapping, Unmapped},
    refused::Refused,
};
use crate::{
    endpoint::{
        SubjectIdentifier,
        body::{self, Unreadable},
        deadline,
        oauth_error::{method_not_allowed, unavailable},
        report::{NotTaken, Report, Reports, Spent, Taken},
    },
    respond::{self, AnswerBody, media_type},
    revocation::RevocationKey,
    revoker::Source,
    telemetry::{self, MessageOutcome, Throttle},
};

/// State that all requests share.
pub(super) struct Shared {
    pub(super) ways: Vec<Authenticator>,
    pub(super) mapping: Mapping,
    pub(super) unknown_as_success: bool,
    pub(super) timeout: Duration,
    pub(super) reports: Reports,
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
                done()
            }
            Err(Failure::Refused(Refused::UnknownSubject)) if self.unknown_as_success => {
                telemetry::message(RECEIVER, MessageOutcome::Ignored);
                done()
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
        let assertion = timeout_at(deadline, authenticate(&self.ways, &head)).await.map_err(late)??;
        if !media_type(&head.headers).is_some_and(|essence| essence.eq_ignore_ascii_case(JSON)) {
            return Err(Refused::ContentType.into());
        }
        let body = body::read(body, MAX_LEN, deadline).await.map_err(|unreadable| match unreadable {
            Unreadable::Late => Failure::NotJudged("the body did not arrive in time".into()),
            Unreadable::TooLong | Unreadable::Broken => Refused::Body(unreadable).into(),
        })?;
        let subject = document::subject(&body)?;
        let request = assertion.as_ref().map(|assertion| request_key(assertion, &subject)).transpose()?;
        let revocable = self.reports.revoker.own_revocable();
        let keys = timeout_at(deadline, self.mapping.keys(subject, &revocable)).await.map_err(late)??;
        self.revoke(keys, assertion.zip(request), deadline).await
    }

    async fn revoke(
        &self,
        keys: Vec<RevocationKey>,
        assertion: Option<(Assertion, RevocationKey)>,
        deadline: Instant,
    ) -> Result<MessageOutcome, Failure> {
        // Determined now, so that a repeat is harmless: see `Reports::take`.
        let now = self.reports.revoker.now();
        let all = |instant| keys.iter().map(|key| (*key, instant)).collect();
        let taken = match assertion {
            None => self.reports.take(Report { message: None, revocations: all(now) }, deadline).await?,
            Some((assertion, request)) => {
                let revocations = all(now.max(assertion.issued_at));
                let report = Report { message: Some((request, assertion.outdated_at)), revocations };
                let reports = Reports { revoker: self.reports.revoker.clone().by(assertion.issuer) };
                reports.take_with(assertion.key, report, deadline).await??
            }
        };
        Ok(match taken {
            Taken::First => MessageOutcome::Taken,
            Taken::Again => MessageOutcome::Repeated,
        })
    }
}

/// Identifies what is asked with an assertion. No token has such a text.
fn request_key(assertion: &Assertion, subject: &SubjectIdentifier) -> Result<RevocationKey, Refused> {
    let subject = serde_json::to_string(subject).map_err(|_| Refused::Subject)?;
    Ok(RevocationKey::signing_input(&format!("{} {subject}", assertion.key)))
}

fn late(error: Elapsed) -> Failure {
    Failure::NotJudged(error.into())
}

fn done() -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    respond::uncached(response)
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refused) => Self::Refused(refused),
            Denied::NotJudged(error) => Self::NotJudged(error.into()),
        }
    }
}

impl From<Unmapped> for Failure {
    fn from(unmapped: Unmapped) -> Self {
        match unmapped {
            Unmapped::Refused(refused) => Self::Refused(refused),
            Unmapped::Failed(error) => Self::NotJudged(error.into()),
        }
    }
}

impl From<NotTaken> for Failure {
    fn from(NotTaken: NotTaken) -> Self {
        Self::NotTaken
    }
}

impl From<Spent> for Failure {
    fn from(Spent: Spent) -> Self {
        Self::Refused(Refused::Spent)
    }
}

/// The name in metrics and events.
const RECEIVER: &str = Source::GlobalRevocation.name();
const MAX_LEN: usize = 8 * 1024;
const JSON: &[u8] = b"application/json";
