//! The service behind every check, which is also timed without one.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use tower::Service;

use crate::sample::Body;

pub(crate) type Answer = Result<Response<Body>, Infallible>;

/// Reads what the check has found out, as a handler would.
#[derive(Clone)]
pub(crate) struct Bare;

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

pub(crate) fn refused() -> Response<Body> {
    let mut response = Response::new(Body::new());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}
