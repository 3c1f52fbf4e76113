use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::Service;

use crate::{
    guard::Checking,
    middleware::{
        RequestBody, ResponseBody,
        admission::{Admission, Outlook},
    },
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
        Inner: Service<Request<RequestBody<ReqBody>>>,
    {
        #[pin]
        state: State<Inner, ReqBody, C, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<Inner, ReqBody, C, R>
    where
        Inner: Service<Request<RequestBody<ReqBody>>>,
    {
        Checking { check: Checking<C>, next: Option<Next<Inner, ReqBody, R>> },
        Calling { #[pin] future: Inner::Future, outlook: Outlook<R> },
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What a check keeps waiting.
pub(super) struct Next<Inner, ReqBody, R> {
    pub(super) inner: Inner,
    pub(super) request: Request<ReqBody>,
    pub(super) admission: Arc<Admission<R>>,
    pub(super) protocol: Protocol,
}

impl<Inner, ReqBody, C, R> ResponseFuture<Inner, ReqBody, C, R>
where
    Inner: Service<Request<RequestBody<ReqBody>>>,
    ReqBody: Body,
    C: Send + Sync + 'static,
    R: Respond,
{
    pub(super) fn checking(check: Checking<C>, next: Next<Inner, ReqBody, R>) -> Self {
        Self { state: State::Checking { check, next: Some(next) } }
    }

    pub(super) fn calling(
        inner: &mut Inner,
        request: Request<ReqBody>,
        token: Option<VerifiedToken<C>>,
        admission: &Admission<R>,
        protocol: Protocol,
    ) -> Self {
        Self { state: State::calling(inner, request, token, admission, protocol) }
    }

    pub(super) fn refused(responder: &R, rejection: Rejection, protocol: Protocol) -> Self {
        Self { state: State::Refused { response: Some(respond::refuse(responder, rejection, protocol)) } }
    }
}

impl<Inner, ReqBody, C, R> State<Inner, ReqBody, C, R>
where
    Inner: Service<Request<RequestBody<ReqBody>>>,
    ReqBody: Body,
    C: Send + Sync + 'static,
    R: Respond,
{
    fn calling(
        inner: &mut Inner,
        mut request: Request<ReqBody>,
        token: Option<VerifiedToken<C>>,
        admission: &Admission<R>,
        protocol: Protocol,
    ) -> Self {
        let (outlook, upload) = admission.admit(&mut request, token, protocol);
        let future = inner.call(request.map(|body| RequestBody::new(body, upload)));
        Self::Calling { future, outlook }
    }
}

impl<Inner, ReqBody, ResBody, C, R> Future for ResponseFuture<Inner, ReqBody, C, R>
where
    Inner: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>>,
    ReqBody: Body,
    ResBody: Body,
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
                    let Next { mut inner, request, admission, protocol } = next.take().expect("a check resolves once");
                    match verdict {
                        Ok(token) => State::calling(&mut inner, request, token, &admission, protocol),
                        Err(rejection) => {
                            let response = respond::refuse(&*admission.responder, rejection, protocol);
                            State::Refused { response: Some(response) }
                        }
                    }
                }
                StateProj::Calling { future, outlook } => {
                    return future.poll(cx).map(|answer| outlook.release(answer));
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
    Inner: Service<Request<RequestBody<ReqBody>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
