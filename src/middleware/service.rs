use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use crate::{
    guard::Guard,
    middleware::{
        RequestBody, ResponseBody, ResponseFuture,
        admission::{Admission, Streams},
        future::Next,
    },
    respond::{AutoResponder, Protocol, Respond},
    store::RevocationStore,
    token::TokenVerifier,
};

/// The service that a [`RevocationLayer`](crate::RevocationLayer) makes of another.
#[must_use]
pub struct RevocationService<Inner, V, S, R = AutoResponder> {
    inner: Inner,
    guard: Arc<Guard<V, S>>,
    admission: Arc<Admission<R>>,
}

impl<Inner, V, S, R> RevocationService<Inner, V, S, R> {
    pub(super) fn new(inner: Inner, guard: Guard<V, S>, responder: Arc<R>, streams: Streams) -> Self {
        Self { inner, guard: Arc::new(guard), admission: Arc::new(Admission { responder, streams }) }
    }
}

impl<Inner, V, S, R, ReqBody, ResBody> Service<Request<ReqBody>> for RevocationService<Inner, V, S, R>
where
    Inner: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>> + Clone,
    ReqBody: Body,
    ResBody: Body,
    V: TokenVerifier,
    S: RevocationStore,
    R: Respond,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqBody, V::Claims, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Inner::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::of(request.method(), request.version(), request.headers());
        match self.guard.check((&request).into()).settled() {
            Ok(Ok(token)) => ResponseFuture::calling(&mut self.inner, request, token, &self.admission, protocol),
            Ok(Err(rejection)) => {
                drop(self.take_ready());
                ResponseFuture::refused(&*self.admission.responder, rejection, protocol)
            }
            Err(check) => {
                let admission = Arc::clone(&self.admission);
                ResponseFuture::checking(check, Next { inner: self.take_ready(), request, admission, protocol })
            }
        }
    }
}

impl<Inner: Clone, V, S, R> RevocationService<Inner, V, S, R> {
    /// Takes the service that was polled ready and leaves a fresh clone behind.
    fn take_ready(&mut self) -> Inner {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }
}

impl<Inner: Clone, V, S, R> Clone for RevocationService<Inner, V, S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), guard: Arc::clone(&self.guard), admission: Arc::clone(&self.admission) }
    }
}

impl<Inner: fmt::Debug, V, S, R> fmt::Debug for RevocationService<Inner, V, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationService")
            .field("inner", &self.inner)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
