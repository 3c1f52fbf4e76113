//! Signatures checked through `jsonwebtoken`, by the `RustCrypto` crates.

use jsonwebtoken::{DecodingKey, crypto::CryptoProvider};

use crate::token::jwt::{Algorithm, KeyError};

/// A key as the library takes it.
#[derive(Clone)]
pub(in crate::token::jwt) struct Material(DecodingKey);

impl Material {
    /// A secret for algorithms of HMAC.
    pub(in crate::token::jwt) fn secret(algorithms: &[Algorithm], secret: &[u8]) -> Result<Self, KeyError> {
        Self::public(algorithms, &DecodingKey::from_secret(secret))
    }

    /// A public key. One that could never verify anything, or not safely, is an error now and not later.
    pub(in crate::token::jwt) fn public(algorithms: &[Algorithm], key: &DecodingKey) -> Result<Self, KeyError> {
        let provider = provider().ok_or(KeyError::NoBackend)?;
        for algorithm in algorithms {
            super::fits(provider, *algorithm, key)
                .map_err(|reason| KeyError::Unsuitable { algorithm: *algorithm, reason })?;
        }
        Ok(Self(key.clone()))
    }

    /// Whether the key has made this signature with this algorithm, which is one of its own.
    pub(in crate::token::jwt) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        provider()
            .and_then(|provider| (provider.verifier_factory)(&of_library(algorithm), &self.0).ok())
            .is_some_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }
}

/// The library's process-wide default panics where none or both of its backends are compiled in.
#[cfg_attr(feature = "rust-crypto", expect(clippy::unnecessary_wraps, reason = "there is none without the feature"))]
fn provider() -> Option<&'static CryptoProvider> {
    #[cfg(feature = "rust-crypto")]
    return Some(&jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER);
    #[cfg(not(feature = "rust-crypto"))]
    return None;
}

const fn of_library(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::HS384 => jsonwebtoken::Algorithm::HS384,
        Algorithm::HS512 => jsonwebtoken::Algorithm::HS512,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}
