//! Promise: the layer keeps Tower's contract: readiness, permits, errors and bodies are the inner
//! service's, and it asks of bodies only that they are bodies, and of the other types nothing.

use std::{
    cell::Cell,
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    marker::PhantomPinned,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use pin_project_lite::pin_project;
use test_support::{
    bearer, clock,
    hand::{Act, HandStore},
    token, verifier,
};
use tokio::sync::Semaphore;
use tower::{
    BoxError, Layer, Service, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit, service_fn,
    util::BoxCloneSyncService,
};
use tower_logout::{
    Logout, RevocationLayer,
    middleware::{RequestBody, ResponseBody, RevocationService},
    respond::Rejection,
};

type Choice = fn(Logout) -> Logout;

/// What is told of a body that a layer has ended.
const ENDED: &str = "Err(ended: the bearer token was revoked)";

const ACTS: [Act; 3] = [Act::Now, Act::Polls(3), Act::Gated];

fn logout(act: Act) -> (Logout, HandStore) {
    let store = HandStore::new().checks(act);
    // As many permits as any test here takes; those that need the gate closed do without.
    store.open(1000);
    (logout_over(&store), store)
}

fn logout_over(store: &HandStore) -> Logout {
    Logout::new(verifier(&clock()), store.clone()).check_timeout(Duration::from_secs(60))
}

fn good() -> Request<Empty<Bytes>> {
    with(Empty::new())
}

fn with<B>(body: B) -> Request<B> {
    Request::builder().header("authorization", bearer(&token("good"))).body(body).unwrap()
}

/// Nobody waits here: what is `Pending` stays so until the test does something.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

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
        // It panics if a clone that was never ready is called.
        let mut service = logout.layer().layer(ConcurrencyLimit::new(service_fn(ok), 1));
        for _ in 0..3 {
            let response = service.ready().await.unwrap().call(good()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{act:?}");
        }
        // As does this one, written down.
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
async fn a_refusal_gives_the_permit_back_and_drops_the_request_at_once() {
    // Settled in the call itself: before the future is polled, and while it is kept.
    let (logout, _store) = logout(Act::Now);
    let mut service = logout.layer().layer(ConcurrencyLimit::new(service_fn(ok), 1));
    let (flag, dropped) = drop_flag();
    let refused = service.ready().await.unwrap().call(Request::new(flag));
    assert!(dropped.load(Ordering::SeqCst));
    assert!(is_ready(&mut service.clone()), "another has the permit");
    assert_eq!(refused.await.unwrap().status(), StatusCode::UNAUTHORIZED);

    // Settled by a store that was waited for: when it has answered, and while the future is kept.
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
async fn bodies_need_not_be_unpin_default_or_from_anything() {
    for act in ACTS {
        let (logout, _store) = logout(act);
        let service = logout.layer().layer(service_fn(async |request: Request<RequestBody<Pinned>>| {
            assert_eq!(Box::pin(request.into_body()).collect().await.unwrap().to_bytes(), "request");
            Ok::<_, Infallible>(Response::new(Pinned::new("response")))
        }));
        let response = service.clone().oneshot(with(Pinned::new("request"))).await.unwrap();
        assert_eq!(Box::pin(response.into_body()).collect().await.unwrap().to_bytes(), "response");
        let response = service.oneshot(Request::new(Pinned::new("request"))).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(Box::pin(response.into_body()).collect().await.unwrap().to_bytes().starts_with(b"{"));
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
async fn data_of_any_kind_and_trailers_pass_through() {
    let (logout, _store) = logout(Act::Now);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let service = logout.layer().layer(service_fn(async |_: Request<RequestBody<Empty<Bytes>>>| {
        let data = |text: &str| Frame::data(VecDeque::from(text.as_bytes().to_vec()));
        let frames = [data("one"), data(""), data("two"), Frame::trailers(trailers.clone())];
        let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, Infallible>)));
        Ok::<_, Infallible>(Response::new(body))
    }));
    let mut body = service.oneshot(good()).await.unwrap().into_body();
    for expected in ["one", "", "two"] {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
    }
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn data_that_is_bytes_is_not_copied() {
    let (logout, _store) = logout(Act::Now);
    let data = Bytes::from(vec![1; 4096]);
    let at = data.as_ptr();
    let service = logout.layer().layer(service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(data.clone()))))
    }));
    let mut body = service.oneshot(good()).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().as_ptr(), at);
}

