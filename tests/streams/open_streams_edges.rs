//! Promise: streams end with their token also in edge cases: slow readers, remote stores, an
//! application's own logout, declared lengths, clocks that jump; and no stream ends without reason.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, routing::post};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use test_support::{ISSUER, NOW, at, bearer, clock, replica::SharedLog, token, verifier, wire::Server};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_logout::{
    Claims, Logout, MemoryStore, Replica, RevocationStore, VerifiedToken,
    clock::{ManualClock, Timestamp},
    middleware::{RequestBody, ResponseBody},
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{RevocationSet, RevocationSignal},
    store::StoreError,
    token::TokenVerifier,
};

/// A body that always has a frame, without end or a number of times, and has no size hint.
#[derive(Default)]
struct Always {
    left: Option<usize>,
}
impl Body for Always {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                return Poll::Ready(None);
            }
            *left -= 1;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: x\n\n")))))
    }
    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }
}
/// A body that never sends, possibly with a declared length.
struct Silent(Option<u64>);
impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
    fn size_hint(&self) -> SizeHint {
        self.0.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn req<B>(jti: &str, body: B) -> Request<B> {
    Request::post("/").header("authorization", bearer(&token(jti))).body(body).unwrap()
}
fn memory(clock: &ManualClock) -> Logout {
    Logout::new(verifier(clock), MemoryStore::new().clock(clock.clone()))
}
async fn revoke(logout: &Logout, jti: &str) {
    let t = logout.verifier().verify(&token(jti)).await.unwrap();
    logout.store().revoke(&Revocation::of_token(t.identity())).await.unwrap();
}
async fn open<B: Body + Send + 'static>(logout: &Logout, jti: &str, body: B) -> ResponseBody<B> {
    let body = Arc::new(Mutex::new(Some(body)));
    let service = logout.layer().layer(service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| {
        let body = body.lock().unwrap().take().unwrap();
        async { Ok::<_, Infallible>(Response::new(body)) }
    }));
    service.oneshot(req(jti, Empty::new())).await.unwrap().into_body()
}

