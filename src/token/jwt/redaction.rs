//! Error messages of serde without the values that they quote.

/// Describes why claims do not fit a type.
///
/// serde quotes values and the names of unknown members. Only messages of known forms are kept, and
/// of these only what stems from the type: the names of its fields and variants, and what it
/// expects.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match known(text.strip_suffix(&place).unwrap_or(&text)) {
        Some(text) if error.line() > 0 => format!("{text} (line {}, column {})", error.line(), error.column()),
        Some(text) => text,
        None => "the type has rejected a value".to_owned(),
    }
}

fn known(text: &str) -> Option<String> {
    for prefix in ["missing field `", "duplicate field `"] {
        if let Some(name) = text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('`')) {
            return is_name(name).then(|| text.to_owned());
        }
    }
    for what in ["unknown variant", "unknown field"] {
        if let Some(rest) = text.strip_prefix(what) {
            if rest.ends_with("there are no variants") || rest.ends_with("there are no fields") {
                return Some(what.to_owned());
            }
            // The quoted value may contain this text, so the last occurrence counts.
            let known = rest.rfind("`, expected ").map(|at| &rest[at + 3..]);
            return Some(known.map_or_else(|| what.to_owned(), |known| format!("{what}, {known}")));
        }
    }
    if text.starts_with("invalid length ") {
        return text.rfind(", expected ").map(|at| format!("invalid length{}", &text[at..]));
    }
    for what in ["invalid type: ", "invalid value: "] {
        if let Some(rest) = text.strip_prefix(what) {
            let at = rest.rfind(", expected ")?;
            let kind = KINDS.iter().find(|kind| rest[..at].starts_with(**kind)).unwrap_or(&"something else");
            return Some(format!("{what}{kind}{}", &rest[at..]));
        }
    }
    None
}

/// Whether a text can be the name of a field.
fn is_name(text: &str) -> bool {
    text.len() <= 128 && !text.contains(['`', '"', '\n'])
}

/// The names that serde gives to values (`serde::de::Unexpected`), longer ones first.
const KINDS: [&str; 17] = [
    "newtype struct",
    "newtype variant",
    "tuple variant",
    "struct variant",
    "unit variant",
    "unit value",
    "Option value",
    "floating point",
    "byte array",
    "character",
    "sequence",
    "boolean",
    "integer",
    "string",
    "number",
    "null",
    "map",
];

#[cfg(test)]
mod tests {
    use serde::{Deserialize, de::Error as _};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Mine {
        #[serde(rename = "roles")]
        _roles: Vec<Role>,
        #[serde(default, rename = "level")]
        _level: u8,
        #[serde(default, rename = "pair")]
        _pair: (u8, u8),
        #[serde(default, rename = "tenant", deserialize_with = "tenant")]
        _tenant: (),
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Role {
        Admin,
        Reader,
    }

    fn tenant<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(D::Error::custom(format!("no such tenant: {text}")))
    }

    #[test]
    fn what_the_type_expects_is_described_and_values_of_the_token_are_not() {
        const SECRET: &str = "hunter2";
        for (json, expected) in [
            (r#"{"level":1}"#, "missing field `roles` (line 1, column 11)"),
            (r#"{"roles":[],"roles":["hunter2"]}"#, "duplicate field `roles` (line 1, column 19)"),
            (r#"{"roles":["hunter2"]}"#, "unknown variant, expected `admin` or `reader` (line 1, column 19)"),
            (
                r#"{"roles":["hunter2`, expected `hunter2"]}"#,
                "unknown variant, expected `admin` or `reader` (line 1, column 39)",
            ),
            (
                r#"{"hunter2":1}"#,
                "unknown field, expected one of `roles`, `level`, `pair`, `tenant` (line 1, column 10)",
            ),
            (r#"{"roles":"hunter2"}"#, "invalid type: string, expected a sequence (line 1, column 18)"),
            (r#"{"roles":"hunter2, expected x"}"#, "invalid type: string, expected a sequence (line 1, column 30)"),
            (r#"{"roles":[],"level":-77}"#, "invalid value: integer, expected u8 (line 1, column 23)"),
            (r#"{"roles":[],"level":77.7}"#, "invalid type: floating point, expected u8 (line 1, column 24)"),
            (r#"{"roles":[],"level":true}"#, "invalid type: boolean, expected u8 (line 1, column 24)"),
            (r#"{"roles":[],"level":null}"#, "invalid type: null, expected u8 (line 1, column 24)"),
            (r#"{"roles":[],"pair":[1]}"#, "invalid length, expected a tuple of size 2 (line 1, column 22)"),
            (r#"{"roles":[],"tenant":"hunter2"}"#, "the type has rejected a value"),
            (r#"["hunter2"]"#, "invalid type: string, expected a sequence (line 1, column 10)"),
        ] {
            let text = describe(&serde_json::from_str::<Mine>(json).expect_err(json));
            assert_eq!(text, expected, "{json}");
            assert!(!text.contains(SECRET) && !text.contains("77"), "{json}: {text}");
        }
    }
}
