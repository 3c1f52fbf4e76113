//! Promise: gRPC streams of every kind end with their token: status 16 in the middle, 14 where
//! nobody can tell any more, and unchanged while it is good.

use std::{collections::HashMap, error::Error, future::Future, iter, pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use feed::{
    Event, Summary, WatchRequest,
    feed_client::FeedClient,
    feed_server::{Feed, FeedServer},
};
use greeter::{
    GreetReply, GreetRequest,
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};
use serde_json::json;
use test_support::replica::{Feed as LogFeed, SharedLog};
use test_support::{
    ISSUER, NOW, at, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256, verifier,
    wire::Server,
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::MetadataMap,
    service::Routes,
    transport::{Channel, server::TcpIncoming},
};
use tower_logout::{
    Claims, Logout, MemoryStore, RevocationStore, VerifiedToken, clock::ManualClock, guard::EndReason,
    store::ReplicaOptions,
};

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, missing_debug_implementations)]
mod feed {
    include!("../../examples/grpc-stream/src/feed.rs");
}

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, missing_debug_implementations)]
mod greeter {
    include!("../../examples/tonic/src/greeter.rs");
}

/// Each test behind axum's server, as the README has it, with the layer in tonic's own server, and
/// with another layer around the one whose store says the end, or inside of it.
macro_rules! over_all_servers {
    ($($test:ident)*) => {
        over_all_servers!(axum_server, Axum: $($test)*);
        over_all_servers!(tonic_server, Tonic: $($test)*);
        over_all_servers!(inner_of_two_layers, InnerOfTwo: $($test)*);
        over_all_servers!(outer_of_two_layers, OuterOfTwo: $($test)*);
    };
    ($name:ident, $mount:ident: $($test:ident)*) => {
        mod $name {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Mount::$mount).await;
            })*
        }
    };
}

over_all_servers! {
    a_server_stream_ends_in_the_middle
    a_client_stream_ends_in_the_middle_and_its_handler_sees_why
    a_client_stream_that_another_task_reads_ends_for_that_task
    a_bidirectional_stream_ends_in_the_middle
    a_bidirectional_stream_that_another_task_reads_ends_for_that_task
    a_stream_that_is_always_ready_does_not_outrun_its_token
    streams_of_one_subject_end_together_and_no_other
    without_a_logout_ten_thousand_messages_and_the_trailers_pass_unchanged
    a_handler_s_own_status_passes_unchanged
    a_store_that_fails_ends_streams_as_unavailable
    a_replica_that_has_lost_its_log_ends_streams_as_unavailable
    unary_calls_of_any_size_pass
}

async fn a_server_stream_ends_in_the_middle(mount: Mount) {
    for end in End::ALL {
        let mut node = Node::start(mount).await;
        let (token, other) = (token_of("ann", "1"), token_of("bob", "2"));
        let (mut stream, events) = node.watch(&token).await;
        let (mut going_on, other_events) = node.watch(&other).await;
        for number in 0..PASSING {
            events.send(Ok(event(number))).await.unwrap();
            assert_eq!(next(&mut stream).await.unwrap(), Some(event(number)), "{end:?}");
        }
        node.end(end, "1", &token).await;
        if end.is_a_revocation() {
            for number in PASSING..PASSING + 2 {
                let _ = events.send(Ok(event(number))).await; // fails if it has ended already
            }
        }
        assert_ends(&mut stream, end).await;
        within(events.closed()).await; // nobody sends for nobody
        other_events.send(Ok(event(7))).await.unwrap();
        assert_eq!(next(&mut going_on).await.unwrap(), Some(event(7)), "{end:?}");
    }
}

async fn a_client_stream_ends_in_the_middle_and_its_handler_sees_why(mount: Mount) {
    // Whether the handler passes the error on or answers all the same, the client is told the
    // truth.
    for mode in ["pass on", "swallow"] {
        for end in End::ALL {
            let mut node = Node::start(mount).await;
            let token = token_of("ann", "1");
            let (events, call) = node.upload(&token, mode);
            node.take(PASSING, &events).await;
            node.end(end, "1", &token).await;
            if end.is_a_revocation() {
                for number in PASSING..PASSING + 2 {
                    let _ = events.send(event(number)).await;
                }
            }
            end.assert_is(&within(call).await.unwrap().unwrap_err());
            assert_eq!(node.seen_at_the_end().await, Seen::Cut(Some(end.reason())), "{mode}, {end:?}");
            within(events.closed()).await;
        }
    }
}

