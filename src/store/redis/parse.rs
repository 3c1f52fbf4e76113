//! Parsing of replies. A reply of an unexpected shape is an error, never an empty result.

use redis::Value;

use super::{
    error::{RedisStoreError, Result},
    layout::{FOREVER, decode_instant},
};
use crate::{clock::Timestamp, revocation::RevocationKey};

/// Returns the reply, unless it is an error of the server.
pub(super) fn accepted(value: Value) -> Result<Value> {
    match value {
        Value::ServerError(error) => Err(RedisStoreError::from(redis::RedisError::from(error))),
        value => Ok(value),
    }
}

pub(super) fn array(value: Value) -> Result<Vec<Value>> {
    match accepted(value)? {
        Value::Array(values) => Ok(values),
        _ => Err(RedisStoreError::UnexpectedReply("expected an array")),
    }
}

/// Requires exactly `N` values.
pub(super) fn exactly<const N: usize>(values: Vec<Value>) -> Result<[Value; N]> {
    values.try_into().map_err(|_| RedisStoreError::UnexpectedReply("an array has another length than expected"))
}

pub(super) fn bytes(value: Value) -> Result<Vec<u8>> {
    match accepted(value)? {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.into_bytes()),
        _ => Err(RedisStoreError::UnexpectedReply("expected a string")),
    }
}

pub(super) fn text(value: Value) -> Result<String> {
    String::from_utf8(bytes(value)?).map_err(|_| RedisStoreError::UnexpectedReply("expected a string"))
}

/// Reads nil as `None`.
pub(super) fn optional<T>(value: Value, read: impl FnOnce(Value) -> Result<T>) -> Result<Option<T>> {
    match value {
        Value::Nil => Ok(None),
        value => read(value).map(Some),
    }
}

pub(super) fn integer(value: Value) -> Result<u64> {
    const WRONG: RedisStoreError = RedisStoreError::UnexpectedReply("expected an integer");
    match accepted(value)? {
        Value::Int(number) => u64::try_from(number).map_err(|_| WRONG),
        value => text(value)?.parse().map_err(|_| WRONG),
    }
}

/// Reads an instant: an integer, or the score of a sorted set.
pub(super) fn instant(value: Value) -> Result<Timestamp> {
    const WRONG: RedisStoreError = RedisStoreError::UnexpectedReply("expected an instant");
    let number = match accepted(value)? {
        Value::Int(number) => return u64::try_from(number).map(decode_instant).map_err(|_| WRONG),
        Value::Double(number) => number,
        value => {
            let text = text(value)?;
            match text.parse() {
                Ok(millis) => return Ok(decode_instant(millis)),
                Err(_) => text.parse::<f64>().map_err(|_| WRONG)?,
            }
        }
    };
    if number.is_nan() || number < 0.0 {
        return Err(WRONG);
    }
    #[expect(clippy::cast_precision_loss, reason = "both are exact up to there")]
    if number >= FOREVER as f64 {
        return Ok(Timestamp::MAX);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between the two bounds")]
    Ok(decode_instant(number.ceil() as u64))
}

/// Reads a key. `None` for a kind that this version does not know, and that none of its tokens has.
pub(super) fn key(value: Value) -> Result<Option<RevocationKey>> {
    let key = <[u8; RevocationKey::LEN]>::try_from(&*bytes(value)?);
    key.map(RevocationKey::from_bytes)
        .map_err(|_| RedisStoreError::UnexpectedReply("a revocation key has another length than 16 bytes"))
}

/// Reads names and values: a map of RESP3, or an array.
pub(super) fn pairs(value: Value) -> Result<Vec<(Value, Value)>> {
    match accepted(value)? {
        Value::Map(pairs) => Ok(pairs),
        Value::Array(values) if values.len().is_multiple_of(2) => {
            let mut values = values.into_iter();
            let mut pairs = Vec::with_capacity(values.len() / 2);
            while let (Some(name), Some(value)) = (values.next(), values.next()) {
                pairs.push((name, value));
            }
            Ok(pairs)
        }
        _ => Err(RedisStoreError::UnexpectedReply("expected names with values")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_exactly_or_not_at_all() {
        let text = |text: &str| Value::BulkString(text.into());
        let at = |millis| Some(Timestamp::from_unix_millis(millis));
        for (value, expected) in [
            (text("1732386645123"), at(1_732_386_645_123)),
            (text("0"), at(0)),
            (text("1.5"), at(2)),
            (text("9007199254740990"), at(9_007_199_254_740_990)),
            (text("9007199254740991"), Some(Timestamp::MAX)),
            (text("18446744073709551616"), Some(Timestamp::MAX)),
            (text("inf"), Some(Timestamp::MAX)),
            (Value::Double(1_732_386_645_123.0), at(1_732_386_645_123)),
            (Value::Double(9_007_199_254_740_991.0), Some(Timestamp::MAX)),
            (Value::Int(5), at(5)),
            (Value::Int(-1), None),
            (Value::Double(-1.0), None),
            (Value::Double(f64::NAN), None),
            (text("nan"), None),
            (text("-1"), None),
            (text(""), None),
            (text("soon"), None),
            (Value::Nil, None),
            (Value::Okay, None),
            (Value::Array(Vec::new()), None),
        ] {
            assert_eq!(instant(value.clone()).ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_reply_of_another_type_is_an_error() {
        for value in [Value::Nil, Value::Int(1), Value::Okay, Value::Boolean(true)] {
            assert!(array(value.clone()).is_err(), "{value:?}");
            assert!(pairs(value.clone()).is_err(), "{value:?}");
            assert!(bytes(value.clone()).is_err(), "{value:?}");
            assert!(key(value.clone()).is_err(), "{value:?}");
        }
        assert!(integer(Value::Int(-1)).is_err());
        assert!(integer(Value::Nil).is_err());
        assert!(matches!(optional(Value::Nil, integer), Ok(None)));
        assert!(optional(Value::Okay, integer).is_err());
        assert!(pairs(Value::Array(vec![Value::Nil])).is_err());
        assert!(exactly::<2>(vec![Value::Nil]).is_err());
    }

    #[test]
    fn a_key_of_an_unknown_kind_is_skipped() {
        let bytes = |first| Value::BulkString([[first; 1].as_slice(), &[7; 15]].concat());
        assert!(matches!(key(bytes(1)), Ok(Some(_))));
        assert!(matches!(key(bytes(0)), Ok(None)));
        assert!(matches!(key(bytes(200)), Ok(None)));
        assert!(key(Value::BulkString(vec![1; 17])).is_err());
    }
}
