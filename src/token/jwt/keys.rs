//! [`Key`] and [`KeySet`]: what signatures are verified with.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::error::Category;

use crate::token::jwt::{
    Algorithm,
    backend::{Material, UNCOMPRESSED},
    jwk::Jwk,
};

/// A key that verifies signatures, of one family of algorithms.
///
/// Its algorithms are fixed when it is made, so a token's `alg` cannot turn a public key into an HMAC secret.
#[derive(Clone)]
pub struct Key {
    kid: Option<Box<str>>,
    algorithms: Box<[Algorithm]>,
    material: Material,
}

/// The keys that a verifier accepts.
///
/// A token with a `kid` is tried with the keys of that `kid` and those without one; a token without, with all. The key's own algorithms decide
/// which may be tried.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

/// A key or a key set cannot be used. It quotes neither.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No crypto backend is compiled in.
    #[error("no signature can be verified: enable the feature `aws-lc-rs` or `rust-crypto` of tower-logout")]
    NoBackend,
    /// The secret is shorter than the algorithm's hash.
    #[error(
        "the {algorithm} secret has {len} bytes and RFC 7518, section 3.2, asks for {at_least}: \
         make a random one, for example with `openssl rand -base64 48`"
    )]
    ShortSecret {
        /// The algorithm.
        algorithm: Algorithm,
        /// The length of the secret in bytes.
        len: usize,
        /// The shortest length allowed, in bytes.
        at_least: usize,
    },
    /// A private key was given where a public one belongs.
    #[error("this is a private key: keep it where tokens are signed, and give the verifier the public key")]
    PrivateKey,
    /// The key does not fit the algorithm.
    #[error("the key does not fit {algorithm}: {reason}")]
    Unsuitable {
        /// The algorithm.
        algorithm: Algorithm,
        /// What it would need.
        reason: &'static str,
    },
    /// The text is not a key of the expected form.
    #[error("this is not {expected}: is the text complete, and of this format?")]
    Malformed {
        /// The expected form.
        expected: &'static str,
        /// What the parser said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A JSON Web Key says that it is not for verifying signatures, or is of an unknown type.
    #[error("the JSON Web Key cannot verify signatures: {0}")]
    Forbidden(&'static str),
    /// None of the keys of a set can be used.
    #[error(
        "none of the {keys} keys of the JSON Web Key Set can verify signatures: is it the set of the right issuer?"
    )]
    NoUsableKey {
        /// How many keys the set has.
        keys: usize,
        /// Why the first of them cannot be used.
        source: Option<Box<KeyError>>,
    },
}

impl KeyError {
    /// What `serde_json` says, without the value that it may quote: that can be the key.
    fn json(expected: &'static str, error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Data => "a member is missing or of the wrong type",
            Category::Eof => "the text ends too early",
            Category::Syntax | Category::Io => "the text is not JSON",
        };
        let source = match error.line() {
            0 => what.into(),
            line => format!("{what}: line {line}, column {}", error.column()).into(),
        };
        Self::Malformed { expected, source }
    }
}

