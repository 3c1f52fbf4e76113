//! [`SubjectIdentifier`]: whom a message of an identity provider is about.

mod read;
#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr};

use serde::Serialize;

use crate::chain::debug_as_chain;
pub(super) use read::FormatMember;

/// Names the subject of a message of an identity provider, in one of the formats of RFC 9493 or of
/// the Shared Signals Framework 1.0, section 3.5.
///
/// Values are as they were sent, and never empty. The format only says how the subject is named;
/// whether it exists, and whether the sender may name it, is for the recipient to decide.
///
/// Its `Debug` shows the format and no value, so that a logged identifier does not reveal who it
/// is. It is serialized as RFC 9493 writes it.
///
/// # Examples
///
/// ```
/// use tower_logout::endpoint::SubjectIdentifier;
///
/// let json = r#"{"format":"iss_sub","iss":"https://issuer.example.com/","sub":"145234573"}"#;
/// let subject = SubjectIdentifier::from_json(json)?;
/// let SubjectIdentifier::IssSub { iss, sub } = subject else { panic!("another format") };
/// assert_eq!((&*iss, &*sub), ("https://issuer.example.com/", "145234573"));
/// # Ok::<(), tower_logout::endpoint::SubjectIdentifierError>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "format", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubjectIdentifier {
    /// `account`: an account at a service (RFC 9493, section 3.2.1).
    Account {
        /// An `acct` URI (RFC 7565).
        uri: String,
    },
    /// `aliases`: several names of one subject (RFC 9493, section 3.2.8).
    Aliases {
        /// The names: at least one, and no other list of names. Those whose format is not known
        /// here are left out.
        identifiers: Vec<SubjectIdentifier>,
    },
    /// `did`: a decentralized identifier (RFC 9493, section 3.2.6).
    Did {
        /// A DID or a DID URL.
        url: String,
    },
    /// `email`: an email address (RFC 9493, section 3.2.2).
    Email {
        /// The address, to be compared in [canonical form](SubjectIdentifier::canonical_email).
        email: String,
    },
    /// `ip-addresses`: the addresses that the sender has observed (Shared Signals Framework 1.0,
    /// section 3.5.3).
    #[serde(rename = "ip-addresses")]
    IpAddresses {
        /// The addresses: at least one.
        #[serde(rename = "ip-addresses")]
        addresses: Vec<IpAddr>,
    },
    /// `iss_sub`: an issuer, and a subject of that issuer (RFC 9493, section 3.2.3).
    IssSub {
        /// The issuer (`iss`).
        iss: String,
        /// The subject (`sub`).
        sub: String,
    },
    /// `jwt_id`: a single JSON Web Token (Shared Signals Framework 1.0, section 3.5.1).
    JwtId {
        /// The issuer of the token.
        iss: String,
        /// The identifier of the token (`jti`).
        jti: String,
    },
    /// `opaque`: an identifier without a known structure (RFC 9493, section 3.2.4).
    Opaque {
        /// The identifier.
        id: String,
    },
    /// `phone_number`: a telephone number (RFC 9493, section 3.2.5).
    PhoneNumber {
        /// The number, with the international prefix (E.164).
        phone_number: String,
    },
    /// `saml_assertion_id`: a SAML 2.0 assertion (Shared Signals Framework 1.0, section 3.5.2).
    SamlAssertionId {
        /// The issuer of the assertion.
        issuer: String,
        /// The identifier of the assertion.
        assertion_id: String,
    },
    /// `uri`: any other URI (RFC 9493, section 3.2.7).
    Uri {
        /// The URI.
        uri: String,
    },
}

/// Error of a text that does not name a subject. It contains nothing of the text.
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectIdentifierError {
    /// It is no JSON object with a format, or the format asks for other members.
    #[error(
        "the subject identifier is malformed: it must be a JSON object with exactly the members of its format (RFC \
         9493, section 3), none of them null or empty"
    )]
    Malformed,
    /// It is well formed, as far as can be said of a format that is not known here.
    #[error("the format of the subject identifier is not known")]
    UnknownFormat,
}

debug_as_chain!(SubjectIdentifierError);

impl SubjectIdentifier {
    /// Reads a subject identifier from a JSON text.
    ///
    /// It is read strictly, as RFC 9493, section 3, demands: with all members of its format, none
    /// of them twice, null or empty, and no others. A list of names (`aliases`) may contain names
    /// of unknown formats beside a known one.
    ///
    /// # Errors
    ///
    /// If the text is not a subject identifier, or its format is unknown.
    pub fn from_json(json: &str) -> Result<Self, SubjectIdentifierError> {
        read::read(json, FormatMember::Format)
    }

    /// Reads a subject identifier from a JSON text whose format may have the name that it had in
    /// drafts of RFC 9493.
    pub(super) fn from_json_with(json: &str, member: FormatMember) -> Result<Self, SubjectIdentifierError> {
        read::read(json, member)
    }

    /// Returns the name of the format, such as `iss_sub`.
    #[must_use]
    pub const fn format(&self) -> &'static str {
        match self {
            Self::Account { .. } => "account",
            Self::Aliases { .. } => "aliases",
            Self::Did { .. } => "did",
            Self::Email { .. } => "email",
            Self::IpAddresses { .. } => "ip-addresses",
            Self::IssSub { .. } => "iss_sub",
            Self::JwtId { .. } => "jwt_id",
            Self::Opaque { .. } => "opaque",
            Self::PhoneNumber { .. } => "phone_number",
            Self::SamlAssertionId { .. } => "saml_assertion_id",
            Self::Uri { .. } => "uri",
        }
    }

    /// Returns an email address in the form in which two are compared (RFC 9493, section 3.2.2.1):
    /// with the domain in lower case.
    ///
    /// The part before the `@` is not changed, because its case may matter (RFC 5321, section 2.4).
    /// Where it does not, as at most providers, convert it as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::endpoint::SubjectIdentifier;
    ///
    /// assert_eq!(SubjectIdentifier::canonical_email("Ann@Example.COM"), "Ann@example.com");
    /// ```
    #[must_use]
    pub fn canonical_email(address: &str) -> String {
        let domain = address.rfind('@').unwrap_or(address.len());
        let mut address = address.to_owned();
        address[domain..].make_ascii_lowercase();
        address
    }
}

impl fmt::Debug for SubjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectIdentifier").field("format", &self.format()).finish_non_exhaustive()
    }
}
