//! A gRPC server with every kind of stream, its client, and how a test ends a token.

use std::{error::Error, future::Future, iter, pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use serde_json::json;
use test_support::{ISSUER, NOW, at, bearer, claims_with, clock, hs256, verifier, wire::Server};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::MetadataMap,
    service::Routes,
    transport::{Channel, server::TcpIncoming},
};
use tower_logout::{Claims, Logout, RevocationStore, VerifiedToken, clock::ManualClock, guard::EndReason};

use feed::{
    Event, Summary, WatchRequest,
    feed_client::FeedClient,
    feed_server::{Feed, FeedServer},
};
use greeter::{
    GreetReply, GreetRequest,
    greeter_server::{Greeter, GreeterServer},
};

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, missing_debug_implementations)]
pub(super) mod feed {
    include!("../../examples/grpc-stream/src/feed.rs");
}

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, missing_debug_implementations)]
pub(super) mod greeter {
    include!("../../examples/tonic/src/greeter.rs");
}

/// How a token ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// `POST /api/v1/logout`.
    Logout,
    /// The application revokes its session.
    Session,
    /// The application revokes its subject.
    Subject,
    Expiry,
}

impl End {
    pub(super) const ALL: [Self; 4] = [Self::Logout, Self::Session, Self::Subject, Self::Expiry];

    pub(super) fn is_a_revocation(self) -> bool {
        self != Self::Expiry
    }

    pub(super) fn reason(self) -> EndReason {
        if self.is_a_revocation() { EndReason::Revoked } else { EndReason::Expired }
    }

    pub(super) fn assert_is(self, status: &Status) {
        let message = if self.is_a_revocation() { "The token has been revoked." } else { "The token has expired." };
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, message), "{self:?}");
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Mount {
    /// `Routes` as an axum router behind the layer, with the logout endpoint beside it.
    Axum,
    /// The layer in tonic's server, the logout endpoint on another port.
    Tonic,
    /// Like `Axum`, with another layer with its own store around it.
    InnerOfTwo,
    /// Like `InnerOfTwo`, with the other layer inside.
    OuterOfTwo,
}

/// A server with both services, and a client with one connection.
pub(super) struct Node {
    pub(super) server: Server,
    pub(super) logout_server: Option<Server>,
    pub(super) channel: Channel,
    pub(super) client: FeedClient<Channel>,
    pub(super) logout: Logout,
    pub(super) clock: ManualClock,
    pub(super) opened: mpsc::UnboundedReceiver<mpsc::Sender<Result<Event, Status>>>,
    pub(super) seen: mpsc::UnboundedReceiver<Seen>,
}

impl Node {
    pub(super) async fn start(mount: Mount) -> Self {
        Self::start_with(mount, Arc::new(test_support::memory()), |logout| logout).await
    }

    pub(super) async fn start_with(
        mount: Mount,
        store: Arc<dyn RevocationStore>,
        options: fn(Logout) -> Logout,
    ) -> Self {
        let clock = clock();
        let logout = options(Logout::new(verifier(&clock), store));
        let (open, opened) = mpsc::unbounded_channel();
        let (see, seen) = mpsc::unbounded_channel();
        let (feed, greeter) = (FeedServer::new(Handlers { open, see }), largest(GreeterServer::new(Hello)));
        let endpoint = Router::new().route_service("/api/v1/logout", logout.service());
        let (server, logout_server) = match mount {
            Mount::Axum | Mount::InnerOfTwo | Mount::OuterOfTwo => {
                let services = Routes::new(feed).add_service(greeter).into_axum_router();
                let other = Logout::new(verifier(&clock), test_support::memory());
                let services = match mount {
                    Mount::InnerOfTwo => services.layer(logout.layer()).layer(other.layer()),
                    Mount::OuterOfTwo => services.layer(other.layer()).layer(logout.layer()),
                    _ => services.layer(logout.axum_layer()),
                };
                (Server::axum(services.merge(endpoint)).await, None)
            }
            Mount::Tonic => {
                let layer = logout.layer();
                let serve = |listener| async {
                    let mut server = tonic::transport::Server::builder().layer(layer);
                    let server = server.add_service(feed).add_service(greeter);
                    server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
                };
                (Server::start(serve).await, Some(Server::axum(endpoint).await))
            }
        };
        let channel = Channel::from_shared(server.url("")).unwrap().connect().await.unwrap();
        let client = FeedClient::new(channel.clone());
        Self { server, logout_server, channel, client, logout, clock, opened, seen }
    }