#[tokio::test]
async fn a_body_keeps_its_size_hint_its_end_and_its_error() {
    let (logout, _store) = logout(Act::Now);
    let service = logout.layer().layer(service_fn(async |_: Request<RequestBody<Empty<Bytes>>>| {
        Ok::<_, Infallible>(Response::new(Odd { frames: 1 }))
    }));
    let mut body = service.clone().oneshot(good()).await.unwrap().into_body();
    assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (3, Some(5)));
    assert!(!body.is_end_stream());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "odd");
    assert!(body.is_end_stream());
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Broken("a body's error")), "boxed, and otherwise as it was");

    // And a refusal's body knows its length, ends, and stays ended.
    let mut body = service.oneshot(Request::new(Empty::new())).await.unwrap().into_body();
    let length = body.size_hint().exact().unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().remaining() as u64, length);
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn all_that_a_body_tells_passes_unchanged_whether_it_is_watched_or_not() {
    let data = |text: &str| Step::Data(text.as_bytes().to_vec());
    let many = || (0..50).map(|n| data(&format!("frame {n}")));
    let trailers = || Step::Trailers(HeaderMap::from_iter([(http::header::ETAG, "the end".parse().unwrap())]));
    let fail = || Step::Fail(Broken("halfway"));
    let (known, unknown) = (Script::of_known_size, Script::of_unknown_size);
    // Which of them end if their token is dead before they begin, as a response and as a request:
    // those that are waited for, and none that is short.
    let bodies = [
        ("empty", known(vec![]), (false, false)),
        ("complete", known(vec![data("all")]), (false, false)),
        ("complete, of unknown size", unknown(vec![data("all"), trailers()]), (false, false)),
        ("trailers alone", unknown(vec![trailers()]), (false, false)),
        ("an error at once", unknown(vec![fail()]), (false, false)),
        ("short", known(vec![data("one"), Step::Wait, data(""), data("two")]), (false, false)),
        ("just short", known(vec![Step::Wait, Step::Data(vec![b'x'; 64 * 1024 - 1])]), (false, false)),
        ("just long", known(vec![Step::Wait, Step::Data(vec![b'x'; 64 * 1024])]), (true, true)),
        ("long", known(vec![Step::Data(vec![b'x'; 64 * 1024]), data("more")]), (false, false)),
        ("waits", unknown(vec![Step::Wait, Step::Wait, data("one"), Step::Wait, data("two")]), (true, true)),
        ("never waits", unknown(many().chain([trailers()]).collect()), (false, false)),
        ("with trailers", unknown(vec![data("one"), Step::Wait, data("two"), Step::Wait, trailers()]), (true, true)),
        ("with an error", unknown(vec![data("one"), data("two"), Step::Wait, fail()]), (true, true)),
    ];
    let bare = || Request::new(Empty::<Bytes>::new());
    let ways: [(&str, Choice, Request<_>, bool); 3] = [
        ("watched", |logout| logout, good(), true),
        ("streams do not end", |logout| logout.allow_streams_after_revocation(), good(), false),
        ("without a token", Logout::allow_anonymous, bare(), false),
    ];
    for (body, script, (response_ends, request_ends)) in &bodies {
        let expected = told(script.clone());
        for (way, choice, request, watched) in &ways {
            let logout = choice(logout(Act::Now).0);
            let as_request = request.clone().map(|_| script.clone());
            let answers = logout
                .layer()
                .layer(service_fn(async |_: Request<_>| Ok::<_, Infallible>(Response::new(script.clone()))));
            let reads = logout.layer().layer(service_fn(async |request: Request<RequestBody<Script>>| {
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(told(request.into_body()).join("\n"))))
            }));
            let response = answers.clone().oneshot(request.clone()).await.unwrap();
            assert_eq!(told(response.into_body()), expected, "a response: {body}, {way}");
            let response = reads.oneshot(as_request.clone()).await.unwrap();
            let read = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(read, expected.join("\n"), "a request: {body}, {way}");

            // And it was watched, or was not.
            let revoke = async || logout.revoker().everything().await.unwrap();
            let reads_late = logout.layer().layer(service_fn(async |request: Request<RequestBody<Script>>| {
                let _ = revoke().await;
                let status = match told(request.into_body()).last().unwrap().as_str() {
                    ENDED => StatusCode::BAD_REQUEST,
                    _ => StatusCode::OK,
                };
                Ok::<_, Infallible>(Response::builder().status(status).body(Empty::<Bytes>::new()).unwrap())
            }));
            let response = answers.oneshot(request.clone()).await.unwrap();
            let refused = reads_late.oneshot(as_request).await.unwrap().status() == StatusCode::UNAUTHORIZED;
            assert_eq!(refused, *watched && *request_ends, "a request: {body}, {way}");
            let ended = told(response.into_body()).last().unwrap() == ENDED;
            assert_eq!(ended, *watched && *response_ends, "a response: {body}, {way}");
        }
    }
}

