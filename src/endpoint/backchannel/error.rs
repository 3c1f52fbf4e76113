//! [`BackchannelError`]: why the endpoint cannot be built.

use crate::{chain::debug_as_chain, token::jwt::ConfigError};

/// Error of a [`BackchannelLogoutBuilder`](super::BackchannelLogoutBuilder): its configuration
/// cannot be used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BackchannelError {
    /// There are no keys to verify logout tokens with.
    #[error(
        "the verifier has no keys that could verify logout tokens: name the OpenID provider with issuer(), such as \
         Issuer::discover(\"https://idp.example\"); a custom verifier that consists of a JwtVerifier returns \
         JwtVerifier::messages() from its own messages()"
    )]
    NoKeys,
    /// The keys of the issuer cannot be used.
    #[error("the keys of the issuer cannot be used")]
    Issuer(#[source] ConfigError),
    /// The keys of the issuer must be fetched, and the caller is outside a Tokio runtime.
    #[error("the keys of the issuer are fetched on a Tokio runtime: call build() from inside one")]
    NoRuntime,
    /// The verifier accepts no tokens of the issuer.
    #[error(
        "a logout at `{issuer}` could not end anything, because the verifier accepts no tokens of that issuer: names are \
         compared exactly, including a trailing slash; it accepts {known:?}"
    )]
    UnknownIssuer {
        /// The issuer that was passed to `issuer`.
        issuer: String,
        /// The issuers of the verifier.
        known: Vec<String>,
    },
    /// A client identifier is the empty string.
    #[error("a client identifier is empty: is an environment variable unset?")]
    EmptyClient,
    /// Algorithms were set for a client that is not one of the endpoint's.
    #[error("algorithms_of() was called for the client `{0}`, which is unknown: add it with client()")]
    UnknownClient(String),
    /// The list of algorithms of a client is empty.
    #[error("algorithms_of() was called for the client `{0}` with an empty list: list what the provider signs with")]
    NoAlgorithms(String),
    /// A duration is zero.
    #[error("{0} is zero, so no logout token could be accepted: set a longer duration, or leave the default")]
    ZeroDuration(&'static str),
}

debug_as_chain!(BackchannelError);

impl BackchannelError {
    pub(super) fn of_issuer(error: ConfigError) -> Self {
        match error {
            ConfigError::OfIssuer { reason, .. } if matches!(*reason, ConfigError::NotStarted) => Self::NoRuntime,
            error => Self::Issuer(error),
        }
    }
}
