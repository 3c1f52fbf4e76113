//! [`ConfigError`] and [`InvalidToken`]: the reasons why a verifier cannot be built, and why a
//! token is invalid.

use std::{sync::Arc, time::Duration};

use crate::{
    chain::debug_as_chain,
    fetch::FetchError,
    token::{
        VerifyError,
        jwt::{Algorithm, KeyError, KeySourceError},
    },
};

/// Error of a [`JwtVerifier`](super::JwtVerifier): its configuration or its keys cannot be used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no key.
    #[error("there is no key to verify signatures with: pass a KeySet that is not empty")]
    NoKeys,
    /// A set has more keys than are allowed.
    #[error(
        "there are {keys} keys that can verify signatures, and max_keys is {max_keys}: is this the key set of the right \
         issuer? If it is, raise max_keys"
    )]
    TooManyKeys {
        /// How many usable keys the set has.
        keys: usize,
        /// How many are allowed.
        max_keys: usize,
    },
    /// Two issuers were named for one set of keys, so each could sign tokens of the other (RFC
    /// 8725, section 3.8).
    #[error(
        "issuer() was called for `{first}` and for `{second}`, and with one set of keys each of them could sign tokens of \
         the other: give each its own keys, as in JwtVerifier::issuers([Issuer::keys(\"{first}\", keys), \
         Issuer::keys(\"{second}\", keys)])"
    )]
    SecondIssuer {
        /// The issuer named first.
        first: String,
        /// The issuer named second.
        second: String,
    },
    /// `issuer` was called on a verifier of several issuers.
    #[error(
        "issuer() was called for `{0}` on a verifier of several issuers: add it to the list of JwtVerifier::issuers, with \
         its own keys"
    )]
    IssuerWithoutKeys(String),
    /// The list of issuers is empty.
    #[error("there is no issuer, so every token would be rejected: pass at least one to JwtVerifier::issuers")]
    NoIssuers,
    /// The list of issuers contains an issuer twice.
    #[error("the issuer `{0}` is listed twice: list it once, with a KeySet of all its keys")]
    DuplicateIssuer(String),
    /// The configuration of one of several issuers is invalid.
    #[error("issuer `{issuer}`: {reason}")]
    OfIssuer {
        /// The issuer.
        issuer: String,
        /// What is wrong with its configuration.
        reason: Box<ConfigError>,
    },
    /// Keys were replaced without naming the issuer, but there are several.
    #[error(
        "the verifier has several issuers: name the one whose keys are replaced with replace_keys_of; it has {known:?}"
    )]
    WhichIssuer {
        /// The issuers of the verifier.
        known: Vec<String>,
    },
    /// Keys were replaced for an issuer that the verifier does not have.
    #[error(
        "the verifier has no issuer `{issuer}`: names are compared exactly, including a trailing slash; it has {known:?}"
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
    /// The maximum lifetime is zero, so no token could be accepted.
    #[error(
        "max_lifetime is zero, so every token would be rejected: set it to the longest lifetime that the issuer sets"
    )]
    ZeroLifetime,
    /// A registered claim was made revocable. It has a revocation key already, or does not identify
    /// the owner of a token.
    #[error("the claim `{0}` cannot be made revocable: it is a registered claim; name an application-defined claim")]
    RegisteredClaim(String),
    /// An audience was set although any audience is allowed.
    #[error("both audience() and allow_any_audience() were called: keep the one that applies")]
    ContradictoryAudience,
    /// The verifier was built without fetching the keys that it needs.
    #[error("keys must be fetched, and build() cannot do that: call start().await, or start_lazily()")]
    NotStarted,
    /// Keys must be fetched, and the caller is outside a Tokio runtime.
    #[error("keys are fetched on a Tokio runtime: call start() or start_lazily() from inside one")]
    NoRuntime,
    /// Keys must be fetched, and there is no HTTP client.
    #[error(
        "there is no HTTP client to fetch keys with: enable the feature `oidc` of tower-logout, or set fetch_with()"
    )]
    NoClient,
    /// The address of an issuer or a key set cannot be used.
    #[error(transparent)]
    Address(#[from] FetchError),
    /// A duration of [`KeyFetching`](super::KeyFetching) is zero.
    #[error("{0} is zero: set a longer duration, or leave the default")]
    ZeroDuration(&'static str),
    /// The bounds of [`KeyFetching::refresh_between`](super::KeyFetching::refresh_between) are in
    /// the wrong order.
    #[error("refresh_between({min:?}, {max:?}): the first duration must not be longer than the second")]
    RefreshBounds {
        /// The shortest time.
        min: Duration,
        /// The longest time.
        max: Duration,
    },
    /// The keys of an issuer could not be fetched.
    #[error(
        "the keys of the issuer `{issuer}` could not be fetched; if the service must come up without its identity provider, \
         use start_lazily()"
    )]
    KeysNotFetched {
        /// The issuer.
        issuer: String,
        /// Why they could not be fetched.
        source: Arc<KeySourceError>,
    },
    /// Keys were replaced that are fetched.
    #[error("the keys of this issuer are fetched and cannot be replaced: to fetch them anew, call purge_keys_of")]
    KeysAreFetched,
    /// Keys were purged that are not fetched.
    #[error("the keys of this issuer are not fetched: to remove one, call replace_keys_of with the others")]
    KeysAreNotFetched,
    /// The list of allowed algorithms is empty.
    #[error("algorithms() was called with an empty list, so every token would be rejected: list what the issuer uses")]
    NoAlgorithms,
    /// None of the keys can verify a token of an allowed algorithm.
    #[error(
        "none of the keys is for one of {allowed:?}, so every token would be rejected: add the algorithm that the issuer \
         signs with to algorithms(), or remove that call"
    )]
    NoKeyForAlgorithms {
        /// The algorithms of `algorithms`.
        allowed: Vec<Algorithm>,
    },
    /// A claim that does not identify anything was named as session or subject claim.
    #[error(
        "the claim `{0}` cannot name a session or a subject: it is a registered claim with another meaning; name the claim \
         in which the issuer writes the identifier of the session or of the user"
    )]
    NoIdentifier(String),
    /// A setting contradicts RFC 9068, which `rfc9068` requires tokens to follow.
    #[error("both rfc9068() and {0} were called, and that profile says otherwise: keep the one that applies")]
    ContradictoryProfile(&'static str),
    /// RFC 9068 requires tokens to have the audience of the service, and none is configured.
    #[error(
        "rfc9068() requires the audience of this service: name it with audience(), as the issuer writes it in `aud`"
    )]
    ProfileWithoutAudience,
}

