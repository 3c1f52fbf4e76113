//! [`RequestBody`]: the body of a request, which ends when its token is revoked or expires.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

use crate::{
    guard::{EndReason, RevocationWatch},
    middleware::gate::Gate,
};

pin_project! {
    /// The body of a request that the layer has admitted.
    ///
    /// It passes frames, trailers, errors and size unchanged. If the token is revoked or expires
    /// while the body is still being sent, as in a client-streaming or bidirectional gRPC call or a
    /// long upload, the body ends with an [`EndReason`] as its error. If the inner service fails
    /// because of that error, the layer rejects the request. A body that is at its end, or known to
    /// be shorter than 64 KiB, is not watched.
    ///
    /// # Panics
    ///
    /// When a body that is watched is polled outside a Tokio runtime with time enabled.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Whole { #[pin] body: B },
        Watched { #[pin] body: B, gate: Gate, cut_off: CutOff },
        Ended,
    }
}

/// The reason why a request's body was cut off, if it was. Shared with the future of the response.
#[derive(Clone, Debug, Default)]
pub struct CutOff(Arc<OnceLock<EndReason>>);

impl CutOff {
    pub(super) fn reason(&self) -> Option<EndReason> {
        self.0.get().copied()
    }
}

impl<B> RequestBody<B> {
    pub(super) fn watched(body: B, watch: RevocationWatch, cut_off: CutOff) -> Self {
        Self { kind: Kind::Watched { body, gate: Gate::new(watch), cut_off } }
    }
}

/// Creates a body that is not watched, as the layer does for short bodies. Use it to test an inner
/// service.
impl<B> From<B> for RequestBody<B> {
    fn from(body: B) -> Self {
        Self { kind: Kind::Whole { body } }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut kind = self.project().kind;
        let reason = match kind.as_mut().project() {
            KindProj::Whole { body } => return body.poll_frame(cx).map_err(Into::into),
            KindProj::Watched { body, gate, cut_off } => match ready!(gate.poll_frame(body, cx)) {
                Ok(frame) => return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
                Err(reason) => *cut_off.0.get_or_init(|| reason),
            },
            KindProj::Ended => return Poll::Ready(None),
        };
        kind.set(Kind::Ended);
        Poll::Ready(Some(Err(Box::new(reason))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } | Kind::Watched { body, .. } => body.is_end_stream(),
            Kind::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } | Kind::Watched { body, .. } => body.size_hint(),
            Kind::Ended => SizeHint::with_exact(0),
        }
    }
}
