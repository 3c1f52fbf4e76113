//! [`Key`]: a key that verifies signatures.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::token::jwt::{
    Algorithm, KeyError,
    backend::PreparedKey,
    json::object,
    jwk::Jwk,
    key_format, pem,
    public_key::{PublicKey, UNCOMPRESSED},
};

/// A key that verifies signatures of one family of algorithms.
///
/// Its algorithms are fixed when it is created, so the `alg` of a token cannot turn a public key
/// into an HMAC secret.
#[derive(Clone)]
pub struct Key {
    kid: Option<Box<str>>,
    algorithms: Box<[Algorithm]>,
    material: PreparedKey,
}

impl Key {
    /// Creates a secret for `HS256`, `HS384` or `HS512`.
    ///
    /// # Errors
    ///
    /// If the secret is shorter than the algorithm's hash: 32, 48 or 64 bytes (RFC 7518, section
    /// 3.2).
    pub fn secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let (len, at_least) = (secret.as_ref().len(), algorithm.secret_len());
        if len < at_least {
            return Err(KeyError::ShortSecret { algorithm, len, at_least });
        }
        Self::insecure_short_secret(algorithm, secret)
    }

    /// Creates a secret of any length except zero for `HS256`, `HS384` or `HS512`.
    ///
    /// A short secret can be guessed: an attacker who has one token tries billions of secrets per
    /// second offline, and then signs tokens for any user. Use this only if the secret cannot be
    /// changed.
    ///
    /// # Errors
    ///
    /// If the secret is empty, or the algorithm needs a public key.
    pub fn insecure_short_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if !Algorithm::HMAC.contains(&algorithm) {
            return Err(KeyError::Unsuitable { algorithm, reason: "it takes a public key, not a secret" });
        }
        if secret.is_empty() {
            return Err(KeyError::ShortSecret { algorithm, len: 0, at_least: algorithm.secret_len() });
        }
        Ok(Self { kid: None, algorithms: [algorithm].into(), material: PreparedKey::secret(&[algorithm], secret)? })
    }

    /// Reads a public key in PEM: `PUBLIC KEY` (RFC 7468), or for RSA `RSA PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// If the text is not exactly one such key, or the key does not fit the algorithm. Use
    /// [`KeySet::pem`](super::KeySet::pem) for several.
    pub fn pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        match pem::public_keys(pem.as_ref())?.as_slice() {
            [key] => Self::public(&[algorithm], key),
            _ => Err(KeyError::SEVERAL),
        }
    }

    /// Reads a public key in DER: `SubjectPublicKeyInfo` (RFC 5280, section 4.1), as in a PEM block
    /// `PUBLIC KEY`, or for RSA `RSAPublicKey` (RFC 8017, appendix A.1.1).
    ///
    /// # Errors
    ///
    /// If the bytes are not such a key, or the key does not fit the algorithm.
    pub fn der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        key_format::der(der.as_ref())?;
        Self::public(&[algorithm], &PublicKey::from_der(der.as_ref())?)
    }

    /// Reads a JSON Web Key (RFC 7517).
    ///
    /// # Errors
    ///
    /// If the text is not such a key, or its `use`, `key_ops` or `alg` forbid verifying signatures
    /// with it.
    pub fn jwk(json: &str) -> Result<Self, KeyError> {
        const EXPECTED: &str = "a JSON Web Key";
        let jwk: Jwk = object(key_format::json(EXPECTED, json)?).map_err(|error| KeyError::json(EXPECTED, &error))?;
        Self::from_jwk(&jwk)
    }

    /// Sets the `kid`. Tokens with another `kid` are not checked with this key.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<Box<str>>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Returns the `kid` of the key, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns the algorithms whose signatures the key verifies.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    pub(super) fn public(algorithms: &[Algorithm], key: &PublicKey) -> Result<Self, KeyError> {
        algorithms.iter().try_for_each(|algorithm| key.fits(*algorithm))?;
        Ok(Self { kid: None, algorithms: algorithms.into(), material: PreparedKey::public(algorithms, key)? })
    }

    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let algorithms = jwk.algorithms()?;
        let key = match (jwk.kty.as_str(), algorithms) {
            ("RSA", _) => PublicKey::Rsa { n: part("an `n`", jwk.n.as_ref())?, e: part("an `e`", jwk.e.as_ref())? },
            ("EC", [Algorithm::ES384]) => PublicKey::p384(point(jwk)?)?,
            ("EC", [Algorithm::ES512]) => PublicKey::p521(point(jwk)?)?,
            ("EC", _) => PublicKey::p256(point(jwk)?)?,
            ("OKP", _) => PublicKey::ed25519(&part("an `x`", jwk.x.as_ref())?)?,
            _ => return Self::from_symmetric_jwk(jwk, algorithms),
        };
        Ok(Self { kid: jwk.kid(), ..Self::public(algorithms, &key)? })
    }

    fn from_symmetric_jwk(jwk: &Jwk, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let secret = part("a `k`", jwk.k.as_ref())?;
        let long_enough = |algorithm: &&Algorithm| secret.len() >= algorithm.secret_len();
        let fitting: Box<[_]> = algorithms.iter().filter(long_enough).copied().collect();
        if let ([], Some(&algorithm)) = (&*fitting, algorithms.first()) {
            let at_least = algorithm.secret_len();
            return Err(KeyError::ShortSecret { algorithm, len: secret.len(), at_least });
        }
        let material = PreparedKey::secret(&fitting, &secret)?;
        Ok(Self { kid: jwk.kid(), algorithms: fitting, material })
    }

    /// Whether a token of this algorithm and `kid` is checked with the key.
    pub(super) fn may_verify(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        let is_named = match (self.kid.as_deref(), kid) {
            (Some(own), Some(asked)) => own == asked,
            _ => true,
        };
        is_named && self.algorithms.contains(&algorithm)
    }

    /// Whether the key verifies this signature.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.material.verify(algorithm, message, signature)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

/// A member of a JSON Web Key, decoded.
fn part(name: &'static str, value: Option<&String>) -> Result<Vec<u8>, KeyError> {
    let text = value.ok_or(KeyError::Forbidden("a member that its `kty` requires is missing"))?;
    // The error of the decoder would quote a character of the secret.
    let not_base64url = |_| KeyError::Malformed { expected: name, source: "it is not base64url".into() };
    URL_SAFE_NO_PAD.decode(text).map_err(not_base64url)
}

fn point(jwk: &Jwk) -> Result<Vec<u8>, KeyError> {
    let (x, y) = (part("an `x`", jwk.x.as_ref())?, part("a `y`", jwk.y.as_ref())?);
    Ok([&[UNCOMPRESSED], x.as_slice(), &y].concat())
}
