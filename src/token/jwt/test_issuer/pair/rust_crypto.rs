//! Key pairs of the `RustCrypto` crates. RSA keys are not generated: in a debug build, one takes
//! half a minute.

use ed25519_dalek::SigningKey as Ed25519Key;
use p256::ecdsa::{Signature as P256Signature, SigningKey as P256Key, signature::Signer};
use p384::ecdsa::{Signature as P384Signature, SigningKey as P384Key};
use p521::ecdsa::{Signature as P521Signature, SigningKey as P521Key};

use crate::token::jwt::{Algorithm, public_key::PublicKey};

pub(in super::super) enum Pair {
    P256(P256Key),
    P384(P384Key),
    P521(P521Key),
    Ed25519(Ed25519Key),
}

impl Pair {
    pub(in super::super) fn generate(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::P256(below_the_order(|bytes: &[u8; 32]| P256Key::from_slice(bytes).ok())),
            Algorithm::ES384 => Self::P384(below_the_order(|bytes: &[u8; 48]| P384Key::from_slice(bytes).ok())),
            Algorithm::ES512 => Self::P521(below_the_order(|bytes: &[u8; 66]| P521Key::from_slice(bytes).ok())),
            Algorithm::EdDSA => Self::Ed25519(Ed25519Key::from_bytes(&random())),
            _ => panic!("a test issuer has no keys for {algorithm} without the feature `aws-lc-rs`: use ES256"),
        }
    }

    pub(in super::super) fn public(&self) -> PublicKey {
        match self {
            Self::P256(key) => PublicKey::p256(key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Self::P384(key) => PublicKey::p384(key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Self::P521(key) => PublicKey::p521(key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Self::Ed25519(key) => PublicKey::ed25519(key.verifying_key().as_bytes()),
        }
        .expect("the libraries encode keys as the standards say")
    }

    pub(in super::super) fn sign(&self, _: Algorithm, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => Signer::<P256Signature>::sign(key, message).to_bytes().to_vec(),
            Self::P384(key) => Signer::<P384Signature>::sign(key, message).to_bytes().to_vec(),
            Self::P521(key) => Signer::<P521Signature>::sign(key, message).to_bytes().to_vec(),
            Self::Ed25519(key) => Signer::<ed25519_dalek::Signature>::sign(key, message).to_bytes().to_vec(),
        }
    }
}

fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// A random key: a number below the order of the curve, which most are, or one in 128 for P-521.
fn below_the_order<const LEN: usize, K>(key: impl Fn(&[u8; LEN]) -> Option<K>) -> K {
    loop {
        if let Some(key) = key(&random()) {
            return key;
        }
    }
}