/// A healthy remote store whose answer takes two steps: a connection from the pool, then the query.
struct TwoSteps;
#[async_trait]
impl RevocationStore for TwoSteps {
    async fn revoke(&self, _: &Revocation) -> Result<Outcome, StoreError> {
        Ok(Outcome::Newly)
    }
    async fn is_revoked(&self, _: &TokenIdentity) -> Result<bool, StoreError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(false)
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_is_not_ended_because_its_reader_is_slower_than_the_check_timeout() {
    let logout = Logout::new(verifier(&clock()), TwoSteps);
    let mut body = open(&logout, "one", Always::default()).await;
    for n in 0..5000 {
        let frame = Pin::new(&mut body).frame().await.unwrap();
        assert!(frame.is_ok(), "frame {n} after {} ms: {frame:?}", n * 10);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_web_socket_loop_that_is_busy_for_a_second_is_not_ended() {
    let logout = Logout::new(verifier(&clock()), TwoSteps);
    let t = logout.verifier().verify(&token("one")).await.unwrap();
    let mut watch = logout.watch(&t);
    for n in 0..60 {
        tokio::select! {
            biased;
            reason = &mut watch => panic!("round {n}: {reason:?}"),
            // Stands for `socket.send(..).await`.
            () = std::future::ready(()) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

#[tokio::test]
async fn after_a_clock_jump_a_logout_ends_the_open_stream() {
    let clock = clock();
    let logout = memory(&clock);
    revoke(&logout, "old").await;
    let mut stream = open(&logout, "one", Silent(None)).await;
    assert!(stream.frame().now_or_never().is_none());
    clock.set(at(NOW + 3600));
    for n in 0..600 {
        let key = RevocationKey::token_id(ISSUER, &format!("n{n}"));
        logout.store().revoke(&Revocation::new(key, Timestamp::MAX, at(NOW + 9000))).await.unwrap();
    }
    clock.set(at(NOW));
    assert!(stream.frame().now_or_never().is_none());
    revoke(&logout, "one").await;
    assert!(stream.frame().now_or_never().is_some(), "a revoked token's stream goes on until its expiry");
}

#[tokio::test]
async fn a_cut_upload_is_rejected_even_if_the_inner_service_fails() {
    let logout = memory(&clock());
    let service = logout.layer().layer(service_fn(|r: Request<RequestBody<Silent>>| async move {
        r.into_body().collect().await?; // the error is a `BoxError`
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
    }));
    let mut call = pin!(service.oneshot(req("one", Silent(None))));
    assert!(call.as_mut().now_or_never().is_none());
    revoke(&logout, "one").await;
    let answer = call.await;
    assert_eq!(answer.expect("a refusal is a response").status(), 401);
}

/// A store that signals revocations and answers checks with a future.
struct SignalsAndWaits(RevocationSet);
#[async_trait]
impl RevocationStore for SignalsAndWaits {
    async fn revoke(&self, r: &Revocation) -> Result<Outcome, StoreError> {
        Ok(self.0.join(r).unwrap())
    }
    async fn is_revoked(&self, t: &TokenIdentity) -> Result<bool, StoreError> {
        tokio::task::yield_now().await;
        Ok(self.0.is_revoked(t))
    }
    fn watch(&self, t: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.0.watch(t))
    }
}
#[tokio::test(start_paused = true)]
async fn a_store_with_signals_ends_streams_at_once() {
    let logout = Logout::new(verifier(&clock()), SignalsAndWaits(RevocationSet::new()))
        .recheck_interval(Duration::from_secs(3600));
    let mut stream = open(&logout, "one", Silent(None)).await;
    assert!(stream.frame().now_or_never().is_none());
    revoke(&logout, "one").await;
    let began = tokio::time::Instant::now();
    let end = stream.frame().await.unwrap();
    assert!(end.is_err());
    assert!(began.elapsed() < Duration::from_secs(1), "ended after {:?}", began.elapsed());
}

#[tokio::test]
async fn an_own_logout_handler_with_a_body_of_two_frames_is_answered_in_full() {
    let logout = memory(&clock());
    let revoker = logout.revoker();
    let service = logout.layer().layer(service_fn(move |r: Request<RequestBody<Empty<Bytes>>>| {
        let revoker = revoker.clone();
        async move {
            let t: VerifiedToken<Claims> = r.extensions().get().cloned().unwrap();
            revoker.token(t.identity()).await.unwrap();
            Ok::<_, Infallible>(Response::new(Always { left: Some(2) }))
        }
    }));
    let response = service.oneshot(req("one", Empty::new())).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await;
    assert!(body.is_ok(), "{body:?}");
}

#[tokio::test]
async fn an_own_logout_handler_that_drains_its_request_afterwards_answers_200() {
    let logout = memory(&clock());
    let revoker = logout.revoker();
    let service = logout.layer().layer(service_fn(move |r: Request<RequestBody<_>>| {
        let revoker = revoker.clone();
        async move {
            let t: VerifiedToken<Claims> = r.extensions().get().cloned().unwrap();
            revoker.token(t.identity()).await.unwrap();
            // A small chunked body: the rest is not available at once
            let _ = r.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("logged out")))
        }
    }));
    let (tx, rx) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
    tx.send(Ok(Frame::data(Bytes::from_static(b"{")))).unwrap();
    let body = StreamBody::new(tokio_stream::wrappers::UnboundedReceiverStream::new(rx));
    let call = tokio::spawn(service.oneshot(req("one", body)));
    tokio::task::yield_now().await;
    let _ = tx.send(Ok(Frame::data(Bytes::from_static(b"}"))));
    drop(tx);
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn an_own_logout_handler_that_streams_its_page_is_read_in_full_over_either_http() {
    for http2 in [false, true] {
        let logout = memory(&clock());
        let revoker = logout.revoker();
        let handler = async move |token: VerifiedToken<Claims>| {
            let _ = revoker.token(token.identity()).await.unwrap();
            axum::body::Body::from_stream(tokio_stream::iter(
                ["<p>you are", " logged out</p>"].map(Ok::<_, Infallible>),
            ))
        };
        let server = Server::axum(Router::new().route("/out", post(handler)).layer(logout.axum_layer())).await;
        let client = reqwest::Client::builder();
        let client = if http2 { client.http2_prior_knowledge() } else { client.http1_only() }.build().unwrap();
        let request = client.post(server.url("/out")).header("authorization", bearer(&token("one")));
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), "<p>you are logged out</p>");
    }
}

#[tokio::test]
async fn a_last_event_is_not_put_into_a_body_that_is_compressed_or_has_a_length() {
    for (header, value) in [("content-encoding", "gzip"), ("content-length", "100000")] {
        let logout = memory(&clock()).last_event("logout");
        let service = logout.layer().layer(service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| async move {
            Ok::<_, Infallible>(
                Response::builder()
                    .header("content-type", "text/event-stream")
                    .header(header, value)
                    .body(Silent((header == "content-length").then_some(100_000)))
                    .unwrap(),
            )
        }));
        let mut body = service.oneshot(req("one", Empty::new())).await.unwrap().into_body();
        assert!(body.frame().now_or_never().is_none());
        revoke(&logout, "one").await;
        let end = body.frame().now_or_never().unwrap().unwrap();
        assert!(end.is_err(), "{header}: {end:?}");
    }
}

#[tokio::test]
async fn an_event_in_several_frames_is_an_event() {
    let logout = memory(&clock()).last_event("logout");
    let (feed, frames) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
    let body = StreamBody::new(UnboundedReceiverStream::new(frames));
    let body = Mutex::new(Some(body));
    let service = logout.layer().layer(service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
        let body = body.lock().unwrap().take().unwrap();
        async {
            Ok::<_, Infallible>(Response::builder().header("content-type", "text/event-stream").body(body).unwrap())
        }
    }));
    let mut body = service.oneshot(req("one", Empty::new())).await.unwrap().into_body();
    for piece in ["data: x\n", "\n"] {
        feed.send(Ok(Frame::data(piece.into()))).unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), piece);
    }
    assert!(body.frame().now_or_never().is_none());
    revoke(&logout, "one").await;
    let last = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(last, "event: logout\ndata: token_revoked\n\n");
}

