//! [`Mapping`]: the revocation keys of a subject.

use std::{pin::Pin, slice, sync::Arc};

use tower::BoxError;

use super::{Decision, EventKind, SecurityEvent, SubjectMember};
use crate::{
    endpoint::SubjectIdentifier,
    revocation::{Revocable, RevocationKey},
};

/// A subject that tokens do not name in this way, such as an email address or a device, for the
/// closure of [`resolve`](super::SecurityEventsBuilder::resolve).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnmappedSubject {
    /// The type of the event.
    pub event: EventKind,
    /// The member of the complex subject, or `None` for a simple subject.
    pub member: Option<SubjectMember>,
    /// Whom or what it names.
    pub identifier: SubjectIdentifier,
}

pub(super) type Resolving = Pin<Box<dyn Future<Output = Result<Vec<RevocationKey>, BoxError>> + Send>>;
pub(super) type Resolve = Arc<dyn Fn(UnmappedSubject) -> Resolving + Send + Sync>;

/// Finds the revocation keys of subjects.
#[derive(Clone, Default)]
pub(super) struct Mapping {
    /// The issuer of identifiers that name none.
    pub(super) subjects_of: Option<String>,
    pub(super) resolve: Option<Resolve>,
}

/// Why a subject has no revocation keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unmapped {
    NoSubject,
    UnknownIssuer,
    NoSingleIssuer,
    OtherSubjectClaim,
    NoResolver,
    /// The application knows nobody of that name.
    Unresolved,
}

impl Unmapped {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NoSubject => "no_subject",
            Self::UnknownIssuer => "unknown_issuer",
            Self::NoSingleIssuer => "no_single_issuer",
            Self::OtherSubjectClaim => "subject_claim",
            Self::NoResolver => "no_resolver",
            Self::Unresolved => "unresolved",
        }
    }

    /// What to do about it. `None` if the application has decided so.
    pub(super) const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::NoSubject => Some("the event names no subject of a known format: have the transmitter name the user"),
            Self::UnknownIssuer => Some(
                "the subject is one of an issuer that the verifier does not accept: map it with resolve(), or have the \
                 transmitter name the issuer of the tokens",
            ),
            Self::NoSingleIssuer => Some(
                "the subject names no issuer, and the verifier accepts several, or any: name its issuer with subjects_of()",
            ),
            Self::OtherSubjectClaim => Some(
                "the verifier reads the subject of tokens from another claim than `sub`: map the subject of events to it \
                 with resolve()",
            ),
            Self::NoResolver => Some(
                "tokens do not carry such a subject, such as an email address or a device: map it to those who have it with \
                 resolve()",
            ),
            Self::Unresolved => None,
        }
    }
}

/// One event, and what tokens can be revoked by.
#[derive(Clone, Copy)]
struct Context<'a> {
    event: &'a SecurityEvent,
    revocable: &'a Revocable,
    /// The issuer that the member `user` of the subject names, if tokens can have it.
    issuer_of_user: Option<&'a str>,
}

impl Mapping {
    /// Returns the keys of the tokens that an event ends.
    ///
    /// # Errors
    ///
    /// If the application could not resolve a subject.
    pub(super) async fn keys(
        &self,
        event: &SecurityEvent,
        decision: Decision,
        revocable: &Revocable,
    ) -> Result<Result<Vec<RevocationKey>, Unmapped>, BoxError> {
        let order = match decision {
            Decision::Ignore | Decision::Deny => return Ok(Ok(Vec::new())),
            Decision::Keys(keys) => return Ok(Ok(keys)),
            Decision::Narrowest => NARROWEST,
            Decision::User => USER,
        };
        let Some(subject) = event.subject() else { return Ok(Err(Unmapped::NoSubject)) };
        let issuer_of_user = match subject.member(SubjectMember::User) {
            Some(SubjectIdentifier::IssSub { iss, .. }) if is_known(revocable, iss) => Some(iss.as_str()),
            _ => None,
        };
        let context = Context { event, revocable, issuer_of_user };
        let members = order.into_iter().filter_map(|member| Some((Some(member), subject.member(member)?)));
        let simple = subject.simple().map(|identifier| (None, identifier));
        let mut reason = Unmapped::NoSubject;
        for (member, identifier) in simple.into_iter().chain(members) {
            match self.keys_of(context, member, identifier).await? {
                Ok(keys) => return Ok(Ok(keys)),
                // The reason of the first one says most.
                Err(first) if reason == Unmapped::NoSubject => reason = first,
                Err(_) => {}
            }
        }
        Ok(Err(reason))
    }

