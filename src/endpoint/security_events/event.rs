//! [`SecurityEvent`]: an event of a security event token.

use std::fmt;

use serde_json::{Map, Value};

use super::{EventKind, EventSubject, members::Members, refusal::Refusal, token::date};
use crate::clock::Timestamp;

/// An event of a security event token that a transmitter has signed for this service, as the
/// application sees it when it [decides](super::SecurityEventsBuilder::decide) about it.
///
/// Its `Debug` shows the type, and no value.
#[derive(Clone)]
pub struct SecurityEvent {
    kind: EventKind,
    uri: String,
    members: Map<String, Value>,
    subject: Option<EventSubject>,
}

impl SecurityEvent {
    /// Reads the event of this URI. `subject` is the JSON text of `sub_id`, without which the event
    /// itself may have a member `subject`, as in drafts.
    pub(super) fn read(uri: &str, json: &str, subject: Option<&str>) -> Result<Self, Refusal> {
        let kind = EventKind::of_uri(uri);
        let payload = match Members::read(json) {
            Some(payload) => payload,
            // Some providers put other values beside the event that counts.
            None if kind == EventKind::Other => return Ok(Self::unknown(uri)),
            None => return Err(Refusal::Malformed("an event is not a JSON object, or a member is there twice")),
        };
        let subject = subject.or_else(|| payload.get("subject"));
        let subject = match subject.map(EventSubject::read).transpose() {
            Err(_) if kind == EventKind::Other => None,
            subject => subject?,
        };
        let members = payload.iter().map(|(name, value)| Some((name.to_owned(), serde_json::from_str(value).ok()?)));
        match members.collect::<Option<_>>() {
            Some(members) => Ok(Self { kind, uri: uri.to_owned(), members, subject }),
            None if kind == EventKind::Other => Ok(Self::unknown(uri)),
            None => Err(Refusal::Malformed("a member of an event cannot be read, such as a number that is too large")),
        }
    }

    fn unknown(uri: &str) -> Self {
        Self { kind: EventKind::Other, uri: uri.to_owned(), members: Map::new(), subject: None }
    }

    /// Returns the type of the event.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// Returns the URI that names the type of the event.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Returns a member of the event that is a string, such as `reason`, `change_type` or
    /// `current_level`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    pub(super) fn has_member(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Returns whom the event is about.
    #[must_use]
    pub const fn subject(&self) -> Option<&EventSubject> {
        self.subject.as_ref()
    }

    /// Returns when the event happened (`event_timestamp`, CAEP 1.0, section 2), if it says so.
    ///
    /// The value is one of the transmitter, and may lie in the future. It counts seconds; a number
    /// that would be later than the year 5138 is taken for milliseconds, which some transmitters
    /// send.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        let timestamp = date(&self.members.get("event_timestamp")?.to_string())?;
        let millis = timestamp.as_unix_millis();
        Some(if millis >= FIRST_IN_MILLIS { Timestamp::from_unix_millis(millis / 1000) } else { timestamp })
    }

    /// Returns who has caused the event (`initiating_entity`, CAEP 1.0, section 2): `admin`,
    /// `user`, `policy` or `system`, or `None` if it says something else.
    #[must_use]
    pub fn initiating_entity(&self) -> Option<&'static str> {
        let entity = self.member("initiating_entity")?;
        ["admin", "user", "policy", "system"].into_iter().find(|known| *known == entity)
    }
}

impl fmt::Debug for SecurityEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityEvent")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// 100,000,000,000 seconds, in milliseconds: read as seconds, the year 5138; as milliseconds, 1973.
const FIRST_IN_MILLIS: u64 = 100_000_000_000_000;
