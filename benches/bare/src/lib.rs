//! The bare inner service of the benchmarks, and calls to futures that are ready at once.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::Service;

pub type Body = Empty<Bytes>;
pub type Answer = Result<Response<Body>, Infallible>;

/// Reads the result of the check, as a handler would.
#[derive(Clone)]
pub struct Bare;

impl<B> Service<Request<B>> for Bare {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Ready<Answer> {
        black_box(request.extensions().len());
        ready(Ok(Response::new(Body::new())))
    }
}

/// The output of a future that is ready at once.
pub fn settle<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
