use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower::BoxError;

/// The body of a response that a [`Respond`](crate::respond::Respond) implementation has written: a
/// text or any other body.
///
/// It is converted from `Bytes`, `String`, `&'static str`, `Vec<u8>` and, with the feature `axum`,
/// from axum's `Body`. Any other body is converted with [`new`](Self::new).
pub struct AnswerBody(Kind);

enum Kind {
    Full(Full<Bytes>),
    /// The lock makes the body `Sync`, as bodies of responses must be. It is never contended.
    Boxed(Mutex<UnsyncBoxBody<Bytes, BoxError>>),
}

impl AnswerBody {
    /// Creates a body from any body that can be sent between threads.
    #[must_use]
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Kind::Boxed(Mutex::new(body.map_err(Into::into).boxed_unsync())))
    }
}

/// Creates an empty body.
impl Default for AnswerBody {
    fn default() -> Self {
        Bytes::new().into()
    }
}

macro_rules! from_text {
    ($($text:ty),*) => {$(
        impl From<$text> for AnswerBody {
            fn from(text: $text) -> Self {
                Self(Kind::Full(Full::from(text)))
            }
        }
    )*};
}

from_text!(Bytes, String, &'static str, Vec<u8>);

#[cfg(feature = "axum")]
impl From<axum_core::body::Body> for AnswerBody {
    fn from(body: axum_core::body::Body) -> Self {
        Self::new(body)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Full(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Boxed(body) => Pin::new(body.get_mut().unwrap_or_else(PoisonError::into_inner)).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(body) => body.is_end_stream(),
            Kind::Boxed(body) => body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(body) => body.size_hint(),
            Kind::Boxed(body) => body.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}
