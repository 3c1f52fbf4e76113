use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use crate::{
    middleware::{AnyBodies, RequestBodies, ResponseBodies, ResponseFuture, Shared, future::Postponed},
    respond::Protocol,
    token::Claims,
};

/// Service that checks requests before the inner service. Created by
/// [`RevocationLayer`](crate::RevocationLayer).
#[must_use]
pub struct RevocationService<Inner, C = Claims, K = AnyBodies> {
    inner: Inner,
    shared: Arc<Shared<C>>,
    bodies: PhantomData<fn() -> K>,
}

impl<Inner, C, K> RevocationService<Inner, C, K> {
    pub(super) fn new(inner: Inner, shared: Arc<Shared<C>>) -> Self {
        Self { inner, shared, bodies: PhantomData }
    }
}

impl<Inner, C, K, ReqBody, ResBody> Service<Request<ReqBody>> for RevocationService<Inner, C, K>
where
    Inner: Service<Request<<K as RequestBodies<ReqBody>>::Body>, Response = Response<ResBody>> + Clone,
    K: RequestBodies<ReqBody> + ResponseBodies<ResBody>,
    C: Send + Sync + 'static,
    ReqBody: Body,
    ResBody: Body,
{
    type Response = Response<<K as ResponseBodies<ResBody>>::Body>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqBody, C, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Inner::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::of(request.method(), request.version(), request.headers());
        match self.shared.guard.check((&request).into()).decided() {
            Ok(Ok(token)) => ResponseFuture::calling(&mut self.inner, request, token, &self.shared, protocol),
            Ok(Err(rejection)) => {
                drop(self.take_ready());
                ResponseFuture::rejected(&self.shared, rejection, protocol)
            }
            Err(check) => {
                let shared = Arc::clone(&self.shared);
                let postponed = Postponed { inner: self.take_ready(), request, shared, protocol };
                ResponseFuture::checking(check, postponed)
            }
        }
    }
}

impl<Inner: Clone, C, K> RevocationService<Inner, C, K> {
    /// Takes the service that was polled ready and leaves a fresh clone behind.
    fn take_ready(&mut self) -> Inner {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }
}

impl<Inner: Clone, C, K> Clone for RevocationService<Inner, C, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared), bodies: PhantomData }
    }
}

impl<Inner: fmt::Debug, C, K> fmt::Debug for RevocationService<Inner, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationService")
            .field("inner", &self.inner)
            .field("guard", &self.shared.guard)
            .finish_non_exhaustive()
    }
}