/// The reason why a [`JwtVerifier`](super::JwtVerifier), or an `Introspection`, rejects a token as
/// invalid: the source of [`VerifyError::Invalid`].
///
/// It is meant for logs and tests. The client is told only that the token is invalid.
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// The token does not have three parts.
    #[error("the token does not have three parts separated by dots")]
    Parts,
    /// A part is not base64url without padding.
    #[error("a part is not base64url without padding")]
    Encoding,
    /// The header is not a JOSE header (RFC 7515, section 4).
    #[error("the header is not a JOSE header")]
    Header,
    /// The header has a critical extension or an unencoded payload.
    #[error("the header asks for an extension that is not supported")]
    Critical,
    /// The algorithm is `none` or unknown.
    #[error("the algorithm is not supported")]
    Algorithm,
    /// The algorithm is not one of those that `algorithms` allows. The signature was not checked.
    #[error("the algorithm is not one of those that algorithms() allows")]
    AlgorithmNotAllowed,
    /// The type (`typ`) is not one of those allowed.
    #[error("the type (`typ`) of the token is not allowed")]
    Type,
    /// The signature was made by none of the applicable keys.
    #[error("none of the keys verifies the signature")]
    Signature,
    /// The token names a key (`kid`) that its issuer does not have.
    #[error("the token names a key (`kid`) that its issuer does not have")]
    UnknownKey,
    /// The claims are not a JSON object, or a registered claim has another form than RFC 7519
    /// defines, or `exp` is missing.
    #[error("the claims do not have the form of RFC 7519, or `exp` is missing")]
    Claims,
    /// The claims cannot be deserialized as the application's type.
    #[error("the claims cannot be deserialized as the application's type")]
    OwnClaims,
    /// The token is bound to a key of its client (`cnf`, RFC 9449 and RFC 8705), and nothing has
    /// verified that the client holds the key.
    #[error(
        "the token is bound to a key of its client (`cnf`), which was not verified: if a proxy in front verifies it, set \
         allow_unverified_binding()"
    )]
    UnverifiedBinding,
    /// The subject (`sub`) is an integer, but RFC 7519 requires a string.
    #[error("the subject (`sub`) is an integer: to accept integers, set allow_integer_subject()")]
    IntegerSubject,
    /// The issuer is not one of those configured. If several are configured, the signature was not
    /// checked.
    #[error(
        "the issuer (`iss`) is not one of those configured: names are compared exactly, including a trailing slash"
    )]
    Issuer,
    /// The audience is not one of those configured, or the token has one and none is configured.
    #[error("the audience (`aud`) is not one of those configured; if none is configured, a token must not have one")]
    Audience,
    /// The token is not valid yet (`nbf`).
    #[error("the token is not valid yet (`nbf`)")]
    NotYetValid,
    /// `iat` is in the future by more than clocks may differ.
    #[error("the token was issued in the future (`iat`)")]
    IssuedInFuture,
    /// `iat` is required but missing.
    #[error("the token has no `iat`, which is required")]
    NoIssuedAt,
    /// The lifetime of the token exceeds `max_lifetime`, for which revocations are retained.
    #[error("the lifetime of the token exceeds max_lifetime")]
    TooLongLived,
    /// `jti` is required but missing.
    #[error("the token has no `jti`, which is required")]
    NoTokenId,
    /// `sub` is required but missing or empty.
    #[error("the token has no `sub`, which is required")]
    NoSubject,
    /// `client_id` is required but missing or empty.
    #[error("the token has no `client_id`, which is required")]
    NoClientId,
    /// The claim named with `session_claim` has a value that cannot name a session.
    #[error("the claim that names the session is not a string, or is present twice")]
    SessionClaim,
    /// The claim named with `subject_claim` has a value that cannot name a subject.
    #[error("the claim that names the subject is not a string, or is present twice")]
    SubjectClaim,
    /// A revocable claim has a value that cannot be a revocation key.
    #[error("a revocable claim is not a string, an integer, a boolean or a list of those")]
    RevocableClaim,
    /// The authorization server says that the token is not active (RFC 7662, section 2.2): it is
    /// unknown, has expired, was revoked, or must not be shown to this service.
    #[error("the authorization server says that the token is not active")]
    Inactive,
}

