//! Promise: the server is asked by POST with the token in the form, over real connections, too.

use std::time::Duration;

use axum::{Router, body::Body, extract::State, response::IntoResponse};
use bytes::Bytes;
use http::{
    Method, Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use serde_json::json;
use test_support::{ISSUER, clock};
use tokio::net::TcpListener;
use tower_logout::token::{
    introspection::{Introspection, IntrospectionBuilder},
    jwt::InvalidToken,
};

use super::support::{ENDPOINT, JSON, Said, Server, active, form, inactive, ok, says};

#[tokio::test]
async fn the_token_is_posted_and_never_in_the_url() {
    let server = Server::always(&active());
    let verifier = server.verifier(&clock());
    for token in ["opaque", "a+b/c==", "~._-", "a%20b", "t&active=true"] {
        assert_eq!(says(&verifier, token).await, Said::Accepted);
        let request = server.requests().pop().unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, ENDPOINT.to_owned()));
        assert_eq!(request.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
        assert_eq!(request.headers()[ACCEPT], JSON);
        let form = form(&request);
        assert_eq!((&*form["token"], &*form["token_type_hint"], form.len()), (token, "access_token", 2));
    }
}

#[tokio::test]
async fn the_query_of_the_endpoint_is_kept() {
    let server = Server::always(&active());
    let endpoint = "https://idp.example/introspect?tenant=7";
    let verifier = Introspection::at(endpoint, ISSUER).bearer_token("t").clock(clock()).fetch_with(server.client());
    assert_eq!(says(&verifier.build().unwrap(), "opaque").await, Said::Accepted);
    assert_eq!(server.requests()[0].uri(), endpoint);
}

/// Serves the answers of `server` on loopback, and returns a verifier with the default client.
async fn over_loopback(server: &Server) -> IntrospectionBuilder {
    let app = Router::new().fallback(serve).with_state(server.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/introspect", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    at(&endpoint)
}

fn at(endpoint: &str) -> IntrospectionBuilder {
    Introspection::at(endpoint, ISSUER).client_secret_basic("orders", "geheim").clock(clock()).allow_http_on_loopback()
}

async fn serve(State(server): State<Server>, request: Request<Body>) -> axum::response::Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    match server.answer(Request::from_parts(head, body)).await {
        Ok(response) => response.map(Body::new).into_response(),
        // Closes the connection without a complete response.
        Err(error) => Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])).into_response(),
    }
}

#[tokio::test]
async fn answers_over_a_connection_mean_the_same() {
    let server = Server::new(|token| match token {
        "active" => ok(&active()),
        "inactive" => ok(&inactive()),
        "expired" => ok(&json!({ "active": true, "exp": 1 })),
        "html" => Some((200, Some("text/html"), "<html>".into())),
        "none" => None,
        "long" => Some((200, Some(JSON), vec![b' '; 1 << 20].into())),
        status => Some((status.parse().unwrap(), Some(JSON), inactive().to_string().into())),
    });
    let verifier = over_loopback(&server).await.build().unwrap();
    for (token, expected) in [
        ("active", Said::Accepted),
        ("inactive", Said::Invalid(InvalidToken::Inactive)),
        ("expired", Said::Expired),
        ("html", Said::Unavailable("content type")),
        ("none", Said::Unavailable("fetch")),
        ("long", Said::Unavailable("fetch")),
        ("302", Said::Unavailable("fetch")),
        ("400", Said::Unavailable("request")),
        ("401", Said::Unavailable("credentials")),
        ("403", Said::Unavailable("credentials")),
        ("404", Said::Unavailable("fetch")),
        ("500", Said::Unavailable("fetch")),
        ("503", Said::Unavailable("fetch")),
    ] {
        assert_eq!(says(&verifier, token).await, expected, "{token}");
    }
    assert!(server.requests().iter().all(|request| request.method() == Method::POST));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::always(&active());
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap();
    let app = Router::new().fallback(serve).with_state(target.clone());
    tokio::spawn(async move { axum::serve(other, app).await });
    let redirecting = Router::new().fallback(move || async move {
        (http::StatusCode::TEMPORARY_REDIRECT, [("location", format!("http://{address}/introspect"))])
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/introspect", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, redirecting).await });
    assert_eq!(says(&at(&endpoint).build().unwrap(), "opaque").await, Said::Unavailable("fetch"));
    assert_eq!(target.asked(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_does_not_speak_http_or_does_not_answer_is_an_outage() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    assert_eq!(says(&at(&nobody).build().unwrap(), "opaque").await, Said::Unavailable("fetch"));

    // No certificate, and no answer either.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            open.push(connection);
        }
    });
    let patience = Duration::from_millis(200);
    for endpoint in [format!("http://{address}/"), format!("https://{address}/")] {
        let verifier = at(&endpoint).timeout(patience).build().unwrap();
        assert_eq!(says(&verifier, "opaque").await, Said::Unavailable("fetch"), "{endpoint}");
    }

    let server = Server::always(&active());
    let plain = over_loopback(&server).await;
    drop(plain);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}/", listener.local_addr().unwrap());
    let app = Router::new().fallback(serve).with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert_eq!(says(&at(&endpoint).build().unwrap(), "opaque").await, Said::Unavailable("fetch"));
    assert_eq!(server.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up_after_the_timeout() {
    let server = Server::always(&active());
    server.close();
    let verifier = server.builder(&clock()).timeout(Duration::from_secs(2)).build().unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(says(&verifier, "opaque").await, Said::Unavailable("fetch"));
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!(server.running().0, 0, "the request was dropped");
}
