//! [`KeySet`]: the keys of an issuer, and which of them cannot be used.

use std::{slice, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::token::jwt::{Algorithm, Key, KeyError, json::object, jwk::Jwk, key_format, pem};

/// The keys of an issuer.
///
/// A token with a `kid` is tried with the keys of that `kid` and those without one; a token without, with all. The key's own algorithms decide
/// which may be tried.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
}

/// A key of a JSON Web Key Set that cannot be used, and why.
#[derive(Clone, Debug)]
pub struct SkippedKey {
    kid: Option<Box<str>>,
    reason: Arc<KeyError>,
}

impl KeySet {
    /// The usable keys of a JSON Web Key Set (RFC 7517, section 5).
    ///
    /// Keys that are of an unknown type, or that say they are not for verifying signatures, are left out, as that section says; so are private
    /// and symmetric keys, which do not belong into such a set. [`skipped`](Self::skipped) lists them, and a verifier that is built with
    /// the set logs a warning for each.
    ///
    /// # Errors
    ///
    /// If the text is not a key set, or none of its keys can be used.
    pub fn jwks(json: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Option<Vec<Value>>,
            kty: Option<serde::de::IgnoredAny>,
        }
        const EXPECTED: &str = "a JSON Web Key Set";
        let document: Document =
            object(key_format::json(EXPECTED, json)?).map_err(|error| KeyError::json(EXPECTED, &error))?;
        let members = match (document.keys, document.kty) {
            (Some(keys), _) => keys,
            (None, Some(_)) => {
                return Err(KeyError::OtherForm {
                    found: "a single JSON Web Key, not a set of them",
                    remedy: "use `Key::jwk`",
                });
            }
            (None, None) => {
                return Err(KeyError::Malformed { expected: EXPECTED, source: "there is no member `keys`".into() });
            }
        };
        let mut set = Self::default();
        for member in &members {
            match key_of_set(member) {
                Ok(key) => set.keys.push(key),
                Err(KeyError::NoBackend) => return Err(KeyError::NoBackend),
                Err(reason) => {
                    let kid = member.get("kid").and_then(Value::as_str).map(Box::from);
                    set.skipped.push(SkippedKey { kid, reason: Arc::new(reason) });
                }
            }
        }
        if set.is_empty() {
            let first = set.skipped.into_iter().next();
            let source = first.and_then(|skipped| Arc::into_inner(skipped.reason)).map(Box::new);
            return Err(KeyError::NoUsableKey { keys: members.len(), source });
        }
        Ok(set)
    }

    /// All public keys of a PEM text, each for this algorithm: for example the new key and the old one.
    ///
    /// # Errors
    ///
    /// If the text holds anything else than public keys, or one of them does not fit the algorithm.
    pub fn pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let keys = pem::public_keys(pem.as_ref())?;
        keys.iter().map(|key| Key::public(&[algorithm], key)).collect()
    }

    /// The keys of the JSON Web Key Set that were left out, in its order.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The keys, in their order.
    pub fn iter(&self) -> slice::Iter<'_, Key> {
        self.keys.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys, so that every token is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl SkippedKey {
    /// The key's `kid`, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Why the key cannot be used.
    #[must_use]
    pub fn reason(&self) -> &KeyError {
        &self.reason
    }
}

fn key_of_set(member: &Value) -> Result<Key, KeyError> {
    const EXPECTED: &str = "a JSON Web Key";
    if !member.is_object() {
        return Err(KeyError::Malformed { expected: EXPECTED, source: "it is not a JSON object".into() });
    }
    let jwk = Jwk::deserialize(member).map_err(|error| KeyError::json(EXPECTED, &error))?;
    if jwk.kty == "oct" { Err(KeyError::SymmetricKey) } else { Key::from_jwk(&jwk) }
}

impl IntoIterator for KeySet {
    type Item = Key;
    type IntoIter = std::vec::IntoIter<Key>;

    fn into_iter(self) -> Self::IntoIter {
        self.keys.into_iter()
    }
}

impl<'a> IntoIterator for &'a KeySet {
    type Item = &'a Key;
    type IntoIter = slice::Iter<'a, Key>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<Key> for KeySet {
    fn extend<T: IntoIterator<Item = Key>>(&mut self, keys: T) {
        self.keys.extend(keys);
    }
}

impl From<Key> for KeySet {
    fn from(key: Key) -> Self {
        Self::from_iter([key])
    }
}

impl FromIterator<Key> for KeySet {
    fn from_iter<T: IntoIterator<Item = Key>>(keys: T) -> Self {
        Self { keys: keys.into_iter().collect(), skipped: Vec::new() }
    }
}
