//! What a token says: [`Claims`], the registered ones.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::{
    clock::Timestamp,
    token::jwt::text::{OneOrMore, Text, numeric_date, optional_date, present},
};

/// The registered claims (RFC 7519, section 4.1), the session and the client: what a verifier yields unless told otherwise.
///
/// Its `Debug` shows the times and nothing else, so that a token that is logged does not tell whose it is.
///
/// For claims of your own, define a struct and name it with
/// [`JwtVerifierBuilder::claims`](crate::token::jwt::JwtVerifierBuilder::claims).
#[derive(Clone, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// Who issued the token.
    pub iss: Option<String>,
    /// Whom the token is about.
    pub sub: Option<String>,
    /// For whom the token is.
    #[serde(default, deserialize_with = "audiences")]
    pub aud: Vec<String>,
    /// When the token expires.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: Timestamp,
    /// Before when the token may not be used.
    #[serde(default, deserialize_with = "optional_date")]
    pub nbf: Option<Timestamp>,
    /// When the token was issued.
    #[serde(default, deserialize_with = "optional_date")]
    pub iat: Option<Timestamp>,
    /// The token's name, unique for its issuer.
    pub jti: Option<String>,
    /// The session that the token belongs to (OpenID Connect Front-Channel Logout 1.0, section 3).
    pub sid: Option<String>,
    /// The client that the token was issued to (RFC 8693, section 4.3).
    pub client_id: Option<String>,
    /// The party that the token was issued to (OpenID Connect Core 1.0, section 2).
    pub azp: Option<String>,
    /// What the token allows, separated by spaces (RFC 8693, section 4.2).
    pub scope: Option<String>,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iat, nbf, exp, .. } = self;
        f.debug_struct("Claims").field("iat", iat).field("nbf", nbf).field("exp", exp).finish_non_exhaustive()
    }
}

fn audiences<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let audiences = OneOrMore::<Text<'_>>::deserialize(deserializer)?;
    Ok(audiences.as_slice().iter().map(|audience| audience.to_string()).collect())
}

/// The claims that the verifier judges. Unlike in [`Claims`], what is absent may not be `null`, nor twice there.
#[derive(Deserialize)]
pub(super) struct Registered<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) iss: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) sub: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) aud: Option<OneOrMore<Text<'a>>>,
    #[serde(deserialize_with = "numeric_date")]
    pub(super) exp: Timestamp,
    #[serde(default, deserialize_with = "optional_date")]
    pub(super) nbf: Option<Timestamp>,
    #[serde(default, deserialize_with = "optional_date")]
    pub(super) iat: Option<Timestamp>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) jti: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) sid: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) client_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) azp: Option<Text<'a>>,
}

/// The names of the [`Registered`] claims, in their order.
pub(super) const REGISTERED: [&str; 10] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "client_id", "azp"];
