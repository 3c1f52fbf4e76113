//! Promise: an open stream costs little, a logout wakes only the streams that it concerns, and a
//! closed stream leaves nothing behind.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use serde_json::json;
use test_support::{ISSUER, SECRET, bearer, claims_with, hs256};
use tower::{Layer, Service, service_fn};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    clock::Timestamp,
    guard::EndReason,
    middleware::{RequestBody, ResponseBody},
    revocation::{Revocation, RevocationKey},
    token::TokenVerifier,
};

const STREAMS: usize = 100_000;
const OF_ANN: usize = 1000;

/// A stream that has nothing to send yet.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// Without a cache of tokens, which would be counted with the streams.
fn logout() -> (Logout, Arc<MemoryStore>) {
    let (verifier, store) = (JwtVerifier::hs256(SECRET).issuer(ISSUER).build().unwrap(), Arc::new(MemoryStore::new()));
    (Logout::new(verifier, Arc::clone(&store)).token_cache(0, 0), store)
}

/// A request for a stream: of one of ann's sessions for the first thousand, of a user each for the
/// rest.
fn request(number: usize) -> Request<Empty<Bytes>> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let subject = if number < OF_ANN { "ann".to_owned() } else { format!("user {number}") };
    let claims = json!({
        "sub": subject, "sid": format!("session {number}"), "client_id": "app", "iat": now - 1, "exp": now + 3600
    });
    let token = hs256(&claims_with(&format!("token {number}"), claims));
    Request::get("/").header("authorization", bearer(&token)).body(Empty::new()).unwrap()
}

fn open<S>(service: &mut S, request: Request<Empty<Bytes>>) -> ResponseBody<Silent>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<ResponseBody<Silent>>, Error = Infallible>,
{
    let response = service.call(request).now_or_never().expect("nothing waits").unwrap();
    assert_eq!(response.status(), 200);
    response.into_body()
}

async fn silent(_: Request<RequestBody<Empty<Bytes>>>) -> Result<Response<Silent>, Infallible> {
    Ok(Response::new(Silent))
}

/// A stream and how often it was woken.
struct Reader {
    body: Pin<Box<ResponseBody<Silent>>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Reader {
    fn of(body: ResponseBody<Silent>) -> Self {
        let wakes = Arc::new(Wakes::default());
        Self { body: Box::pin(body), waker: Waker::from(Arc::clone(&wakes)), wakes }
    }

    fn poll(&mut self) -> Option<EndReason> {
        match self.body.as_mut().poll_frame(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => None,
            Poll::Ready(frame) => Some(*frame.unwrap().unwrap_err().downcast().unwrap()),
        }
    }

    fn was_woken(&self) -> bool {
        self.wakes.0.load(Ordering::SeqCst) > 0
    }
}

fn woken(readers: &[Reader]) -> Vec<usize> {
    (0..readers.len()).filter(|&number| readers[number].was_woken()).collect()
}

#[tokio::test]
async fn among_a_hundred_thousand_streams_a_logout_wakes_one_and_a_logout_everywhere_those_of_its_subject() {
    let (logout, store) = logout();
    let mut service = logout.layer().layer(service_fn(silent));
    let mut readers: Vec<_> = (0..STREAMS).map(|number| Reader::of(open(&mut service, request(number)))).collect();
    assert!(readers.iter_mut().all(|reader| reader.poll().is_none()));
    assert_eq!(store.watched(), STREAMS);

    let chosen = STREAMS / 2;
    let key = RevocationKey::token_id(ISSUER, &format!("token {chosen}"));
    store.revoke(&Revocation::new(key, Timestamp::MAX, Timestamp::MAX)).await.unwrap();
    assert_eq!(woken(&readers), [chosen]);
    assert_eq!(readers[chosen].poll(), Some(EndReason::Revoked));
    // An ended stream holds no place.
    assert_eq!(store.watched(), STREAMS - 1);

    logout.revoker().subject(ISSUER, "ann").await.unwrap();
    let of_ann: Vec<_> = (0..OF_ANN).chain([chosen]).collect();
    assert_eq!(woken(&readers), of_ann);
    assert!(readers[..OF_ANN].iter_mut().all(|reader| reader.poll() == Some(EndReason::Revoked)));
    assert_eq!(readers.iter_mut().skip(OF_ANN).filter(|reader| reader.was_woken()).count(), 1);

    logout.revoker().everything().await.unwrap();
    assert_eq!(woken(&readers).len(), STREAMS);
    let ended = readers.iter_mut().skip(OF_ANN).filter(|reader| !reader.was_woken() || reader.body.is_end_stream());
    assert_eq!(ended.count(), 1);
    drop(readers);
    assert_eq!(store.watched(), 0);
}

#[tokio::test]
async fn an_open_stream_takes_less_than_a_kibibyte() {
    const COUNTED: usize = 10_000;
    let (logout, _) = logout();
    let mut service = logout.layer().layer(service_fn(silent));
    let mut readers = Vec::with_capacity(COUNTED);
    for request in (0..COUNTED).map(request) {
        let mut body = Box::pin(open(&mut service, request));
        assert!(body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())).is_pending());
        readers.push(body);
    }
    let freed = allocation_counter::measure(|| drop(readers));
    let bytes = (-freed.bytes_current).cast_unsigned() / COUNTED as u64;
    println!("{bytes} bytes for an open stream: its body, watch, place and timer, and what is known of its token");
    assert!(bytes <= 1024, "{bytes}");
}

