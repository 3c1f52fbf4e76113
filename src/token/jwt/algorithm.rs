//! [`Algorithm`]: the signature algorithms that tokens may have.

use std::{fmt, str::FromStr};

use crate::chain::debug_as_chain;

/// A signature algorithm of JSON Web Tokens (RFC 7518, section 3.1, RFC 8037 and RFC 9864). `none`
/// is not among them.
///
/// The text form, of [`Display`](fmt::Display) and [`FromStr`], is the `alg` value. Like `alg`, it
/// is case-sensitive. [`EdDSA`](Self::EdDSA) has two names: `EdDSA` and `Ed25519`.
///
/// # Examples
///
/// ```
/// use tower_logout::token::jwt::Algorithm;
///
/// assert_eq!("RS256".parse(), Ok(Algorithm::RS256));
/// assert_eq!(Algorithm::EdDSA.to_string(), "EdDSA");
/// assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDSA));
/// assert!("none".parse::<Algorithm>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC using SHA-256.
    HS256,
    /// HMAC using SHA-384.
    HS384,
    /// HMAC using SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 using SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 using SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 using SHA-512.
    RS512,
    /// RSASSA-PSS using SHA-256.
    PS256,
    /// RSASSA-PSS using SHA-384.
    PS384,
    /// RSASSA-PSS using SHA-512.
    PS512,
    /// ECDSA using P-256 and SHA-256.
    ES256,
    /// ECDSA using P-384 and SHA-384.
    ES384,
    /// ECDSA using P-521 and SHA-512.
    ES512,
    /// Ed25519. Its `alg` is `EdDSA` (RFC 8037) or, fully specified, `Ed25519` (RFC 9864). Both are
    /// the same algorithm, in tokens and in keys. Ed448, which shares the older name, is not
    /// supported.
    EdDSA,
}

impl Algorithm {
    pub(super) const RSA: &[Self] = &[Self::RS256, Self::RS384, Self::RS512, Self::PS256, Self::PS384, Self::PS512];
    pub(super) const HMAC: &[Self] = &[Self::HS256, Self::HS384, Self::HS512];

    /// The shortest secret that RFC 7518, section 3.2, allows, in bytes; zero for algorithms
    /// without a secret.
    pub(super) const fn secret_len(self) -> usize {
        match self {
            Self::HS256 => 32,
            Self::HS384 => 48,
            Self::HS512 => 64,
            _ => 0,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Ok(match name {
            "HS256" => Self::HS256,
            "HS384" => Self::HS384,
            "HS512" => Self::HS512,
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "ES512" => Self::ES512,
            "EdDSA" | "Ed25519" => Self::EdDSA,
            _ => return Err(UnknownAlgorithm(())),
        })
    }
}

/// Error of parsing a text that is not the name of an [`Algorithm`].
#[derive(Clone, Copy, Eq, Hash, PartialEq, thiserror::Error)]
#[error(
    "not a supported signature algorithm: use an `alg` value of RFC 7518 such as RS256, in capitals, or EdDSA or Ed25519"
)]
pub struct UnknownAlgorithm(());

debug_as_chain!(UnknownAlgorithm);
