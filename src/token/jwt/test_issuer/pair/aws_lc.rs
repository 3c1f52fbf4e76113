//! Key pairs of `aws-lc-rs`.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};

use crate::token::jwt::{Algorithm, public_key::PublicKey};

pub(in super::super) enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    P521(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    pub(in super::super) fn generate(algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256),
            Algorithm::ES384 => EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Self::P384),
            Algorithm::ES512 => EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).map(Self::P521),
            Algorithm::EdDSA => Ed25519KeyPair::generate().map(Self::Ed25519),
            _ if Algorithm::RSA.contains(&algorithm) => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            _ => panic!("a test issuer has no keys for {algorithm}: use another algorithm, such as ES256"),
        };
        pair.expect("the system has random numbers")
    }

    pub(in super::super) fn public(&self) -> PublicKey {
        match self {
            Self::P256(pair) => PublicKey::p256(pair.public_key().as_ref().to_vec()),
            Self::P384(pair) => PublicKey::p384(pair.public_key().as_ref().to_vec()),
            Self::P521(pair) => PublicKey::p521(pair.public_key().as_ref().to_vec()),
            Self::Ed25519(pair) => PublicKey::ed25519(pair.public_key().as_ref()),
            Self::Rsa(pair) => PublicKey::from_der(pair.public_key().as_ref()),
        }
        .expect("the library encodes keys as the standards say")
    }

    pub(in super::super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(pair) | Self::P384(pair) | Self::P521(pair) => {
                pair.sign(&random, message).expect("the system has random numbers").as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::RS384 => &RSA_PKCS1_SHA384,
                    Algorithm::RS512 => &RSA_PKCS1_SHA512,
                    Algorithm::PS256 => &RSA_PSS_SHA256,
                    Algorithm::PS384 => &RSA_PSS_SHA384,
                    Algorithm::PS512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).expect("the key is large enough");
                signature
            }
        }
    }
}