async fn a_client_stream_that_another_task_reads_ends_for_that_task(mount: Mount) {
    for end in End::ALL {
        let mut node = Node::start(mount).await;
        let token = token_of("ann", "1");
        let (events, call) = node.upload(&token, "spawn");
        node.take(PASSING, &events).await;
        node.end(end, "1", &token).await;
        assert_eq!(node.seen_at_the_end().await, Seen::Cut(Some(end.reason())), "{end:?}");
        end.assert_is(&within(call).await.unwrap().unwrap_err());
    }
}

async fn a_bidirectional_stream_ends_in_the_middle(mount: Mount) {
    for end in End::ALL {
        bidirectional(mount, "pass on", end).await;
    }
}

async fn a_bidirectional_stream_that_another_task_reads_ends_for_that_task(mount: Mount) {
    for mode in ["spawn", "spawn and pass on"] {
        for end in End::ALL {
            bidirectional(mount, mode, end).await;
        }
    }
}

async fn bidirectional(mount: Mount, mode: &str, end: End) {
    let mut node = Node::start(mount).await;
    let (token, other) = (token_of("ann", "1"), token_of("bob", "2"));
    let (events, mut answers) = node.talk(&token, mode).await;
    let (other_events, mut other_answers) = node.talk(&other, "pass on").await;
    for number in 0..PASSING {
        events.send(event(number)).await.unwrap();
        assert_eq!(next(&mut answers).await.unwrap(), Some(event(number)), "{mode}, {end:?}");
        assert_eq!(node.seen().await, Seen::Event(number));
    }
    node.end(end, "1", &token).await;
    if end.is_a_revocation() {
        for number in PASSING..PASSING + 2 {
            let _ = events.send(event(number)).await;
        }
    }
    assert_ends(&mut answers, end).await;
    if mode.starts_with("spawn") {
        // The task outlives the call, and holds nothing but its half of it.
        assert_eq!(node.seen_at_the_end().await, Seen::Cut(Some(end.reason())), "{mode}, {end:?}");
    }
    within(events.closed()).await;
    other_events.send(event(7)).await.unwrap();
    assert_eq!(next(&mut other_answers).await.unwrap(), Some(event(7)), "{mode}, {end:?}");
}

async fn a_stream_that_is_always_ready_does_not_outrun_its_token(mount: Mount) {
    for end in End::ALL {
        let node = Node::start(mount).await;
        let token = token_of("ann", "1");
        let mut stream =
            node.client.clone().watch(with(&token, "endless", WatchRequest { first: 0 })).await.unwrap().into_inner();
        for number in 0..1000 {
            assert_eq!(next(&mut stream).await.unwrap(), Some(event(number)));
        }
        node.end(end, "1", &token).await;
        // What was on its way arrives: no more than the windows of HTTP/2 and the buffers of the
        // connection hold.
        let status = within(async {
            loop {
                if let Err(status) = stream.message().await {
                    return status;
                }
            }
        })
        .await;
        end.assert_is(&status);
    }
}

async fn streams_of_one_subject_end_together_and_no_other(mount: Mount) {
    let mut node = Node::start(mount).await;
    let mut streams = HashMap::new();
    for name in ["ann", "bob"] {
        for jti in 0..20 {
            let token = token_of(name, &format!("{name} {jti}"));
            streams.entry(name).or_insert_with(Vec::new).push(node.watch(&token).await);
        }
    }
    node.logout.revoker().subject(ISSUER, "ann").await.unwrap();
    for (stream, _events) in streams.get_mut("ann").unwrap() {
        assert_ends(stream, End::Subject).await;
    }
    for (stream, events) in streams.get_mut("bob").unwrap() {
        events.send(Ok(event(1))).await.unwrap();
        assert_eq!(next(stream).await.unwrap(), Some(event(1)));
    }
}

