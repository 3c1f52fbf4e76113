use crate::{
    chain::debug_as_chain,
    fetch::FetchError,
    token::jwt::{ConfigError, KeyError},
};

/// Error of an attempt to fetch the keys of an issuer.
///
/// It contains nothing of the documents except the issuer that a document names.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum KeySourceError {
    /// A document could not be fetched.
    #[error("cannot fetch `{address}`")]
    Fetch {
        /// The address of the document.
        address: String,
        /// Why there is no document.
        source: FetchError,
    },
    /// None of the places where provider metadata can be has a document.
    #[error(
        "there is no provider metadata at any of {addresses:?}: is the issuer spelled as the provider's documentation \
         says? If the provider publishes none, use Issuer::jwks"
    )]
    NoMetadata {
        /// The addresses that were tried.
        addresses: Vec<String>,
        /// The error of the last one.
        source: FetchError,
    },
    /// The document is no provider metadata, or has no `jwks_uri`.
    #[error("the document at `{address}` is not the metadata of a provider: {reason}")]
    Metadata {
        /// The address of the document.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The metadata is that of another issuer, so it must not be used (RFC 8414, section 3.3).
    #[error(
        "the metadata at `{address}` is of the issuer `{found}`, and the issuer was configured as `{expected}`: they must \
         be equal, including a trailing slash; configure the one that the provider's tokens have in `iss`"
    )]
    OtherIssuer {
        /// The address of the document.
        address: String,
        /// The configured issuer.
        expected: String,
        /// The issuer that the document names, shortened to 256 characters.
        found: String,
    },
    /// The `jwks_uri` of the metadata cannot be used.
    #[error("the metadata at `{address}` names a key set that cannot be fetched")]
    KeySetAddress {
        /// The address of the metadata.
        address: String,
        /// What is wrong with the address of the key set.
        source: FetchError,
    },
    /// The document is not a key set, or none of its keys can be used.
    #[error("the document at `{address}` is not a usable key set")]
    KeySet {
        /// The address of the document.
        address: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The key set cannot be used with the settings of the issuer.
    #[error("the key set at `{address}` cannot be used")]
    Unusable {
        /// The address of the key set.
        address: String,
        /// Which setting forbids it.
        source: Box<ConfigError>,
    },
    /// The keys were discarded by [`JwtVerifier::purge_keys_of`](crate::JwtVerifier::purge_keys_of)
    /// and not fetched again yet.
    #[error("the keys were discarded by purge_keys_of, and have not been fetched again yet")]
    Purged,
    /// The task that fetches keys has ended with its Tokio runtime.
    #[error(
        "the Tokio runtime on which the verifier was started has ended, and keys are no longer fetched: start the verifier \
         on the runtime that serves requests"
    )]
    Ended,
}

debug_as_chain!(KeySourceError);

impl KeySourceError {
    /// The name of the kind of error in metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Fetch { source, .. } | Self::NoMetadata { source, .. } => match source {
                #[cfg(feature = "oidc")]
                FetchError::Client(_) => "client",
                FetchError::Status { .. } => "status",
                FetchError::TimedOut(_) => "timeout",
                FetchError::NoAnswer(_) => "no_answer",
                FetchError::TooLong(_) => "too_long",
                FetchError::Encoded => "encoded",
                FetchError::Address { .. } => "address",
            },
            Self::Metadata { .. } | Self::KeySetAddress { .. } => "metadata",
            Self::OtherIssuer { .. } => "other_issuer",
            Self::KeySet { .. } | Self::Unusable { .. } => "key_set",
            Self::Purged | Self::Ended => "none",
        }
    }
}
