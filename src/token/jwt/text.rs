//! How JSON of a token is read: strictly, and borrowed where it can be.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{Deserialize, Deserializer, de};

use crate::clock::Timestamp;

/// A JSON string, borrowed from the document unless it has escapes.
pub(super) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// One string or a list of them, as `aud` is (RFC 7519, section 4.1.3).
pub(super) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OneOrMore<Text<'a>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OneOrMore<Text<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(OneOrMore::One(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMore::One(Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore::More(texts))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A subject (`sub`): a string, or an integer, whose text is its decimal form.
///
/// A fraction, an exponent and what neither `u64` nor `i64` holds are refused: one number must have one text.
pub(super) struct Subject<'a> {
    pub(super) text: Text<'a>,
    pub(super) is_integer: bool,
}

impl<'a> From<Text<'a>> for Subject<'a> {
    fn from(text: Text<'a>) -> Self {
        Self { text, is_integer: false }
    }
}

impl Subject<'_> {
    pub(super) fn integer(number: impl Into<i128>) -> Self {
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
                Ok(Text(Cow::Borrowed(text)).into())
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())).into())
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
                // `-0` would be another text of zero.
                let integer = integer.filter(|subject| *subject.text == number.to_string());
                integer.ok_or_else(|| de::Error::invalid_type(de::Unexpected::Other("another number"), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds since the Unix epoch, a fraction allowed, rounded down to milliseconds.
struct NumericDate(Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds, not negative")
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<NumericDate, E> {
                Ok(NumericDate(Timestamp::from_unix_seconds(seconds)))
            }

            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the cast saturates, as we want"
            )]
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<NumericDate, E> {
                if !seconds.is_finite() || seconds < 0.0 {
                    return Err(E::invalid_value(de::Unexpected::Float(seconds), &self));
                }
                Ok(NumericDate(Timestamp::from_unix_millis((seconds * 1000.0).floor() as u64)))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<NumericDate, A::Error> {
                let number = number(map)?;
                match (number.as_u64(), number.as_f64()) {
                    (Some(seconds), _) => self.visit_u64(seconds),
                    (None, Some(seconds)) => self.visit_f64(seconds),
                    (None, None) => {
                        Err(de::Error::invalid_type(de::Unexpected::Other("a number beyond all dates"), &self))
                    }
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A number in a map, as `serde_json` shows each to `deserialize_any` if some crate has turned on its `arbitrary_precision`.
fn number<'de, A: de::MapAccess<'de>>(map: A) -> Result<serde_json::Number, A::Error> {
    serde_json::Number::deserialize(de::value::MapAccessDeserializer::new(map))
}

/// A date that has to be there, and may not be `null`.
pub(super) fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    NumericDate::deserialize(deserializer).map(|NumericDate(instant)| instant)
}

/// A date that may be absent or `null`.
pub(super) fn optional_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let date = Option::<NumericDate>::deserialize(deserializer)?;
    Ok(date.map(|NumericDate(instant)| instant))
}

/// A member that may be absent, but not `null`.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a JSON object. A list would pass for one: serde's derived code fills structs from lists, too.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    if !json.trim_ascii_start().starts_with('{') {
        return Err(de::Error::custom("expected a JSON object"));
    }
    serde_json::from_str(json)
}
