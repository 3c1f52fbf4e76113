//! [`StreamConfiguration`]: the configuration of a stream (Shared Signals Framework 1.0, section
//! 8.1.1).

use serde::{Deserialize, Serialize};

use super::super::EventKind;

/// The configuration of a stream, as the transmitter tells it (Shared Signals Framework 1.0,
/// section 8.1.1).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StreamConfiguration {
    /// The identifier of the stream.
    pub id: String,
    /// The issuer of its security event tokens.
    pub issuer: String,
    /// Whom its security event tokens are meant for.
    pub audiences: Vec<String>,
    /// The URIs of the events that were asked for.
    pub events_requested: Vec<String>,
    /// The URIs of the events that are delivered.
    pub events_delivered: Vec<String>,
    /// Whether events are polled. Otherwise, they are pushed.
    pub is_polled: bool,
    /// The address that events are pushed to, or polled from.
    pub endpoint: Option<String>,
}

impl StreamConfiguration {
    /// Returns whether events of this kind are delivered.
    #[must_use]
    pub fn delivers(&self, kind: EventKind) -> bool {
        kind.uri().is_some_and(|uri| self.events_delivered.contains(&uri))
    }
}

/// The JSON form, as it is received.
#[derive(Deserialize)]
pub(super) struct Received {
    stream_id: String,
    iss: String,
    aud: Audiences,
    #[serde(default)]
    events_requested: Vec<String>,
    #[serde(default)]
    events_delivered: Vec<String>,
    delivery: ReceivedDelivery,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
struct ReceivedDelivery {
    method: String,
    endpoint_url: Option<String>,
}

impl From<Received> for StreamConfiguration {
    fn from(received: Received) -> Self {
        let Received { stream_id, iss, aud, events_requested, events_delivered, delivery } = received;
        let audiences = match aud {
            Audiences::One(audience) => vec![audience],
            Audiences::More(audiences) => audiences,
        };
        Self {
            id: stream_id,
            issuer: iss,
            audiences,
            events_requested,
            events_delivered,
            is_polled: POLL.contains(&delivery.method.as_str()),
            endpoint: delivery.endpoint_url,
        }
    }
}

/// The JSON form, as it is sent. `authorization_header` is a secret.
#[derive(Serialize)]
pub(super) struct Wanted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery: Option<WantedDelivery<'a>>,
    pub(super) events_requested: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct WantedDelivery<'a> {
    pub(super) method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authorization_header: Option<&'a str>,
}

/// The names of delivery by push (RFC 8935) and by polling (RFC 8936), each with that of drafts.
pub(super) const PUSH: [&str; 2] =
    ["urn:ietf:rfc:8935", "https://schemas.openid.net/secevent/risc/delivery-method/push"];
pub(super) const POLL: [&str; 2] =
    ["urn:ietf:rfc:8936", "https://schemas.openid.net/secevent/risc/delivery-method/poll"];