#[tokio::test]
async fn a_service_that_cannot_leave_its_thread_works_where_nobody_asks() {
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
fn nothing_has_to_be_boxed_to_be_named_sent_or_shared() {
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
    // Erased and cloned as axum and tonic do.
    let (logout, _store) = logout(Act::Now);
    let _erased =
        BoxCloneSyncService::<_, Response, _>::new(logout.layer().layer(service_fn(ok::<RequestBody<Full<Bytes>>>)));
}

fn is_ready<S: Service<Request<DropFlag>>>(service: &mut S) -> bool {
    poll(pin!(poll_fn(|cx| service.poll_ready(cx)))).is_ready()
}

/// Not an `Error`, not `Send`, not anything.
#[derive(Debug)]
struct NotEvenAnError(Rc<u8>);

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
struct Broken(&'static str);

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

/// Panics unless this very instance was polled ready for this very call.
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

pin_project! {
    /// A body that may not move once it is polled, of which nothing can be made by default.
    struct Pinned {
        data: &'static str,
        sent: bool,
        #[pin]
        marker: PhantomPinned,
    }
}

impl Pinned {
    fn new(data: &'static str) -> Self {
        Self { data, sent: false, marker: PhantomPinned }
    }
}

impl Body for Pinned {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.project();
        let first = !std::mem::replace(this.sent, true);
        Poll::Ready(first.then(|| Ok(Frame::data(Bytes::from_static(this.data.as_bytes())))))
    }
}

/// A body that says unusual things of itself.
struct Odd {
    frames: u8,
}

impl Body for Odd {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(frames) = self.frames.checked_sub(1) else {
            return Poll::Ready(Some(Err(Broken("a body's error"))));
        };
        self.frames = frames;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"odd")))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames == 0
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(3);
        hint.set_upper(5);
        hint
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

/// A body that does at each poll what is written, and knows what is left of it.
#[derive(Clone)]
struct Script {
    steps: VecDeque<Step>,
    knows_its_size: bool,
}

#[derive(Clone)]
enum Step {
    Wait,
    Data(Vec<u8>),
    Trailers(HeaderMap),
    Fail(Broken),
}

impl Script {
    fn of_unknown_size(steps: Vec<Step>) -> Self {
        Self { steps: steps.into(), knows_its_size: false }
    }

    fn of_known_size(steps: Vec<Step>) -> Self {
        Self { knows_its_size: true, ..Self::of_unknown_size(steps) }
    }
}

impl Body for Script {
    type Data = VecDeque<u8>;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Broken>>> {
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Wait) => return Poll::Pending,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data.into()))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Fail(error)) => Some(Err(error)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let size = |step: &Step| if let Step::Data(data) = step { data.len() as u64 } else { 0 };
        let left = self.steps.iter().map(size).sum();
        if self.knows_its_size {
            return SizeHint::with_exact(left);
        }
        let mut hint = SizeHint::new();
        hint.set_lower(left);
        hint
    }
}

/// All that a body tells, poll by poll, up to its end or its error.
fn told<B: Body<Error: Into<BoxError>>>(body: B) -> Vec<String> {
    let mut body = pin!(body);
    let mut told = Vec::new();
    loop {
        told.push(format!("{:?} to come, over: {}", body.size_hint(), body.is_end_stream()));
        told.push(match poll(pin!(body.frame())) {
            Poll::Pending => "waits".to_owned(),
            Poll::Ready(Some(Ok(frame))) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                format!("{frame:?}")
            }
            Poll::Ready(Some(Err(error))) => {
                told.push(format!("{:?}", error.into().downcast::<Broken>()));
                return told;
            }
            Poll::Ready(None) => return told,
        });
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
