use crate::{
    chain::debug_as_chain,
    token::{VerifyError, jwt::KeyError},
};

/// A [`JwtVerifier`](super::JwtVerifier) cannot be built as it was configured.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no key.
    #[error("there is no key to verify signatures with: give a KeySet that is not empty")]
    NoKeys,
    /// A set has more keys than are allowed.
    #[error(
        "there are {keys} keys that can verify signatures, and max_keys is {max_keys}: is it the set of the right issuer? \
         If it is, raise max_keys"
    )]
    TooManyKeys {
        /// How many usable keys the set has.
        keys: usize,
        /// How many are allowed.
        max_keys: usize,
    },
    /// Two issuers were named over one pool of keys, each of which could then sign for the other (RFC 8725, section 3.8).
    #[error(
        "issuer() was called for `{first}` and for `{second}`, and with one pool of keys each of them could sign tokens of the other: \
         give each its own keys, as in JwtVerifier::issuers([Issuer::keys(\"{first}\", keys), Issuer::keys(\"{second}\", keys)])"
    )]
    SecondIssuer {
        /// The issuer named first.
        first: String,
        /// The issuer named second.
        second: String,
    },
    /// An issuer was named beside a list of issuers that have keys.
    #[error(
        "issuer() was called for `{0}` on a verifier of several issuers: add it to the list of JwtVerifier::issuers, with its own keys"
    )]
    IssuerWithoutKeys(String),
    /// The list of issuers is empty.
    #[error("there is no issuer, so every token would be refused: give JwtVerifier::issuers at least one")]
    NoIssuers,
    /// The list of issuers has one twice.
    #[error("the issuer `{0}` is there twice: give it once, with a KeySet of all its keys")]
    DuplicateIssuer(String),
    /// An issuer of several is not configured as it should be.
    #[error("issuer `{issuer}`: {reason}")]
    OfIssuer {
        /// The issuer.
        issuer: String,
        /// What is wrong with it.
        reason: Box<ConfigError>,
    },
    /// The keys of one of several issuers were to be replaced, without its name.
    #[error(
        "the verifier has several issuers: name the one whose keys are replaced with replace_keys_of; it has {known:?}"
    )]
    WhichIssuer {
        /// The issuers of the verifier.
        known: Vec<String>,
    },
    /// The keys of an issuer were to be replaced that the verifier does not have.
    #[error(
        "the verifier has no issuer `{issuer}`: names are compared as they are, a trailing slash included; it has {known:?}"
    )]
    UnknownIssuer {
        /// The issuer that was named.
        issuer: String,
        /// The issuers of the verifier.
        known: Vec<String>,
    },
    /// An issuer, audience, media type or claim name is the empty string.
    #[error("{0} is empty: is an environment variable unset?")]
    Empty(&'static str),
    /// No token could ever be accepted.
    #[error("max_lifetime is zero, so every token would be refused: set it to the longest life your issuer gives")]
    ZeroLifetime,
    /// The claim has a key of its own already, or says nothing of whom a token belongs to.
    #[error("the claim `{0}` cannot be made revocable: it is a registered claim; name one of your own")]
    RegisteredClaim(String),
    /// Audiences were named and waived at once.
    #[error("an audience was named and allow_any_audience() called: keep the one you mean")]
    ContradictoryAudience,
}

