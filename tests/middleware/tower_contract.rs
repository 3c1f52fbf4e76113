//! Promise: the layer keeps Tower's contract: readiness, permits and errors are those of the inner
//! service.

use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use test_support::hand::{Act, HandStore};
use tokio::sync::Semaphore;
use tower::{
    Layer, Service, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit, service_fn, util::BoxCloneSyncService,
};
use tower_logout::{
    Logout, RevocationLayer,
    middleware::{RequestBody, ResponseBody, RevocationService},
    respond::Rejection,
};

use super::support::{ACTS, Broken, good, logout, logout_over, poll, with};

async fn ok<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("inner")))
}

#[tokio::test]
async fn it_is_ready_when_the_inner_service_is() {
    let (logout, _store) = logout(Act::Now);
    let permits = Arc::new(Semaphore::new(0));
    let inner = Gate { permits: Arc::clone(&permits), broken: Arc::default() };
    let mut service = logout.layer().layer(inner);
    assert!(poll(pin!(poll_fn(|cx| service.poll_ready(cx)))).is_pending());
    permits.add_permits(1);
    assert!(matches!(poll(pin!(poll_fn(|cx| service.poll_ready(cx)))), Poll::Ready(Ok(()))));
}

#[tokio::test]
async fn errors_of_readiness_pass_through() {
    let (logout, _store) = logout(Act::Now);
    let inner = Gate { permits: Arc::new(Semaphore::new(1)), broken: Arc::new(AtomicBool::new(true)) };
    let mut service = logout.layer().layer(inner);
    assert!(matches!(poll(pin!(poll_fn(|cx| service.poll_ready(cx)))), Poll::Ready(Err(Broken("not ready")))));
}

#[tokio::test]
async fn calls_only_the_instance_polled_ready() {
    for act in ACTS {
        let (logout, _store) = logout(act);
        // The limit panics if a clone that was never ready is called.
        let mut service = logout.layer().layer(ConcurrencyLimit::new(service_fn(ok), 1));
        for _ in 0..3 {
            let response = service.ready().await.unwrap().call(good()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{act:?}");
        }
        // As does this service, explicitly.
        let mut service = logout.layer().layer(OnlyWhenReady::default());
        for _ in 0..3 {
            let response = service.ready().await.unwrap().call(good()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{act:?}");
        }
    }
}

#[tokio::test]
async fn it_works_inside_and_outside_a_buffer() {
    for act in ACTS {
        let (logout, _store) = logout(act);
        let inside = logout.layer().layer(Buffer::new(ConcurrencyLimit::new(service_fn(ok), 1), 1));
        let outside = Buffer::new(logout.layer().layer(ConcurrencyLimit::new(service_fn(ok), 1)), 1);
        for _ in 0..3 {
            assert_eq!(inside.clone().oneshot(good()).await.unwrap().status(), StatusCode::OK, "{act:?}");
            assert_eq!(outside.clone().oneshot(good()).await.unwrap().status(), StatusCode::OK, "{act:?}");
        }
    }
}

#[tokio::test]
async fn a_permit_is_held_during_the_check_and_no_longer_than_the_inner_future() {
    let store = HandStore::new().checks(Act::Gated);
    let mut service = logout_over(&store).layer().layer(ConcurrencyLimit::new(service_fn(ok), 1));
    let mut first = Box::pin(service.ready().await.unwrap().call(good()));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(pin!(poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut service, cx)))).is_pending());
    store.open(1);
    let Poll::Ready(Ok(response)) = poll(first.as_mut()) else { panic!("the gate is open") };
    assert_eq!(response.status(), StatusCode::OK);
    drop(first);
    assert!(poll(pin!(poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut service, cx)))).is_ready());
}

