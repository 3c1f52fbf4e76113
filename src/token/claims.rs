//! [`Claims`]: the claims that a verifier returns by default.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{
    clock::Timestamp,
    token::{
        json_value::{JsonStr, OneOrMore},
        numeric_date,
        subject::Subject,
    },
};

/// The registered claims (RFC 7519, section 4.1), the session, the client and the scope: the claims
/// that a verifier returns by default.
///
/// A claim that is `null` counts as absent. All except `scope` are checked by the verifier or are
/// revocation keys, so a token is rejected if one of them does not have the form that is documented
/// here. A `scope` of another form is ignored and results in `None`.
///
/// Its `Debug` shows only the times, so that a logged value does not reveal whose token it is.
///
/// For application-defined claims, define a struct and select it with `JwtVerifierBuilder::claims`.
/// It can include these claims with `#[serde(flatten)]`.
///
/// # Examples
///
/// Claims for a test, or for a token that the application issues:
///
/// ```
/// use tower_logout::{Claims, clock::Timestamp};
///
/// let mut claims = Claims::new(Timestamp::from_unix_seconds(1_458_872_196));
/// claims.sub = Some("usr_123".to_owned());
/// assert_eq!(serde_json::to_string(&claims)?, r#"{"sub":"usr_123","exp":1458872196}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Claims {
    /// Issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Subject. An integer, accepted with `JwtVerifierBuilder::allow_integer_subject`, is in
    /// decimal form.
    #[serde(default, deserialize_with = "subject", skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Audiences. A single one is serialised as a string.
    #[serde(
        default,
        deserialize_with = "audiences",
        serialize_with = "one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub aud: Vec<String>,
    /// Expiry, which is required. Like all dates, it is serialised as seconds since the Unix epoch,
    /// with a fraction if needed.
    #[serde(with = "numeric_date")]
    pub exp: Timestamp,
    /// Not before: when the token becomes valid.
    #[serde(default, with = "numeric_date::optional", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Timestamp>,
    /// When the token was issued.
    #[serde(default, with = "numeric_date::optional", skip_serializing_if = "Option::is_none")]
    pub iat: Option<Timestamp>,
    /// Token identifier, unique for its issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The session that the token belongs to (OpenID Connect Front-Channel Logout 1.0, section 3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The client that the token was issued to (RFC 8693, section 4.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The party that the token was issued to (OpenID Connect Core 1.0, section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azp: Option<String>,
    /// Scope values, separated by spaces (RFC 8693, section 4.2). A list of strings, which some
    /// issuers use, is joined with spaces. Any other form is `None`.
    #[serde(default, deserialize_with = "scope", skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl Claims {
    /// Creates claims with this expiry and no others.
    #[must_use]
    pub const fn new(exp: Timestamp) -> Self {
        Self {
            iss: None,
            sub: None,
            aud: Vec::new(),
            exp,
            nbf: None,
            iat: None,
            jti: None,
            sid: None,
            client_id: None,
            azp: None,
            scope: None,
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iat, nbf, exp, .. } = self;
        f.debug_struct("Claims").field("iat", iat).field("nbf", nbf).field("exp", exp).finish_non_exhaustive()
    }
}

fn audiences<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let audiences = Option::<OneOrMore<JsonStr<'_>>>::deserialize(deserializer)?;
    let audiences = audiences.as_ref().map_or(&[][..], OneOrMore::as_slice);
    Ok(audiences.iter().map(|audience| audience.to_string()).collect())
}

fn subject<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let subject = Option::<Subject<'_>>::deserialize(deserializer)?;
    Ok(subject.map(|subject| subject.text.to_string()))
}

fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(scope) => Some(scope),
        Value::Array(scopes) => {
            scopes.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|scopes| scopes.join(" "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    })
}

fn one_or_more<S: Serializer>(audiences: &Vec<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match audiences.as_slice() {
        [audience] => audience.serialize(serializer),
        audiences => audiences.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of(".{0,8}")
    }

    fn date() -> impl Strategy<Value = Timestamp> {
        // The later a date, the less precise its fraction: milliseconds are exact until the year
        // 36,000.
        prop_oneof![0..1_u64 << 50, (0..=u64::MAX / 1000).prop_map(|seconds| seconds * 1000), Just(u64::MAX)]
            .prop_map(Timestamp::from_unix_millis)
    }

    proptest! {
        #[test]
        fn claims_are_read_as_they_were_written(
            names in [text(), text(), text(), text(), text(), text(), text()],
            aud in proptest::collection::vec(".{0,8}", 0..3),
            exp in date(), nbf in proptest::option::of(date()), iat in proptest::option::of(date()),
        ) {
            let [iss, sub, jti, sid, client_id, azp, scope] = names;
            let claims = Claims { iss, sub, aud, exp, nbf, iat, jti, sid, client_id, azp, scope };
            let json = serde_json::to_string(&claims).expect("claims are JSON");
            prop_assert_eq!(serde_json::from_str(&json).ok(), Some(claims), "{}", json);
        }
    }

    #[test]
    fn absent_claims_are_not_written() {
        let mut claims = Claims::new(Timestamp::from_unix_seconds(10));
        let json = |claims: &Claims| serde_json::to_string(claims).ok();
        assert_eq!(json(&claims).as_deref(), Some(r#"{"exp":10}"#));
        (claims.aud, claims.iat) = (vec!["api".to_owned()], Some(Timestamp::from_unix_millis(9250)));
        assert_eq!(json(&claims).as_deref(), Some(r#"{"aud":"api","exp":10,"iat":9.25}"#));
        claims.aud.push("web".to_owned());
        assert_eq!(json(&claims).as_deref(), Some(r#"{"aud":["api","web"],"exp":10,"iat":9.25}"#));
    }
}
