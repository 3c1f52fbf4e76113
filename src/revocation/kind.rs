//! [`KeyKind`]: the kinds of revocation keys.

use std::{fmt, str::FromStr};

use crate::revocation::InvalidRevocationKey;

/// What a [`RevocationKey`](crate::revocation::RevocationKey) identifies.
///
/// The discriminant is the first byte of the key, in memory and in every store. With the feature
/// `serde`, a kind is its [name](Self::name) in human-readable formats and the discriminant
/// otherwise.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
#[repr(u8)]
pub enum KeyKind {
    /// One token, by its issuer and `jti` (RFC 7519, section 4.1.7).
    TokenId = 1,
    /// One token without a `jti`, by the bytes its signature covers.
    SigningInput = 2,
    /// All tokens of one session: `sid` (OpenID Connect Front-Channel Logout 1.0, section 3).
    Session = 3,
    /// All tokens of one subject: `sub` (RFC 7519, section 4.1.2).
    Subject = 4,
    /// All tokens of one client: `client_id` (RFC 8693, section 4.3) or `azp` (OpenID Connect Core
    /// 1.0).
    Client = 5,
    /// All tokens of one issuer: `iss` (RFC 7519, section 4.1.1).
    Issuer = 6,
    /// All tokens.
    Everything = 7,
    /// All tokens with one value of a claim that the application names.
    Claim = 8,
}

impl KeyKind {
    /// All kinds, in the order of their discriminants, which start at one.
    pub(crate) const ALL: [Self; 8] = [
        Self::TokenId,
        Self::SigningInput,
        Self::Session,
        Self::Subject,
        Self::Client,
        Self::Issuer,
        Self::Everything,
        Self::Claim,
    ];

    /// Returns all kinds that this version of the crate knows, in the order of their discriminants.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// Returns whether a key of this kind identifies a single token.
    #[must_use]
    pub const fn is_of_one_token(self) -> bool {
        matches!(self, Self::TokenId | Self::SigningInput)
    }

    /// Returns the name used in events, metrics and text: `token_id`, `signing_input`, `session`,
    /// `subject`, `client`, `issuer`, `everything` or `claim`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenId => "token_id",
            Self::SigningInput => "signing_input",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Client => "client",
            Self::Issuer => "issuer",
            Self::Everything => "everything",
            Self::Claim => "claim",
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        if byte == 0 || byte as usize > Self::ALL.len() {
            return None;
        }
        Some(Self::ALL[byte as usize - 1])
    }
}

impl TryFrom<u8> for KeyKind {
    type Error = InvalidRevocationKey;

    /// Returns the kind with this discriminant.
    fn try_from(byte: u8) -> Result<Self, Self::Error> {
        Self::from_byte(byte).ok_or(InvalidRevocationKey::UnknownKind)
    }
}

impl FromStr for KeyKind {
    type Err = InvalidRevocationKey;

    /// Returns the kind with this [name](Self::name).
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all().find(|kind| kind.name() == name).ok_or(InvalidRevocationKey::UnknownKind)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
