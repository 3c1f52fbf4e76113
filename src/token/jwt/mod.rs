//! Verification of JSON Web Tokens (RFC 7519): issuers, keys, signatures and claims.
//!
//! The issuer `https://matar.app` in the examples is explained in
//! [`endpoint`](crate::endpoint#matar).

mod algorithm;
mod application_claims;
mod backend;
mod build;
mod builder;
#[cfg(feature = "oidc")]
mod claims_policy;
mod error;
mod identifier_claim;
mod issuer;
mod issuer_keys;
mod issuer_settings;
mod json;
mod jwk;
mod jws;
mod key;
mod key_error;
mod key_format;
mod key_set;
mod key_source;
mod pem;
mod policy;
mod public_key;
mod redaction;
mod registered_claims;
#[cfg(feature = "oidc")]
mod signed_answers;
#[cfg(feature = "receivers")]
mod signed_messages;
mod tenants;
#[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod test_issuer;
mod trusted_issuer;
mod trusted_issuers;
mod verification;
mod verification_keys;
mod verifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use builder::JwtVerifierBuilder;
#[cfg(feature = "oidc")]
pub(super) use claims_policy::{ClaimsPolicy, Refused};
pub use error::{ConfigError, InvalidToken};
pub use issuer::Issuer;
pub use key::Key;
pub use key_error::KeyError;
pub use key_set::{KeySet, SkippedKey};
#[cfg(feature = "receivers")]
pub(crate) use key_source::transmitter_metadata;
pub use key_source::{IssuerHealth, KeyFetching, KeySourceError, VerifierHealth};
#[cfg(feature = "oidc")]
pub(super) use redaction::describe;
#[cfg(feature = "oidc")]
pub(super) use signed_answers::{SignedAnswers, UnacceptableAnswer};
#[cfg(feature = "receivers")]
pub use signed_messages::MessageVerifier;
#[cfg(feature = "receivers")]
pub(crate) use signed_messages::{Accepted, SignedMessage, Unsigned};
#[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub use test_issuer::TestIssuer;
pub use verifier::JwtVerifier;
#[cfg(feature = "receivers")]
pub(crate) use {
    identifier_claim::read as read_identifier,
    json::{object, present},
};
