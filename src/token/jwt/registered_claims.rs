//! [`RegisteredClaims`]: the claims that the verifier judges.

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    clock::Timestamp,
    token::jwt::{
        json::{JsonStr, OneOrMore, object},
        numeric_date,
        subject::Subject,
    },
};

/// The claims that the verifier judges. None may be present twice; one that is `null` is absent.
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
    /// Whatever its value, the token is bound to a key by it (RFC 7800, section 3.1).
    pub(super) cnf: Option<IgnoredAny>,
}

impl<'a> RegisteredClaims<'a> {
    /// The names of these claims.
    pub(super) const NAMES: [&'static str; 11] =
        ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "client_id", "azp", "cnf"];

    pub(super) fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        object(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
