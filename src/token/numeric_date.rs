//! `NumericDate` (RFC 7519, section 2), for serde's attribute `with`: required here, optional in
//! [`optional`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{clock::Timestamp, token::json_value::number};

/// Reads a date that must be present, and not `null`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    NumericDate::deserialize(deserializer).map(|NumericDate(instant)| instant)
}

/// Writes whole seconds as an integer, others with a fraction.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn serialize<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    NumericDate(*instant).serialize(serializer)
}

/// A date that may be absent or `null`.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, NumericDate, Serialize, Serializer, Timestamp};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let date = Option::<NumericDate>::deserialize(deserializer)?;
        Ok(date.map(|NumericDate(instant)| instant))
    }

    #[expect(clippy::ref_option, reason = "serde passes a reference to the member")]
    pub(crate) fn serialize<S: Serializer>(instant: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        instant.map(NumericDate).serialize(serializer)
    }
}

/// A number of seconds since the Unix epoch. A fraction is allowed, and rounded down to
/// milliseconds.
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

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<NumericDate, E> {
                if !seconds.is_finite() || seconds < 0.0 {
                    return Err(E::invalid_value(de::Unexpected::Float(seconds), &self));
                }
                Ok(NumericDate(Timestamp::from_unix_millis(millis_of(seconds))))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<NumericDate, A::Error> {
                let number = number(map)?;
                match (number.as_u64(), number.as_f64()) {
                    (Some(seconds), _) => self.visit_u64(seconds),
                    (None, Some(seconds)) => self.visit_f64(seconds),
                    (None, None) => Err(de::Error::invalid_type(
                        de::Unexpected::Other("a number that is too large for a date"),
                        &self,
                    )),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for NumericDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_unix_millis();
        if millis.is_multiple_of(1000) {
            serializer.serialize_u64(millis / 1000)
        } else {
            serializer.serialize_f64(seconds_of(millis))
        }
    }
}

/// Converts non-negative seconds to milliseconds, rounded down.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as it should")]
fn millis_of(seconds: f64) -> u64 {
    // Not `floor`: as binary floating point, the product of 1.001 and 1000 is below 1001.
    let nearest = (seconds * 1000.0).round() as u64;
    if seconds_of(nearest) > seconds { nearest - 1 } else { nearest }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for all realistic dates")]
fn seconds_of(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_rounded_down_from_the_decimal_number() {
        for (json, millis) in [
            ("1.001", 1001),
            ("1.0019999", 1001),
            ("4.35", 4350),
            ("1458872196.001", 1_458_872_196_001),
            ("1458872196.9999", 1_458_872_196_999),
            ("0.0009", 0),
            ("1e300", u64::MAX),
        ] {
            let date = serde_json::from_str(json).map(|NumericDate(instant)| instant.as_unix_millis());
            assert_eq!(date.ok(), Some(millis), "{json}");
        }
    }
}
