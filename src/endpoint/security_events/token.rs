//! [`EventToken`]: the claims of a security event token (RFC 8417), judged.

use serde::Deserialize;

use super::{members::Members, refusal::Refusal};
use crate::{
    clock::Timestamp,
    revocation::Retention,
    token::{
        json_value::{JsonStr, OneOrMore},
        numeric_date,
    },
};

/// The claims of a security event token that the transmitter has signed.
#[derive(Debug)]
pub(super) struct EventToken<'a> {
    pub(super) issued_at: Timestamp,
    /// When the event happened (`toe`), if the token says so.
    pub(super) happened_at: Option<Timestamp>,
    /// The JSON text of `sub_id`.
    pub(super) subject: Option<&'a str>,
    /// The JSON text of each event, by its URI.
    pub(super) events: Members<'a>,
}

/// What a security event token must be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audiences: &'a [String],
    pub(super) max_age: std::time::Duration,
    pub(super) retention: &'a Retention,
    pub(super) now: Timestamp,
}

/// A date, as `iat` is one (RFC 7519, section 2).
#[derive(Deserialize)]
#[serde(transparent)]
struct Date(#[serde(with = "numeric_date")] Timestamp);

pub(super) fn date(json: &str) -> Option<Timestamp> {
    serde_json::from_str(json).ok().map(|Date(date)| date)
}

impl<'a> EventToken<'a> {
    /// # Errors
    ///
    /// If the claims are not those of a security event token, or it is not meant for this receiver,
    /// or not at this time.
    pub(super) fn read(claims: &'a str, expected: Expected<'_>) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed;
        let claims = Members::read(claims)
            .ok_or_else(|| malformed("the claims are not a JSON object, or a member is there twice"))?;
        let member = |name: &str, missing: &'static str| claims.get(name).ok_or(malformed(missing));
        let text = |json| serde_json::from_str::<JsonStr<'_>>(json).ok();

        let issuer = text(member("iss", "`iss` is missing")?).ok_or(malformed("`iss` is not a string"))?;
        if *issuer != *expected.issuer {
            return Err(Refusal::Issuer);
        }
        let audiences: OneOrMore<JsonStr<'_>> = serde_json::from_str(member("aud", "`aud` is missing")?)
            .map_err(|_| malformed("`aud` is neither a string nor a list of strings"))?;
        let is_ours = |audience: &JsonStr<'_>| expected.audiences.iter().any(|own| **own == **audience);
        if !audiences.as_slice().iter().any(is_ours) {
            return Err(Refusal::Audience);
        }
        // An access token or an ID token has one of these, and a security event token never
        // (Shared Signals Framework 1.0, sections 4.1.2 and 4.1.7).
        if claims.get("sub").is_some() || claims.get("exp").is_some() {
            return Err(malformed("it has `sub` or `exp`, which only other tokens have"));
        }
        let jti = text(member("jti", "`jti` is missing")?).ok_or(malformed("`jti` is not a string"))?;
        if jti.is_empty() {
            return Err(malformed("`jti` is empty"));
        }
        let issued_at = date(member("iat", "`iat` is missing")?).ok_or(malformed("`iat` is not a date"))?;
        if !expected.retention.accepts_issued_at(issued_at, expected.now) {
            return Err(Refusal::IssuedInFuture);
        }
        if expected.now.saturating_since(issued_at) > expected.max_age {
            return Err(Refusal::TooOld);
        }
        let happened_at = match claims.get("toe") {
            Some(toe) => Some(date(toe).ok_or(malformed("`toe` is not a date"))?),
            None => None,
        };
        let events = Members::read(member("events", "`events` is missing")?)
            .ok_or(malformed("`events` is not a JSON object, or an event is there twice"))?;
        if events.is_empty() {
            return Err(malformed("`events` is empty"));
        }
        if events.len() > MAX_EVENTS {
            return Err(malformed("`events` has too many members"));
        }
        Ok(Self { issued_at, happened_at, subject: claims.get("sub_id"), events })
    }
}

/// The members are names of one event (Shared Signals Framework 1.0, section 4.2.1).
const MAX_EVENTS: usize = 16;
