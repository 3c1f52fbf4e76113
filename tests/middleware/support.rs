//! A layer with a store that the test controls step by step.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use test_support::{
    bearer, clock,
    hand::{Act, HandStore},
    token, verifier,
};
use tower_logout::Logout;

pub(super) const ACTS: [Act; 3] = [Act::Now, Act::Polls(3), Act::Gated];

pub(super) fn logout(act: Act) -> (Logout, HandStore) {
    let store = HandStore::new().checks(act);
    // As many permits as any test here takes; tests that need the gate closed do without.
    store.open(1000);
    (logout_over(&store), store)
}

pub(super) fn logout_over(store: &HandStore) -> Logout {
    Logout::new(verifier(&clock()), store.clone()).check_timeout(Duration::from_secs(60))
}

pub(super) fn good() -> Request<Empty<Bytes>> {
    with(Empty::new())
}

pub(super) fn with<B>(body: B) -> Request<B> {
    Request::builder().header("authorization", bearer(&token("good"))).body(body).unwrap()
}

/// Polls once: a pending future stays pending until the test acts.
pub(super) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) &'static str);
