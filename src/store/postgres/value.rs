//! [`Value`]: a parameter of a statement.

use std::fmt::Write;

use tokio_postgres::types::{ToSql, Type};

/// A parameter, or a literal in its place.
pub(super) enum Value<'a> {
    Key(&'a [u8]),
    Keys(Vec<&'a [u8]>),
    /// An instant or a count.
    Number(i64),
    Numbers(Vec<i64>),
    Text(Option<&'a str>),
    Texts(Vec<&'a str>),
}

/// A parameter as the client library takes it.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

impl Value<'_> {
    pub(super) fn params<'a>(values: &'a [Value<'_>]) -> Vec<Param<'a>> {
        values.iter().map(Value::param).collect()
    }

    fn param(&self) -> Param<'_> {
        match self {
            Self::Key(key) => (key, Type::BYTEA),
            Self::Keys(keys) => (keys, Type::BYTEA_ARRAY),
            Self::Number(number) => (number, Type::INT8),
            Self::Numbers(numbers) => (numbers, Type::INT8_ARRAY),
            Self::Text(text) => (text, Type::TEXT),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
        }
    }

    /// The same value in SQL, whatever the settings `standard_conforming_strings` and
    /// `backslash_quote` are.
    pub(super) fn literal(&self) -> String {
        match self {
            Self::Key(key) => quoted(&bytes(key)),
            Self::Keys(keys) => array(keys.iter().map(|key| bytes(key))),
            Self::Number(number) => number.to_string(),
            Self::Numbers(numbers) => array(numbers.iter().map(i64::to_string)),
            Self::Text(None) => "null".into(),
            Self::Text(Some(text)) => quoted(text),
            Self::Texts(texts) => array(texts.iter().map(|&text| text.to_owned())),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// An array of any type, each element of which is written as text.
fn array(elements: impl Iterator<Item = String>) -> String {
    let elements = elements.map(|element| format!("\"{}\"", element.replace('\\', r"\\").replace('"', "\\\"")));
    quoted(&format!("{{{}}}", elements.collect::<Vec<_>>().join(",")))
}

/// A `bytea` as text.
fn bytes(bytes: &[u8]) -> String {
    format!(r"\x{}", hex(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_quoted_for_every_setting() {
        for (value, literal) in [
            (Value::Key(&[0, 0x5c, 0x27, 0xff]), r"E'\\x005c27ff'"),
            (Value::Keys(vec![&[1], &[0x22]]), r#"E'{"\\\\x01","\\\\x22"}'"#),
            (Value::Keys(Vec::new()), "E'{}'"),
            (Value::Number(i64::MIN), "-9223372036854775808"),
            (Value::Numbers(vec![0, 7]), r#"E'{"0","7"}'"#),
            (Value::Text(Some("50ms")), "E'50ms'"),
            (Value::Text(Some(r"'; \'")), r"E'''; \\'''"),
            (Value::Text(None), "null"),
            (Value::Texts(vec!["1", r#"a'b"c\d"#, "null", ""]), r#"E'{"1","a''b\\"c\\\\d","null",""}'"#),
        ] {
            assert_eq!(value.literal(), literal);
        }
    }
}
