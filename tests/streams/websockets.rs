//! Promise: a WebSocket closes with its token, and its close frame has the code and the reason.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::{any, get},
};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::json;
use test_support::{
    NOW, at, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256, token, verifier,
    wire::Server,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Error,
        client::IntoClientRequest,
        handshake::derive_accept_key,
        protocol::{self, Role},
    },
};
use tower::{Layer, service_fn};
use tower_logout::{
    Logout, LogoutScope, RevocationStore, RevocationWatch, clock::ManualClock, guard::EndReason,
    middleware::RequestBody,
};

/// The two ways to write a handler with a framework, and one without a framework.
const ROUTES: [&str; 3] = ["/each", "/whole", "/hyper"];

#[tokio::test]
async fn a_logout_closes_with_the_code_and_the_reason() {
    let node = Node::start().await;
    for route in ROUTES {
        let (leaving, staying) = (token(&format!("leaving {route}")), token(&format!("staying {route}")));
        let mut socket = node.connect(route, &leaving).await;
        let mut other = node.connect(route, &staying).await;
        for text in ["one", "two"] {
            assert_eq!(echo(&mut socket, text).await, text);
        }
        node.log_out("/api/v1/logout", &leaving).await;
        assert_eq!(close_frame(&mut socket).await, revoked(), "{route}");
        assert!(within(socket.next()).await.is_none(), "the connection is closed properly: {route}");
        assert_eq!(echo(&mut other, "still here").await, "still here", "{route}");
    }
}

