//! The requests of a poller and their answers (RFC 8936, section 2).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    endpoint::security_events::{TransmitterError, members::Members, push::error_object, refusal::Refusal},
    fetch::Reply,
};

/// What is told about the events of the last answer. The names are their identifiers (`jti`).
#[derive(Debug, Default)]
pub(super) struct Receipts {
    pub(super) taken: Vec<String>,
    pub(super) refused: BTreeMap<String, Box<RawValue>>,
}

/// Events, each with its identifier, in the order of the answer.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) events: Vec<(String, String)>,
    pub(super) more: bool,
}

impl Receipts {
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.refused.is_empty()
    }

    pub(super) fn refuse(&mut self, id: String, refusal: &Refusal) {
        if let Ok(error) = RawValue::from_string(error_object(refusal).to_string()) {
            self.refused.insert(id, error);
        }
    }

    /// Whether they are about this event.
    pub(super) fn name(&self, id: &str) -> bool {
        self.refused.contains_key(id) || self.taken.iter().any(|taken| taken == id)
    }

    pub(super) fn have_errors(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Returns the body of a request for so many events, which is answered at once, or as soon as
    /// there is an event.
    pub(super) fn request(&self, max_events: usize, immediately: bool) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            max_events: usize,
            return_immediately: bool,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            ack: &'a [String],
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            set_errs: &'a BTreeMap<String, Box<RawValue>>,
        }
        let body = Body { max_events, return_immediately: immediately, ack: &self.taken, set_errs: &self.refused };
        // Names are strings, and values are JSON already.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl Batch {
    /// Reads an answer. At most so many events are taken from it; the others come again.
    pub(super) fn read(operation: &'static str, reply: &Reply, max_events: usize) -> Result<Self, TransmitterError> {
        let unusable = |reason| TransmitterError::Answer { operation, reason };
        let text = str::from_utf8(&reply.body).map_err(|_| unusable("it is not UTF-8"))?;
        if text.trim_ascii().is_empty() {
            return Ok(Self { events: Vec::new(), more: false });
        }
        let answer = Members::read(text).ok_or(unusable("it is not a JSON object; is the address right?"))?;
        let more = match answer.get("moreAvailable") {
            Some(more) => serde_json::from_str(more).map_err(|_| unusable("`moreAvailable` is not a boolean"))?,
            None => false,
        };
        let sets = answer.get("sets").ok_or(unusable("it has no `sets`; is the address right?"))?;
        let sets = Members::read(sets).ok_or(unusable("`sets` is not an object, or an event is there twice"))?;
        let events = sets.iter().take(max_events).map(|(id, set)| {
            // What is no text is refused as an event.
            (id.to_owned(), serde_json::from_str(set).unwrap_or_default())
        });
        Ok(Self { events: events.collect(), more: more || sets.len() > max_events })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &str, max_events: usize) -> Option<(Vec<String>, bool)> {
        let reply =
            Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
        let Batch { events, more } = Batch::read("poll", &reply, max_events).ok()?;
        Some((events.into_iter().map(|(id, text)| format!("{id}={text}")).collect(), more))
    }

    #[test]
    fn events_are_read_in_their_order_and_within_bounds() {
        let body = r#"{"sets":{"b":"1","a":"2","c":"3"},"moreAvailable":false}"#;
        let events = |events: &[&str]| events.iter().map(|event| (*event).to_owned()).collect::<Vec<_>>();
        assert_eq!(read(body, 9), Some((events(&["b=1", "a=2", "c=3"]), false)));
        assert_eq!(read(body, 2), Some((events(&["b=1", "a=2"]), true)));
        assert_eq!(read(r#"{"sets":{"a":7}}"#, 9), Some((events(&["a="]), false)));
        assert_eq!(read(r#"{"sets":{},"moreAvailable":true}"#, 9), Some((events(&[]), true)));
        assert_eq!(read(" ", 9), Some((events(&[]), false)));
        for body in [
            "[]",
            "null",
            "{}",
            "<html>",
            r#"{"sets":[]}"#,
            r#"{"sets":null}"#,
            r#"{"sets":{"a":"1","a":"2"}}"#,
            r#"{"sets":{},"sets":{}}"#,
            r#"{"sets":{},"moreAvailable":1}"#,
        ] {
            assert_eq!(read(body, 9), None, "{body}");
        }
    }

    #[test]
    fn receipts_are_told_as_the_specification_says() {
        let mut receipts = Receipts::default();
        let body = |receipts: &Receipts, max, immediately| {
            serde_json::from_str::<Value>(&receipts.request(max, immediately)).expect("JSON")
        };
        assert_eq!(body(&receipts, 32, false), json!({ "maxEvents": 32, "returnImmediately": false }));
        receipts.taken.push("a\"b".to_owned());
        receipts.refuse("c".to_owned(), &Refusal::Issuer);
        assert_eq!(
            body(&receipts, 0, true),
            json!({
                "maxEvents": 0,
                "returnImmediately": true,
                "ack": ["a\"b"],
                "setErrs": { "c": {
                    "err": "invalid_issuer",
                    "description": "The issuer of the security event token is not accepted.",
                } },
            })
        );
        assert!(receipts.name("c") && receipts.name("a\"b") && !receipts.name("b"));
    }
}
