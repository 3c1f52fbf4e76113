use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use crate::{
    guard::Checking,
    middleware::{Anonymous, ResponseBody},
    respond::{self, Protocol, Rejection, Respond},
    token::VerifiedToken,
};

pin_project! {
    /// The response of a [`RevocationService`](crate::middleware::RevocationService).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the check and the inner service's future, whichever is under way.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<Inner, ReqBody, C, R>
    where
        Inner: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<Inner, ReqBody, C, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<Inner, ReqBody, C, R>
    where
        Inner: Service<Request<ReqBody>>,
    {
        Checking { check: Checking<C>, next: Option<Next<Inner, ReqBody, R>> },
        Calling { #[pin] future: Inner::Future },
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What a check keeps waiting.
struct Next<Inner, ReqBody, R> {
    inner: Inner,
    request: Request<ReqBody>,
    responder: Arc<R>,
    protocol: Protocol,
}

impl<Inner, ReqBody, C, R> ResponseFuture<Inner, ReqBody, C, R>
where
    Inner: Service<Request<ReqBody>>,
    C: Send + Sync + 'static,
{
    pub(super) fn checking(
        check: Checking<C>,
        inner: Inner,
        request: Request<ReqBody>,
        responder: Arc<R>,
        protocol: Protocol,
    ) -> Self {
        let next = Some(Next { inner, request, responder, protocol });
        Self { state: State::Checking { check, next } }
    }

    pub(super) fn calling(inner: &mut Inner, request: Request<ReqBody>, token: Option<VerifiedToken<C>>) -> Self {
        Self { state: State::Calling { future: inner.call(admit(request, token)) } }
    }
}

impl<Inner, ReqBody, C, R> ResponseFuture<Inner, ReqBody, C, R>
where
    Inner: Service<Request<ReqBody>>,
    R: Respond,
{
    pub(super) fn refused(responder: &R, rejection: Rejection, protocol: Protocol) -> Self {
        Self { state: State::Refused { response: Some(respond::refuse(responder, rejection, protocol)) } }
    }
}

impl<Inner, ReqBody, ResBody, C, R> Future for ResponseFuture<Inner, ReqBody, C, R>
where
    Inner: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: Send + Sync + 'static,
    R: Respond,
{
    type Output = Result<Response<ResponseBody<ResBody>>, Inner::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let following = match state.as_mut().project() {
                StateProj::Checking { check, next } => {
                    let verdict = ready!(Pin::new(check).poll(cx));
                    let mut next = next.take().expect("a check resolves once");
                    match verdict {
                        Ok(token) => State::Calling { future: next.inner.call(admit(next.request, token)) },
                        Err(rejection) => {
                            let response = respond::refuse(&*next.responder, rejection, next.protocol);
                            State::Refused { response: Some(response) }
                        }
                    }
                }
                StateProj::Calling { future } => {
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                StateProj::Refused { response } => {
                    let response = response.take().expect("a future is not polled after it has resolved");
                    return Poll::Ready(Ok(response.map(ResponseBody::refusal)));
                }
            };
            state.set(following);
        }
    }
}

impl<Inner, ReqBody, C, R> fmt::Debug for ResponseFuture<Inner, ReqBody, C, R>
where
    Inner: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Puts what was verified into the request, and nothing else: what an earlier layer claims is not ours.
fn admit<B, C: Send + Sync + 'static>(mut request: Request<B>, token: Option<VerifiedToken<C>>) -> Request<B> {
    let extensions = request.extensions_mut();
    if let Some(token) = token {
        extensions.insert(token);
    } else {
        extensions.remove::<VerifiedToken<C>>();
        extensions.insert(Anonymous::<C>::MARK);
    }
    request
}