async fn without_a_logout_ten_thousand_messages_and_the_trailers_pass_unchanged(mount: Mount) {
    let mut node = Node::start(mount).await;
    let token = token_of("ann", "1");

    let (mut stream, sender) = node.watch(&token).await;
    let sending = tokio::spawn(async move {
        for number in 0..MANY {
            sender.send(Ok(event(number))).await.unwrap();
        }
        sender.send(Err(ok_with_trailer())).await.unwrap();
    });
    assert_many(&mut stream).await;
    within(sending).await.unwrap();

    let (events, mut answers) = node.talk(&token, "pass on").await;
    let sending = tokio::spawn(async move {
        for number in 0..MANY {
            events.send(event(number)).await.unwrap();
        }
    });
    assert_many(&mut answers).await;
    within(sending).await.unwrap();

    let (events, call) = node.upload(&token, "pass on");
    for number in 0..MANY {
        events.send(event(number)).await.unwrap();
    }
    drop(events);
    assert_eq!(within(call).await.unwrap().unwrap().into_inner(), Summary { events: MANY });
}

async fn assert_many(stream: &mut Streaming<Event>) {
    for number in 0..MANY {
        assert_eq!(next(stream).await.unwrap(), Some(event(number)));
    }
    assert_eq!(next(stream).await.unwrap(), None);
    let trailers = within(stream.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers.get("checksum").unwrap(), "abc");
    assert_eq!(trailers.get_bin("digest-bin").unwrap().to_bytes().unwrap(), &[0, 255][..]);
}

async fn a_handler_s_own_status_passes_unchanged(mount: Mount) {
    let mut node = Node::start(mount).await;
    let (mut stream, events) = node.watch(&token_of("ann", "1")).await;
    events.send(Ok(event(0))).await.unwrap();
    events.send(Err(Status::with_metadata(Code::DataLoss, "gone: 7 % of it", trailer()))).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), Some(event(0)));
    let status = next(&mut stream).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "gone: 7 % of it"));
    assert_eq!(status.metadata().get("checksum").unwrap(), "abc");
}

async fn a_store_that_fails_ends_streams_as_unavailable(mount: Mount) {
    for act in [Act::Fail, Act::Hang] {
        let store = HandStore::new();
        let ask_often = |logout: Logout| logout.recheck_interval(Duration::from_millis(1)).check_timeout(SHORT);
        let node = Node::start_with(mount, Arc::new(store.clone()), ask_often).await;
        unavailable(node, || drop(store.clone().checks(act))).await;
    }
}

async fn a_replica_that_has_lost_its_log_ends_streams_as_unavailable(mount: Mount) {
    let log = SharedLog::new();
    let replica = ReplicaOptions::new().max_staleness(SHORT).reject_when_stale().start(log.clone());
    replica.ready().await.unwrap();
    let node = Node::start_with(mount, Arc::new(replica), |logout| logout).await;
    unavailable(node, || log.feed(LogFeed::Hangs)).await;
}

/// Opens a stream of each kind, has the store fail, and sees them end.
async fn unavailable(mut node: Node, fail: impl FnOnce()) {
    let token = token_of("ann", "1");
    let (mut watched, events) = node.watch(&token).await;
    let (uploaded, upload) = node.upload(&token, "pass on");
    let (said, mut answers) = node.talk(&token, "pass on").await;
    let (said_to_a_task, mut answers_of_a_task) = node.talk(&token, "spawn and pass on").await;
    events.send(Ok(event(0))).await.unwrap();
    assert_eq!(next(&mut watched).await.unwrap(), Some(event(0)));
    node.take(1, &uploaded).await;
    for (said, answers) in [(&said, &mut answers), (&said_to_a_task, &mut answers_of_a_task)] {
        said.send(event(0)).await.unwrap();
        assert_eq!(next(answers).await.unwrap(), Some(event(0)));
    }
    fail();
    assert_unavailable(&next(&mut watched).await.unwrap_err());
    assert_unavailable(&within(upload).await.unwrap().unwrap_err());
    assert_unavailable(&next(&mut answers).await.unwrap_err());
    assert_unavailable(&next(&mut answers_of_a_task).await.unwrap_err());
    // A new one is refused with the same.
    let refused = node.client.clone().watch(with(&token, "", WatchRequest { first: 0 })).await.unwrap_err();
    assert_unavailable(&refused);
}

fn assert_unavailable(status: &Status) {
    let message = "The token cannot be checked at the moment. Try again.";
    assert_eq!((status.code(), status.message()), (Code::Unavailable, message));
}