impl Key {
    /// A secret for `HS256`, `HS384` or `HS512`.
    ///
    /// # Errors
    ///
    /// If the secret is shorter than the algorithm's hash: 32, 48 or 64 bytes (RFC 7518, section 3.2).
    pub fn secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let (len, at_least) = (secret.as_ref().len(), algorithm.secret_len());
        if len < at_least {
            return Err(KeyError::ShortSecret { algorithm, len, at_least });
        }
        Self::insecure_short_secret(algorithm, secret)
    }

    /// A secret of any length but zero for `HS256`, `HS384` or `HS512`.
    ///
    /// A short secret can be guessed: whoever has one token tries secrets offline, billions a second, and then signs tokens
    /// for anybody. Choose this only where you cannot choose the secret.
    ///
    /// # Errors
    ///
    /// If the secret is empty, or the algorithm takes none.
    pub fn insecure_short_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if !Algorithm::HMAC.contains(&algorithm) {
            return Err(KeyError::Unsuitable { algorithm, reason: "it takes a public key, not a secret" });
        }
        if secret.is_empty() {
            return Err(KeyError::ShortSecret { algorithm, len: 0, at_least: algorithm.secret_len() });
        }
        Ok(Self { kid: None, algorithms: [algorithm].into(), material: Material::secret(&[algorithm], secret)? })
    }

    /// A public key in PEM: `PUBLIC KEY` (RFC 7468), for RSA also `RSA PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// If the text is no such key, or the key does not fit the algorithm.
    pub fn pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let pem = pem.as_ref();
        if pem.windows(PRIVATE.len()).any(|text| text == PRIVATE) {
            return Err(KeyError::PrivateKey);
        }
        let key = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                return Err(KeyError::Unsuitable { algorithm, reason: "it takes a secret, not a public key" });
            }
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => DecodingKey::from_rsa_pem(pem),
        };
        let expected = "a public key in PEM for this algorithm";
        let key = key.map_err(|error| KeyError::Malformed { expected, source: error.into() })?;
        Ok(Self { kid: None, algorithms: [algorithm].into(), material: Material::public(&[algorithm], &key)? })
    }

    /// A public key in DER: `SubjectPublicKeyInfo` (RFC 5280, section 4.1), what PEM's `PUBLIC KEY` wraps.
    ///
    /// # Errors
    ///
    /// If the bytes are no such key, or the key does not fit the algorithm.
    pub fn der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let body = STANDARD.encode(der);
        Self::pem(algorithm, format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"))
    }

    /// A JSON Web Key (RFC 7517).
    ///
    /// # Errors
    ///
    /// If the text is no key, or its `use`, `key_ops` or `alg` forbid verifying signatures with it.
    pub fn jwk(json: &str) -> Result<Self, KeyError> {
        let jwk: Jwk = serde_json::from_str(json).map_err(|error| KeyError::json("a JSON Web Key", &error))?;
        Self::from_jwk(&jwk)
    }

    /// Names the key: tokens with another `kid` are not tried with it.
    #[must_use]
    pub fn kid(mut self, kid: impl Into<Box<str>>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let algorithms = jwk.algorithms()?;
        let part = |name: &'static str, value: &Option<String>| {
            let text = value.as_deref().ok_or(KeyError::Forbidden("a member that its `kty` requires is missing"))?;
            // What the decoder says would quote a letter of a secret.
            let not_base64url = |_| KeyError::Malformed { expected: name, source: "it is not base64url".into() };
            URL_SAFE_NO_PAD.decode(text).map_err(not_base64url)
        };
        let key = match jwk.kty.as_str() {
            "RSA" => DecodingKey::from_rsa_raw_components(
                &part("an `n` in base64url", &jwk.n)?,
                &part("an `e` in base64url", &jwk.e)?,
            ),
            "EC" => {
                let (x, y) = (part("an `x` in base64url", &jwk.x)?, part("a `y` in base64url", &jwk.y)?);
                DecodingKey::from_ec_der(&[&[UNCOMPRESSED], x.as_slice(), &y].concat())
            }
            "OKP" => DecodingKey::from_ed_der(&part("an `x` in base64url", &jwk.x)?),
            _ => {
                let secret = part("a `k` in base64url", &jwk.k)?;
                let long_enough = |algorithm: &&Algorithm| secret.len() >= algorithm.secret_len();
                let fitting: Box<[_]> = algorithms.iter().filter(long_enough).copied().collect();
                if let ([], Some(&algorithm)) = (&*fitting, algorithms.first()) {
                    let at_least = algorithm.secret_len();
                    return Err(KeyError::ShortSecret { algorithm, len: secret.len(), at_least });
                }
                let material = Material::secret(&fitting, &secret)?;
                return Ok(Self { kid: jwk.kid(), algorithms: fitting, material });
            }
        };
        Ok(Self { kid: jwk.kid(), algorithms: algorithms.into(), material: Material::public(algorithms, &key)? })
    }

    /// Whether a token of this algorithm and `kid` is to be tried with the key.
    pub(super) fn may_verify(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        let is_named = match (self.kid.as_deref(), kid) {
            (Some(own), Some(asked)) => own == asked,
            _ => true,
        };
        is_named && self.algorithms.contains(&algorithm)
    }

    /// Whether the key has made this signature.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.material.verify(algorithm, message, signature)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

impl KeySet {
    /// The usable keys of a JSON Web Key Set (RFC 7517, section 5).
    ///
    /// Keys that are of an unknown type, or that say they are not for verifying signatures, are left out, as that section says.
    ///
    /// # Errors
    ///
    /// If the text is no key set, or none of its keys can be used.
    pub fn jwks(json: &str) -> Result<Self, KeyError> {
        #[derive(serde::Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document =
            serde_json::from_str(json).map_err(|error| KeyError::json("a JSON Web Key Set", &error))?;
        let (mut usable, mut first) = (Vec::new(), None);
        for value in &document.keys {
            let jwk = serde::Deserialize::deserialize(value).map_err(|error| KeyError::json("a JSON Web Key", &error));
            match jwk.and_then(|jwk: Jwk| Key::from_jwk(&jwk)) {
                Ok(key) => usable.push(key),
                Err(KeyError::NoBackend) => return Err(KeyError::NoBackend),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        if usable.is_empty() {
            return Err(KeyError::NoUsableKey { keys: document.keys.len(), source: first.map(Box::new) });
        }
        Ok(Self(usable))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys, so that every token is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for KeySet {
    type Item = Key;
    type IntoIter = std::vec::IntoIter<Key>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Key> for KeySet {
    fn from(key: Key) -> Self {
        Self(vec![key])
    }
}

impl FromIterator<Key> for KeySet {
    fn from_iter<T: IntoIterator<Item = Key>>(keys: T) -> Self {
        Self(keys.into_iter().collect())
    }
}

const PRIVATE: &[u8] = b"PRIVATE KEY-----";
