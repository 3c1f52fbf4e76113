use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum_core::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

use crate::{
    guard::RevocationWatch,
    middleware::{
        CutOff, RequestBody, ResponseBody,
        bodies::{RequestBodies, ResponseBodies, sealed::Sealed},
        ending::Ending,
    },
    respond::AnswerBody,
};

/// Bodies of the layer that [`Logout::axum_layer`](crate::Logout::axum_layer) creates: axum's
/// `Body` in both directions.
///
/// A body of that type that is not watched is neither wrapped nor boxed again.
#[derive(Clone, Copy, Debug, Default)]
pub struct AxumBodies;

impl Sealed for AxumBodies {}

impl<B> RequestBodies<B> for AxumBodies
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Body = Body;

    fn whole(body: B) -> Body {
        Body::new(body)
    }

    fn watched(body: B, watch: RevocationWatch, cut_off: CutOff) -> Body {
        Body::new(RequestBody::watched(Unwrapped { body }, watch, cut_off))
    }
}

impl<B> ResponseBodies<B> for AxumBodies
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Body = Body;

    fn whole(body: B) -> Body {
        Body::new(body)
    }

    fn watched(body: B, watch: RevocationWatch, upload: Option<CutOff>, ending: Ending) -> Body {
        Body::new(ResponseBody::ending_as(Unwrapped { body }, watch, upload, ending))
    }

    fn answer(body: AnswerBody) -> Body {
        Body::new(body)
    }
}

pin_project! {
    /// A body whose errors are stripped of axum's wrapper.
    ///
    /// axum wraps the error of every body that is converted to its `Body`, and finds the error of
    /// its length limit below at most two wrappers. Errors from this body are wrapped again.
    struct Unwrapped<B> {
        #[pin]
        body: B,
    }
}

impl<B> http_body::Body for Unwrapped<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().body.poll_frame(cx).map_err(|error| match error.into().downcast::<axum_core::Error>() {
            Ok(wrapper) => wrapper.into_inner(),
            Err(error) => error,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