    /// Returns the keys of an identifier: at least one.
    async fn keys_of(
        &self,
        context: Context<'_>,
        member: Option<SubjectMember>,
        identifier: &SubjectIdentifier,
    ) -> Result<Result<Vec<RevocationKey>, Unmapped>, BoxError> {
        let names = match identifier {
            SubjectIdentifier::Aliases { identifiers } => identifiers,
            identifier => slice::from_ref(identifier),
        };
        let (mut keys, mut reason) = (Vec::new(), Unmapped::NoSubject);
        for name in names {
            let why = match self.named_by_tokens(context, member, name) {
                Ok(named) => {
                    keys.extend(named);
                    continue;
                }
                Err(why) => why,
            };
            let Some(resolve) = &self.resolve else {
                reason = why;
                continue;
            };
            let subject = UnmappedSubject { event: context.event.kind(), member, identifier: name.clone() };
            keys.extend(resolve(subject).await?);
            reason = Unmapped::Unresolved;
        }
        Ok(if keys.is_empty() { Err(reason) } else { Ok(keys) })
    }

    /// Returns the keys of tokens that name the subject as the event does.
    fn named_by_tokens(
        &self,
        context: Context<'_>,
        member: Option<SubjectMember>,
        name: &SubjectIdentifier,
    ) -> Result<Vec<RevocationKey>, Unmapped> {
        let Context { event, revocable, .. } = context;
        let of_known = |iss: &str| if is_known(revocable, iss) { Ok(()) } else { Err(Unmapped::UnknownIssuer) };
        let is_session = member == Some(SubjectMember::Session);
        let is_user = matches!(member, None | Some(SubjectMember::User));
        match name {
            SubjectIdentifier::JwtId { iss, jti } => {
                of_known(iss)?;
                Ok(vec![RevocationKey::token_id(iss.as_str(), jti)])
            }
            SubjectIdentifier::IssSub { iss, sub } if is_session => {
                of_known(iss)?;
                Ok(vec![RevocationKey::session(iss.as_str(), sub)])
            }
            SubjectIdentifier::IssSub { iss, sub } if is_user => {
                of_known(iss)?;
                if !revocable.may_name_subject_by_sub() {
                    return Err(Unmapped::OtherSubjectClaim);
                }
                Ok(vec![RevocationKey::subject(iss.as_str(), sub)])
            }
            SubjectIdentifier::Opaque { id } if is_session => {
                Ok(vec![RevocationKey::session(self.issuer(context)?, id)])
            }
            SubjectIdentifier::Opaque { id } if is_user => {
                let issuer = self.issuer(context)?;
                let mut keys = vec![RevocationKey::subject(issuer, id)];
                // The examples of CAEP 1.0 name a session so, and transmitters also a user.
                if member.is_none() && event.kind().is_about_session() {
                    keys.push(RevocationKey::session(issuer, id));
                }
                Ok(keys)
            }
            SubjectIdentifier::Email { email } if is_user && has_claim(revocable, "email") => {
                let issuer = self.issuer(context)?;
                let canonical = SubjectIdentifier::canonical_email(email);
                let mut keys = vec![RevocationKey::claim(issuer, "email", email)];
                if canonical != *email {
                    keys.push(RevocationKey::claim(issuer, "email", &canonical));
                }
                Ok(keys)
            }
            SubjectIdentifier::PhoneNumber { phone_number } if is_user && has_claim(revocable, "phone_number") => {
                Ok(vec![RevocationKey::claim(self.issuer(context)?, "phone_number", phone_number)])
            }
            _ => Err(Unmapped::NoResolver),
        }
    }

    /// The issuer of an identifier that names none.
    fn issuer<'a>(&'a self, context: Context<'a>) -> Result<&'a str, Unmapped> {
        let sole = match context.revocable.issuers() {
            Some([sole]) => Some(sole.as_str()),
            _ => None,
        };
        self.subjects_of.as_deref().or(context.issuer_of_user).or(sole).ok_or(Unmapped::NoSingleIssuer)
    }
}

fn is_known(revocable: &Revocable, issuer: &str) -> bool {
    revocable.lacks_issuer(Some(issuer)).is_none()
}

/// Whether tokens are known to carry a key for this claim.
fn has_claim(revocable: &Revocable, name: &str) -> bool {
    revocable.claims().is_some_and(|claims| claims.iter().any(|claim| claim == name))
}

/// A tenant or a group may have many users, so they come last.
const NARROWEST: [SubjectMember; 7] = [
    SubjectMember::Session,
    SubjectMember::Device,
    SubjectMember::User,
    SubjectMember::Application,
    SubjectMember::Group,
    SubjectMember::OrgUnit,
    SubjectMember::Tenant,
];
const USER: [SubjectMember; 7] = [
    SubjectMember::User,
    SubjectMember::Session,
    SubjectMember::Device,
    SubjectMember::Application,
    SubjectMember::Group,
    SubjectMember::OrgUnit,
    SubjectMember::Tenant,
];
