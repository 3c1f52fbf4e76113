//! Promise: a proxy that asks the service about each request (nginx's `auth_request`) gets the
//! rejection as an HTTP status, whatever headers of the client it forwards.

use std::{convert::Infallible, fmt::Write as _};

use axum::{
    Router,
    body::Body,
    routing::{any, get},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Response;
use serde_json::json;
use test_support::{
    NOW, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256,
    servers::NginxServer,
    token, verifier,
    wire::Server,
};
use tower_logout::{
    Claims, Logout, VerifiedToken,
    respond::{AutoResponder, GrpcResponder, JsonResponder, Respond},
};

const PAGE: &str = "what only those may see who are logged in";

/// How nginx asks: the version of HTTP, the method, and the path of the service.
const WAYS: [(&str, &str, &str); 8] = [
    ("1.0", "GET", "/layer"),
    ("1.1", "GET", "/layer"),
    ("1.0", "POST", "/layer"),
    ("1.1", "POST", "/layer"),
    ("1.0", "GET", "/handler"),
    ("1.1", "GET", "/handler"),
    ("1.0", "POST", "/handler"),
    ("1.1", "POST", "/handler"),
];

/// The service that nginx asks, its logout endpoint, and the page that nginx protects.
async fn service<R: Respond>(store: HandStore, responder: R) -> Server {
    let logout = Logout::new(verifier(&clock()), store).respond(responder);
    let handler = Router::new().route("/handler", any(admit)).layer(logout.clone().allow_anonymous().axum_layer());
    let app = Router::new()
        .route("/layer", any(admit))
        .layer(logout.axum_layer())
        .merge(handler)
        .route_service("/logout", logout.service())
        .route("/page", any(async || PAGE));
    Server::axum(app).await
}

async fn admit(_: VerifiedToken<Claims>) {}

/// An nginx with a protected page for each of the ways to ask.
async fn nginx(service: &Server) -> NginxServer {
    let mut locations = String::new();
    for (number, (version, method, path)) in WAYS.iter().enumerate() {
        let page = service.url("/page");
        let asked = service.url(path);
        write!(
            locations,
            "location = /page{number} {{ auth_request /auth{number}; proxy_pass {page}; }}\n\
             location = /auth{number} {{\n\
                 internal; proxy_pass {asked}; proxy_http_version {version}; proxy_method {method};\n\
                 proxy_pass_request_body off; proxy_set_header Content-Length \"\";\n\
             }}\n"
        )
        .unwrap();
    }
    NginxServer::start(&locations).await
}

async fn get_page(nginx: &NginxServer, number: usize, headers: &[(&str, &str)]) -> (u16, String) {
    let request = reqwest::Client::new().get(nginx.url(&format!("/page{number}")));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn the_page_is_protected<R: Respond>(responder: R) {
    let store = HandStore::new();
    let service = service(store.clone(), responder).await;
    let nginx = nginx(&service).await;
    let (good, revoked) = (bearer(&token("good")), bearer(&token("revoked")));
    let expired = bearer(&hs256(&claims_with("expired", json!({ "iat": NOW - 9, "exp": NOW }))));
    assert_eq!(service.post("/logout", &token("revoked")).await.status, 200);
    for (number, way) in WAYS.iter().enumerate() {
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc-web", "text/plain"] {
            let asked = async |credentials: &[&str], act: Act| {
                let _ = store.clone().checks(act);
                let mut headers = vec![("content-type", content_type)];
                headers.extend(credentials.iter().map(|value| ("authorization", *value)));
                get_page(&nginx, number, &headers).await
            };
            let told = format!("{way:?} {content_type}");
            for credentials in [&[][..], &[&*revoked], &[&*expired], &["Bearer a.b.c"]] {
                let (status, body) = asked(credentials, Act::Now).await;
                assert_eq!(status, 401, "{told} {credentials:?}");
                assert!(!body.contains(PAGE), "{told} {credentials:?}");
            }
            // nginx responds with 500 to any other status that is no success.
            for (credentials, act) in [("Bearer a b", Act::Now), (&*good, Act::Fail)] {
                let (status, body) = asked(&[credentials], act).await;
                assert_eq!(status, 500, "{told} {act:?}");
                assert!(!body.contains(PAGE), "{told} {act:?}");
            }
            assert_eq!(asked(&[&good], Act::Now).await, (200, PAGE.to_owned()), "{told}\n{}", nginx.log());
        }
    }
}

#[tokio::test]
async fn the_default_responder_protects_the_page() {
    the_page_is_protected(AutoResponder::<JsonResponder>::default()).await;
}

#[tokio::test]
async fn the_responder_for_services_without_grpc_protects_the_page() {
    the_page_is_protected(JsonResponder).await;
}

#[tokio::test]
async fn the_responder_for_grpc_alone_protects_the_page() {
    the_page_is_protected(GrpcResponder).await;
}

/// What `ResponseBody` documents about proxies.
#[tokio::test]
#[ignore = "needs nginx"]
async fn a_download_that_is_cut_looks_complete_through_http_1_0_unless_it_has_a_length() {
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let app = Router::new()
        .route("/download", get(async || download(None)))
        .route("/sized", get(async || download(Some(1_000_000))))
        .layer(logout.axum_layer())
        .route_service("/logout", logout.service());
    let service = Server::axum(app).await;
    let (download, sized) = (service.url("/download"), service.url("/sized"));
    let nginx = NginxServer::start(&format!(
        "proxy_buffering off;\n\
         location = /http10 {{ proxy_pass {download}; proxy_http_version 1.0; }}\n\
         location = /http11 {{ proxy_pass {download}; proxy_http_version 1.1; }}\n\
         location = /sized {{ proxy_pass {sized}; proxy_http_version 1.0; }}"
    ))
    .await;
    for (path, looks_complete) in [("/http10", true), ("/http11", false), ("/sized", false)] {
        let token = token(path);
        let request = reqwest::Client::new().get(nginx.url(path)).header("authorization", bearer(&token));
        let mut response = request.send().await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "one part");
        assert_eq!(service.post("/logout", &token).await.status, 200);
        assert_eq!(matches!(response.chunk().await, Ok(None)), looks_complete, "{path}\n{}", nginx.log());
    }
}

/// One chunk, and nothing more while the token is valid.
fn download(length: Option<u64>) -> Response<Body> {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"one part"))]);
    let response = length.into_iter().fold(Response::builder(), |response, it| response.header("content-length", it));
    response.body(Body::from_stream(first.chain(stream::pending()))).unwrap()
}
