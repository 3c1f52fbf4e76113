//! What verifies signatures: the crypto library that our own features name.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(not(feature = "aws-lc-rs"))]
mod library;

use jsonwebtoken::{
    DecodingKey,
    DecodingKeyKind::{RsaModulusExponent, SecretOrDer},
    crypto::CryptoProvider,
};

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc::Material;
#[cfg(not(feature = "aws-lc-rs"))]
pub(super) use library::Material;

use crate::token::jwt::Algorithm;

/// Whether a key has the form that an algorithm asks for, and the size that is safe.
///
/// That a point is on its curve only `aws-lc-rs` says now; otherwise its signatures will not verify.
fn fits(provider: &CryptoProvider, algorithm: Algorithm, key: &DecodingKey) -> Result<(), &'static str> {
    let fits = match (algorithm, key.kind()) {
        (Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512, _) => true,
        (Algorithm::ES256, SecretOrDer(point)) => is_point(point, 32),
        (Algorithm::ES384, SecretOrDer(point)) => is_point(point, 48),
        (Algorithm::EdDSA, SecretOrDer(point)) => point.len() == 32,
        (Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA, RsaModulusExponent { .. }) => {
            return Err("it needs an elliptic-curve key, not an RSA one");
        }
        (_, RsaModulusExponent { n, .. }) => return is_rsa_size(n),
        (_, SecretOrDer(der)) => match (provider.key_utils.rsa_pub_components_from_public_key)(der) {
            Ok((n, _)) => return is_rsa_size(&n),
            Err(_) => false,
        },
    };
    if fits { Ok(()) } else { Err(misfit(algorithm)) }
}

/// What an algorithm asks for.
const fn misfit(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => "it needs a secret",
        Algorithm::ES256 => "it needs a point on the curve P-256",
        Algorithm::ES384 => "it needs a point on the curve P-384",
        Algorithm::EdDSA => "it needs an Ed25519 key",
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => "it needs an RSA public key",
    }
}

fn is_point(point: &[u8], coordinate: usize) -> bool {
    point.len() == 1 + 2 * coordinate && point[0] == UNCOMPRESSED
}

fn is_rsa_size(modulus: &[u8]) -> Result<(), &'static str> {
    let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
    let is_safe = (256..=1024).contains(&significant);
    if is_safe { Ok(()) } else { Err("the RSA key must have 2048 to 8192 bits (RFC 7518, section 3.3)") }
}

/// Marks a point given by both its coordinates (SEC 1, section 2.3.3).
pub(super) const UNCOMPRESSED: u8 = 4;
