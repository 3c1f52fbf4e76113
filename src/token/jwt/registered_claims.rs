//! [`RegisteredClaims`]: the claims that the verifier checks.

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    clock::Timestamp,
    token::{
        json_value::{JsonStr, OneOrMore},
        jwt::json::object,
        numeric_date,
        subject::Subject,
    },
};

/// The claims that the verifier checks. None may be present twice. `null` counts as absent.
#[derive(Deserialize)]
pub(super) struct RegisteredClaims<'a> {
    #[serde(borrow)]
    pub(super) iss: Option<JsonStr<'a>>,
    #[serde(borrow)]
    pub(super) sub: Option<Subject<'a>>,
    #[serde(borrow)]
    pub(super) aud: Option<OneOrMore<JsonStr<'a>>>,
    #[serde(with = "numeric_date")]
    pub(super) exp: Timestamp,
    #[serde(default, with = "numeric_date::optional")]
    pub(super) nbf: Option<Timestamp>,
    #[serde(default, with = "numeric_date::optional")]
    pub(super) iat: Option<Timestamp>,
    #[serde(borrow)]
    pub(super) jti: Option<JsonStr<'a>>,
    #[serde(borrow)]
    pub(super) sid: Option<JsonStr<'a>>,
    #[serde(borrow)]
    pub(super) client_id: Option<JsonStr<'a>>,
    #[serde(borrow)]
    pub(super) azp: Option<JsonStr<'a>>,
    /// If present with any value, the token is bound to a key (RFC 7800, section 3.1).
    pub(super) cnf: Option<IgnoredAny>,
}

impl<'a> RegisteredClaims<'a> {
    /// The names of these claims.
    pub(super) const NAMES: [&'static str; 11] =
        ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "client_id", "azp", "cnf"];

    /// Those that can name a session or a subject.
    pub(super) const IDENTIFIERS: [&'static str; 5] = ["sub", "jti", "sid", "client_id", "azp"];

    pub(super) fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        object(json)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::token::Claims;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Among {
        #[serde(flatten)]
        claims: Claims,
        other: Option<Value>,
    }

    fn value() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(
            &[
                "null",
                "true",
                "0",
                "7",
                "-7",
                "1.5",
                "1e3",
                "18446744073709551615",
                "18446744073709551616",
                r#""a""#,
                r#""\u0061""#,
                "[]",
                r#"["a","b"]"#,
                "[1]",
                "[null]",
                r#"["a",["b"]]"#,
                "{}",
                r#"{"a":1}"#,
            ][..],
        )
    }

    fn name() -> impl Strategy<Value = &'static str> {
        prop_oneof![
            proptest::sample::select(&RegisteredClaims::NAMES[..]),
            proptest::sample::select(&["exp", r"e\u0078p", "scope", "tenant", "other", ""][..]),
        ]
    }

    #[test]
    fn no_registered_claim_may_be_present_twice() {
        let is_read = |json: &str| RegisteredClaims::read(json).is_ok();
        for name in RegisteredClaims::NAMES.into_iter().filter(|name| *name != "exp") {
            assert!(is_read(&format!(r#"{{"exp":9,"{name}":null}}"#)), "{name}");
            assert!(!is_read(&format!(r#"{{"exp":9,"{name}":null,"{name}":null}}"#)), "{name}");
        }
        assert!(is_read(r#"{"exp":9,"other":1,"other":1}"#));
        assert!(!is_read(r#"{"exp":9,"exp":9}"#));
    }

    #[test]
    fn claims_are_one_object_with_a_date_of_expiry() {
        for json in
            ["", "{}", "null", "[]", "[9]", r#"{"exp":9}{}"#, r#"{"exp":9"#, r#"{"exp":null}"#, r#"{"exp":"9"}"#]
        {
            assert!(RegisteredClaims::read(json).is_err(), "{json}");
        }
    }

    proptest! {
        /// Claims that the verifier does not check never cause an error, also inside an
        /// application's type.
        #[test]
        fn claims_are_read_if_the_registered_ones_are(
            members in proptest::collection::vec((name(), value()), 0..6), exp in value(),
        ) {
            let is_twice = |name| members.iter().filter(|(other, _)| *other == name).count() > 1;
            let members: Vec<_> = members.iter().map(|(name, value)| format!(r#","{name}":{value}"#)).collect();
            let json = format!(r#"{{"exp":{exp}{}}}"#, members.concat());
            // serde rejects a member that is present twice in a struct.
            if !is_twice("scope") {
                let alone = serde_json::from_str::<Claims>(&json).ok();
                // `cnf` is checked, but is not part of the application's claims.
                let expected = alone.is_some() && !is_twice("cnf");
                prop_assert_eq!(expected, RegisteredClaims::read(&json).is_ok(), "{}", json);
                let among = serde_json::from_str::<Among>(&json).ok().map(|among| among.claims);
                prop_assert!(is_twice("other") || among == alone, "{}", json);
            }
        }
    }
}
