//! [`document`] and [`judge`]: what a response of an introspection endpoint says (RFC 7662, section
//! 2.2).

use std::borrow::Cow;

use http::{StatusCode, header::CONTENT_TYPE};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Map, Value, error::Category};

use super::{
    IntrospectionError,
    shape::identifying,
    verdict::{Rejected, Verdict},
};
use crate::{
    clock::Timestamp,
    fetch::Reply,
    token::{
        json_value::JsonStr,
        jwt::{ClaimsPolicy, InvalidToken, describe, object},
        numeric_date,
    },
};

/// The media type of a plain answer.
pub(super) const JSON: &str = "application/json";
/// The media type of a signed answer.
pub(super) const JWT: &str = "application/token-introspection+jwt";

/// The requirements for tokens.
#[derive(Debug)]
pub(super) struct Requirements {
    pub(super) policy: ClaimsPolicy,
    /// Accepted values of `token_type`, besides `Bearer`.
    pub(super) token_types: Vec<String>,
}

/// Returns the text of a response with status 200 and this media type. A response without a media
/// type is judged by its content.
pub(super) fn document<'a>(reply: &'a Reply, expected: &'static str) -> Result<&'a str, IntrospectionError> {
    if reply.status != StatusCode::OK {
        return Err(IntrospectionError::status(reply.status));
    }
    let essence = |value: &'a [u8]| value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let types = reply.headers.get_all(CONTENT_TYPE);
    if types.iter().any(|found| !essence(found.as_bytes()).eq_ignore_ascii_case(expected.as_bytes())) {
        return Err(IntrospectionError::ContentType { expected });
    }
    str::from_utf8(&reply.body).map_err(|_| IntrospectionError::Answer("it is not UTF-8".to_owned()))
}

/// Judges the token with this text by the answer of the server.
///
/// # Errors
///
/// If the answer does not say whether the token is active, or an active token's claims cannot be
/// read.
pub(super) fn judge<C: DeserializeOwned>(
    json: &str,
    token: &str,
    Requirements { policy, token_types }: &Requirements,
    now: Timestamp,
) -> Result<Verdict<C>, IntrospectionError> {
    let Activity { active } = read(json)?;
    if !active {
        return Ok(Err(InvalidToken::Inactive.into()));
    }
    let members: Members<'_> = read(json)?;
    if let Some(reason) = members.refused_type(token_types, policy.allows_unverified_binding()) {
        return Ok(Err(reason.into()));
    }
    let claims = members.with_expiry(json, policy, now)?;
    match policy.judge(identifying(token), &claims, now) {
        Ok(token) => Ok(Ok(token)),
        Err(refused) => Rejected::try_from(refused).map(Err).map_err(IntrospectionError::Answer),
    }
}

/// The only member that is read if it is `false`.
#[derive(Deserialize)]
struct Activity {
    active: bool,
}

/// Members of the answer about an active token. No registered claim may be present twice.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    token_type: Option<JsonStr<'a>>,
    #[serde(borrow)]
    token_use: Option<JsonStr<'a>>,
    #[serde(borrow)]
    typ: Option<JsonStr<'a>>,
    #[serde(default, with = "numeric_date::optional")]
    exp: Option<Timestamp>,
    #[serde(default, with = "numeric_date::optional")]
    iat: Option<Timestamp>,
    #[serde(rename = "iss")]
    _iss: Option<IgnoredAny>,
    #[serde(rename = "sub")]
    _sub: Option<IgnoredAny>,
    #[serde(rename = "aud")]
    _aud: Option<IgnoredAny>,
    #[serde(rename = "nbf")]
    _nbf: Option<IgnoredAny>,
    #[serde(rename = "jti")]
    _jti: Option<IgnoredAny>,
    #[serde(rename = "sid")]
    _sid: Option<IgnoredAny>,
    #[serde(rename = "client_id")]
    _client_id: Option<IgnoredAny>,
    #[serde(rename = "azp")]
    _azp: Option<IgnoredAny>,
    #[serde(rename = "cnf")]
    _cnf: Option<IgnoredAny>,
}

impl Members<'_> {
    /// Returns why a token of this type is not accepted. Servers also introspect refresh tokens,
    /// which a client must not use in place of access tokens.
    fn refused_type(&self, token_types: &[String], allows_unverified_binding: bool) -> Option<InvalidToken> {
        let is = |value: &Option<JsonStr<'_>>, name: &str| {
            value.as_ref().is_some_and(|value| value.eq_ignore_ascii_case(name))
        };
        let is_other = |name: &&str| [&self.token_type, &self.token_use, &self.typ].iter().any(|value| is(value, name));
        if OTHER_TOKENS.iter().any(is_other) {
            return Some(InvalidToken::Type);
        }
        if is(&self.token_type, DPOP) {
            return (!allows_unverified_binding).then_some(InvalidToken::UnverifiedBinding);
        }
        let mut accepted = BEARER_TYPES.into_iter().chain(token_types.iter().map(String::as_str));
        let fits = self.token_type.is_none() || accepted.any(|name| is(&self.token_type, name));
        (!fits).then_some(InvalidToken::Type)
    }

    /// Returns the claims with an expiry. A token without one expires when the maximum lifetime is
    /// over, because revocations are not retained for longer.
    fn with_expiry<'a>(
        &self,
        json: &'a str,
        policy: &ClaimsPolicy,
        now: Timestamp,
    ) -> Result<Cow<'a, str>, IntrospectionError> {
        if self.exp.is_some() {
            return Ok(json.into());
        }
        let latest = self.iat.unwrap_or(now).saturating_add(policy.retention().max_lifetime());
        let mut claims: Map<String, Value> = serde_json::from_str(json).map_err(|error| malformed(&error))?;
        claims.insert("exp".to_owned(), (latest.as_unix_millis() / 1000).into());
        Ok(Value::Object(claims).to_string().into())
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, IntrospectionError> {
    object(json).map_err(|error| malformed(&error))
}

/// The error of an answer that is not JSON, or whose members have another form. It contains nothing
/// of the answer.
fn malformed(error: &serde_json::Error) -> IntrospectionError {
    IntrospectionError::Answer(match error.classify() {
        Category::Data if error.line() > 0 => describe(error),
        _ => "it is not a JSON object".to_owned(),
    })
}

/// `access_token` is what some servers write instead of `Bearer`.
const BEARER_TYPES: [&str; 2] = ["Bearer", "access_token"];
/// Bound to a key of the client (RFC 9449, section 6.2).
const DPOP: &str = "DPoP";
/// What servers write about tokens that are not access tokens.
const OTHER_TOKENS: [&str; 5] = ["refresh_token", "Refresh", "Offline", "id_token", "ID"];
