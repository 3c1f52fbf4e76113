//! [`Authenticator`]: decides whether the sender of a request may revoke.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::request::Parts;
use tower::BoxError;

use super::{
    Access, GlobalRevocationError,
    assertion::{Assertion, AssertionVerifier},
    refused::Refused,
};
use crate::{
    clock::Clock,
    endpoint::{Resource, ResourceError, secret::Secret},
    token::{Candidate, TokenSource, VerifyError, jwt::Issuer},
};

pub(super) type Closure = dyn Fn(Parts) -> Pin<Box<dyn Future<Output = Result<Access, BoxError>> + Send>> + Send + Sync;

/// One way to authenticate, as it was configured.
#[derive(Clone)]
pub(super) enum AuthenticatorBuilder {
    SignedJwt { issuer: Box<Issuer>, subject: String, endpoint: String },
    Bearer(String),
    Closure(Arc<Closure>),
}

/// One way to authenticate.
pub(super) enum Authenticator {
    SignedJwt(AssertionVerifier),
    Bearer(Secret),
    Closure(Arc<Closure>),
}

/// The sender may not revoke, or that could not be determined. The most telling one is the answer
/// if there are several ways.
pub(super) enum Denied {
    Refused(Refused),
    NotJudged(VerifyError),
}

impl AuthenticatorBuilder {
    pub(super) fn build(
        self,
        clock_skew: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Result<Authenticator, GlobalRevocationError> {
        match self {
            Self::SignedJwt { subject, .. } if subject.is_empty() => Err(GlobalRevocationError::EmptySubject),
            Self::SignedJwt { issuer, subject, endpoint } => {
                if let Err(ResourceError::Invalid { resource, reason }) = Resource::parse(&endpoint) {
                    return Err(GlobalRevocationError::Endpoint { endpoint: resource, reason });
                }
                let name = issuer.name().to_owned();
                let messages = issuer.into_messages(clock_skew, Arc::clone(clock))?;
                let clock = Arc::clone(clock);
                let verifier = AssertionVerifier { messages, clock, issuer: name.into(), subject, endpoint };
                Ok(Authenticator::SignedJwt(verifier))
            }
            Self::Bearer(secret) => {
                let is_token = Candidate::Unchecked(secret.as_bytes()).into_token().is_ok();
                if secret.len() < Authenticator::MIN_SECRET || !is_token {
                    return Err(GlobalRevocationError::Secret { min_len: Authenticator::MIN_SECRET });
                }
                Ok(Authenticator::Bearer(Secret::new(&secret)))
            }
            Self::Closure(closure) => Ok(Authenticator::Closure(closure)),
        }
    }

    /// The name without anything secret.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::SignedJwt { .. } => "signed_jwt",
            Self::Bearer(_) => "bearer",
            Self::Closure(_) => "closure",
        }
    }
}

impl Authenticator {
    /// The shortest secret, in characters.
    const MIN_SECRET: usize = 16;

    /// Returns the assertion that has authenticated the request, if it was one.
    async fn authenticate(&self, request: &Parts) -> Result<Option<Assertion>, Denied> {
        if let Self::Closure(closure) = self {
            return match closure(request.clone()).await {
                Ok(Access::Allowed) => Ok(None),
                Ok(Access::Unauthenticated) => Err(Refused::Credentials.into()),
                Ok(Access::Forbidden) => Err(Refused::Forbidden.into()),
                Err(error) => Err(Denied::NotJudged(VerifyError::unavailable(error))),
            };
        }
        let token = TokenSource::authorization().token(&request.into()).map_err(|_| Refused::Credentials)?;
        let token = token.ok_or(Refused::NoCredentials)?;
        match self {
            Self::SignedJwt(verifier) => Ok(Some(verifier.verify(&token).await?)),
            Self::Bearer(secret) if secret.is(&*token) => Ok(None),
            Self::Bearer(_) | Self::Closure(_) => Err(Refused::Credentials.into()),
        }
    }
}

/// Tries the ways in turn, until one of them accepts.
pub(super) async fn authenticate(ways: &[Authenticator], request: &Parts) -> Result<Option<Assertion>, Denied> {
    let mut denied: Option<Denied> = None;
    for way in ways {
        match way.authenticate(request).await {
            Ok(assertion) => return Ok(assertion),
            Err(other) if denied.as_ref().is_none_or(|denied| denied.weight() < other.weight()) => denied = Some(other),
            Err(_) => {}
        }
    }
    Err(denied.unwrap_or(Refused::NoCredentials.into()))
}

impl Denied {
    fn weight(&self) -> u8 {
        match self {
            Self::NotJudged(_) => 4,
            Self::Refused(Refused::Forbidden) => 3,
            // An assertion for another endpoint is more telling than that it is not the secret.
            Self::Refused(refused) if refused.remedy().is_some() => 2,
            Self::Refused(Refused::NoCredentials) => 0,
            Self::Refused(_) => 1,
        }
    }
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
