//! A claim that names the session or the subject of a token, if it is not `sid` or `sub`.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use crate::token::{json_value::JsonStr, subject::Subject};

/// Reads the claim of this name: a string or an integer. `null` counts as absent.
///
/// # Errors
///
/// If the claim has another form or is present twice, or the text is no JSON object.
pub(crate) fn read<'a>(json: &'a str, name: &str) -> Result<Option<Subject<'a>>, serde_json::Error> {
    serde_json::Deserializer::from_str(json).deserialize_map(Named(name))
}

struct Named<'a>(&'a str);

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Option<Subject<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut claims: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = claims.next_key::<JsonStr<'_>>()? {
            if *name != *self.0 {
                claims.next_value::<IgnoredAny>()?;
            } else if found.replace(claims.next_value::<Option<Subject<'_>>>()?).is_some() {
                return Err(A::Error::custom("the claim is present twice"));
            }
        }
        Ok(found.flatten())
    }
}