#[tokio::test]
async fn grpc_web_is_not_ended_by_http_trailers() {
    let logout = memory(&clock());
    let service = logout.layer().layer(service_fn(move |_: Request<RequestBody<Empty<Bytes>>>| async move {
        Ok::<_, Infallible>(
            Response::builder().header("content-type", "application/grpc-web+proto").body(Silent(None)).unwrap(),
        )
    }));
    let mut r = req("one", Empty::new());
    r.headers_mut().insert("content-type", "application/grpc-web+proto".parse().unwrap());
    let mut body = service.oneshot(r).await.unwrap().into_body();
    assert!(body.frame().now_or_never().is_none());
    revoke(&logout, "one").await;
    let end = body.frame().now_or_never().unwrap().unwrap();
    assert!(!matches!(&end, Ok(f) if f.is_trailers()), "HTTP trailers, which grpc-web clients never see: {end:?}");
}

#[tokio::test]
async fn a_slow_reader_does_not_get_sixty_frames_after_the_expiry() {
    let clock = clock();
    let logout = memory(&clock);
    let mut body = open(&logout, "one", Always::default()).await;
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    clock.advance(Duration::from_secs(900));
    let mut after = 0;
    while body.frame().await.unwrap().is_ok() {
        after += 1;
        clock.advance(Duration::from_secs(10)); // one frame in ten seconds
    }
    assert!(after <= 1, "{after} frames in {} s after the expiry", after * 10);
}

#[tokio::test]
async fn a_body_that_is_at_its_end_is_not_ended() {
    let logout = memory(&clock());
    let mut body = open(&logout, "one", Always { left: Some(3) }).await;
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    assert!(body.is_end_stream());
    revoke(&logout, "one").await;
    let end = body.frame().await;
    assert!(end.is_none(), "all {} bytes were delivered: {end:?}", 27);
}