async fn unary_calls_of_any_size_pass(mount: Mount) {
    let node = Node::start(mount).await;
    let mut client = GreeterClient::new(node.channel.clone())
        .max_decoding_message_size(LARGE * 2)
        .max_encoding_message_size(LARGE * 2);
    let token = token_of("ann", "1");
    for size in [0, 1, 20_000, 70_000, 4_000_000, LARGE] {
        let greeting: String = ('a'..='z').cycle().take(size).collect();
        let reply = within(client.greet(with(&token, "", GreetRequest { greeting: greeting.clone() }))).await.unwrap();
        assert!(reply.get_ref().message == format!("{greeting} ann"), "{size}");
    }
    node.end(End::Logout, "1", &token).await;
    let greeting = "x".repeat(LARGE);
    let status = within(client.greet(with(&token, "", GreetRequest { greeting }))).await.unwrap_err();
    End::Logout.assert_is(&status);
}

/// How a token ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// `POST /api/v1/logout`.
    Logout,
    /// Its session is ended by the application.
    Session,
    /// Its subject is blocked by the application.
    Subject,
    Expiry,
}

impl End {
    const ALL: [Self; 4] = [Self::Logout, Self::Session, Self::Subject, Self::Expiry];

    fn is_a_revocation(self) -> bool {
        self != Self::Expiry
    }

    fn reason(self) -> EndReason {
        if self.is_a_revocation() { EndReason::Revoked } else { EndReason::Expired }
    }

    fn assert_is(self, status: &Status) {
        let message = if self.is_a_revocation() { "The token has been revoked." } else { "The token has expired." };
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, message), "{self:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Mount {
    /// `Routes` as an axum router behind the layer, the logout endpoint beside it.
    Axum,
    /// The layer in tonic's server, the logout endpoint on another port.
    Tonic,
    /// As `Axum`, and around the layer another one with a store of its own.
    InnerOfTwo,
    /// The same, but the other one is inside.
    OuterOfTwo,
}

