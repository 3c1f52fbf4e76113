//! What verifies signatures: the crypto library that our own features name.

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey},
};
use jsonwebtoken::{
    DecodingKey,
    DecodingKeyKind::{RsaModulusExponent, SecretOrDer},
    crypto::CryptoProvider,
};

use crate::token::jwt::{Algorithm, KeyError};

/// A key as the crypto library takes it.
#[derive(Clone)]
pub(super) enum Material {
    /// A secret, prepared for each of its algorithms. `jsonwebtoken` would prepare it anew for each token, which takes about as long
    /// as verifying one.
    #[cfg(feature = "aws-lc-rs")]
    Hmac(Box<[(Algorithm, hmac::Key)]>),
    Library(DecodingKey),
}

impl Material {
    /// A secret for algorithms of HMAC.
    #[cfg_attr(feature = "aws-lc-rs", expect(clippy::unnecessary_wraps, reason = "without a backend it is an error"))]
    pub(super) fn secret(algorithms: &[Algorithm], secret: &[u8]) -> Result<Self, KeyError> {
        #[cfg(feature = "aws-lc-rs")]
        return Ok(Self::Hmac(
            algorithms
                .iter()
                .map(|algorithm| {
                    let hash = match algorithm {
                        Algorithm::HS384 => hmac::HMAC_SHA384,
                        Algorithm::HS512 => hmac::HMAC_SHA512,
                        _ => hmac::HMAC_SHA256,
                    };
                    (*algorithm, hmac::Key::new(hash, secret))
                })
                .collect(),
        ));
        #[cfg(not(feature = "aws-lc-rs"))]
        return Self::public(algorithms, DecodingKey::from_secret(secret));
    }

    /// A public key. One that could never verify anything, or not safely, is an error now and not later.
    pub(super) fn public(algorithms: &[Algorithm], key: DecodingKey) -> Result<Self, KeyError> {
        let provider = provider().ok_or(KeyError::NoBackend)?;
        for algorithm in algorithms {
            fits(provider, *algorithm, &key)
                .map_err(|reason| KeyError::Unsuitable { algorithm: *algorithm, reason })?;
        }
        Ok(Self::Library(key))
    }

    /// Whether the key has made this signature with this algorithm, which is one of its own.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        match self {
            #[cfg(feature = "aws-lc-rs")]
            Self::Hmac(keys) => keys
                .iter()
                .find(|(own, _)| *own == algorithm)
                .is_some_and(|(_, key)| hmac::verify(key, message, signature).is_ok()),
            Self::Library(key) => provider()
                .and_then(|provider| (provider.verifier_factory)(&algorithm.of_library(), key).ok())
                .is_some_and(|verifier| verifier.verify(message, signature).is_ok()),
        }
    }
}

/// The library's process-wide default panics where none or both of its backends are compiled in.
#[allow(clippy::unnecessary_wraps, reason = "there is none without the features")]
fn provider() -> Option<&'static CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    return Some(&jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER);
    #[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
    return Some(&jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER);
    #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    return None;
}

fn fits(provider: &CryptoProvider, algorithm: Algorithm, key: &DecodingKey) -> Result<(), &'static str> {
    match (algorithm, key.kind()) {
        (Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512, _) => Ok(()),
        (Algorithm::ES256, SecretOrDer(point)) => {
            is_point(algorithm, point, 32).ok_or("it needs a point on the curve P-256")
        }
        (Algorithm::ES384, SecretOrDer(point)) => {
            is_point(algorithm, point, 48).ok_or("it needs a point on the curve P-384")
        }
        (Algorithm::EdDSA, SecretOrDer(point)) => (point.len() == 32).then_some(()).ok_or("it needs an Ed25519 key"),
        (Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA, RsaModulusExponent { .. }) => {
            Err("it needs an elliptic-curve key, not an RSA one")
        }
        (_, RsaModulusExponent { n, .. }) => is_rsa_size(n).ok_or(RSA_SIZE),
        (_, SecretOrDer(der)) => match (provider.key_utils.rsa_pub_components_from_public_key)(der) {
            Ok((n, _)) => is_rsa_size(&n).ok_or(RSA_SIZE),
            Err(_) => Err("it needs an RSA public key"),
        },
    }
}

/// Only with `aws-lc-rs` is it known now whether the point is on its curve; otherwise its signatures will not verify.
fn is_point(algorithm: Algorithm, point: &[u8], coordinate: usize) -> Option<()> {
    #[cfg(feature = "aws-lc-rs")]
    let is_on_curve = match algorithm {
        Algorithm::ES384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).is_ok(),
        _ => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok(),
    };
    #[cfg(not(feature = "aws-lc-rs"))]
    let is_on_curve = matches!(algorithm, Algorithm::ES256 | Algorithm::ES384);
    (is_on_curve && point.len() == 1 + 2 * coordinate && point[0] == UNCOMPRESSED).then_some(())
}

fn is_rsa_size(modulus: &[u8]) -> Option<()> {
    let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
    (256..=1024).contains(&significant).then_some(())
}

const RSA_SIZE: &str = "the RSA key must have 2048 to 8192 bits (RFC 7518, section 3.3)";
/// Marks a point given by both its coordinates (SEC 1, section 2.3.3).
pub(super) const UNCOMPRESSED: u8 = 4;
