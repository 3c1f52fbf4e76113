//! [`EventSubject`]: whom a security event is about.

use std::fmt;

use super::{members::Members, refusal::Refusal};
use crate::endpoint::{SubjectIdentifier, SubjectIdentifierError, subject_identifier::FormatMember};

/// Whom a security event is about (Shared Signals Framework 1.0, section 3): a simple subject, or a
/// complex one, which names a user, a session, a device and so on.
///
/// Its `Debug` shows the formats, and no value.
#[derive(Clone, Eq, PartialEq)]
pub struct EventSubject {
    simple: Option<SubjectIdentifier>,
    members: Vec<(SubjectMember, Option<SubjectIdentifier>)>,
    /// The names of members that are not known here.
    unknown: Vec<String>,
}

/// A member of a complex subject (Shared Signals Framework 1.0, section 3.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SubjectMember {
    /// The user.
    User,
    /// A session.
    Session,
    /// A device.
    Device,
    /// An application.
    Application,
    /// A tenant of the provider.
    Tenant,
    /// An organizational unit.
    OrgUnit,
    /// A group of users.
    Group,
}

impl SubjectMember {
    const ALL: [Self; 7] =
        [Self::User, Self::Session, Self::Device, Self::Application, Self::Tenant, Self::OrgUnit, Self::Group];

    /// Returns the name of the member, such as `org_unit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Device => "device",
            Self::Application => "application",
            Self::Tenant => "tenant",
            Self::OrgUnit => "org_unit",
            Self::Group => "group",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|member| member.name() == name)
    }
}

impl fmt::Display for SubjectMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl EventSubject {
    /// Reads a subject. A format or a member that is not known is not an error.
    pub(super) fn read(json: &str) -> Result<Self, Refusal> {
        let members = Members::read(json).ok_or(MALFORMED)?;
        let format = members.get("format").or_else(|| members.get("subject_type"));
        let format = format.map(|format| serde_json::from_str::<String>(format).map_err(|_| MALFORMED)).transpose()?;
        if format.is_some_and(|format| format != COMPLEX) {
            return Ok(Self { simple: identifier(json)?, members: Vec::new(), unknown: Vec::new() });
        }
        let mut subject = Self { simple: None, members: Vec::new(), unknown: Vec::new() };
        for (name, value) in members.iter().filter(|(name, _)| !matches!(*name, "format" | "subject_type")) {
            match SubjectMember::of_name(name) {
                Some(member) => subject.members.push((member, identifier(value)?)),
                None => subject.unknown.push(name.to_owned()),
            }
        }
        Ok(subject)
    }

    /// Returns the identifier of a simple subject, or `None` if it is a complex one, or of a format
    /// that is not known here.
    #[must_use]
    pub fn simple(&self) -> Option<&SubjectIdentifier> {
        self.simple.as_ref()
    }

    /// Returns a member of a complex subject, or `None` if it is absent, or of a format that is not
    /// known here.
    #[must_use]
    pub fn member(&self, member: SubjectMember) -> Option<&SubjectIdentifier> {
        self.members.iter().find(|(own, _)| *own == member)?.1.as_ref()
    }

    /// Returns the members of a complex subject that have a known format.
    pub fn members(&self) -> impl Iterator<Item = (SubjectMember, &SubjectIdentifier)> {
        self.members.iter().filter_map(|(member, identifier)| Some((*member, identifier.as_ref()?)))
    }

    /// Whether one of these names is that of a member that is not read, or is read only by a
    /// resolver, which does not exist.
    pub(super) fn has_unprocessed(&self, names: &[String], has_resolver: bool) -> bool {
        let is_critical = |name: &str| names.iter().any(|critical| critical == name);
        let is_processed = |member: SubjectMember, is_known: bool| {
            is_known && (has_resolver || matches!(member, SubjectMember::User | SubjectMember::Session))
        };
        self.unknown.iter().any(|name| is_critical(name))
            || self
                .members
                .iter()
                .any(|(member, identifier)| is_critical(member.name()) && !is_processed(*member, identifier.is_some()))
    }
}

fn identifier(json: &str) -> Result<Option<SubjectIdentifier>, Refusal> {
    match SubjectIdentifier::from_json_with(json, FormatMember::FormatOrSubjectType) {
        Ok(identifier) => Ok(Some(identifier)),
        Err(SubjectIdentifierError::UnknownFormat) => Ok(None),
        Err(SubjectIdentifierError::Malformed) => Err(MALFORMED),
    }
}

impl fmt::Debug for EventSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formats = self.members().map(|(member, identifier)| (member.name(), identifier.format()));
        f.debug_struct("EventSubject")
            .field("format", &self.simple.as_ref().map(SubjectIdentifier::format))
            .field("members", &formats.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

const COMPLEX: &str = "complex";
const MALFORMED: Refusal = Refusal::Malformed("the subject is malformed (RFC 9493; SSF 1.0, section 3)");
