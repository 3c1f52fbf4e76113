//! Promise: `drain()` ends whatever is open with a token, now and from now on, in a way that its
//! client understands, so that a graceful shutdown completes; requests are still answered.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Router,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    response::Response,
    routing::any,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http_body::Frame;
use test_support::{
    bearer, clock,
    streams::{Http, Streams, WHOLE, client},
    token, verifier,
    wire::Server,
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};
use tonic::{Code, Status, Streaming, service::Routes, transport::Channel};
use tower_logout::{Logout, RevocationStore, RevocationWatch, guard::EndReason, revocation::Revocation};

use feed::{
    Event, Summary, WatchRequest,
    feed_client::FeedClient,
    feed_server::{Feed, FeedServer},
};

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, missing_debug_implementations)]
mod feed {
    include!("../../examples/grpc-stream/src/feed.rs");
}

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory())
}

const BOTH: [Http; 2] = [Http::One, Http::Two];
const LAST_EVENT: &str = "event: logout\ndata: shutting_down\n\n";

#[tokio::test]
async fn server_sent_events_end_properly_with_the_last_event() {
    for http in BOTH {
        let streams = Streams::behind(logout().last_event("logout")).await;
        let mut open = streams.open(http, "open", &token("open")).await;
        let idle = streams.open(http, "idle", &token("idle")).await;
        open.passes().await;
        streams.logout.drain();
        for ended in [open, idle] {
            ended.is_dropped().await;
            assert_eq!(ended.response.text().await.unwrap(), LAST_EVENT, "{http:?}");
        }
    }
}

#[tokio::test]
async fn without_a_last_event_they_end_properly_only_at_the_end_of_an_event() {
    for http in BOTH {
        let streams = Streams::behind(logout()).await;
        let mut open = streams.open(http, "open", &token("open")).await;
        let mut torn = streams.open(http, "torn", &token("torn")).await;
        open.passes().await;
        torn.feed.send(Ok(Frame::data(Bytes::from_static(b"data: half an ev")))).unwrap();
        assert_eq!(torn.response.chunk().await.unwrap().unwrap(), "data: half an ev");
        streams.logout.drain();
        open.is_dropped().await;
        assert_eq!(open.response.text().await.unwrap(), "", "{http:?}");
        torn.has_ended().await;
    }
}

#[tokio::test]
async fn a_download_ends_with_an_error_so_that_it_does_not_look_complete() {
    for http in BOTH {
        // A last event does not apply to downloads.
        let streams = Streams::behind(logout().last_event("logout")).await;
        let mut download = streams.open_at("/download", http, "one", &token("one")).await;
        download.passes().await;
        streams.logout.drain();
        download.has_ended().await;
    }
}

#[tokio::test]
async fn an_upload_is_cut_off_with_try_again() {
    for http in BOTH {
        let store = Arc::new(test_support::memory());
        let streams = Streams::behind(Logout::new(verifier(&clock()), Arc::clone(&store))).await;
        let (feed, body) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, Infallible>>();
        feed.send(Ok(Bytes::from_static(b"much more is to come"))).unwrap();
        let body = reqwest::Body::wrap_stream(UnboundedReceiverStream::new(body));
        let upload = client(http).post(streams.server.url("/upload")).header("authorization", bearer(&token("up")));
        let upload = tokio::spawn(upload.body(body).send());
        test_support::eventually("the upload is watched", || store.watched() > 0).await;
        streams.logout.drain();
        let answer = within(upload).await.unwrap().unwrap();
        assert_eq!(answer.status(), 503, "{http:?}");
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["error"], "temporarily_unavailable");
    }
}

#[tokio::test]
async fn streams_opened_after_the_drain_end_at_once() {
    for http in BOTH {
        let (plain, with_event) = (logout(), logout().last_event("logout"));
        plain.drain();
        with_event.drain();
        for (logout, last) in [(plain, ""), (with_event, LAST_EVENT)] {
            let streams = Streams::behind(logout).await;
            let late = streams.open(http, "late", &token("late")).await;
            late.is_dropped().await;
            assert_eq!(within(late.response.text()).await.unwrap(), last, "{http:?}");
        }
    }
}

#[tokio::test]
async fn bodies_configured_to_outlive_a_revocation_continue_and_only_watches_resolve() {
    for http in BOTH {
        let streams = Streams::behind(logout().allow_streams_after_revocation()).await;
        let of_handler = watch(&streams.logout, "open").await;
        let mut open = streams.open(http, "open", &token("open")).await;
        open.passes().await;
        streams.logout.drain();
        assert_eq!(within(of_handler).await, EndReason::ShuttingDown, "{http:?}");
        open.passes().await;
    }
}

