//! Promise: the limits that the documentation names are as described, and the remedies work.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Bytes, routing::post};
use futures_util::stream;
use http::StatusCode;
use test_support::{bearer, clock, token, verifier, wire::Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_http::timeout::TimeoutLayer;
use tower_logout::{Logout, LogoutScope};

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory())
}

/// More than the buffers of both ends hold.
const LARGE: usize = 64 * 1024 * 1024;

async fn upload_server() -> Server {
    Server::axum(Router::new().route("/upload", post(async || "taken")).layer(logout().axum_layer())).await
}

#[tokio::test]
async fn a_large_upload_with_a_bad_token_is_a_broken_pipe_over_http_1_1() {
    let server = upload_server().await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: {LARGE}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![b'x'; LARGE]).await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_expects_100_continue_sees_the_rejection() {
    let server = upload_server().await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /upload HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {LARGE}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("authorization_required"), "{answer}");
}

#[tokio::test]
async fn a_client_of_http_2_sees_the_rejection() {
    let server = upload_server().await;
    let parts = (0..1024).map(|_| Ok::<_, Infallible>(vec![b'x'; LARGE / 1024]));
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let upload = client.post(server.url("/upload")).body(reqwest::Body::wrap_stream(stream::iter(parts)));
    assert_eq!(upload.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_timeout_around_a_logout_everywhere_hides_that_it_takes_effect() {
    let logout = logout();
    // The clock stands still, so that the second of the logout is not over.
    let everywhere = logout.service().scope(LogoutScope::Subject);
    let short = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(50));
    let app = Router::new()
        .route_service("/inside", everywhere.clone())
        .layer(short)
        .route_service("/outside", everywhere)
        .merge(Router::new().route("/me", post(async |_: Bytes| "me")).layer(logout.axum_layer()));
    let server = Server::axum(app).await;
    assert_eq!(server.post("/inside", &token("one")).await.status, 504);
    let answer = server.post("/me", &token("one")).await;
    assert!(answer.body.contains("token_revoked"), "{answer:?}");
    let other = test_support::hs256(&test_support::claims_with("two", serde_json::json!({ "sub": "usr_456" })));
    assert_eq!(server.post("/outside", &other).await.status, 200);
    let answer = server.send("POST", "/me", &[("authorization", &bearer(&other))], "").await;
    assert!(answer.body.contains("token_revoked"), "{answer:?}");
}
