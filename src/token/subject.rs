//! [`Subject`]: the claim `sub`.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::token::json_value::{JsonStr, number};

/// A subject (`sub`): a string, or an integer in its decimal form.
///
/// Fractions, exponents and numbers beyond 64 bits are errors, because a number must have only one
/// decimal form.
pub(crate) struct Subject<'a> {
    pub(crate) text: JsonStr<'a>,
    #[cfg_attr(not(feature = "jwt"), expect(dead_code, reason = "only the JWT verifier reads it"))]
    pub(crate) is_integer: bool,
}

impl<'a> From<JsonStr<'a>> for Subject<'a> {
    fn from(text: JsonStr<'a>) -> Self {
        Self { text, is_integer: false }
    }
}

impl Subject<'_> {
    pub(crate) fn integer(number: impl Into<i128>) -> Self {
        Self { text: number.into().to_string().into(), is_integer: true }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Subject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Subject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an integer of 64 bits")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(JsonStr::from(text).into())
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(JsonStr::from(text.to_owned()).into())
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Subject::integer(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Subject::integer(number))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let number = number(map)?;
                let integer = number.as_u64().map(Subject::integer).or_else(|| number.as_i64().map(Subject::integer));
                // `-0` would be a second form of zero.
                let integer = integer.filter(|subject| *subject.text == number.to_string());
                integer.ok_or_else(|| de::Error::invalid_type(de::Unexpected::Other("another kind of number"), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
