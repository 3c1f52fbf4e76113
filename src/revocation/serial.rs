//! Serialisation of keys and kinds (feature `serde`).
//!
//! Both are text in human-readable formats, and bytes otherwise.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::revocation::{InvalidRevocationKey, KeyKind, RevocationKey};

impl Serialize for RevocationKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(self.as_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for RevocationKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(KeyVisitor)
        } else {
            deserializer.deserialize_bytes(KeyVisitor)
        }
    }
}

struct KeyVisitor;

impl de::Visitor<'_> for KeyVisitor {
    type Value = RevocationKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a revocation key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RevocationKey, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<RevocationKey, E> {
        let bytes = <[u8; RevocationKey::LEN]>::try_from(bytes).map_err(|_| E::custom(InvalidRevocationKey::Form))?;
        bytes.try_into().map_err(E::custom)
    }
}

impl Serialize for KeyKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.name())
        } else {
            serializer.serialize_u8(*self as u8)
        }
    }
}

impl<'de> Deserialize<'de> for KeyKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(KindVisitor)
        } else {
            deserializer.deserialize_u8(KindVisitor)
        }
    }
}

struct KindVisitor;

impl de::Visitor<'_> for KindVisitor {
    type Value = KeyKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind of revocation key")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<KeyKind, E> {
        name.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, byte: u64) -> Result<KeyKind, E> {
        let byte = u8::try_from(byte).map_err(|_| E::custom(InvalidRevocationKey::UnknownKind))?;
        byte.try_into().map_err(E::custom)
    }
}
