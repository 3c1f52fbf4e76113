use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

/// The body of what a [`LogoutService`](crate::LogoutService) answers: one short text, or none.
#[derive(Clone, Debug)]
pub struct LogoutBody(Full<Bytes>);

impl LogoutBody {
    pub(super) fn new(text: Bytes) -> Self {
        Self(Full::new(text))
    }
}

impl Body for LogoutBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
