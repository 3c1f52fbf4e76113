use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    guard::{attempts::Decision, store_check::BoxFuture},
    respond::Rejection,
    token::VerifiedToken,
};

/// Result of a check: the verified token, `None` for a request that is allowed without one, or the
/// reason for the rejection.
pub type Verdict<C> = Result<Option<VerifiedToken<C>>, Rejection>;

/// Future returned by [`Logout::check`](crate::Logout::check). It does not borrow the request.
///
/// # Panics
///
/// If it must wait for the verifier or the store outside a Tokio runtime with time enabled. One
/// that answers immediately needs no runtime.
///
/// # Cancel safety
///
/// Dropping it has no effect.
#[must_use = "futures do nothing unless polled"]
pub struct Checking<C>(Pending<C>);

/// A check in progress.
pub(crate) enum Pending<C> {
    Decided(Option<Decision<C>>),
    Waiting(BoxFuture<Decision<C>>),
}

impl<C> Checking<C> {
    pub(super) fn new(pending: Pending<C>) -> Self {
        Self(pending)
    }
}

impl<C> Pending<C> {
    /// Returns the decision, if it was made without waiting.
    pub(crate) fn decided(self) -> Result<Decision<C>, Self> {
        match self {
            Self::Decided(Some(decision)) => Ok(decision),
            pending => Err(pending),
        }
    }
}

impl<C> Future for Pending<C> {
    type Output = Decision<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision<C>> {
        match &mut *self {
            Self::Decided(decision) => {
                Poll::Ready(decision.take().expect("a future is not polled after it has resolved"))
            }
            Self::Waiting(future) => future.as_mut().poll(cx),
        }
    }
}

impl<C> Future for Checking<C> {
    type Output = Verdict<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict<C>> {
        let decision = Pin::new(&mut self.0).poll(cx);
        decision.map(|decision| decision.map(|admitted| admitted.map(|admitted| admitted.token.clone())))
    }
}

// The future is boxed, and a decision is never pinned.
impl<C> Unpin for Pending<C> {}

impl<C> fmt::Debug for Checking<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checking").finish_non_exhaustive()
    }
}
