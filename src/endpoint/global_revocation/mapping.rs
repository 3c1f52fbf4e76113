//! [`Mapping`]: which tokens a subject identifier names.

use std::{pin::Pin, sync::Arc};

use tower::BoxError;

use super::{CannotBeRevoked, refused::Refused};
use crate::{
    endpoint::SubjectIdentifier,
    revocation::{Revocable, RevocationKey},
};

type Resolved = Pin<Box<dyn Future<Output = Result<Vec<RevocationKey>, BoxError>> + Send>>;

pub(super) type Resolver = dyn Fn(SubjectIdentifier) -> Resolved + Send + Sync;

/// Which tokens a subject identifier names.
#[derive(Clone, Default)]
pub(super) struct Mapping {
    /// The issuers whose users may be named, or `None` for those of the verifier.
    pub(super) issuers: Option<Vec<String>>,
    pub(super) email_claim: Option<String>,
    pub(super) phone_number_claim: Option<String>,
    pub(super) resolver: Option<Arc<Resolver>>,
}

/// No token can be named.
pub(super) enum Unmapped {
    Refused(Refused),
    Failed(ResolverFailed),
}

/// The application's closure has failed.
#[derive(Debug, thiserror::Error)]
#[error("the closure that resolves subjects has failed")]
pub(super) struct ResolverFailed(#[source] BoxError);

impl Mapping {
    /// Returns the keys of the tokens of the subject: at least one.
    pub(super) async fn keys(
        &self,
        subject: SubjectIdentifier,
        revocable: &Revocable,
    ) -> Result<Vec<RevocationKey>, Unmapped> {
        let SubjectIdentifier::Aliases { identifiers } = subject else { return self.of_one(subject, revocable).await };
        let (mut keys, mut refused) = (Vec::new(), None);
        for identifier in identifiers {
            match self.of_one(identifier, revocable).await {
                Ok(found) => keys.extend(found),
                // The others name the same user.
                Err(Unmapped::Refused(reason)) if reason != Refused::CannotBeRevoked => {
                    if weight(reason) >= refused.map_or(0, weight) {
                        refused = Some(reason);
                    }
                }
                Err(unmapped) => return Err(unmapped),
            }
        }
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() { Err(Unmapped::Refused(refused.unwrap_or(Refused::Unmapped))) } else { Ok(keys) }
    }

    async fn of_one(&self, subject: SubjectIdentifier, revocable: &Revocable) -> Result<Vec<RevocationKey>, Unmapped> {
        let refused = match self.by_itself(&subject, revocable) {
            Ok(keys) => return Ok(keys),
            Err(refused) => refused,
        };
        let Some(resolve) = &self.resolver else { return Err(Unmapped::Refused(refused)) };
        match resolve(subject).await {
            Ok(keys) if !keys.is_empty() => Ok(keys),
            Ok(_) if refused == Refused::ForeignIssuer => Err(Unmapped::Refused(refused)),
            Ok(_) => Err(Unmapped::Refused(Refused::UnknownSubject)),
            Err(error) if error.is::<CannotBeRevoked>() => Err(Unmapped::Refused(Refused::CannotBeRevoked)),
            Err(error) => Err(Unmapped::Failed(ResolverFailed(error))),
        }
    }

    /// The keys, if the identifier has what tokens have.
    fn by_itself(&self, subject: &SubjectIdentifier, revocable: &Revocable) -> Result<Vec<RevocationKey>, Refused> {
        let issuers = self.issuers.as_deref().or(revocable.issuers());
        // Otherwise, the subject of a token is not what the provider calls it.
        let is_subject_of_tokens = revocable.subject_claim() == "sub";
        match subject {
            SubjectIdentifier::IssSub { iss, .. } if issuers.is_some_and(|issuers| !issuers.contains(iss)) => {
                Err(Refused::ForeignIssuer)
            }
            SubjectIdentifier::IssSub { iss, sub } if is_subject_of_tokens => {
                Ok(vec![RevocationKey::subject(iss.as_str(), sub)])
            }
            SubjectIdentifier::Opaque { id } if is_subject_of_tokens => match issuers {
                Some([issuer]) => Ok(vec![RevocationKey::subject(issuer.as_str(), id)]),
                _ => Err(Refused::Unmapped),
            },
            SubjectIdentifier::Email { email } => {
                let canonical = SubjectIdentifier::canonical_email(email);
                by_claim(self.email_claim.as_deref(), &[email, &canonical], issuers)
            }
            SubjectIdentifier::PhoneNumber { phone_number } => {
                by_claim(self.phone_number_claim.as_deref(), &[phone_number], issuers)
            }
            _ => Err(Refused::Unmapped),
        }
    }
}

/// The keys of tokens in which the claim has one of these values.
fn by_claim(claim: Option<&str>, values: &[&str], issuers: Option<&[String]>) -> Result<Vec<RevocationKey>, Refused> {
    let (Some(claim), Some(issuers)) = (claim, issuers) else { return Err(Refused::Unmapped) };
    let mut keys = Vec::new();
    for issuer in issuers {
        keys.extend(values.iter().map(|value| RevocationKey::claim(issuer.as_str(), claim, value)));
    }
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() { Err(Refused::Unmapped) } else { Ok(keys) }
}

/// Which reason is the answer, if none of several names is known.
const fn weight(refused: Refused) -> u8 {
    match refused {
        Refused::UnknownSubject => 3,
        Refused::ForeignIssuer => 2,
        _ => 1,
    }
}