debug_as_chain!(ConfigError, InvalidToken);

impl InvalidToken {
    /// Returns the name of the reason in metrics and events, such as `audience`. All malformed
    /// tokens are `malformed`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Parts | Self::Encoding | Self::Header => "malformed",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::Type => "type",
            Self::Signature => "signature",
            Self::UnknownKey => "unknown_key",
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
            Self::NoSubject => "no_sub",
            Self::NoClientId => "no_client_id",
            Self::SessionClaim => "session_claim",
            Self::SubjectClaim => "subject_claim",
            Self::RevocableClaim => "revocable_claim",
            Self::Inactive => "inactive",
        }
    }

    /// Returns what to change to accept such tokens, or `None` if nothing can be changed: the token
    /// is malformed, or no configured key has signed it.
    ///
    /// A token for which there is a remedy is authentic, with exceptions that are detected before the
    /// signature is checked: an algorithm that is not allowed, and if several issuers are configured,
    /// an unknown issuer and claims from which the issuer cannot be read.
    #[must_use]
    pub const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Parts
            | Self::Encoding
            | Self::Header
            | Self::Critical
            | Self::Algorithm
            | Self::Signature
            | Self::UnknownKey
            | Self::Inactive => return None,
            Self::AlgorithmNotAllowed => "add the algorithm with algorithms(), if the issuer signs with it",
            Self::Type => {
                "add the type with typ(), or with token_type() if the token was introspected, if these are access tokens; \
                 rfc9068() accepts `at+jwt` only"
            }
            Self::Claims => "have the issuer set the registered claims in the form of RFC 7519, including `exp`",
            Self::OwnClaims => {
                "have the issuer set the claims that the type of claims() requires, or make them optional in that type"
            }
            Self::UnverifiedBinding => "set allow_unverified_binding(), if a proxy in front verifies the binding",
            Self::IntegerSubject => "set allow_integer_subject()",
            Self::Issuer => "add the issuer, spelled exactly as in `iss`, with issuer() or in JwtVerifier::issuers",
            Self::Audience => "add the audience with audience(), or accept any with allow_any_audience()",
            Self::NotYetValid | Self::IssuedInFuture => {
                "synchronise the clocks of this machine and of the issuer, or raise clock_skew()"
            }
            Self::NoIssuedAt => "have the issuer set `iat`, or remove require_iat() or rfc9068()",
            Self::TooLongLived => "set max_lifetime() to the longest lifetime that the issuer sets",
            Self::NoTokenId => "have the issuer set `jti`, or remove require_jti() or rfc9068()",
            Self::NoSubject => "have the issuer set `sub`, or remove rfc9068()",
            Self::NoClientId => "have the issuer set `client_id`, or remove rfc9068()",
            Self::SessionClaim => {
                "have the issuer set the claim of session_claim() to a string, or accept integers with \
                 allow_integer_subject()"
            }
            Self::SubjectClaim => {
                "have the issuer set the claim of subject_claim() to a string, or accept integers with \
                 allow_integer_subject()"
            }
            Self::RevocableClaim => "have the issuer set the claim to a string, or remove its revocable_claim()",
        })
    }
}

impl From<InvalidToken> for VerifyError {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(Box::new(reason))
    }
}
