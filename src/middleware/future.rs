use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::Service;

use crate::{
    guard::{Admitted, Pending},
    middleware::{RequestBodies, ResponseBodies, Shared, admission::ResponsePlan},
    respond::{AnswerBody, Protocol, Rejection},
};

pin_project! {
    /// Future returned by [`RevocationService`](crate::middleware::RevocationService).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the check or the inner service's future, whichever is in progress.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<Inner, ReqBody, C, K>
    where
        Inner: Service<Request<K::Body>>,
        K: RequestBodies<ReqBody>,
    {
        #[pin]
        state: State<Inner, ReqBody, C, K>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<Inner, ReqBody, C, K>
    where
        Inner: Service<Request<K::Body>>,
        K: RequestBodies<ReqBody>,
    {
        Checking { check: Pending<C>, postponed: Option<Box<Postponed<Inner, ReqBody, C>>> },
        Calling { #[pin] future: Inner::Future, plan: ResponsePlan },
        Rejected { response: Option<Response<AnswerBody>> },
    }
}

/// A request that waits for its check. It is large, and boxed so that the future of a request that
/// does not wait stays small: that future is moved several times.
pub(super) struct Postponed<Inner, ReqBody, C> {
    pub(super) inner: Inner,
    pub(super) request: Request<ReqBody>,
    pub(super) shared: Arc<Shared<C>>,
    pub(super) protocol: Protocol,
}

impl<Inner, ReqBody, C, K> ResponseFuture<Inner, ReqBody, C, K>
where
    Inner: Service<Request<K::Body>>,
    ReqBody: Body,
    C: Send + Sync + 'static,
    K: RequestBodies<ReqBody>,
{
    pub(super) fn checking(check: Pending<C>, postponed: Postponed<Inner, ReqBody, C>) -> Self {
        Self { state: State::Checking { check, postponed: Some(Box::new(postponed)) } }
    }

    pub(super) fn calling(
        inner: &mut Inner,
        request: Request<ReqBody>,
        token: Option<Arc<Admitted<C>>>,
        shared: &Shared<C>,
        protocol: Protocol,
    ) -> Self {
        Self { state: State::calling(inner, request, token, shared, protocol) }
    }

    pub(super) fn rejected(shared: &Shared<C>, reason: Rejection, protocol: Protocol) -> Self {
        Self { state: State::rejected(shared, reason, protocol) }
    }
}

impl<Inner, ReqBody, C, K> State<Inner, ReqBody, C, K>
where
    Inner: Service<Request<K::Body>>,
    ReqBody: Body,
    C: Send + Sync + 'static,
    K: RequestBodies<ReqBody>,
{
    fn calling(
        inner: &mut Inner,
        request: Request<ReqBody>,
        token: Option<Arc<Admitted<C>>>,
        shared: &Shared<C>,
        protocol: Protocol,
    ) -> Self {
        let (request, plan) = shared.admit::<K, _>(request, token, protocol);
        Self::Calling { future: inner.call(request), plan }
    }

    fn rejected(shared: &Shared<C>, reason: Rejection, protocol: Protocol) -> Self {
        Self::Rejected { response: Some(shared.answers.reject(reason, protocol)) }
    }
}

impl<Inner, ReqBody, ResBody, C, K> Future for ResponseFuture<Inner, ReqBody, C, K>
where
    Inner: Service<Request<<K as RequestBodies<ReqBody>>::Body>, Response = Response<ResBody>>,
    ReqBody: Body,
    ResBody: Body,
    C: Send + Sync + 'static,
    K: RequestBodies<ReqBody> + ResponseBodies<ResBody>,
{
    type Output = Result<Response<<K as ResponseBodies<ResBody>>::Body>, Inner::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let following = match state.as_mut().project() {
                StateProj::Checking { check, postponed } => {
                    let decision = ready!(Pin::new(check).poll(cx));
                    let Postponed { mut inner, request, shared, protocol } =
                        *postponed.take().expect("a check resolves once");
                    match decision {
                        Ok(token) => State::calling(&mut inner, request, token, &shared, protocol),
                        Err(reason) => State::rejected(&shared, reason, protocol),
                    }
                }
                StateProj::Calling { future, plan } => {
                    return future.poll(cx).map(|answer| plan.release::<K, _, _>(answer));
                }
                StateProj::Rejected { response } => {
                    let response = response.take().expect("a future is not polled after it has resolved");
                    return Poll::Ready(Ok(response.map(K::answer)));
                }
            };
            state.set(following);
        }
    }
}

impl<Inner, ReqBody, C, K> fmt::Debug for ResponseFuture<Inner, ReqBody, C, K>
where
    Inner: Service<Request<K::Body>>,
    K: RequestBodies<ReqBody>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
