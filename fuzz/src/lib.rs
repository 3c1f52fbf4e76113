//! Shared code of the targets: signing tokens, and a second JSON reader.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// The secret that signs tokens here. It protects nothing.
pub const SECRET: &[u8] = b"a secret of the fuzzer, 32 bytes";

/// A token of any two parts, with a valid HS256 signature.
#[must_use]
pub fn hs256(secret: &[u8], header: &[u8], payload: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The members of a JSON object with one of these names, in order, with duplicates. `None` if it is
/// no object.
#[must_use]
pub fn members(json: &[u8], names: &[&str]) -> Option<Vec<(String, Value)>> {
    let mut document = serde_json::Deserializer::from_str(str::from_utf8(json).ok()?);
    let members = document.deserialize_map(Members(names)).ok()?;
    document.end().ok()?;
    Some(members)
}

/// All members of a JSON object, in order, with duplicates. `None` if it is no object.
#[must_use]
pub fn all_members(json: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    let mut document = serde_json::Deserializer::from_str(json);
    let members = document.deserialize_map(AllMembers).ok()?;
    document.end().ok()?;
    Some(members)
}

struct AllMembers;

impl<'de> Visitor<'de> for AllMembers {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

struct Members<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.0.contains(&&*name) {
                members.push((name, map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(members)
    }
}