    /// Opens a server stream and returns the handler's end of it.
    pub(super) async fn watch(&mut self, token: &str) -> (Streaming<Event>, mpsc::Sender<Result<Event, Status>>) {
        let request = with(token, "", WatchRequest { first: 0 });
        let stream = within(self.client.watch(request)).await.unwrap().into_inner();
        (stream, within(self.opened.recv()).await.unwrap())
    }

    /// Opens a client stream.
    pub(super) fn upload(
        &self,
        token: &str,
        mode: &str,
    ) -> (mpsc::Sender<Event>, JoinHandle<Result<Response<Summary>, Status>>) {
        let (events, stream) = mpsc::channel(4);
        let (request, mut client) = (with(token, mode, ReceiverStream::new(stream)), self.client.clone());
        (events, tokio::spawn(async move { client.upload(request).await }))
    }

    /// Opens a stream in both directions.
    pub(super) async fn talk(&mut self, token: &str, mode: &str) -> (mpsc::Sender<Event>, Streaming<Event>) {
        let (events, stream) = mpsc::channel(4);
        let answers = within(self.client.talk(with(token, mode, ReceiverStream::new(stream)))).await.unwrap();
        (events, answers.into_inner())
    }

    /// Sends a number of events, each once the handler has received the one before.
    pub(super) async fn take(&mut self, events: u64, sender: &mpsc::Sender<Event>) {
        for number in 0..events {
            sender.send(event(number)).await.unwrap();
            assert_eq!(self.seen().await, Seen::Event(number));
        }
    }

    pub(super) async fn seen(&mut self) -> Seen {
        within(self.seen.recv()).await.unwrap()
    }

    /// How the handler's stream ends, after at most one more event.
    pub(super) async fn seen_at_the_end(&mut self) -> Seen {
        match self.seen().await {
            Seen::Event(PASSING) => self.seen().await,
            seen => seen,
        }
    }

    pub(super) async fn end(&self, end: End, jti: &str, token: &str) {
        let revoker = self.logout.revoker();
        match end {
            End::Logout => {
                let answer = self.logout_server.as_ref().unwrap_or(&self.server).post("/api/v1/logout", token).await;
                assert_eq!((answer.status, &*answer.body), (200, r#"{"message":"Successfully logged out"}"#));
            }
            End::Session => drop(revoker.session(ISSUER, &session(jti)).await.unwrap()),
            End::Subject => drop(revoker.subject(ISSUER, "ann").await.unwrap()),
            End::Expiry => self.clock.set(at(NOW + LIFETIME)),
        }
    }
}

/// Asserts that the stream ends after at most one more message, with the right status.
pub(super) async fn assert_ends(stream: &mut Streaming<Event>, end: End) {
    let status = match next(stream).await {
        Ok(Some(event)) if event.number == PASSING => next(stream).await.unwrap_err(),
        Ok(event) => panic!("{event:?} after the end"),
        Err(status) => status,
    };
    end.assert_is(&status);
}

pub(super) async fn next(stream: &mut Streaming<Event>) -> Result<Option<Event>, Status> {
    within(stream.message()).await
}

/// Fails instead of hanging if the future does not complete.
pub(super) async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(60), future).await.expect("it never came")
}

/// What a handler has read from its stream.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Event(u64),
    End,
    /// An error, and its root cause if that is an `EndReason`.
    Cut(Option<EndReason>),
}