/// Why a [`JwtVerifier`](super::JwtVerifier) holds a token to be invalid: the source of [`VerifyError::Invalid`].
///
/// For logs and tests. The client learns only that the token is invalid.
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// The token does not have three parts.
    #[error("it does not have three parts separated by dots")]
    Parts,
    /// A part is not base64url without padding.
    #[error("a part is not base64url without padding")]
    Encoding,
    /// The header is no JSON object of the form of RFC 7515.
    #[error("the header is not a JOSE header")]
    Header,
    /// The header has a critical extension, or an unencoded payload.
    #[error("the header asks for an extension that is not supported")]
    Critical,
    /// The header names `none` or an unknown algorithm.
    #[error("the algorithm is not supported")]
    Algorithm,
    /// The header's media type is not among the allowed.
    #[error("the token is of another type (`typ`)")]
    Type,
    /// None of the keys that apply has made the signature.
    #[error("the signature is not of any of the keys")]
    Signature,
    /// The claims are no JSON object of the form of RFC 7519.
    #[error("the claims are not of the form of RFC 7519, or `exp` is missing")]
    Claims,
    /// The claims are not of the application's own type.
    #[error("the claims are not of the type that the application has asked for")]
    OwnClaims,
    /// The token is bound to a key of its client (`cnf`, RFC 9449 and RFC 8705), and nobody has verified that the client holds it.
    #[error(
        "the token is bound to a key of its client (`cnf`), which was not verified: behind a proxy that verifies it, set \
         allow_unverified_binding()"
    )]
    UnverifiedBinding,
    /// The subject (`sub`) is an integer, which RFC 7519 does not allow.
    #[error("the subject (`sub`) is an integer: if the issuer writes it so, set allow_integer_subject()")]
    IntegerSubject,
    /// The token is not of a configured issuer. Where several are configured, its signature was not checked.
    #[error(
        "the issuer (`iss`) is not one of those configured: names are compared as they are, a trailing slash included"
    )]
    Issuer,
    /// It is not for a configured audience, or has one where none is configured.
    #[error("the audience (`aud`) is not one of those configured; with none configured a token must have none")]
    Audience,
    /// The token is not valid yet (`nbf`).
    #[error("the token is not valid yet (`nbf`)")]
    NotYetValid,
    /// Its issue date lies in the future, further than clocks may differ.
    #[error("the token was issued in the future (`iat`)")]
    IssuedInFuture,
    /// `iat` is required but missing.
    #[error("the token has no `iat`, which is required")]
    NoIssuedAt,
    /// The token lives for longer than a revocation is remembered.
    #[error("the token lives longer than max_lifetime")]
    TooLongLived,
    /// `jti` is required but missing.
    #[error("the token has no `jti`, which is required")]
    NoTokenId,
    /// A claim that the application revokes by has a value that cannot be revoked.
    #[error("a revocable claim is neither a string, an integer, a boolean nor a list of those")]
    RevocableClaim,
}

debug_as_chain!(ConfigError, InvalidToken);

impl InvalidToken {
    /// The reason's name in metrics and events, such as `audience`. Whatever is malformed is `malformed`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Parts | Self::Encoding | Self::Header => "malformed",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::OwnClaims => "own_claims",
            Self::UnverifiedBinding => "unverified_binding",
            Self::IntegerSubject => "integer_subject",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::NoIssuedAt => "no_iat",
            Self::TooLongLived => "too_long_lived",
            Self::NoTokenId => "no_jti",
            Self::RevocableClaim => "revocable_claim",
        }
    }

    /// What to change if such tokens are to be accepted, or `None` where the token itself is at fault: it is malformed, or
    /// no configured key has signed it.
    ///
    /// A token for which there is a remedy is authentic, with two exceptions where several issuers are configured: an
    /// issuer that is not among them, and claims from which the issuer cannot be read, are found before the signature.
    #[must_use]
    pub const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Parts | Self::Encoding | Self::Header | Self::Critical | Self::Algorithm | Self::Signature => {
                return None;
            }
            Self::Type => "name the type with typ(), if these are access tokens",
            Self::Claims => "have the issuer write the registered claims as RFC 7519 says, `exp` included",
            Self::OwnClaims => {
                "have the issuer set what the type of claims() asks for, or make it an Option or a default there"
            }
            Self::UnverifiedBinding => "set allow_unverified_binding(), if a proxy in front verifies the binding",
            Self::IntegerSubject => "set allow_integer_subject()",
            Self::Issuer => "name the issuer, letter by letter, with issuer() or in JwtVerifier::issuers",
            Self::Audience => "name the audience with audience(), or accept any with allow_any_audience()",
            Self::NotYetValid | Self::IssuedInFuture => {
                "set the clocks of this machine and of the issuer, or allow for more difference with clock_skew()"
            }
            Self::NoIssuedAt => "have the issuer set `iat`, or do without require_iat()",
            Self::TooLongLived => "set max_lifetime() to the longest life that the issuer gives",
            Self::NoTokenId => "have the issuer set `jti`, or do without require_jti()",
            Self::RevocableClaim => "have the issuer write the claim as a string, or do without its revocable_claim()",
        })
    }
}

impl From<InvalidToken> for VerifyError {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(Box::new(reason))
    }
}
