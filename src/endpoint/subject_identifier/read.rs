//! Reading a [`SubjectIdentifier`] from JSON.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{SubjectIdentifier, SubjectIdentifierError};

/// The name of the member that has the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum FormatMember {
    /// `format` (RFC 9493).
    Format,
    /// `format`, or `subject_type` as in drafts up to -05, which Google sends. With the latter, the
    /// format `iss_sub` may be written `iss-sub`.
    FormatOrSubjectType,
}

pub(super) fn read(json: &str, member: FormatMember) -> Result<SubjectIdentifier, SubjectIdentifierError> {
    let mut members: Members<'_> = serde_json::from_str(json).map_err(|_| SubjectIdentifierError::Malformed)?;
    let format = members.format(member)?;
    let subject = match &*format {
        "account" => SubjectIdentifier::Account { uri: members.text("uri")? },
        "aliases" => SubjectIdentifier::Aliases { identifiers: aliases(&members.list("identifiers")?, member)? },
        "did" => SubjectIdentifier::Did { url: members.text("url")? },
        "email" => SubjectIdentifier::Email { email: members.text("email")? },
        "ip-addresses" => SubjectIdentifier::IpAddresses { addresses: members.list("ip-addresses")? },
        "iss_sub" => SubjectIdentifier::IssSub { iss: members.text("iss")?, sub: members.text("sub")? },
        "jwt_id" => SubjectIdentifier::JwtId { iss: members.text("iss")?, jti: members.text("jti")? },
        "opaque" => SubjectIdentifier::Opaque { id: members.text("id")? },
        "phone_number" => SubjectIdentifier::PhoneNumber { phone_number: members.text("phone_number")? },
        "saml_assertion_id" => SubjectIdentifier::SamlAssertionId {
            issuer: members.text("issuer")?,
            assertion_id: members.text("assertion_id")?,
        },
        "uri" => SubjectIdentifier::Uri { uri: members.text("uri")? },
        _ => return Err(SubjectIdentifierError::UnknownFormat),
    };
    // Also what remains of a member that is there twice.
    if members.0.is_empty() { Ok(subject) } else { Err(SubjectIdentifierError::Malformed) }
}

fn aliases(
    identifiers: &[Box<RawValue>],
    member: FormatMember,
) -> Result<Vec<SubjectIdentifier>, SubjectIdentifierError> {
    let mut known = Vec::new();
    for identifier in identifiers {
        // Lists in lists would be read to any depth.
        let is_list = || {
            let mut members: Members<'_> = serde_json::from_str(identifier.get()).ok()?;
            Some(members.format(member).ok()? == "aliases")
        };
        if is_list() == Some(true) {
            return Err(SubjectIdentifierError::Malformed);
        }
        match read(identifier.get(), member) {
            Ok(subject) => known.push(subject),
            Err(SubjectIdentifierError::UnknownFormat) => {}
            Err(SubjectIdentifierError::Malformed) => return Err(SubjectIdentifierError::Malformed),
        }
    }
    if known.is_empty() { Err(SubjectIdentifierError::UnknownFormat) } else { Ok(known) }
}

/// The members that have not been read yet, in order, with duplicates.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl Members<'_> {
    fn format(&mut self, member: FormatMember) -> Result<String, SubjectIdentifierError> {
        let has_old_name = member == FormatMember::FormatOrSubjectType && self.position("format").is_none();
        let name = if has_old_name { "subject_type" } else { "format" };
        let format = self.text(name)?;
        if self.position(name).is_some() {
            return Err(SubjectIdentifierError::Malformed);
        }
        Ok(if has_old_name && format == "iss-sub" { "iss_sub".to_owned() } else { format })
    }

    fn text(&mut self, name: &str) -> Result<String, SubjectIdentifierError> {
        let text: String = self.take(name)?;
        if text.is_empty() { Err(SubjectIdentifierError::Malformed) } else { Ok(text) }
    }

    fn list<T: DeserializeOwned>(&mut self, name: &str) -> Result<Vec<T>, SubjectIdentifierError> {
        let items: Vec<T> = self.take(name)?;
        if items.is_empty() { Err(SubjectIdentifierError::Malformed) } else { Ok(items) }
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, SubjectIdentifierError> {
        let position = self.position(name).ok_or(SubjectIdentifierError::Malformed)?;
        let (_, value) = self.0.swap_remove(position);
        serde_json::from_str(value.get()).map_err(|_| SubjectIdentifierError::Malformed)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(own, _)| own == name)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
