//! Public keys, from DER or from the members of a JSON Web Key.
#![cfg_attr(
    not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
    expect(dead_code, reason = "without a backend, no key is used")
)]

use pkcs1::RsaPublicKey;
use spki::{
    ObjectIdentifier, SubjectPublicKeyInfoRef,
    der::{
        Decode, Reader, SliceReader, Tag, Tagged,
        asn1::{AnyRef, UintRef},
    },
};

use crate::token::jwt::{Algorithm, KeyError};

/// A public key of a supported kind. Whether a point is on its curve is checked by the backend.
#[derive(Debug)]
pub(super) enum PublicKey {
    /// Modulus and exponent, big-endian.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
    /// An uncompressed point.
    P521(Vec<u8>),
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, section 4.1), or an `RSAPublicKey` (RFC 8017,
    /// appendix A.1.1).
    pub(super) fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        match Form::of(der) {
            Some(Form::SubjectPublicKeyInfo) => Self::from_spki(der),
            Some(Form::RsaPublicKey) => Self::from_pkcs1(der),
            Some(Form::PrivateKey) => Err(KeyError::PrivateKey),
            Some(Form::Certificate) => Err(KeyError::CERTIFICATE),
            None => Err(malformed("it is not the DER of a key")),
        }
    }

    fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| malformed("its DER is damaged"))?;
        let key = info.subject_public_key.as_bytes().ok_or_else(|| malformed("its DER is damaged"))?;
        match info.algorithm.oid {
            RSA_ENCRYPTION => Self::from_pkcs1(key),
            EC_PUBLIC_KEY => match info.algorithm.parameters_oid() {
                Ok(SECP256R1) => Self::p256(key.to_vec()),
                Ok(SECP384R1) => Self::p384(key.to_vec()),
                Ok(SECP521R1) => Self::p521(key.to_vec()),
                _ => Err(KeyError::Forbidden("its curve is none of P-256, P-384 and P-521")),
            },
            ED25519 => Self::ed25519(key),
            _ => Err(KeyError::Forbidden("it is neither an RSA, an elliptic-curve nor an Ed25519 key")),
        }
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let key = RsaPublicKey::<UintRef<'_>>::from_der(der).map_err(|_| malformed("its DER is damaged"))?;
        Ok(Self::Rsa { n: key.modulus.as_bytes().to_vec(), e: key.public_exponent.as_bytes().to_vec() })
    }

    pub(super) fn p256(point: Vec<u8>) -> Result<Self, KeyError> {
        if is_point(&point, 32) { Ok(Self::P256(point)) } else { Err(unsuitable(Algorithm::ES256)) }
    }

    pub(super) fn p384(point: Vec<u8>) -> Result<Self, KeyError> {
        if is_point(&point, 48) { Ok(Self::P384(point)) } else { Err(unsuitable(Algorithm::ES384)) }
    }

    pub(super) fn p521(point: Vec<u8>) -> Result<Self, KeyError> {
        if is_point(&point, 66) { Ok(Self::P521(point)) } else { Err(unsuitable(Algorithm::ES512)) }
    }

    pub(super) fn ed25519(key: &[u8]) -> Result<Self, KeyError> {
        key.try_into().map(Self::Ed25519).map_err(|_| unsuitable(Algorithm::EdDSA))
    }

    /// Checks that the key is of the kind that the algorithm needs, and of a safe size.
    pub(super) fn fits(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        match (self, algorithm) {
            (Self::P256(_), Algorithm::ES256)
            | (Self::P384(_), Algorithm::ES384)
            | (Self::P521(_), Algorithm::ES512)
            | (Self::Ed25519(_), Algorithm::EdDSA) => Ok(()),
            (Self::Rsa { n, .. }, algorithm) if Algorithm::RSA.contains(&algorithm) => {
                if is_rsa_size(n) {
                    return Ok(());
                }
                let reason = "the RSA key must have 2048 to 8192 bits (RFC 7518, section 3.3)";
                Err(KeyError::Unsuitable { algorithm, reason })
            }
            _ => Err(unsuitable(algorithm)),
        }
    }
}

/// The format of DER, detected from the first members of its sequence.
enum Form {
    SubjectPublicKeyInfo,
    RsaPublicKey,
    /// PKCS#1, PKCS#8, SEC 1, or encrypted.
    PrivateKey,
    Certificate,
}

impl Form {
    fn of(der: &[u8]) -> Option<Self> {
        let sequence = AnyRef::from_der(der).ok().filter(|value| value.tag() == Tag::Sequence)?;
        let mut members = SliceReader::new(sequence.value()).ok()?;
        let (first, second): (AnyRef<'_>, AnyRef<'_>) = (members.decode().ok()?, members.decode().ok()?);
        Some(match (first.tag(), second.tag()) {
            (Tag::Sequence, Tag::BitString) => Self::SubjectPublicKeyInfo,
            (Tag::Sequence, Tag::Sequence) => Self::Certificate,
            (Tag::Integer, Tag::Integer) if members.is_finished() => Self::RsaPublicKey,
            (Tag::Integer, Tag::Integer | Tag::Sequence | Tag::OctetString) | (Tag::Sequence, Tag::OctetString) => {
                Self::PrivateKey
            }
            _ => return None,
        })
    }
}

fn malformed(what: &'static str) -> KeyError {
    KeyError::Malformed { expected: "a public key", source: what.into() }
}

/// The error of a key that is of another kind than its algorithm needs, or damaged.
pub(super) fn unsuitable(algorithm: Algorithm) -> KeyError {
    let reason = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => "it needs a secret, not a public key",
        Algorithm::ES256 => "it needs a point on the curve P-256",
        Algorithm::ES384 => "it needs a point on the curve P-384",
        Algorithm::ES512 => "it needs a point on the curve P-521",
        Algorithm::EdDSA => "it needs an Ed25519 key",
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => "it needs an RSA public key",
    };
    KeyError::Unsuitable { algorithm, reason }
}

fn is_point(point: &[u8], coordinate: usize) -> bool {
    point.len() == 1 + 2 * coordinate && point[0] == UNCOMPRESSED
}

fn is_rsa_size(modulus: &[u8]) -> bool {
    let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
    (256..=1024).contains(&significant)
}

/// The first byte of a point that has both coordinates (SEC 1, section 2.3.3).
pub(super) const UNCOMPRESSED: u8 = 4;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
