//! Signature checks with `aws-lc-rs`. Keys are prepared once: preparing a key takes longer than an
//! HMAC, and a fifth of the time of an RSA signature check.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    error::Unspecified,
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents, VerificationAlgorithm,
    },
};

use crate::token::jwt::{
    Algorithm, KeyError,
    public_key::{PublicKey, unsuitable},
};

/// A key, prepared for each of its algorithms.
#[derive(Clone)]
pub(in crate::token::jwt) struct PreparedKey(Box<[(Algorithm, Prepared)]>);

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few of either, and none is moved")]
enum Prepared {
    Secret(hmac::Key),
    Public(ParsedPublicKey),
}

impl PreparedKey {
    /// Prepares a secret for HMAC algorithms.
    #[expect(clippy::unnecessary_wraps, reason = "without a backend, it is an error")]
    pub(in crate::token::jwt) fn secret(algorithms: &[Algorithm], secret: &[u8]) -> Result<Self, KeyError> {
        let prepare = |algorithm: &Algorithm| {
            let hash = match algorithm {
                Algorithm::HS384 => hmac::HMAC_SHA384,
                Algorithm::HS512 => hmac::HMAC_SHA512,
                _ => hmac::HMAC_SHA256,
            };
            (*algorithm, Prepared::Secret(hmac::Key::new(hash, secret)))
        };
        Ok(Self(algorithms.iter().map(prepare).collect()))
    }

    /// Prepares a public key that [fits](PublicKey::fits) its algorithms.
    pub(in crate::token::jwt) fn public(algorithms: &[Algorithm], key: &PublicKey) -> Result<Self, KeyError> {
        let prepare = |algorithm: &Algorithm| {
            let parsed = parsed(*algorithm, key).map_err(|_| unsuitable(*algorithm))?;
            Ok((*algorithm, Prepared::Public(parsed)))
        };
        algorithms.iter().map(prepare).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the key verifies this signature with this algorithm.
    pub(in crate::token::jwt) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.0.iter().find(|(own, _)| *own == algorithm).is_some_and(|(_, prepared)| match prepared {
            Prepared::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Prepared::Public(key) => key.verify_sig(message, signature).is_ok(),
        })
    }
}

fn parsed(algorithm: Algorithm, key: &PublicKey) -> Result<ParsedPublicKey, Unspecified> {
    let scheme: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::ES512 => &ECDSA_P521_SHA512_FIXED,
        Algorithm::EdDSA => &ED25519,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return Err(Unspecified),
    };
    match key {
        PublicKey::Rsa { n, e } => {
            let der: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n, e }.as_der()?;
            Ok(ParsedPublicKey::new(scheme, der.as_ref())?)
        }
        PublicKey::P256(point) | PublicKey::P384(point) | PublicKey::P521(point) => {
            Ok(ParsedPublicKey::new(scheme, point)?)
        }
        PublicKey::Ed25519(key) => Ok(ParsedPublicKey::new(scheme, key)?),
    }
}
