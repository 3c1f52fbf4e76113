//! How a response ends that is ended before its time.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    Response,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use http_body::{Body, Frame};

use crate::{
    guard::EndReason,
    respond::{Protocol, grpc_trailers, is_grpc, media_type},
};

/// What the last frame of a response is, if it is ended before its time.
#[derive(Debug)]
pub(super) enum Ending {
    /// An error: HTTP/1.1 leaves a chunked body unfinished, HTTP/2 resets the stream.
    Error,
    /// The trailers of gRPC.
    Trailers,
    /// A server-sent event of this name, where one can begin, and otherwise an error.
    Event { name: Arc<str>, last_bytes: [u8; 4] },
}

impl Ending {
    pub(super) fn of<B: Body>(protocol: Protocol, response: &Response<B>, last_event: Option<Arc<str>>) -> Self {
        match (protocol, last_event) {
            (Protocol::Grpc, _) if is_grpc(response.headers()) => Self::Trailers,
            (Protocol::Http, Some(name)) if takes_an_event(response) => Self::Event { name, last_bytes: *b"\n\n\n\n" },
            _ => Self::Error,
        }
    }

    /// Takes note of a frame that has passed.
    pub(super) fn follow<E>(&mut self, frame: Option<&Result<Frame<Bytes>, E>>) {
        if let Self::Event { last_bytes, .. } = self
            && let Some(Ok(frame)) = frame
            && let Some(data) = frame.data_ref()
        {
            for byte in &data[data.len().saturating_sub(last_bytes.len())..] {
                last_bytes.rotate_left(1);
                last_bytes[3] = *byte;
            }
        }
    }

    pub(super) fn last_frame(&self, reason: EndReason) -> Result<Frame<Bytes>, EndReason> {
        match self {
            Self::Event { name, last_bytes } if ends_an_event(last_bytes) => {
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

/// Whether a response is of server-sent events, and can take one more: it has promised no length, and is not encoded.
fn takes_an_event<B: Body>(response: &Response<B>) -> bool {
    let headers = response.headers();
    media_type(headers).is_some_and(|name| name.eq_ignore_ascii_case(b"text/event-stream"))
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_LENGTH)
        && response.body().size_hint().exact().is_none()
}
