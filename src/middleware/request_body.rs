//! [`RequestBody`]: what the inner service reads of a request, for as long as the token is good.

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
    middleware::{error::passed_on, gate::Gate},
};

pin_project! {
    /// The body of a request that the layer has let pass.
    ///
    /// It passes frames, trailers, errors and size unchanged: with the feature `axum`, an error that axum has wrapped
    /// passes without its wrapper, which axum then puts on again, so that a limit that was exceeded is still 413. If the token is revoked or expires while the body is still being sent, as it can in a client-streaming or
    /// bidirectional gRPC call or a long upload, it ends with an [`EndReason`] as its error. If the inner service then fails, as it should, the layer refuses the
    /// request. A body that is at its end, or known to have less than 64 KiB, is not watched.
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
        Watched { #[pin] body: B, gate: Gate, cut: Cut },
        CutOff,
    }
}

/// Why a request's body was cut off, if it was: shared with who awaits the response.
pub(super) type Cut = Arc<OnceLock<EndReason>>;

/// How the body of a request is read.
pub(super) enum Upload {
    Whole,
    Watched(RevocationWatch, Cut),
}

impl<B> RequestBody<B> {
    pub(super) fn new(body: B, upload: Upload) -> Self {
        let kind = match upload {
            Upload::Whole => Kind::Whole { body },
            Upload::Watched(watch, cut) => Kind::Watched { body, gate: Gate::new(watch), cut },
        };
        Self { kind }
    }
}

/// A body that is not watched, as the layer hands on that of a request without a stream: for tests of an inner service.
impl<B> From<B> for RequestBody<B> {
    fn from(body: B) -> Self {
        Self::new(body, Upload::Whole)
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
            KindProj::Whole { body } => return body.poll_frame(cx).map_err(passed_on),
            KindProj::Watched { body, gate, cut } => match ready!(gate.poll_frame(body, cx)) {
                Ok(frame) => return Poll::Ready(frame.map(|frame| frame.map_err(passed_on))),
                Err(reason) => *cut.get_or_init(|| reason),
            },
            KindProj::CutOff => return Poll::Ready(None),
        };
        kind.set(Kind::CutOff);
        Poll::Ready(Some(Err(Box::new(reason))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } | Kind::Watched { body, .. } => body.is_end_stream(),
            Kind::CutOff => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } | Kind::Watched { body, .. } => body.size_hint(),
            Kind::CutOff => SizeHint::with_exact(0),
        }
    }
}

/// Whether a body may outlast the check of its token by so much that it is to be watched.
pub(super) fn is_long(body: &impl Body) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|len| len >= SHORT)
}

/// A shorter body of a known length is over soon, and most are such: they cost nothing.
const SHORT: u64 = 64 * 1024;
