//! Errors of the configuration, and of a closure that resolves subjects.

use crate::{chain::debug_as_chain, token::jwt::ConfigError};

/// Error of a [`GlobalRevocationBuilder`](super::GlobalRevocationBuilder): its configuration cannot
/// be used. It contains no secret.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GlobalRevocationError {
    /// The keys of the issuer of signed tokens cannot be used.
    #[error("the keys of the issuer of signed tokens cannot be used")]
    Issuer(#[from] ConfigError),
    /// The application at the provider has no name.
    #[error("the subject of signed tokens, the application at the provider, is empty: is a variable unset?")]
    EmptySubject,
    /// The URL of the endpoint is not one.
    #[error("`{endpoint}` is not the URL of this endpoint: {reason}; use the URL that is configured at the provider")]
    Endpoint {
        /// The text, without what a URL may hold that is secret.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The secret is too short, or cannot be a bearer token.
    #[error(
        "the secret cannot be a bearer token: it needs at least {min_len} characters, of A-Z a-z 0-9 - . _ ~ + / =; \
         make one with, for example, `openssl rand -hex 32`"
    )]
    Secret {
        /// The shortest length allowed, in characters.
        min_len: usize,
    },
    /// The verifier accepts no tokens of an issuer whose users may be named.
    #[error(
        "a revocation of users of `{issuer}` could not end anything, because the verifier accepts no tokens of that \
         issuer: names are compared exactly, including a trailing slash; it accepts {known:?}"
    )]
    UnknownIssuer {
        /// The issuer that was passed to `issuers`.
        issuer: String,
        /// The issuers of the verifier.
        known: Vec<String>,
    },
    /// No issuer was passed to `issuers`.
    #[error("issuers() was called without an issuer, so that nobody can be named")]
    NoIssuers,
    /// Tokens cannot be revoked by a claim.
    #[error("tokens cannot be revoked by the claim `{claim}`: set revocable_claim(\"{claim}\") at the verifier first")]
    UnknownClaim {
        /// The name of the claim.
        claim: String,
    },
    /// The timeout is zero.
    #[error("the timeout is zero, so that no request could succeed: set a longer one, or leave the default")]
    ZeroTimeout,
}

/// Error of a closure that [resolves](super::GlobalRevocationBuilder::resolve) subjects: the user
/// exists, and cannot be logged out. The response is 422.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error("the user cannot be logged out")]
pub struct CannotBeRevoked;

debug_as_chain!(GlobalRevocationError, CannotBeRevoked);
