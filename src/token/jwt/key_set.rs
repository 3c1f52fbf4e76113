//! [`KeySet`]: the keys of an issuer.

use std::{slice, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::token::jwt::{Algorithm, Key, KeyError, json::object, jwk::Jwk, key_format, pem};

/// The keys of an issuer.
///
/// A token with a `kid` is checked with the keys that have the same `kid` or none; a token without
/// a `kid` is checked with all keys. Only keys that support the algorithm of the token are used.
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
    /// Reads the usable keys of a JSON Web Key Set (RFC 7517, section 5).
    ///
    /// Keys of an unknown type and keys that are not for verifying signatures are skipped, as that
    /// section requires; so are private and symmetric keys, which must not be in a key set.
    /// So is any other entry that is no usable key, such as one with a member of the wrong type or
    /// a member twice: an entry never affects the others. [`skipped`](Self::skipped) lists them, and
    /// a verifier that is built with the set logs a warning for each.
    ///
    /// # Errors
    ///
    /// If the text is not a key set, or none of its keys is usable.
    pub fn jwks(json: &str) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Document<'a> {
            // Each entry is parsed on its own, so that none can fail the others.
            #[serde(borrow)]
            keys: Option<Vec<&'a RawValue>>,
            kty: Option<serde::de::IgnoredAny>,
        }
        const EXPECTED: &str = "a JSON Web Key Set";
        let document: Document<'_> =
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
        for member in members.iter().map(|member| member.get()) {
            match key_of_set(member) {
                Ok(key) => set.keys.push(key),
                Err(KeyError::NoBackend) => return Err(KeyError::NoBackend),
                Err(reason) => {
                    set.skipped.push(SkippedKey { kid: kid_of(member), reason: Arc::new(reason) });
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

    /// Reads all public keys of a PEM text, such as the new key and the old one, each for this
    /// algorithm.
    ///
    /// # Errors
    ///
    /// If the text contains anything other than public keys, or one of them does not fit the
    /// algorithm.
    pub fn pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let keys = pem::public_keys(pem.as_ref())?;
        keys.iter().map(|key| Key::public(&[algorithm], key)).collect()
    }

    /// Returns the keys of the JSON Web Key Set that were skipped, in their order.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Iterates over the `kid`s of the keys, in their order. Keys without a `kid` are left out.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(Key::kid)
    }

    /// Iterates over the keys, in their order.
    pub fn iter(&self) -> slice::Iter<'_, Key> {
        self.keys.iter()
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl SkippedKey {
    /// Returns the `kid` of the key, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns why the key cannot be used.
    #[must_use]
    pub fn reason(&self) -> &KeyError {
        &self.reason
    }
}

fn key_of_set(member: &str) -> Result<Key, KeyError> {
    const EXPECTED: &str = "a JSON Web Key";
    if !member.starts_with('{') {
        return Err(KeyError::Malformed { expected: EXPECTED, source: "it is not a JSON object".into() });
    }
    let jwk: Jwk = object(member).map_err(|error| KeyError::json(EXPECTED, &error))?;
    if jwk.kty == "oct" { Err(KeyError::SymmetricKey) } else { Key::from_jwk(&jwk) }
}

/// The `kid` of an entry that is no usable key, if it can be read.
fn kid_of(member: &str) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Named {
        kid: Option<Box<str>>,
    }
    object(member).ok().and_then(|Named { kid }| kid)
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