#[tokio::test]
async fn a_request_that_was_cut_off_stays_so() {
    let logout = memory(&clock());
    let service = logout.layer().layer(service_fn(async |request: Request<RequestBody<Silent>>| {
        let mut body = request.into_body();
        let (cut, then) = (body.frame().await, body.frame().await);
        let told = cut.is_some_and(|cut| cut.is_err()) && then.is_none() && body.is_end_stream();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(told.to_string())))
    }));
    let mut call = pin!(service.oneshot(req("one", Silent(None))));
    assert!(call.as_mut().now_or_never().is_none());
    revoke(&logout, "one").await;
    assert_eq!(call.await.unwrap().into_body().collect().await.unwrap().to_bytes(), "true");
}

#[tokio::test]
async fn a_stream_that_is_moved_to_another_task_wakes_it() {
    let logout = memory(&clock());
    let mut stream = open(&logout, "one", Silent(None)).await;
    assert!(stream.frame().now_or_never().is_none());
    let moved = tokio::spawn(async move { stream.frame().await });
    tokio::task::yield_now().await;
    revoke(&logout, "one").await;
    assert!(moved.await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn the_logout_service_behind_the_layer_answers_any_body() {
    let logout = memory(&clock());
    let server = Server::axum(Router::new().route_service("/out", logout.service()).layer(logout.axum_layer())).await;
    let chunks = reqwest::Body::wrap_stream(tokio_stream::iter([Ok::<_, Infallible>("{}"); 3]));
    for (jti, body) in [("chunked", chunks), ("long", reqwest::Body::from(vec![b'x'; 200_000]))] {
        let request = reqwest::Client::new().post(server.url("/out")).header("authorization", bearer(&token(jti)));
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &*answer.text().await.unwrap()),
            (200, r#"{"message":"Successfully logged out"}"#)
        );
    }
}

struct OnDrop(Mutex<Option<Box<dyn FnOnce() + Send>>>);
impl Wake for OnDrop {
    fn wake(self: Arc<Self>) {}
}
impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.get_mut().unwrap().take() {
            f();
        }
    }
}
#[test]
fn a_waker_whose_drop_revokes_does_not_deadlock() {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        let set = Arc::new(RevocationSet::new());
        let id = test_support::identity("one", at(NOW + 900));
        let mut signal = set.watch(&id);
        let on_drop = {
            let (set, id) = (set.clone(), id.clone());
            Box::new(move || {
                set.join(&Revocation::of_token(&id)).unwrap();
            })
        };
        let waker = Waker::from(Arc::new(OnDrop(Mutex::new(Some(on_drop)))));
        assert!(signal.poll_raised(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        // Another task polls it now: the old task is gone, and its last owner was the waker.
        let _ = signal.poll_raised(&mut Context::from_waker(Waker::noop()));
        tx.send(()).unwrap();
    });
    rx.recv_timeout(Duration::from_secs(5)).expect("deadlock");
}

struct Revokes(Mutex<Option<Box<dyn FnOnce() + Send>>>);
impl Wake for Revokes {
    fn wake(self: Arc<Self>) {
        if let Some(f) = self.0.lock().unwrap().take() {
            f();
        }
    }
}
#[test]
fn a_waker_that_revokes_in_a_replica_does_not_deadlock() {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        rt.block_on(async {
            let replica = Arc::new(Replica::start(SharedLog::new()));
            replica.ready().await.unwrap();
            let id = test_support::identity("one", at(NOW + 900));
            let mut signal = replica.watch(&id).unwrap();
            let other = replica.clone();
            let f = Box::new(move || {
                let other_id = test_support::identity("two", at(NOW + 900));
                let _ = other.revoke(&Revocation::of_token(&other_id)).now_or_never();
            });
            let waker = Waker::from(Arc::new(Revokes(Mutex::new(Some(f)))));
            assert!(signal.poll_raised(&mut Context::from_waker(&waker)).is_pending());
            replica.revoke(&Revocation::of_token(&id)).await.unwrap();
        });
        tx.send(()).unwrap();
    });
    rx.recv_timeout(Duration::from_secs(5)).expect("deadlock");
}
