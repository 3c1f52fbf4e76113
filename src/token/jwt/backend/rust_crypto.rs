//! Signature checks with the `RustCrypto` crates. Keys are prepared once.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key, signature::Verifier};
use p384::ecdsa::{Signature as P384Signature, VerifyingKey as P384Key};
use p521::ecdsa::{Signature as P521Signature, VerifyingKey as P521Key};
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, PublicKey as RsaKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::token::jwt::{
    Algorithm, KeyError,
    public_key::{PublicKey, unsuitable},
};

/// A key, prepared for each of its algorithms.
#[derive(Clone)]
pub(in crate::token::jwt) enum PreparedKey {
    Secret(Box<[Secret]>),
    Rsa(RsaKey),
    P256(P256Key),
    P384(P384Key),
    P521(P521Key),
    Ed25519(Ed25519Key),
}

#[derive(Clone)]
pub(in crate::token::jwt) enum Secret {
    Hs256(Hmac<Sha256>),
    Hs384(Hmac<Sha384>),
    Hs512(Hmac<Sha512>),
}

impl PreparedKey {
    /// Prepares a secret for HMAC algorithms.
    pub(in crate::token::jwt) fn secret(algorithms: &[Algorithm], secret: &[u8]) -> Result<Self, KeyError> {
        let prepare = |algorithm: &Algorithm| {
            match algorithm {
                Algorithm::HS384 => Hmac::new_from_slice(secret).map(Secret::Hs384),
                Algorithm::HS512 => Hmac::new_from_slice(secret).map(Secret::Hs512),
                _ => Hmac::new_from_slice(secret).map(Secret::Hs256),
            }
            .map_err(|_| KeyError::Unsuitable { algorithm: *algorithm, reason: "it needs a secret" })
        };
        algorithms.iter().map(prepare).collect::<Result<_, _>>().map(Self::Secret)
    }

    /// Prepares a public key that [fits](PublicKey::fits) its algorithms.
    pub(in crate::token::jwt) fn public(algorithms: &[Algorithm], key: &PublicKey) -> Result<Self, KeyError> {
        let prepared = match key {
            PublicKey::Rsa { n, e } => {
                let [n, e] = [n, e].map(|number| BoxedUint::from_be_slice_vartime(number));
                RsaKey::new(n, e).ok().map(Self::Rsa)
            }
            PublicKey::P256(point) => P256Key::from_sec1_bytes(point).ok().map(Self::P256),
            PublicKey::P384(point) => P384Key::from_sec1_bytes(point).ok().map(Self::P384),
            PublicKey::P521(point) => P521Key::from_sec1_bytes(point).ok().map(Self::P521),
            PublicKey::Ed25519(key) => Ed25519Key::from_bytes(key).ok().filter(|key| !key.is_weak()).map(Self::Ed25519),
        };
        prepared.ok_or_else(|| unsuitable(algorithms.first().copied().unwrap_or(Algorithm::RS256)))
    }

    /// Whether the key verifies this signature with this algorithm.
    pub(in crate::token::jwt) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(secrets) => secrets.iter().any(|secret| secret.verify(algorithm, message, signature)),
            Self::Rsa(key) => verify_rsa(key, algorithm, message, signature),
            Self::P256(key) => {
                P256Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            Self::P384(key) => {
                P384Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            Self::P521(key) => {
                P521Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

impl Secret {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        fn verify<M: Mac + Clone>(mac: &M, message: &[u8], signature: &[u8]) -> bool {
            mac.clone().chain_update(message).verify_slice(signature).is_ok()
        }
        match (self, algorithm) {
            (Self::Hs256(mac), Algorithm::HS256) => verify(mac, message, signature),
            (Self::Hs384(mac), Algorithm::HS384) => verify(mac, message, signature),
            (Self::Hs512(mac), Algorithm::HS512) => verify(mac, message, signature),
            _ => false,
        }
    }
}

fn verify_rsa(key: &RsaKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    match algorithm {
        Algorithm::RS256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature),
        Algorithm::RS384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature),
        Algorithm::RS512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature),
        Algorithm::PS256 => key.verify(Pss::<Sha256>::new(), &Sha256::digest(message), signature),
        Algorithm::PS384 => key.verify(Pss::<Sha384>::new(), &Sha384::digest(message), signature),
        Algorithm::PS512 => key.verify(Pss::<Sha512>::new(), &Sha512::digest(message), signature),
        _ => return false,
    }
    .is_ok()
}