#[tokio::test]
async fn requests_are_answered_as_before() {
    let streams = Streams::behind(logout()).await;
    streams.logout.drain();
    for http in BOTH {
        let token = token(&format!("{http:?}"));
        let client = client(http);
        let send = async |method: http::Method, path: &str, body: &'static str| {
            let request = client.request(method, streams.server.url(path)).header("authorization", bearer(&token));
            let answer = within(request.body(body).send()).await.unwrap();
            (answer.status().as_u16(), within(answer.text()).await.unwrap())
        };
        assert_eq!(send(http::Method::POST, "/upload", "short").await, (200, "5".to_owned()));
        // Long enough to be watched, but available at once.
        let (status, whole) = send(http::Method::GET, "/whole", "").await;
        assert_eq!((status, whole.len()), (200, WHOLE));
        streams.log_out(&token).await;
        assert_eq!(send(http::Method::GET, "/whole", "").await.0, 401, "a logout still ends a token");
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn watch(logout: &Logout, jti: &str) -> RevocationWatch {
    logout.watch(&logout.verifier().verify(&token(jti)).await.unwrap())
}

#[tokio::test]
async fn every_watch_resolves_polled_before_or_after() {
    let logout = logout();
    let mut before = watch(&logout, "one").await;
    assert!(poll_once(Pin::new(&mut before)).is_pending());
    let (unpolled, clone) = (watch(&logout, "one").await, before.clone());
    assert_eq!(unpolled.ended(), None);
    let woken = tokio::spawn(before);
    tokio::task::yield_now().await;
    logout.drain();
    assert_eq!(within(woken).await.unwrap(), EndReason::ShuttingDown);
    let later = watch(&logout, "two").await;
    for mut watch in [unpolled, clone, later] {
        assert_eq!(watch.ended(), Some(EndReason::ShuttingDown));
        for _ in 0..2 {
            assert_eq!(poll_once(Pin::new(&mut watch)), Poll::Ready(EndReason::ShuttingDown));
        }
    }
}

#[tokio::test]
async fn only_clones_share_it_however_they_are_configured() {
    type Change = fn(Logout) -> Logout;
    let changes: [Change; 5] = [
        |logout| logout,
        Logout::allow_anonymous,
        |logout| logout.check_timeout(Duration::from_secs(1)),
        |logout| logout.recheck_interval(Duration::from_secs(1)).insecure_allow_on_store_failure(),
        |logout| logout.token_cache(0, 0).last_event("logout"),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let one = logout();
        let other = change(one.clone());
        let unrelated = watch(&logout(), "one").await;
        let (mut of_one, mut of_other) = (watch(&one, "one").await, watch(&other, "one").await);
        assert!(poll_once(Pin::new(&mut of_one)).is_pending() && poll_once(Pin::new(&mut of_other)).is_pending());
        if n % 2 == 0 {
            one.drain();
        } else {
            other.drain();
        }
        for watch in [of_one, of_other] {
            assert_eq!(within(watch).await, EndReason::ShuttingDown, "{n}");
        }
        // A clone made later belongs to them too.
        let later = watch(&one.clone().check_timeout(Duration::ZERO), "one").await;
        assert_eq!(within(later).await, EndReason::ShuttingDown);
        assert!(poll_once(pin!(unrelated)).is_pending());
    }
}

#[tokio::test]
async fn an_earlier_end_keeps_its_reason_and_draining_twice_equals_once() {
    let logout = logout();
    let mut watch = watch(&logout, "one").await;
    let token = logout.verifier().verify(&token("one")).await.unwrap();
    logout.store().revoke(&Revocation::of_token(token.identity())).await.unwrap();
    assert_eq!((&mut watch).await, EndReason::Revoked);
    logout.drain();
    logout.drain();
    assert_eq!((watch.ended(), watch.await), (Some(EndReason::Revoked), EndReason::Revoked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watch_created_during_the_drain_does_not_miss_it() {
    for _ in 0..200 {
        let logout = logout();
        let mut watching = JoinSet::new();
        for _ in 0..8 {
            watching.spawn(watch(&logout, "one").await);
        }
        logout.drain();
        for reason in within(watching.join_all()).await {
            assert_eq!(reason, EndReason::ShuttingDown);
        }
    }
}

/// Streams that never send and never end by themselves.
struct Endless;

type Events = Pin<Box<dyn tokio_stream::Stream<Item = Result<Event, Status>> + Send>>;

#[tonic::async_trait]
impl Feed for Endless {
    type WatchStream = Events;
    type TalkStream = Events;

    async fn watch(&self, request: tonic::Request<WatchRequest>) -> Result<tonic::Response<Events>, Status> {
        let first = Event { number: request.get_ref().first, text: String::new() };
        Ok(tonic::Response::new(Box::pin(tokio_stream::once(Ok(first)).chain(tokio_stream::pending()))))
    }

    async fn upload(&self, request: tonic::Request<Streaming<Event>>) -> Result<tonic::Response<Summary>, Status> {
        let mut events = request.into_inner();
        while events.message().await?.is_some() {}
        Ok(tonic::Response::new(Summary { events: 0 }))
    }

    async fn talk(&self, _: tonic::Request<Streaming<Event>>) -> Result<tonic::Response<Events>, Status> {
        Ok(tonic::Response::new(Box::pin(tokio_stream::pending())))
    }
}

fn grpc(logout: &Logout) -> Router {
    Routes::new(FeedServer::new(Endless)).into_axum_router().layer(logout.layer())
}

async fn grpc_client(url: String) -> FeedClient<Channel> {
    FeedClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap())
}

fn grpc_request<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", bearer(&token("one")).parse().unwrap());
    request
}

fn assert_unavailable(status: &Status) {
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "The service is shutting down."));
}

