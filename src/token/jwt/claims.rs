//! What a token says: [`Claims`], the registered ones.

use std::fmt;

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use crate::{
    clock::Timestamp,
    token::jwt::text::{OneOrMore, Subject, Text, numeric_date, optional_date},
};

/// The registered claims (RFC 7519, section 4.1), the session, the client and the scope: the claims that a verifier yields by
/// default.
///
/// A claim that is `null` counts as absent. All but `scope` are judged by the verifier, or give the keys by which the token can be
/// revoked, so a token in which one of them has another form than the one documented here is rejected. A `scope` of another form
/// rejects nothing; it is absent here.
///
/// Its `Debug` shows the times and nothing else, so that a token that is logged does not tell whose it is.
///
/// For claims of your own, define a struct and name it with
/// [`JwtVerifierBuilder::claims`](crate::token::jwt::JwtVerifierBuilder::claims). It may have these among its own, with
/// `#[serde(flatten)]`.
#[derive(Clone, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// Issuer.
    pub iss: Option<String>,
    /// Subject. An integer, which the verifier accepts
    /// [by choice](crate::token::jwt::JwtVerifierBuilder::allow_integer_subject), is in decimal here.
    #[serde(default, deserialize_with = "subject")]
    pub sub: Option<String>,
    /// Audience: one or several.
    #[serde(default, deserialize_with = "audiences")]
    pub aud: Vec<String>,
    /// Expiry. It has to be there.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: Timestamp,
    /// Not before: when the token becomes valid.
    #[serde(default, deserialize_with = "optional_date")]
    pub nbf: Option<Timestamp>,
    /// When the token was issued.
    #[serde(default, deserialize_with = "optional_date")]
    pub iat: Option<Timestamp>,
    /// Token identifier, unique for its issuer.
    pub jti: Option<String>,
    /// The session that the token belongs to (OpenID Connect Front-Channel Logout 1.0, section 3).
    pub sid: Option<String>,
    /// The client that the token was issued to (RFC 8693, section 4.3).
    pub client_id: Option<String>,
    /// The party that the token was issued to (OpenID Connect Core 1.0, section 2).
    pub azp: Option<String>,
    /// What the token allows, separated by spaces (RFC 8693, section 4.2). A list of strings, as some issuers write it, is joined
    /// with spaces. Anything else is `None`.
    #[serde(default, deserialize_with = "scope")]
    pub scope: Option<String>,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iat, nbf, exp, .. } = self;
        f.debug_struct("Claims").field("iat", iat).field("nbf", nbf).field("exp", exp).finish_non_exhaustive()
    }
}

fn audiences<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let audiences = Option::<OneOrMore<Text<'_>>>::deserialize(deserializer)?;
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

/// The claims that the verifier judges. None may be there twice; what is `null` is absent.
#[derive(Deserialize)]
pub(super) struct Registered<'a> {
    #[serde(borrow)]
    pub(super) iss: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) sub: Option<Subject<'a>>,
    #[serde(borrow)]
    pub(super) aud: Option<OneOrMore<Text<'a>>>,
    #[serde(deserialize_with = "numeric_date")]
    pub(super) exp: Timestamp,
    #[serde(default, deserialize_with = "optional_date")]
    pub(super) nbf: Option<Timestamp>,
    #[serde(default, deserialize_with = "optional_date")]
    pub(super) iat: Option<Timestamp>,
    #[serde(borrow)]
    pub(super) jti: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) sid: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) client_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) azp: Option<Text<'a>>,
    /// Whatever it is, the token is bound to a key by it (RFC 7800, section 3.1).
    pub(super) cnf: Option<IgnoredAny>,
}

/// The names of the [`Registered`] claims, in their order.
pub(super) const REGISTERED: [&str; 11] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "client_id", "azp", "cnf"];
