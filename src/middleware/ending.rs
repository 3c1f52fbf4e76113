//! How a response ends that is ended before its time.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use http_body::Frame;

use crate::{
    guard::EndReason,
    respond::{Protocol, grpc_trailers},
};

/// What the last frame of a response is, if it is ended before its time.
#[derive(Debug)]
pub(super) enum Ending {
    /// An error: HTTP/1.1 leaves a chunked body unfinished, HTTP/2 resets the stream.
    Error,
    /// The trailers of gRPC.
    Trailers,
    /// A server-sent event of this name, where one can begin, and otherwise an error.
    Event { name: Arc<str>, can_begin: bool },
}

impl Ending {
    pub(super) fn of(protocol: Protocol, response: &HeaderMap, last_event: Option<Arc<str>>) -> Self {
        match (protocol, last_event) {
            (Protocol::Grpc, _) => Self::Trailers,
            (Protocol::Http, Some(name)) if is_event_stream(response) => Self::Event { name, can_begin: true },
            (Protocol::Http, _) => Self::Error,
        }
    }

    /// Takes note of a frame that has passed.
    pub(super) fn follow<E>(&mut self, frame: Option<&Result<Frame<Bytes>, E>>) {
        if let Self::Event { can_begin, .. } = self
            && let Some(Ok(frame)) = frame
            && let Some(data) = frame.data_ref()
            && !data.is_empty()
        {
            *can_begin = ends_an_event(data);
        }
    }

    pub(super) fn last_frame(&self, reason: EndReason) -> Result<Frame<Bytes>, EndReason> {
        match self {
            Self::Event { name, can_begin: true } => {
                Ok(Frame::data(format!("event: {name}\ndata: {}\n\n", reason.code()).into()))
            }
            Self::Event { .. } | Self::Error => Err(reason),
            Self::Trailers => Ok(Frame::trailers(grpc_trailers(reason.into()))),
        }
    }
}

/// Whether data stops where an event does: at a blank line (HTML Standard, section 9.2.5).
fn ends_an_event(data: &[u8]) -> bool {
    [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| data.ends_with(end))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type.get(..EVENT_STREAM.len()).is_some_and(|start| start.eq_ignore_ascii_case(EVENT_STREAM))
}

const EVENT_STREAM: &[u8] = b"text/event-stream";