#[tokio::test]
async fn a_grpc_stream_ends_with_status_14() {
    let logout = logout();
    let server = Server::axum(grpc(&logout)).await;
    let mut client = grpc_client(server.url("")).await;
    let mut open = client.watch(grpc_request(WatchRequest { first: 7 })).await.unwrap().into_inner();
    assert_eq!(within(open.message()).await.unwrap().unwrap().number, 7);
    logout.drain();
    assert_unavailable(&within(open.message()).await.unwrap_err());
    // A stream opened later gets the available messages at once, and then the same end.
    let mut late = client.watch(grpc_request(WatchRequest { first: 8 })).await.unwrap().into_inner();
    let end = async {
        loop {
            if let Err(status) = late.message().await {
                return status;
            }
        }
    };
    assert_unavailable(&within(end).await);
    let talk = client.talk(grpc_request(tokio_stream::pending::<Event>())).await.unwrap();
    assert_unavailable(&within(talk.into_inner().message()).await.unwrap_err());
}

/// The example from the documentation of the watch.
async fn socket(upgrade: WebSocketUpgrade, watch: RevocationWatch) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let reason = tokio::select! {
            reason = watch => reason,
            () = echo(&mut socket) => return,
        };
        let frame = CloseFrame { code: reason.close_code(), reason: reason.description().into() };
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    })
}

async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(_) = message
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

#[tokio::test]
async fn a_web_socket_is_closed_with_going_away() {
    use futures_util::SinkExt;

    let logout = logout();
    let server = Server::axum(Router::new().route("/", any(socket)).layer(logout.axum_layer())).await;
    let connect = async || {
        let mut request = format!("ws://{}/", server.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", bearer(&token("one")).parse().unwrap());
        within(tokio_tungstenite::connect_async(request)).await.unwrap().0
    };
    let mut open = connect().await;
    within(open.send(tungstenite::Message::text("one"))).await.unwrap();
    assert_eq!(within(open.next()).await.unwrap().unwrap(), tungstenite::Message::text("one"));
    logout.drain();
    for mut socket in [open, connect().await] {
        match within(socket.next()).await {
            Some(Ok(tungstenite::Message::Close(Some(frame)))) => {
                assert_eq!((u16::from(frame.code), &*frame.reason), (1001, "The service is shutting down."));
            }
            other => panic!("not closed: {other:?}"),
        }
        assert!(within(socket.next()).await.is_none(), "the connection is closed properly");
    }
}

/// A server that shuts down gracefully when told to.
async fn graceful(app: Router) -> (String, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async { stopped.await.unwrap() });
    (url, stop, tokio::spawn(async { serving.await.unwrap() }))
}

#[tokio::test]
async fn a_graceful_shutdown_waits_for_open_streams_until_they_are_drained() {
    let logout = logout().last_event("logout");
    let silent = async || {
        let events = tokio_stream::once(Ok::<_, Infallible>("data: 0\n\n")).chain(tokio_stream::pending());
        ([("content-type", "text/event-stream")], axum::body::Body::from_stream(events))
    };
    let events = Router::new().route("/events", axum::routing::get(silent)).layer(logout.axum_layer());
    let (url, stop, mut serving) = graceful(events.merge(grpc(&logout))).await;
    let mut open = Vec::new();
    for http in BOTH {
        for _ in 0..3 {
            let request = client(http).get(format!("{url}/events")).header("authorization", bearer(&token("one")));
            let mut response = request.send().await.unwrap().error_for_status().unwrap();
            assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 0\n\n");
            open.push(response);
        }
    }
    let mut rpc = grpc_client(url).await.watch(grpc_request(WatchRequest { first: 0 })).await.unwrap().into_inner();
    assert!(within(rpc.message()).await.unwrap().is_some());
    stop.send(()).unwrap();
    // Everything that can happen without the drain has happened.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!((&mut serving).now_or_never().is_none(), "it waits for the streams");
    logout.drain();
    for response in open {
        assert_eq!(within(response.text()).await.unwrap(), LAST_EVENT);
    }
    assert_unavailable(&within(rpc.message()).await.unwrap_err());
    within(serving).await.unwrap();
}

/// Fails instead of hanging if the future does not complete.
async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(60), future).await.expect("it never came")
}