#[tokio::test]
async fn expiry_closes_with_the_code_and_the_reason() {
    for route in ROUTES {
        let node = Node::start().await;
        let mut socket = node.connect(route, &token("1")).await;
        let longer = hs256(&claims_with("2", json!({ "exp": NOW + 901 })));
        let mut other = node.connect(route, &longer).await;
        assert_eq!(echo(&mut socket, "one").await, "one");
        node.clock.set(at(NOW + 899));
        assert_eq!(echo(&mut socket, "two").await, "two");
        node.clock.set(at(NOW + 900));
        assert_eq!(close_frame(&mut socket).await, (1008, "The token has expired.".to_owned()), "{route}");
        assert_eq!(echo(&mut other, "one").await, "one", "{route}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_answer_closes_with_try_again_later() {
    for act in [Act::Fail, Act::Hang] {
        for route in ROUTES {
            let store = HandStore::new();
            let often = |logout: Logout| logout.recheck_interval(MILLISECOND).check_timeout(100 * MILLISECOND);
            let node = Node::start_with(Arc::new(store.clone()), often).await;
            let mut socket = node.connect(route, &token("1")).await;
            assert_eq!(echo(&mut socket, "one").await, "one");
            let _ = store.checks(act);
            let expected = (1013, "The service is temporarily unavailable. Try again.".to_owned());
            assert_eq!(close_frame(&mut socket).await, expected, "{act:?}, {route}");
        }
    }
}

#[tokio::test]
async fn a_logout_everywhere_closes_all_sockets_of_the_subject_and_no_other() {
    let node = Node::start().await;
    let token_of = |sub: &str, n: u32| hs256(&claims_with(&format!("{sub} {n}"), json!({ "sub": sub })));
    let (mut anns, mut bobs) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let route = ROUTES[n as usize % ROUTES.len()];
        anns.push(node.connect(route, &token_of("ann", n)).await);
        bobs.push(node.connect(route, &token_of("bob", n)).await);
    }
    let token = token_of("ann", 0);
    let everywhere = node.log_out("/api/v1/logout/everywhere", &token);
    let closed = async {
        for socket in &mut anns {
            assert_eq!(close_frame(socket).await, revoked());
        }
        // The response is delayed until the second of the logout is over; the sockets close at
        // once.
        node.clock.advance(Duration::from_secs(1));
    };
    tokio::join!(everywhere, closed);
    for socket in &mut bobs {
        assert_eq!(echo(socket, "still here").await, "still here");
    }
}

#[tokio::test]
async fn a_logout_before_the_handler_watches_is_not_missed() {
    let node = Node::start().await;
    let token = token("1");
    let mut socket = node.connect("/late", &token).await;
    node.log_out("/api/v1/logout", &token).await;
    send(&mut socket, "begin").await;
    assert_eq!(close_frame(&mut socket).await, revoked());
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_not_waited_for() {
    let mut node = Node::start().await;
    let token = token("1");
    let mut socket = node.connect("/flood", &token).await;
    assert!(matches!(within(socket.next()).await, Some(Ok(_))));
    // From here on the client reads nothing, and the server's send waits.
    node.log_out("/api/v1/logout", &token).await;
    assert_eq!(within(node.ended.recv()).await.unwrap(), EndReason::Revoked);
}

#[tokio::test]
async fn a_peer_s_own_close_is_answered_and_ends_the_watch() {
    let mut node = Node::start().await;
    let token = token("1");
    for route in ["/each", "/whole"] {
        let mut socket = node.connect(route, &token).await;
        let own = protocol::CloseFrame { code: 4242.into(), reason: "enough".into() };
        within(socket.close(Some(own))).await.unwrap();
        assert_eq!(close_frame(&mut socket).await, (4242, "enough".to_owned()));
    }
    test_support::eventually("nobody watches", || node.clock.sleepers() == 0).await;
    node.log_out("/api/v1/logout", &token).await;
    assert!(node.ended.try_recv().is_err(), "nothing was left to end");
}

#[tokio::test]
async fn a_watch_resolves_even_if_the_layer_ends_no_streams() {
    let node = Node::start_with(Arc::new(test_support::memory()), Logout::allow_streams_after_revocation).await;
    for route in ROUTES {
        let token = token(route);
        let mut socket = node.connect(route, &token).await;
        assert_eq!(echo(&mut socket, "one").await, "one");
        node.log_out("/api/v1/logout", &token).await;
        assert_eq!(close_frame(&mut socket).await, revoked(), "{route}");
    }
}

#[tokio::test]
async fn a_revoked_token_opens_no_socket() {
    let node = Node::start().await;
    let token = token("1");
    node.log_out("/api/v1/logout", &token).await;
    for route in ROUTES {
        let Err(Error::Http(refusal)) = connect_async(node.request(route, &token)).await else {
            panic!("it was opened: {route}");
        };
        assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
        let body = refusal.body().as_deref().unwrap_or_default();
        assert_eq!(body, br#"{"description":"The token has been revoked.","error":"token_revoked"}"#);
    }
}

#[tokio::test]
async fn an_unguarded_route_answers_500() {
    let app = Router::new()
        .route("/required", get(async |_: RevocationWatch| "never"))
        .route("/optional", get(async |_: Option<RevocationWatch>| "never"));
    let server = Server::axum(app).await;
    for route in ["/required", "/optional"] {
        let answer = server.get(route, &token("1")).await;
        assert_eq!((answer.status, &*answer.body), (500, NO_WATCH), "{route}");
    }
}

#[tokio::test]
async fn without_a_token_there_is_no_watch() {
    let logout = Logout::new(verifier(&clock()), test_support::memory()).allow_anonymous();
    let app = Router::new()
        .route("/extension", get(shown))
        .route("/optional", get(async |watch: Option<RevocationWatch>| watch.map_or("nobody's", |_| "watched")))
        .route("/required", get(async |_: RevocationWatch| "watched"))
        .layer(logout.axum_layer());
    let server = Server::axum(app).await;
    let table = [
        ("/extension", (200, "nobody's"), (200, "watched")),
        ("/optional", (200, "nobody's"), (200, "watched")),
        ("/required", (401, NO_TOKEN), (200, "watched")),
    ];
    for (route, without, with) in table {
        let answer = server.send("GET", route, &[], "").await;
        assert_eq!((answer.status, &*answer.body), without, "{route}");
        let answer = server.get(route, &token("1")).await;
        assert_eq!((answer.status, &*answer.body), with, "{route}");
    }
}

#[tokio::test]
async fn the_watch_of_an_outer_layer_stays_where_an_inner_one_finds_no_token() {
    let (clock, store) = (clock(), Arc::new(test_support::memory()));
    let guarded = Logout::new(verifier(&clock), Arc::clone(&store));
    // The inner layer lets all requests pass and looks for its token elsewhere. The socket still
    // ends with the token of the outer layer.
    let inner = Logout::new(verifier(&clock), store)
        .token_source(tower_logout::token::TokenSource::cookie("access_token"))
        .allow_anonymous();
    let app = Router::new().route("/", get(shown)).layer(inner.axum_layer()).layer(guarded.axum_layer());
    assert_eq!(Server::axum(app).await.get("/", &token("1")).await.body, "watched");
}

async fn shown(request: axum::extract::Request) -> &'static str {
    if request.extensions().get::<RevocationWatch>().is_some() { "watched" } else { "nobody's" }
}

/// Sockets on axum, and on hyper alone, behind the same layer.
struct Node {
    axum: Server,
    hyper: Server,
    clock: ManualClock,
    /// Why sockets that were not closed by their peers have ended.
    ended: mpsc::UnboundedReceiver<EndReason>,
}

impl Node {
    async fn start() -> Self {
        Self::start_with(Arc::new(test_support::memory()), |logout| logout).await
    }

    async fn start_with(store: Arc<dyn RevocationStore>, options: fn(Logout) -> Logout) -> Self {
        let clock = clock();
        let logout = options(Logout::new(verifier(&clock), store));
        let (end, ended) = mpsc::unbounded_channel();
        let app = Router::new()
            .route("/each", any(each))
            .route("/whole", any(whole))
            .route("/late", any(late))
            .route("/flood", any(flood))
            .layer(logout.axum_layer())
            .route_service("/api/v1/logout", logout.service())
            .route_service("/api/v1/logout/everywhere", logout.service().scope(LogoutScope::Subject))
            .with_state(end);
        let hyper = Server::start(|listener| without_a_framework(listener, logout)).await;
        Self { axum: Server::axum(app).await, hyper, clock, ended }
    }

    fn request(&self, route: &str, token: &str) -> tungstenite::handshake::client::Request {
        let server = if route == "/hyper" { &self.hyper } else { &self.axum };
        let mut request = format!("ws://{}{route}", server.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", HeaderValue::from_str(&bearer(token)).unwrap());
        request
    }

    async fn connect(&self, route: &str, token: &str) -> Socket {
        within(connect_async(self.request(route, token))).await.unwrap().0
    }

    async fn log_out(&self, path: &str, token: &str) {
        let answer = within(self.axum.post(path, token)).await;
        assert_eq!((answer.status, &*answer.body), (200, r#"{"message":"Successfully logged out"}"#));
    }
}

type Ended = State<mpsc::UnboundedSender<EndReason>>;

/// Waits for the token's end and for each message in turn.
async fn each(upgrade: WebSocketUpgrade, mut watch: RevocationWatch, State(ended): Ended) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let reason = loop {
            tokio::select! {
                reason = &mut watch => break reason,
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => socket.send(Message::Text(text)).await.unwrap(),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
            }
        };
        close(socket, reason).await;
        ended.send(reason).unwrap();
    })
}

/// Waits for the token's end beside a whole conversation.
async fn whole(upgrade: WebSocketUpgrade, watch: RevocationWatch, State(ended): Ended) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let reason = tokio::select! {
            reason = watch => reason,
            () = converse(&mut socket) => return,
        };
        close(socket, reason).await;
        ended.send(reason).unwrap();
    })
}

