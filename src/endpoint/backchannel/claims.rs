//! [`LogoutClaims`]: the claims of a logout token (Back-Channel Logout 1.0, section 2.4).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess},
};

use crate::{
    clock::Timestamp,
    token::{
        json_value::{JsonStr, OneOrMore},
        jwt::{object, present},
        numeric_date,
    },
};

/// The claims that the endpoint checks. None may be present twice, or be `null`. Others are
/// ignored.
#[derive(Deserialize)]
pub(super) struct LogoutClaims<'a> {
    #[serde(borrow)]
    pub(super) iss: JsonStr<'a>,
    #[serde(borrow)]
    pub(super) aud: OneOrMore<JsonStr<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) azp: Option<JsonStr<'a>>,
    #[serde(with = "numeric_date")]
    pub(super) iat: Timestamp,
    #[serde(default, deserialize_with = "date")]
    pub(super) exp: Option<Timestamp>,
    #[serde(default, deserialize_with = "date")]
    pub(super) nbf: Option<Timestamp>,
    #[serde(borrow)]
    pub(super) jti: JsonStr<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) sub: Option<JsonStr<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) sid: Option<JsonStr<'a>>,
    pub(super) events: Events,
    /// Present in ID tokens, and with any value forbidden here.
    #[serde(default, deserialize_with = "present")]
    pub(super) nonce: Option<IgnoredAny>,
}

impl<'a> LogoutClaims<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self, serde_json::Error> {
        object(json)
    }
}

/// A date that may be absent, but not `null`.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    numeric_date::deserialize(deserializer).map(Some)
}

/// The claim `events`. Members of other names can have any value: Keycloak adds a boolean.
pub(super) struct Events {
    /// Whether the event is a logout.
    pub(super) is_logout: bool,
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Events;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of events")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut events: A) -> Result<Events, A::Error> {
                let mut is_logout = false;
                while let Some(name) = events.next_key::<JsonStr<'_>>()? {
                    if *name != *LOGOUT {
                        events.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    events.next_value::<AnyObject>()?;
                    if is_logout {
                        return Err(de::Error::custom("the event is present twice"));
                    }
                    is_logout = true;
                }
                Ok(Events { is_logout })
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// An object with any members.
struct AnyObject;

impl<'de> Deserialize<'de> for AnyObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = AnyObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<AnyObject, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(AnyObject)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
