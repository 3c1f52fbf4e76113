//! Promise: a logout at a real provider ends the access tokens of the session on every node, with all
//! that they have opened, and nothing else.

use std::{
    convert::Infallible,
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{
        Request,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    middleware::{Next, from_fn},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::get,
};
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::Value;
use test_support::{
    bearer,
    servers::{Glewlwyd, OidcProvider, RedisOptions, RedisServer},
    visitor::Visitor,
    wire::Server,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, client::IntoClientRequest},
};
use tower_logout::{
    JwtVerifier, Logout, RedisStore, Replica, RevocationWatch, endpoint::BackchannelLogoutBuilder,
    token::jwt::JwtVerifierBuilder,
};

use crate::support::{API, PATIENCE, discovering};

/// When the provider's deliveries arrived.
static ARRIVED: Mutex<Vec<(String, Instant)>> = Mutex::new(Vec::new());

/// A node of the service, with its own replica of the Redis that all share.
struct Node {
    server: Server,
}

impl Node {
    async fn start(
        redis: &RedisServer,
        verifier: JwtVerifierBuilder,
        settings: impl FnOnce(BackchannelLogoutBuilder) -> BackchannelLogoutBuilder,
        client: &str,
    ) -> Self {
        let replica = Replica::start(RedisStore::connect(&redis.url()).await.unwrap());
        let verifier: JwtVerifier = verifier.start().await.unwrap();
        let logout = Logout::new(verifier, replica).check_timeout(PATIENCE).last_event("logout");
        let service = settings(logout.backchannel(client)).build().unwrap();
        let notify = Router::new().route_service("/backchannel-logout", service).layer(from_fn(note));
        let app = Router::new()
            .route("/me", get(async || "me"))
            .route("/events", get(events))
            .route("/echo", get(echo))
            .layer(logout.axum_layer())
            .merge(notify);
        Self { server: Server::axum(app).await }
    }

    fn notified_at(&self) -> String {
        self.server.url("/backchannel-logout")
    }

    async fn status(&self, token: &str) -> u16 {
        self.server.get("/me", token).await.status
    }

    async fn events(&self, token: &str) -> reqwest::Response {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut events = client.get(self.server.url("/events")).bearer_auth(token).send().await.unwrap();
        assert_eq!(events.status(), 200);
        assert!(events.chunk().await.unwrap().is_some(), "it is live");
        events
    }

    async fn socket(&self, token: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        let url = self.server.url("/echo").replacen("http", "ws", 1);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", bearer(token).parse().unwrap());
        connect_async(request).await.unwrap().0
    }
}

async fn note(request: Request, next: Next) -> Response {
    let host = request.headers()["host"].to_str().unwrap().to_owned();
    ARRIVED.lock().unwrap().push((host, Instant::now()));
    next.run(request).await
}

async fn events() -> impl IntoResponse {
    let first = stream::iter([Ok::<_, Infallible>(Event::default().data("live"))]);
    Sse::new(first.chain(stream::pending()))
}

async fn echo(watch: RevocationWatch, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let reason = watch.await;
        let frame = CloseFrame { code: reason.close_code(), reason: reason.description().into() };
        let _ = socket.send(Message::Close(Some(frame))).await;
    })
}

/// The two nodes of a service.
async fn nodes(
    redis: &RedisServer,
    issuer: &str,
    audience: &str,
    settings: impl Fn(BackchannelLogoutBuilder) -> BackchannelLogoutBuilder,
    client: &str,
) -> [Node; 2] {
    let start = || Node::start(redis, discovering(issuer).audience(audience), &settings, client);
    [start().await, start().await]
}

async fn statuses(nodes: &[Node; 2], token: &str) -> [u16; 2] {
    [nodes[0].status(token).await, nodes[1].status(token).await]
}

/// Waits until both nodes refuse the token, and returns how long it took since the delivery arrived.
async fn refused_by_both(nodes: &[Node; 2], token: &str) -> Duration {
    let refused = async {
        for node in nodes {
            while node.status(token).await != 401 {}
        }
        Instant::now()
    };
    let refused = timeout(PATIENCE, refused).await.expect("both refuse it");
    let host = nodes[0].server.address.to_string();
    let arrived = ARRIVED.lock().unwrap().iter().rfind(|(at, _)| *at == host).expect("the provider calls").1;
    refused.saturating_duration_since(arrived)
}

async fn closes(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) {
    let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    let tungstenite::Message::Close(Some(frame)) = message else { panic!("{message:?}") };
    assert_eq!(u16::from(frame.code), 1008);
}

fn claim(token: &str, name: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()[name].clone()
}