async fn converse(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(_) = message
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

/// Starts to watch at the first message.
async fn late(upgrade: WebSocketUpgrade, watch: RevocationWatch) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let _ = socket.recv().await;
        close(socket, watch.await).await;
    })
}

/// Sends and never reads.
async fn flood(upgrade: WebSocketUpgrade, watch: RevocationWatch, State(ended): Ended) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let reason = tokio::select! {
            reason = watch => reason,
            () = async { while socket.send(Message::Binary(vec![0; 64 * 1024].into())).await.is_ok() {} } => return,
        };
        close(socket, reason).await;
        ended.send(reason).unwrap();
    })
}

/// Closes and then reads the data in transit: a connection that is dropped with unread data is
/// reset, and the frame may be lost. A peer that does not read delays nothing.
async fn close(mut socket: WebSocket, reason: EndReason) {
    let frame = CloseFrame { code: reason.close_code(), reason: reason.description().into() };
    let closing = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = timeout(Duration::from_millis(200), closing).await;
}

/// The same without axum: the watch is in the request's extensions and outlives the response.
async fn without_a_framework(listener: TcpListener, logout: Logout) {
    let app = TowerToHyperService::new(logout.layer().layer(service_fn(upgrade)));
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        let app = app.clone();
        tokio::spawn(async move {
            let server = http1::Builder::new().serve_connection(TokioIo::new(connection), app);
            let _ = server.with_upgrades().await;
        });
    }
}

async fn upgrade(mut request: Request<RequestBody<Incoming>>) -> Result<http::Response<Empty<Bytes>>, Infallible> {
    let mut watch = request.extensions().get::<RevocationWatch>().unwrap().clone();
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let connection = TokioIo::new(upgraded.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
        let reason = loop {
            tokio::select! {
                reason = &mut watch => break reason,
                message = socket.next() => match message {
                    Some(Ok(message)) => socket.send(message).await.unwrap(),
                    Some(Err(_)) | None => return,
                },
            }
        };
        let frame = protocol::CloseFrame { code: reason.close_code().into(), reason: reason.description().into() };
        socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let response = http::Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept);
    Ok(response.body(Empty::new()).unwrap())
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn send(socket: &mut Socket, text: &str) {
    within(socket.send(tungstenite::Message::text(text))).await.unwrap();
}

async fn echo(socket: &mut Socket, text: &str) -> String {
    send(socket, text).await;
    within(socket.next()).await.unwrap().unwrap().into_text().unwrap().to_string()
}

/// The next message, which must be a close frame.
async fn close_frame(socket: &mut Socket) -> (u16, String) {
    match within(socket.next()).await {
        Some(Ok(tungstenite::Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("not closed: {other:?}"),
    }
}

fn revoked() -> (u16, String) {
    (1008, "The token has been revoked.".to_owned())
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(60), future).await.expect("it never came")
}

const MILLISECOND: Duration = Duration::from_millis(1);
const NO_TOKEN: &str =
    r#"{"description":"Request does not contain an access token.","error":"authorization_required"}"#;
const NO_WATCH: &str = r#"{"description":"The server is misconfigured.","error":"server_error"}"#;
