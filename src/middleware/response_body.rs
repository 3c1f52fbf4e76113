//! [`ResponseBody`]: the body of a response, which ends when its token is revoked or expires.

use std::{
    error::Error,
    iter,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

use crate::{
    guard::{EndReason, RevocationWatch},
    middleware::{CutOff, ending::Ending, gate::Gate},
    respond::AnswerBody,
};

pin_project! {
    /// The body of a response that the layer returns: that of the inner service or that of a
    /// rejection.
    ///
    /// The inner body's frames, trailers, errors, size and end pass unchanged; data is converted to
    /// [`Bytes`], which is free if it already is. If the token is revoked or expires while the body
    /// is open, the body ends: with an [`EndReason`] as its error, with trailers in gRPC, or with a
    /// [last event](crate::Logout::last_event). The inner body is dropped at the same time.
    ///
    /// A body that is known to be shorter than 64 KiB is not watched. Any other body is watched
    /// from the first frame that is not ready immediately, or from the second data frame.
    ///
    /// Without the layer, use [`watched`](Self::watched).
    ///
    /// # Limits
    ///
    /// A body is only polled when the server can write. A stalled client therefore keeps its
    /// connection until the write timeout of the server; no further data is sent.
    ///
    /// Over HTTP/1.0, a response without a `content-length` ends when its connection does, so a
    /// response that is cut off looks complete. nginx uses HTTP/1.0 to the service unless
    /// `proxy_http_version 1.1` is set, and forwards such a download as complete. Set that
    /// directive, or send a `content-length`.
    ///
    /// # Panics
    ///
    /// When a body that is watched is polled outside a Tokio runtime with time enabled.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Whole { #[pin] body: B },
        Watched { #[pin] body: B, gate: Gate, upload: Option<CutOff>, ending: Ending },
        Answer { body: AnswerBody },
        Ended,
    }
}

impl<B> ResponseBody<B> {
    /// Creates a body that ends when `watch` resolves, with an [`EndReason`] as its error.
    ///
    /// The layer does this itself. Use it with frameworks that do not support Tower layers, where
    /// requests are checked with [`Logout::check`](crate::Logout::check).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::{RevocationWatch, middleware::ResponseBody};
    ///
    /// fn ended_with_its_token<B>(body: B, watch: RevocationWatch) -> ResponseBody<B> {
    ///     ResponseBody::watched(body, watch)
    /// }
    /// ```
    #[must_use]
    pub fn watched(body: B, watch: RevocationWatch) -> Self {
        Self::ending_as(body, watch, None, Ending::Error)
    }

    pub(super) fn whole(body: B) -> Self {
        Self { kind: Kind::Whole { body } }
    }

    /// `upload` shows whether the body of the request, which may still be arriving, was cut off.
    pub(super) fn ending_as(body: B, watch: RevocationWatch, upload: Option<CutOff>, ending: Ending) -> Self {
        Self { kind: Kind::Watched { body, gate: Gate::new(watch), upload, ending } }
    }

    pub(super) fn answer(body: AnswerBody) -> Self {
        Self { kind: Kind::Answer { body } }
    }
}

/// Creates an empty body. Some layers need one to respond in place of the service.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::answer(AnswerBody::default())
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut kind = self.project().kind;
        let last = match kind.as_mut().project() {
            KindProj::Whole { body } => return body.poll_frame(cx).map(|frame| frame.map(passed)),
            KindProj::Watched { body, gate, upload, ending } => {
                let frame = ready!(gate.poll_frame(body, cx));
                // The response to a request that was cut off must not reach the client.
                match upload.as_ref().and_then(CutOff::reason).map_or(frame, Err) {
                    Ok(frame) => {
                        let frame = frame.map(passed);
                        // An inner layer has ended the body, or the handler has for the same
                        // reason.
                        let ended = frame.as_ref().and_then(end_reason).map(|reason| ending.last_frame(reason));
                        let Some(Ok(last)) = ended else {
                            ending.follow(frame.as_ref());
                            return Poll::Ready(frame);
                        };
                        Ok(last)
                    }
                    Err(reason) => ending.last_frame(reason),
                }
            }
            KindProj::Answer { body } => return Pin::new(body).poll_frame(cx),
            KindProj::Ended => return Poll::Ready(None),
        };
        kind.set(Kind::Ended);
        Poll::Ready(last.map_err(BoxError::from).transpose())
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } | Kind::Watched { body, .. } => body.is_end_stream(),
            Kind::Answer { body } => body.is_end_stream(),
            Kind::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } | Kind::Watched { body, .. } => body.size_hint(),
            Kind::Answer { body } => body.size_hint(),
            Kind::Ended => SizeHint::with_exact(0),
        }
    }
}

/// Converts a frame of the inner body.
fn passed<D: Buf, E: Into<BoxError>>(frame: Result<Frame<D>, E>) -> Result<Frame<Bytes>, BoxError> {
    frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))).map_err(Into::into)
}

/// Returns the end reason that is among the causes of a frame's error.
fn end_reason<T>(frame: &Result<T, BoxError>) -> Option<EndReason> {
    let error: &(dyn Error + 'static) = &**frame.as_ref().err()?;
    iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref().copied())
}
