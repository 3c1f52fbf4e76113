//! Key pairs, and tokens that are signed with them.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use test_support::claims;
use tower_logout::token::jwt::Algorithm;

/// A key pair: the signing key, and the public key as `SubjectPublicKeyInfo` and as a JSON Web Key.
pub(super) struct Pair {
    signing: Signing,
    pub(super) spki: Vec<u8>,
    pub(super) private_pem: String,
    pub(super) jwk: Value,
}

enum Signing {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Pair {
    /// Signs with the key. For a key that is not RSA, `alg` does not matter.
    pub(super) fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.signing {
            Signing::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match alg {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Signing::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Signing::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

pub(super) fn rsa_pair(size: KeySize) -> Pair {
    let pair = rsa::KeyPair::generate(size).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let components = aws_lc_rs::signature::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    Pair {
        spki: spki.as_ref().to_vec(),
        private_pem: pem("PRIVATE KEY", private.as_ref()),
        jwk: json!({
            "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(components.n), "e": URL_SAFE_NO_PAD.encode(components.e)
        }),
        signing: Signing::Rsa(pair),
    }
}

pub(super) fn ec_pair(algorithm: Algorithm) -> Pair {
    let (signing, crv, half) = match algorithm {
        Algorithm::ES256 => (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32),
        Algorithm::ES384 => (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48),
        _ => (&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", 66),
    };
    let pair = EcdsaKeyPair::generate(signing).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(half);
    Pair {
        spki: spki.as_ref().to_vec(),
        private_pem: pem("PRIVATE KEY", private.as_ref()),
        jwk: json!({ "kty": "EC", "crv": crv, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) }),
        signing: Signing::Ec(pair),
    }
}

pub(super) fn ed_pair() -> Pair {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    Pair {
        spki: spki.as_ref().to_vec(),
        private_pem: pem("PRIVATE KEY", private.as_ref()),
        jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()) }),
        signing: Signing::Ed(pair),
    }
}

/// A token with this `alg`, as it is spelled, and this `kid`.
pub(super) fn token(alg: &str, kid: Option<&str>, pair: &Pair) -> String {
    let mut header = json!({ "alg": alg });
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    token_with(&header, pair)
}

/// A token with this header.
pub(super) fn token_with(header: &Value, pair: &Pair) -> String {
    token_of(header, &claims("one"), pair)
}

/// A token with this header and these claims.
pub(super) fn token_of(header: &Value, claims: &Value, pair: &Pair) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = pair.sign(header["alg"].as_str().unwrap_or_default(), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A JSON Web Key with these members changed or added.
pub(super) fn with(jwk: &Value, changes: &Value) -> Value {
    let mut jwk = jwk.clone();
    jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    jwk
}