/// A server with both services, and a client with one connection.
struct Node {
    server: Server,
    logout_server: Option<Server>,
    channel: Channel,
    client: FeedClient<Channel>,
    logout: Logout,
    clock: ManualClock,
    opened: mpsc::UnboundedReceiver<mpsc::Sender<Result<Event, Status>>>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Node {
    async fn start(mount: Mount) -> Self {
        Self::start_with(mount, Arc::new(MemoryStore::new()), |logout| logout).await
    }

    async fn start_with(mount: Mount, store: Arc<dyn RevocationStore>, options: fn(Logout) -> Logout) -> Self {
        let clock = clock();
        let logout = options(Logout::new(verifier(&clock), store));
        let (open, opened) = mpsc::unbounded_channel();
        let (see, seen) = mpsc::unbounded_channel();
        let (feed, greeter) = (FeedServer::new(Handlers { open, see }), largest(GreeterServer::new(Hello)));
        let endpoint = Router::new().route_service("/api/v1/logout", logout.service());
        let (server, logout_server) = match mount {
            Mount::Axum | Mount::InnerOfTwo | Mount::OuterOfTwo => {
                let services = Routes::new(feed).add_service(greeter).into_axum_router();
                let other = Logout::new(verifier(&clock), MemoryStore::new());
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

    /// Opens a server stream, and returns the handler's end of it.
    async fn watch(&mut self, token: &str) -> (Streaming<Event>, mpsc::Sender<Result<Event, Status>>) {
        let request = with(token, "", WatchRequest { first: 0 });
        let stream = within(self.client.watch(request)).await.unwrap().into_inner();
        (stream, within(self.opened.recv()).await.unwrap())
    }

    /// Opens a client stream.
    fn upload(&self, token: &str, mode: &str) -> (mpsc::Sender<Event>, JoinHandle<Result<Response<Summary>, Status>>) {
        let (events, stream) = mpsc::channel(4);
        let (request, mut client) = (with(token, mode, ReceiverStream::new(stream)), self.client.clone());
        (events, tokio::spawn(async move { client.upload(request).await }))
    }

    /// Opens a stream in both directions.
    async fn talk(&mut self, token: &str, mode: &str) -> (mpsc::Sender<Event>, Streaming<Event>) {
        let (events, stream) = mpsc::channel(4);
        let answers = within(self.client.talk(with(token, mode, ReceiverStream::new(stream)))).await.unwrap();
        (events, answers.into_inner())
    }

    /// Sends so many events, each once the handler has seen the one before.
    async fn take(&mut self, events: u64, sender: &mpsc::Sender<Event>) {
        for number in 0..events {
            sender.send(event(number)).await.unwrap();
            assert_eq!(self.seen().await, Seen::Event(number));
        }
    }

    async fn seen(&mut self) -> Seen {
        within(self.seen.recv()).await.unwrap()
    }

    /// How the handler's stream ends, after at most one more event.
    async fn seen_at_the_end(&mut self) -> Seen {
        match self.seen().await {
            Seen::Event(PASSING) => self.seen().await,
            seen => seen,
        }
    }

    async fn end(&self, end: End, jti: &str, token: &str) {
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

/// Ends after at most one more message, and says why.
async fn assert_ends(stream: &mut Streaming<Event>, end: End) {
    let status = match next(stream).await {
        Ok(Some(event)) if event.number == PASSING => next(stream).await.unwrap_err(),
        Ok(event) => panic!("{event:?} after the end"),
        Err(status) => status,
    };
    end.assert_is(&status);
}

async fn next(stream: &mut Streaming<Event>) -> Result<Option<Event>, Status> {
    within(stream.message()).await
}

/// Nothing here takes long; what never comes is to fail, not to hang.
async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(60), future).await.expect("it never came")
}

/// What a handler has seen of the stream that it reads.
#[derive(Debug, PartialEq)]
enum Seen {
    Event(u64),
    End,
    /// An error, and what is at the bottom of it if that is ours.
    Cut(Option<EndReason>),
}

impl Seen {
    fn of(event: Option<&Result<Event, Status>>) -> Self {
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

/// Handlers that do as the request's `mode` says, and tell the test what they see.
struct Handlers {
    open: mpsc::UnboundedSender<mpsc::Sender<Result<Event, Status>>>,
    see: mpsc::UnboundedSender<Seen>,
}

type Events = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

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
                    // That nobody wants the answer any more is no reason to stop reading.
                    Some(event) => drop(answer.send(event).await),
                    None => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let sub = request.extensions().get::<VerifiedToken<Claims>>().unwrap().sub.clone().unwrap();
        Ok(Response::new(GreetReply { message: format!("{} {sub}", request.get_ref().greeting) }))
    }
}

fn largest<T>(server: GreeterServer<T>) -> GreeterServer<T> {
    server.max_decoding_message_size(LARGE * 2)
}

fn mode<T>(request: &Request<T>) -> &'static str {
    let asked = request.metadata().get("mode").unwrap().to_str().unwrap();
    let modes = ["", "pass on", "swallow", "spawn", "spawn and pass on", "endless"];
    modes.into_iter().find(|&mode| mode == asked).unwrap()
}

fn with<T>(token: &str, mode: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(token).parse().unwrap());
    request.metadata_mut().insert("mode", mode.parse().unwrap());
    request
}

/// A token of a session of its own. Ann's live for [`LIFETIME`], all others much longer.
fn token_of(sub: &str, jti: &str) -> String {
    let lifetime = if sub == "ann" { LIFETIME } else { 100 * LIFETIME };
    hs256(&claims_with(jti, json!({ "sub": sub, "sid": session(jti), "exp": NOW + lifetime })))
}

fn session(jti: &str) -> String {
    format!("session of {jti}")
}

fn event(number: u64) -> Event {
    Event { number, text: "x".repeat(usize::try_from(number % 50).unwrap()) }
}

fn trailer() -> MetadataMap {
    let mut metadata = MetadataMap::new();
    metadata.insert("checksum", "abc".parse().unwrap());
    metadata.insert_bin("digest-bin", tonic::metadata::MetadataValue::from_bytes(&[0, 255]));
    metadata
}

/// The end of a stream that went well, with trailers of its own.
fn ok_with_trailer() -> Status {
    Status::with_metadata(Code::Ok, "", trailer())
}

const LIFETIME: u64 = 900;
/// How many messages pass before the end.
const PASSING: u64 = 3;
const MANY: u64 = 10_000;
const LARGE: usize = 8 * 1024 * 1024;
const SHORT: Duration = Duration::from_millis(500);