#[tokio::test]
async fn streams_opened_and_dropped_leave_nothing() {
    const ROUNDS: usize = 1_000_000;
    let (logout, store) = logout();
    let mut service = logout.layer().layer(service_fn(silent));
    let token = request(0).headers()["authorization"].to_str().unwrap()["Bearer ".len()..].to_owned();
    let token = logout.verifier().verify(&token).await.unwrap();
    let context = &mut Context::from_waker(Waker::noop());
    let mut round = |number: usize| {
        let mut watch = logout.watch(&token);
        assert!(watch.poll_unpin(context).is_pending());
        if number.is_multiple_of(100) {
            let mut body = Box::pin(open(&mut service, request(0)));
            assert!(body.as_mut().poll_frame(context).is_pending());
        }
    };
    // Allocations that happen once.
    (0..200).for_each(&mut round);
    let kept = allocation_counter::measure(|| (0..ROUNDS).for_each(&mut round));
    assert_eq!((kept.count_current, kept.bytes_current), (0, 0), "{kept:?}");
    assert_eq!(store.watched(), 0);
}

/// A stream that always has a frame, so that its reader never waits.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
    }
}

#[tokio::test]
async fn a_body_that_is_always_ready_does_not_outrun_its_token() {
    let clock = test_support::clock();
    let store = Arc::new(MemoryStore::new().clock(clock.clone()));
    let logout = Logout::new(test_support::verifier(&clock), Arc::clone(&store));
    let endless = service_fn(async |_: Request<RequestBody<Empty<Bytes>>>| Ok::<_, Infallible>(Response::new(Endless)));
    let mut service = logout.layer().layer(endless);
    let mut open = |jti: &str| {
        let request =
            Request::get("/").header("authorization", bearer(&test_support::token(jti))).body(Empty::new()).unwrap();
        Box::pin(service.call(request).now_or_never().unwrap().unwrap().into_body())
    };
    let next = |body: &mut Pin<Box<ResponseBody<Endless>>>| {
        let frame = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(frame)) = frame else { unreachable!("it always has a frame") };
        frame.map(drop).map_err(|error| *error.downcast::<EndReason>().unwrap())
    };
    for sent in [0, 1, 2, 3, 100, 1000] {
        let mut revoked = open(&format!("revoked after {sent}"));
        assert!((0..sent).all(|_| next(&mut revoked).is_ok()));
        let key = RevocationKey::token_id(ISSUER, &format!("revoked after {sent}"));
        store.revoke(&Revocation::new(key, Timestamp::MAX, Timestamp::MAX)).await.unwrap();
        // A response that has not begun may be the answer to the logout, so available frames are
        // sent, but not without end.
        let passed = (0..100).take_while(|_| next(&mut revoked).is_ok()).count();
        assert_eq!(passed, if sent == 0 { 66 } else { 0 }, "after {sent}");
    }
    let mut expires = open("expires");
    assert!((0..1000).all(|_| next(&mut expires).is_ok()));
    clock.advance(std::time::Duration::from_secs(900));
    let passed = (0..1000).position(|_| next(&mut expires).is_err()).unwrap();
    assert!(passed < 100, "{passed}");
    // It stays ended.
    let again = expires.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(again, Poll::Ready(None)) && expires.is_end_stream());
}