#[tokio::test]
async fn a_rejection_returns_the_permit_and_drops_the_request_at_once() {
    // Decided in the call itself: before the future is polled, and while it is kept.
    let (logout, _store) = logout(Act::Now);
    let mut service = logout.layer().layer(ConcurrencyLimit::new(service_fn(ok), 1));
    let (flag, dropped) = drop_flag();
    let refused = service.ready().await.unwrap().call(Request::new(flag));
    assert!(dropped.load(Ordering::SeqCst));
    assert!(is_ready(&mut service.clone()), "another has the permit");
    assert_eq!(refused.await.unwrap().status(), StatusCode::UNAUTHORIZED);

    // Decided after waiting for the store: once it has answered, and while the future is kept.
    let store = HandStore::new().checks(Act::Gated);
    let mut service = logout_over(&store).layer().layer(ConcurrencyLimit::new(service_fn(ok), 1));
    let (flag, dropped) = drop_flag();
    let mut refused = Box::pin(service.ready().await.unwrap().call(with(flag)));
    assert!(poll(refused.as_mut()).is_pending());
    assert!(!dropped.load(Ordering::SeqCst));
    let _ = logout_over(&store.clone().checks(Act::Now)).revoker().everything().await.unwrap();
    store.open(1);
    let Poll::Ready(Ok(response)) = poll(refused.as_mut()) else { panic!("the gate is open") };
    assert_eq!(response.extensions().get(), Some(&Rejection::Revoked));
    assert!(dropped.load(Ordering::SeqCst));
    assert!(is_ready(&mut service.clone()), "another has the permit");
    drop((refused, service));
}

#[tokio::test]
async fn nothing_of_the_inner_service_is_called_before_the_verdict() {
    let store = HandStore::new().checks(Act::Gated);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let inner = service_fn(move |request: Request<RequestBody<Empty<Bytes>>>| {
        counted.fetch_add(1, Ordering::SeqCst);
        ok(request)
    });
    let mut service = logout_over(&store).layer().layer(inner);
    let mut response = Box::pin(service.ready().await.unwrap().call(good()));
    for _ in 0..10 {
        assert!(poll(response.as_mut()).is_pending());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    store.open(1);
    assert!(poll(response.as_mut()).is_ready());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(service.oneshot(Request::new(Empty::new())).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "a refused request never gets there");
}

#[tokio::test]
async fn service_errors_pass_through_unchanged() {
    for act in ACTS {
        let (logout, _store) = logout(act);
        let inner = service_fn(async |_: Request<RequestBody<Empty<Bytes>>>| {
            Err::<Response<Empty<Bytes>>, _>(NotEvenAnError(Rc::new(7)))
        });
        let error = logout.layer().layer(inner).oneshot(good()).await.unwrap_err();
        assert_eq!(*error.0, 7);
    }
}

#[tokio::test]
async fn the_request_reaches_the_inner_service_untouched() {
    for act in ACTS {
        let (logout, _store) = logout(act);
        let service = logout.layer().layer(service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
            assert_eq!((request.method().as_str(), request.uri().path()), ("PATCH", "/a/b"));
            assert_eq!(request.headers()["x-more"], "more");
            assert_eq!(request.extensions().get(), Some(&"theirs"));
            Ok::<_, Infallible>(
                Response::builder().status(418).header("x-inner", "1").body(request.into_body()).unwrap(),
            )
        }));
        let mut request = with(Full::from("echo"));
        *request.method_mut() = http::Method::PATCH;
        *request.uri_mut() = "/a/b?c=d".parse().unwrap();
        request.headers_mut().insert("x-more", "more".parse().unwrap());
        request.extensions_mut().insert("theirs");
        let response = service.oneshot(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().len()), (418, 1), "nothing is added either");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "echo");
    }
}

#[tokio::test]
async fn a_service_that_is_not_send_works_on_one_thread() {
    for act in ACTS {
        let (logout, _store) = logout(act);
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let service = logout.layer().layer(service_fn(move |request: Request<RequestBody<Local>>| {
            let calls = Rc::clone(&counted);
            async move {
                calls.set(calls.get() + 1);
                Ok::<_, Rc<Infallible>>(Response::new(request.into_body()))
            }
        }));
        let local = tokio::task::LocalSet::new();
        let response = local.run_until(service.oneshot(with(Local(Rc::default())))).await.unwrap();
        assert_eq!((response.status(), calls.get()), (StatusCode::OK, 1));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "local");
    }
}

