//! Promise: bodies of any type pass unchanged: data, trailers, size hints, ends and errors.

use std::{
    collections::VecDeque,
    convert::Infallible,
    marker::PhantomPinned,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use pin_project_lite::pin_project;
use test_support::hand::Act;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_logout::{Logout, middleware::RequestBody};

use super::support::{ACTS, Broken, good, logout, poll, with};

type Choice = fn(Logout) -> Logout;

/// The error of a body that a layer has ended.
const ENDED: &str = "Err(ended: the bearer token was revoked)";

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

    // The body of a rejection knows its length, ends, and stays ended.
    let mut body = service.oneshot(Request::new(Empty::new())).await.unwrap().into_body();
    let length = body.size_hint().exact().unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().remaining() as u64, length);
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn everything_a_body_reports_passes_unchanged_whether_watched_or_not() {
    let data = |text: &str| Step::Data(text.as_bytes().to_vec());
    let many = || (0..50).map(|n| data(&format!("frame {n}")));
    let trailers = || Step::Trailers(HeaderMap::from_iter([(http::header::ETAG, "the end".parse().unwrap())]));
    let fail = || Step::Fail(Broken("halfway"));
    let (known, unknown) = (Script::of_known_size, Script::of_unknown_size);
    // Whether each ends if its token is revoked before it begins, as a response and as a request:
    // bodies that must be waited for do, short ones do not.
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
        let expected = reported(script.clone());
        for (way, choice, request, watched) in &ways {
            let logout = choice(logout(Act::Now).0);
            let as_request = request.clone().map(|_| script.clone());
            let answers = logout
                .layer()
                .layer(service_fn(async |_: Request<_>| Ok::<_, Infallible>(Response::new(script.clone()))));
            let reads = logout.layer().layer(service_fn(async |request: Request<RequestBody<Script>>| {
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(reported(request.into_body()).join("\n"))))
            }));
            let response = answers.clone().oneshot(request.clone()).await.unwrap();
            assert_eq!(reported(response.into_body()), expected, "a response: {body}, {way}");
            let response = reads.oneshot(as_request.clone()).await.unwrap();
            let read = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(read, expected.join("\n"), "a request: {body}, {way}");

            // Asserts whether the body was watched.
            let revoke = async || logout.revoker().everything().await.unwrap();
            let reads_late = logout.layer().layer(service_fn(async |request: Request<RequestBody<Script>>| {
                let _ = revoke().await;
                let status = match reported(request.into_body()).last().unwrap().as_str() {
                    ENDED => StatusCode::BAD_REQUEST,
                    _ => StatusCode::OK,
                };
                Ok::<_, Infallible>(Response::builder().status(status).body(Empty::<Bytes>::new()).unwrap())
            }));
            let response = answers.oneshot(request.clone()).await.unwrap();
            let refused = reads_late.oneshot(as_request).await.unwrap().status() == StatusCode::UNAUTHORIZED;
            assert_eq!(refused, *watched && *request_ends, "a request: {body}, {way}");
            let ended = reported(response.into_body()).last().unwrap() == ENDED;
            assert_eq!(ended, *watched && *response_ends, "a response: {body}, {way}");
        }
    }
}

pin_project! {
    /// A body that is not `Unpin` and has no `Default`.
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

/// A body with an unusual size hint.
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

/// A body that follows a script at each poll and knows what is left of it.
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

/// Everything that a body reports, poll by poll, up to its end or its error.
fn reported<B: Body<Error: Into<BoxError>>>(body: B) -> Vec<String> {
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
