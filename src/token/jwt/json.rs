//! JSON documents, read strictly.

use serde::{Deserialize, Deserializer, de};

/// A member that may be absent, but not `null`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a JSON object. A list is an error: serde's derived code would fill a struct from it.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    if !json.trim_ascii_start().starts_with('{') {
        return Err(de::Error::custom("expected a JSON object"));
    }
    serde_json::from_str(json)
}
