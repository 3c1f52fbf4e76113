//! [`AnswerFuture`]: the response of an endpoint.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;

use crate::respond::AnswerBody;

/// Future of the services of this module.
///
/// # Cancel safety
///
/// If it is dropped, what the request asks for either completes or has not started.
#[must_use = "futures do nothing unless polled"]
pub struct AnswerFuture(Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>);

impl AnswerFuture {
    pub(super) fn new(answer: impl Future<Output = Response<AnswerBody>> + Send + 'static) -> Self {
        Self(Box::pin(answer))
    }
}

impl Future for AnswerFuture {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for AnswerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture").finish_non_exhaustive()
    }
}
