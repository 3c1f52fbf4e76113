//! What is measured: any check that decides whether a token passes.

use std::{
    convert::Infallible,
    hint::black_box,
    task::{Context, Waker},
    time::Instant,
};

use bare::{Body, settle};
use http::{Request, Response, StatusCode};
use tower::Service;

use crate::sample::Sample;

pub(crate) trait Check {
    fn passes(&mut self, sample: &Sample) -> bool;

    /// The nanoseconds per check for this many checks with these samples in turn, beginning with
    /// the `first`.
    fn time(&mut self, samples: &[Sample], first: usize, checks: usize) -> f64;
}

impl<F: FnMut(&Sample) -> bool> Check for F {
    fn passes(&mut self, sample: &Sample) -> bool {
        self(sample)
    }

    fn time(&mut self, samples: &[Sample], first: usize, checks: usize) -> f64 {
        let mut next = first % samples.len();
        let start = Instant::now();
        for _ in 0..checks {
            assert!(self(black_box(&samples[next])));
            next += 1;
            if next == samples.len() {
                next = 0;
            }
        }
        #[expect(clippy::cast_precision_loss)]
        let checks = checks as f64;
        start.elapsed().as_secs_f64() * 1e9 / checks
    }
}

/// A service, called with a clone of the request. Its future is polled once with a no-op waker, as
/// it is ready at once.
pub(crate) fn service<S>(mut service: S, status: fn(&S::Response) -> StatusCode) -> impl Check
where
    S: Service<Request<Body>, Error = Infallible>,
{
    move |sample: &Sample| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let Ok(response) = settle(service.call(sample.request.clone()));
        status(black_box(&response)).is_success()
    }
}

/// The result of a check that accepts no token.
pub(crate) fn refused() -> Response<Body> {
    let mut response = Response::new(Body::new());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}
