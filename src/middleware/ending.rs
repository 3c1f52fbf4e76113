//! [`Ending`]: the last frame of a response that is ended early.

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

/// The last frame of a response that is ended early.
#[derive(Debug)]
pub enum Ending {
    /// An error: HTTP/1.1 leaves a chunked body unfinished, HTTP/2 resets the stream.
    Error,
    /// The trailers of gRPC.
    Trailers,
    /// A server-sent event of this name if the stream is between two events, otherwise an error.
    /// Without a name, the stream ends normally when the service shuts down, so that the browser
    /// reconnects.
    Event { name: Option<Arc<str>>, last_bytes: [u8; 4] },
}

impl Ending {
    /// `last_event` is that of this layer. If there is none, that of an inner layer is used.
    pub(super) fn of<B: Body>(protocol: Protocol, response: &mut Response<B>, last_event: Option<Arc<str>>) -> Self {
        if protocol == Protocol::Grpc && is_grpc(response.headers()) {
            return Self::Trailers;
        }
        if protocol != Protocol::Http || !takes_an_event(response) {
            return Self::Error;
        }
        let inner = || response.extensions().get().map(|LastEvent(name)| Arc::clone(name));
        let name = last_event.or_else(inner);
        if let Some(name) = &name {
            response.extensions_mut().insert(LastEvent(Arc::clone(name)));
        }
        Self::Event { name, last_bytes: *b"\n\n\n\n" }
    }

    /// Records the last bytes of a frame that has passed.
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

    /// Returns the last frame, if there is one, or the error that the body ends with.
    pub(super) fn last_frame(&self, reason: EndReason) -> Result<Option<Frame<Bytes>>, EndReason> {
        match self {
            Self::Event { name, last_bytes } if ends_an_event(last_bytes) => match name {
                Some(name) => Ok(Some(Frame::data(format!("event: {name}\ndata: {}\n\n", reason.code()).into()))),
                None if reason == EndReason::ShuttingDown => Ok(None),
                None => Err(reason),
            },
            Self::Event { .. } | Self::Error => Err(reason),
            Self::Trailers => Ok(Some(Frame::trailers(grpc_trailers(reason.into(), reason.description())))),
        }
    }
}

/// The last event of a layer, in the response's extensions, for outer layers.
#[derive(Clone)]
struct LastEvent(Arc<str>);

/// Whether the data ends with a blank line, which ends an event (HTML Standard, section 9.2.5).
fn ends_an_event(data: &[u8]) -> bool {
    [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| data.ends_with(end))
}

/// Whether a response consists of server-sent events and one more can be appended: it declares no
/// length and is not encoded.
fn takes_an_event<B: Body>(response: &Response<B>) -> bool {
    let headers = response.headers();
    media_type(headers).is_some_and(|name| name.eq_ignore_ascii_case(b"text/event-stream"))
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_LENGTH)
        && response.body().size_hint().exact().is_none()
}