#[tokio::test]
#[ignore = "needs Node.js, the npm package oidc-provider and redis-server"]
async fn a_logout_at_oidc_provider_ends_that_session_on_every_node() {
    let (provider, redis) = (OidcProvider::start("ES256").await, RedisServer::start(RedisOptions::default()).await);
    let nodes = nodes(&redis, &provider.issuer(), API, |builder| builder, "app").await;
    provider.notifies(&nodes[0].notified_at()).await;
    let (mut here, mut elsewhere) = (Visitor::new(), Visitor::new());
    let ending = provider.sign_in_at("app", &mut here, "ann", API).await;
    // The same session at the provider, and another client, which is not this service's.
    let of_another_client = provider.sign_in_at("web", &mut here, "ann", API).await.access_token;
    let of_another_session = provider.sign_in_at("app", &mut elsewhere, "ann", API).await.access_token;
    let tokens = [&ending.access_token, &of_another_client, &of_another_session];
    for token in tokens {
        assert_eq!(statuses(&nodes, token).await, [200, 200]);
        assert!(claim(token, "sid").is_string());
    }
    let mut events = [nodes[0].events(tokens[0]).await, nodes[1].events(tokens[0]).await];
    let mut sockets = [nodes[0].socket(tokens[0]).await, nodes[1].socket(tokens[0]).await];
    let mut others = [nodes[0].events(tokens[1]).await, nodes[1].events(tokens[2]).await];

    provider.end_session(&mut here, &ending.id_token).await;

    let took = refused_by_both(&nodes, tokens[0]).await;
    println!("from the delivery to the refusal by the last node: {took:?}");
    for (events, socket) in events.iter_mut().zip(&mut sockets) {
        let last = timeout(PATIENCE, events.chunk()).await.unwrap().unwrap().unwrap();
        assert_eq!(last, "event: logout\ndata: token_revoked\n\n");
        closes(socket).await;
    }
    for other in &tokens[1..] {
        assert_eq!(statuses(&nodes, other).await, [200, 200], "{}", provider.log());
    }
    for other in &mut others {
        assert!(other.chunk().now_or_never().is_none(), "it is live");
    }
    let log = provider.log();
    assert!(log.contains("backchannel: app taken") && log.contains("backchannel: web failed"), "{log}");
    let again = provider.sign_in_at("app", &mut here, "ann", API).await.access_token;
    assert_eq!(statuses(&nodes, &again).await, [200, 200], "a new login");
}

#[tokio::test]
#[ignore = "needs Node.js, the npm package oidc-provider and redis-server"]
async fn a_logout_without_a_session_ends_all_of_the_user() {
    let (provider, redis) = (OidcProvider::start("RS256").await, RedisServer::start(RedisOptions::default()).await);
    let nodes = nodes(&redis, &provider.issuer(), API, |builder| builder, "plain").await;
    provider.notifies(&nodes[0].notified_at()).await;
    let (mut here, mut elsewhere) = (Visitor::new(), Visitor::new());
    let ending = provider.sign_in_at("plain", &mut here, "ann", API).await;
    let other = provider.sign_in_at("plain", &mut elsewhere, "ann", API).await.access_token;
    let bob = provider.sign_in("bob", API).await.access_token;
    assert!(claim(&other, "sid").is_null());
    provider.end_session(&mut here, &ending.id_token).await;
    for token in [&ending.access_token, &other] {
        let _ = refused_by_both(&nodes, token).await;
    }
    assert_eq!(statuses(&nodes, &bob).await, [200, 200]);
}

#[tokio::test]
#[ignore = "needs Node.js, the npm package oidc-provider and redis-server"]
async fn a_logout_is_verified_with_a_key_that_the_provider_has_just_begun_to_use() {
    let (provider, redis) = (OidcProvider::start("ES256").await, RedisServer::start(RedisOptions::default()).await);
    let nodes = nodes(&redis, &provider.issuer(), API, |builder| builder, "app").await;
    provider.notifies(&nodes[0].notified_at()).await;
    let mut visitor = Visitor::new();
    let ending = provider.sign_in_at("app", &mut visitor, "ann", API).await;
    assert_eq!(statuses(&nodes, &ending.access_token).await, [200, 200]);
    provider.rotate(true).await;
    provider.end_session(&mut visitor, &ending.id_token).await;
    let _ = refused_by_both(&nodes, &ending.access_token).await;
}

#[tokio::test]
#[ignore = "needs Glewlwyd and redis-server"]
async fn a_logout_at_glewlwyd_ends_the_user_because_its_access_tokens_have_no_session() {
    let (provider, redis) = (Glewlwyd::start().await, RedisServer::start(RedisOptions::default()).await);
    let settings = |builder: BackchannelLogoutBuilder| builder.allow_missing_expiry().always_end_subject();
    let nodes = nodes(&redis, &provider.issuer(), Glewlwyd::AUDIENCE, settings, Glewlwyd::CLIENT).await;
    provider.notifies(&nodes[0].notified_at()).await;
    let (one, two) = (provider.sign_in().await, provider.sign_in().await);
    for session in [&one, &two] {
        assert!(claim(&session.access_token, "sid").is_null());
        assert_eq!(statuses(&nodes, &session.access_token).await, [200, 200]);
    }
    let mut events = nodes[1].events(&one.access_token).await;
    one.end().await;
    let took = refused_by_both(&nodes, &one.access_token).await;
    println!("from the delivery to the refusal by the last node: {took:?}");
    let last = timeout(PATIENCE, events.chunk()).await.unwrap().unwrap().unwrap();
    assert_eq!(last, "event: logout\ndata: token_revoked\n\n");
    let _ = refused_by_both(&nodes, &two.access_token).await;
}