impl Seen {
    pub(super) fn of(event: Option<&Result<Event, Status>>) -> Self {
        match event {
            None => Self::End,
            Some(Ok(event)) => Self::Event(event.number),
            Some(Err(status)) => {
                let mut chain = iter::successors(Some(status as &(dyn Error + 'static)), |&error| error.source());
                Self::Cut(chain.find_map(|error| error.downcast_ref().copied()))
            }
        }
    }
}

/// Handlers that act as the request's `mode` says and report to the test what they read.
pub(super) struct Handlers {
    pub(super) open: mpsc::UnboundedSender<mpsc::Sender<Result<Event, Status>>>,
    pub(super) see: mpsc::UnboundedSender<Seen>,
}

pub(super) type Events = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

#[tonic::async_trait]
impl Feed for Handlers {
    type WatchStream = Events;
    type TalkStream = Events;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Events>, Status> {
        if mode(&request) == "endless" {
            return Ok(Response::new(Box::pin(tokio_stream::iter((request.get_ref().first..).map(event).map(Ok)))));
        }
        let (sender, events) = mpsc::channel(4);
        let _ = self.open.send(sender);
        Ok(Response::new(Box::pin(ReceiverStream::new(events))))
    }

    async fn upload(&self, request: Request<Streaming<Event>>) -> Result<Response<Summary>, Status> {
        let (mode, see) = (mode(&request), self.see.clone());
        let mut events = request.into_inner();
        let reading = async move {
            let mut count = 0;
            loop {
                let event = events.next().await;
                let _ = see.send(Seen::of(event.as_ref()));
                match event {
                    Some(Ok(_)) => count += 1,
                    Some(Err(status)) if mode == "pass on" => return Err(status),
                    None | Some(Err(_)) => return Ok(Response::new(Summary { events: count })),
                }
            }
        };
        if mode == "spawn" { tokio::spawn(reading).await.unwrap() } else { reading.await }
    }

    async fn talk(&self, request: Request<Streaming<Event>>) -> Result<Response<Events>, Status> {
        let (mode, see) = (mode(&request), self.see.clone());
        let mut events = request.into_inner();
        if mode == "pass on" {
            let seen = events.map(move |event| {
                let _ = see.send(Seen::of(Some(&event)));
                event
            });
            return Ok(Response::new(Box::pin(seen.chain(tokio_stream::once(Err(ok_with_trailer()))))));
        }
        let (answer, answers) = mpsc::channel(4);
        tokio::spawn(async move {
            loop {
                let event = events.next().await;
                let _ = see.send(Seen::of(event.as_ref()));
                match event {
                    Some(Err(_)) if mode == "spawn" => {
                        answer.closed().await; // leaves it to the other direction to end
                        return;
                    }
                    // The handler continues to read even if the client no longer wants the answer.
                    Some(event) => drop(answer.send(event).await),
                    None => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

pub(super) struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let sub = request.extensions().get::<VerifiedToken<Claims>>().unwrap().sub.clone().unwrap();
        Ok(Response::new(GreetReply { message: format!("{} {sub}", request.get_ref().greeting) }))
    }
}

pub(super) fn largest<T>(server: GreeterServer<T>) -> GreeterServer<T> {
    server.max_decoding_message_size(LARGE * 2)
}

pub(super) fn mode<T>(request: &Request<T>) -> &'static str {
    let asked = request.metadata().get("mode").unwrap().to_str().unwrap();
    let modes = ["", "pass on", "swallow", "spawn", "spawn and pass on", "endless"];
    modes.into_iter().find(|&mode| mode == asked).unwrap()
}

pub(super) fn with<T>(token: &str, mode: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(token).parse().unwrap());
    request.metadata_mut().insert("mode", mode.parse().unwrap());
    request
}

/// A token of its own session. Ann's tokens live for [`LIFETIME`], all others much longer.
pub(super) fn token_of(sub: &str, jti: &str) -> String {
    let lifetime = if sub == "ann" { LIFETIME } else { 100 * LIFETIME };
    hs256(&claims_with(jti, json!({ "sub": sub, "sid": session(jti), "exp": NOW + lifetime })))
}

pub(super) fn session(jti: &str) -> String {
    format!("session of {jti}")
}

pub(super) fn event(number: u64) -> Event {
    Event { number, text: "x".repeat(usize::try_from(number % 50).unwrap()) }
}

pub(super) fn trailer() -> MetadataMap {
    let mut metadata = MetadataMap::new();
    metadata.insert("checksum", "abc".parse().unwrap());
    metadata.insert_bin("digest-bin", tonic::metadata::MetadataValue::from_bytes(&[0, 255]));
    metadata
}

/// The end of a successful stream, with custom trailers.
pub(super) fn ok_with_trailer() -> Status {
    Status::with_metadata(Code::Ok, "", trailer())
}

pub(super) const LIFETIME: u64 = 900;

/// How many messages pass before the end.
pub(super) const PASSING: u64 = 3;

pub(super) const MANY: u64 = 10_000;

pub(super) const LARGE: usize = 8 * 1024 * 1024;

pub(super) const SHORT: Duration = Duration::from_millis(500);
