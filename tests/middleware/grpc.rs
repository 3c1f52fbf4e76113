//! Promise: a gRPC call is rejected as a gRPC server does: HTTP 200, trailers only, codes 16, 7, 3
//! and 14; a logout beside it revokes its token.

use http::{Request, StatusCode, Version};
use http_body_util::Empty;
use hyper::body::{Body, Bytes};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use test_support::{
    NOW, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256, token, verifier,
    wire::Server,
};
use tokio::net::TcpStream;
use tonic::{
    Code, Response, Status,
    service::Routes,
    transport::{Channel, server::TcpIncoming},
};
use tower_logout::{Claims, Logout, VerifiedToken, scope};

use greeter::{
    GreetReply, GreetRequest,
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, missing_debug_implementations)]
mod greeter {
    include!("../../examples/tonic/src/greeter.rs");
}

#[tokio::test]
async fn a_good_token_reaches_the_handler() {
    let (server, _store) = start().await;
    let reply = greet(&server, &[&bearer(&token("good"))]).await.unwrap();
    assert_eq!(reply, "hello usr_123");
}

#[tokio::test]
async fn rejections_have_the_code_and_the_description() {
    let (server, _store) = start().await;
    let with = |changes| bearer(&hs256(&claims_with("refused", changes)));
    let good = bearer(&token("good"));
    let exactly_one = "The request is malformed, or does not carry exactly one access token.";
    let table: [(&[&str], Code, &str); 8] = [
        (&[], Code::Unauthenticated, "Request does not contain an access token."),
        (&[&with(json!({ "iat": NOW - 9, "exp": NOW }))], Code::Unauthenticated, "The token has expired."),
        (&[&format!("{good}x")], Code::Unauthenticated, "The token is invalid."),
        (&[&with(json!({ "iss": "https://other.example" }))], Code::Unauthenticated, "The token is invalid."),
        (&[&good, &good], Code::InvalidArgument, exactly_one),
        (&[&format!("{good}, {good}")], Code::InvalidArgument, exactly_one),
        (&["Bearer"], Code::InvalidArgument, exactly_one),
        (&["Basic dXNyXzEyMzpzZWNyZXQ="], Code::Unauthenticated, "Request does not contain an access token."),
    ];
    for (credentials, code, message) in table {
        let status = greet(&server, credentials).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message), "{credentials:?}");
    }
}

#[tokio::test]
async fn a_failing_store_is_unavailable() {
    let (server, store) = start().await;
    for act in [Act::Fail, Act::Hang] {
        let _ = store.clone().checks(act);
        let status = greet(&server, &[&bearer(&token("good"))]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{act:?}");
        assert_eq!(status.message(), "The service is temporarily unavailable. Try again.");
    }
}

#[tokio::test]
async fn a_logout_on_the_same_port_revokes_the_token() {
    let (server, _store) = start().await;
    let token = token("leaving");
    greet(&server, &[&bearer(&token)]).await.unwrap();
    let answer = server.post("/api/v1/logout", &token).await;
    assert_eq!((answer.status, &*answer.body), (200, r#"{"message":"Successfully logged out"}"#));
    let status = greet(&server, &[&bearer(&token)]).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "The token has been revoked."));
    assert_eq!(server.post("/api/v1/logout", &token).await.status, 401);
}

#[tokio::test]
async fn the_layer_fits_tonics_own_server_builder() {
    let store = HandStore::new();
    let layer = Logout::new(verifier(&clock()), store).layer();
    let server = Server::start(|listener| async {
        let server = tonic::transport::Server::builder().layer(layer).add_service(GreeterServer::new(Hello));
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    })
    .await;
    assert_eq!(greet(&server, &[&bearer(&token("good"))]).await.unwrap(), "hello usr_123");
    assert_eq!(greet(&server, &[]).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_token_without_the_required_scope_is_denied_permission() {
    let logout = Logout::new(verifier(&clock()), HandStore::new());
    let layer = logout.layer().require(scope("greet"));
    let server = Server::start(|listener| async {
        let server = tonic::transport::Server::builder().layer(layer).add_service(GreeterServer::new(Hello));
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    })
    .await;
    let greeter = bearer(&hs256(&claims_with("greeter", json!({ "scope": "greet" }))));
    assert_eq!(greet(&server, &[&greeter]).await.unwrap(), "hello usr_123");
    let status = greet(&server, &[&bearer(&token("other"))]).await.unwrap_err();
    let message = "The request requires higher privileges than the token has.";
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, message));
    assert_eq!(greet(&server, &[]).await.unwrap_err().code(), Code::Unauthenticated);
    let response = raw(&server, "application/grpc", Some(&bearer(&token("other")))).await;
    assert_eq!((response.status(), response.headers()["grpc-status"].to_str().unwrap()), (StatusCode::OK, "7"));
    assert!(!response.headers().contains_key("www-authenticate") && response.body().is_end_stream());
}

#[tokio::test]
async fn on_the_wire_a_rejection_is_one_frame_of_headers() {
    let (server, store) = start().await;
    for (act, credentials, code) in
        [(Act::Now, None, "16"), (Act::Now, Some("Bearer x y"), "3"), (Act::Fail, Some(&*bearer(&token("good"))), "14")]
    {
        let _ = store.clone().checks(act);
        for content_type in ["application/grpc", "application/grpc+proto", "Application/gRPC;charset=utf-8"] {
            let response = raw(&server, content_type, credentials).await;
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
            assert_eq!(response.headers()["content-type"], "application/grpc");
            assert_eq!(response.headers()["grpc-status"], code);
            assert!(response.headers().contains_key("grpc-message"));
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(!response.headers().contains_key("www-authenticate"), "that is HTTP's way");
            assert!(response.body().is_end_stream(), "the first frame is the last: {content_type}, code {code}");
        }
    }
    let json = raw(&server, "application/json", None).await;
    assert_eq!(json.status(), StatusCode::UNAUTHORIZED, "what is not gRPC is answered as HTTP");
}

/// The calls behind the layer, and the logout endpoint beside them, on tonic's server.
async fn start() -> (Server, HandStore) {
    let store = HandStore::new();
    let logout = Logout::new(verifier(&clock()), store.clone());
    let app = Routes::new(GreeterServer::new(Hello))
        .into_axum_router()
        .layer(logout.layer())
        .route_service("/api/v1/logout", logout.service());
    let server = Server::start(|listener| async {
        let server = tonic::transport::Server::builder().accept_http1(true).add_routes(Routes::from(app));
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    })
    .await;
    (server, store)
}

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn greet(&self, request: tonic::Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let token = request.extensions().get::<VerifiedToken<Claims>>().unwrap();
        let message = format!("{} {}", request.get_ref().greeting, token.sub.as_deref().unwrap());
        Ok(Response::new(GreetReply { message }))
    }
}

async fn greet(server: &Server, credentials: &[&str]) -> Result<String, Status> {
    let channel = Channel::from_shared(server.url("")).unwrap().connect().await.unwrap();
    let mut request = tonic::Request::new(GreetRequest { greeting: "hello".to_owned() });
    for value in credentials {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    GreeterClient::new(channel).greet(request).await.map(|reply| reply.into_inner().message)
}

/// A manual call over HTTP/2.
async fn raw(server: &Server, content_type: &str, credentials: Option<&str>) -> http::Response<hyper::body::Incoming> {
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(server.url("/greeter.Greeter/Greet")).header("content-type", content_type);
    if let Some(credentials) = credentials {
        request = request.header("authorization", credentials);
    }
    client.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
}