#[tokio::test]
async fn clones_share_the_store_and_the_verifier() {
    let (logout, _store) = logout(Act::Now);
    let one = logout.layer().layer(service_fn(ok));
    let two = logout.clone().layer().layer(service_fn(ok));
    let mut request = good();
    *request.method_mut() = http::Method::POST;
    let response = logout.service().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    for service in [one.clone(), one, two] {
        assert_eq!(service.oneshot(good()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn layering_twice_works() {
    for act in ACTS {
        let (outer, _store) = logout(act);
        let (inner, inner_store) = logout(act);
        let service = outer.layer().layer(inner.layer().layer(service_fn(ok)));
        let response = service.clone().oneshot(good()).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "inner");
        let _ = logout_over(&inner_store).revoker().everything().await.unwrap();
        assert_eq!(service.oneshot(good()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn all_types_can_be_named_sent_and_shared_without_a_box() {
    fn is<T: Send + Sync + Clone + 'static>() {}
    fn is_send<T: Send>() {}
    type Response = http::Response<ResponseBody<Full<Bytes>>>;
    type Inner = BoxCloneSyncService<Request<RequestBody<Full<Bytes>>>, http::Response<Full<Bytes>>, Infallible>;
    type Outer = RevocationService<Inner>;
    is::<Logout>();
    is::<RevocationLayer>();
    is::<Outer>();
    is_send::<<Outer as Service<Request<Full<Bytes>>>>::Future>();
    is_send::<ResponseBody<Full<Bytes>>>();
    is_send::<RequestBody<Full<Bytes>>>();
    // Boxed and cloned as axum and tonic do.
    let (logout, _store) = logout(Act::Now);
    let _erased =
        BoxCloneSyncService::<_, Response, _>::new(logout.layer().layer(service_fn(ok::<RequestBody<Full<Bytes>>>)));
}

fn is_ready<S: Service<Request<DropFlag>>>(service: &mut S) -> bool {
    poll(pin!(poll_fn(|cx| service.poll_ready(cx)))).is_ready()
}

/// Neither an `Error` nor `Send`.
#[derive(Debug)]
struct NotEvenAnError(Rc<u8>);

/// Ready with a permit, or broken.
#[derive(Clone)]
struct Gate {
    permits: Arc<Semaphore>,
    broken: Arc<AtomicBool>,
}

impl Service<Request<RequestBody<Empty<Bytes>>>> for Gate {
    type Response = Response<Empty<Bytes>>;
    type Error = Broken;
    type Future = std::future::Ready<Result<Response<Empty<Bytes>>, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self.broken.load(Ordering::SeqCst) {
            true => Poll::Ready(Err(Broken("not ready"))),
            false if self.permits.available_permits() == 0 => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, _request: Request<RequestBody<Empty<Bytes>>>) -> Self::Future {
        std::future::ready(Ok(Response::new(Empty::new())))
    }
}

/// Panics unless this instance was polled ready for this call.
#[derive(Default)]
struct OnlyWhenReady(bool);

impl Clone for OnlyWhenReady {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl Service<Request<RequestBody<Empty<Bytes>>>> for OnlyWhenReady {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<RequestBody<Empty<Bytes>>>) -> Self::Future {
        assert!(std::mem::take(&mut self.0), "called without being ready");
        std::future::ready(Ok(Response::new(Empty::new())))
    }
}

/// A body that cannot leave its thread.
struct Local(Rc<Cell<bool>>);

impl Body for Local {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready((!self.0.replace(true)).then(|| Ok(Frame::data(Bytes::from_static(b"local")))))
    }
}

struct DropFlag(Arc<AtomicBool>);

impl Body for DropFlag {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn drop_flag() -> (DropFlag, Arc<AtomicBool>) {
    let dropped = Arc::new(AtomicBool::new(false));
    (DropFlag(Arc::clone(&dropped)), dropped)
}
