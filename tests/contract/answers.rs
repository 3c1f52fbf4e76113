//! Promise: clients see the contract of the Matar app, byte for byte: on axum and hyper, with
//! HTTP/1.1 and HTTP/2, on guarded routes and on the logout endpoint.

use std::{convert::Infallible, time::Duration};

use axum::{Router, routing::any};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::json;
use test_support::{
    NOW, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256, token, verifier,
    wire::{Answer, Server},
};
use tokio::net::TcpListener;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_logout::{Claims, Logout, RevocationStore, clock::ManualClock, revocation::Revocation, token::TokenVerifier};

const ME: &str = "/api/v1/me";
const LOGOUT: &str = "/api/v1/logout";
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn rejections_are_the_same_on_every_route_and_server() {
    let clock = clock();
    for stack in Stack::ALL {
        let (server, store) = stack.start(&clock).await;
        let dead = verifier(&clock).verify(&token("dead")).await.unwrap();
        let _ = store.revoke(&Revocation::of_token(dead.identity())).await.unwrap();
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for (method, path) in [("GET", ME), ("POST", ME), ("POST", LOGOUT)] {
                for (case, headers, expected) in rejected() {
                    let headers: Vec<_> = headers.iter().map(|value| ("authorization", value.as_str())).collect();
                    let answer = ask(&server, protocol, method, path, &headers).await;
                    assert_eq!(answer, expected, "{case}: {method} {path} at {stack:?} over {protocol:?}");
                }
            }
            let answer = ask(&server, protocol, "GET", ME, &[("authorization", &bearer(&token("alive")))]).await;
            assert_eq!((answer.status, &*answer.body), (200, "hello usr_123"), "{stack:?} over {protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_token_in_the_query_is_ignored() {
    let clock = clock();
    for stack in Stack::ALL {
        let (server, _store) = stack.start(&clock).await;
        for path in [ME, LOGOUT] {
            let target = format!("{path}?access_token={}", token("query"));
            assert_eq!(server.send("POST", &target, &[], "").await, missing(), "{path} at {stack:?}");
        }
        assert_eq!(server.get(ME, &token("query")).await.status, 200);
    }
}

#[tokio::test]
async fn a_logout_succeeds_once_and_is_seen_by_every_later_request() {
    let clock = clock();
    for stack in Stack::ALL {
        let (server, _store) = stack.start(&clock).await;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let token = bearer(&token(&format!("once {protocol:?}")));
            let header = [("authorization", token.as_str())];
            assert_eq!(ask(&server, protocol, "GET", ME, &header).await.status, 200);
            assert_eq!(ask(&server, protocol, "POST", LOGOUT, &header).await, logged_out(), "{stack:?}");
            assert_eq!(ask(&server, protocol, "GET", ME, &header).await, revoked(), "{stack:?}");
            assert_eq!(ask(&server, protocol, "POST", LOGOUT, &header).await, revoked(), "{stack:?}");
        }
    }
}

#[tokio::test]
async fn the_scheme_is_case_insensitive() {
    let clock = clock();
    let (server, _store) = Stack::Axum.start(&clock).await;
    let token = token("case");
    for value in [format!("bearer {token}"), format!("BEARER {token}"), format!("Bearer   {token}")] {
        assert_eq!(server.send("GET", ME, &[("authorization", &value)], "").await.status, 200, "{value}");
    }
}

#[tokio::test]
async fn logging_out_requires_the_method_post() {
    let clock = clock();
    for stack in [Stack::Axum, Stack::Hyper] {
        let (server, _store) = stack.start(&clock).await;
        let token = bearer(&token("other methods"));
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                let answer = ask(&server, protocol, method, LOGOUT, &[("authorization", &token)]).await;
                assert_eq!(answer, method_not_allowed(), "{method} at {stack:?}");
                let answer = ask(&server, protocol, method, LOGOUT, &[]).await;
                assert_eq!(answer, method_not_allowed(), "{method} without a token at {stack:?}");
            }
        }
        let head = server.send("HEAD", LOGOUT, &[("authorization", &token)], "").await;
        assert_eq!(head, Answer { body: String::new(), ..method_not_allowed() }, "{stack:?}");
        assert_eq!(server.send("GET", ME, &[("authorization", &token)], "").await.status, 200, "nothing was revoked");
    }
}

#[tokio::test]
async fn inside_the_layer_the_logout_service_still_requires_post() {
    let clock = clock();
    let (server, _store) = Stack::Inside.start(&clock).await;
    assert_eq!(server.get(LOGOUT, &token("inside")).await, method_not_allowed());
    assert_eq!(server.send("GET", LOGOUT, &[], "").await, missing());
}

#[tokio::test]
async fn a_store_that_cannot_check_is_503_on_every_route() {
    let clock = clock();
    for stack in Stack::ALL {
        let (server, store) = stack.start(&clock).await;
        for act in [Act::Fail, Act::Hang] {
            let store = store.clone().checks(act);
            for (method, path) in [("GET", ME), ("POST", LOGOUT)] {
                let answer =
                    ask(&server, Protocol::Http1, method, path, &[("authorization", &bearer(&token("x")))]).await;
                assert_eq!(answer, unavailable(), "{act:?}: {method} {path} at {stack:?}");
            }
            // Requests that do not need the store are answered without it.
            assert_eq!(server.send("GET", ME, &[], "").await, missing());
            assert!(store.revocations().is_empty());
        }
    }
}

#[tokio::test]
async fn a_store_that_cannot_revoke_is_503_and_the_token_stays() {
    let clock = clock();
    for stack in Stack::ALL {
        let (server, store) = stack.start(&clock).await;
        for act in [Act::Fail, Act::Hang, Act::Panic] {
            let store = store.clone().revokes(act);
            assert_eq!(server.post(LOGOUT, &token("stays")).await, unavailable(), "{act:?} at {stack:?}");
            assert_eq!(server.get(ME, &token("stays")).await.status, 200);
            let _ = store.revokes(Act::Now);
        }
        assert_eq!(server.post(LOGOUT, &token("stays")).await, logged_out());
        assert_eq!(server.post(LOGOUT, &token("stays")).await, revoked());
    }
}

/// Rejected requests, by the values of their `Authorization` headers.
fn rejected() -> Vec<(&'static str, Vec<String>, Answer)> {
    let with = |changes| bearer(&hs256(&claims_with("rejected", changes)));
    let good = token("good");
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let cut = &good[..good.len() - 4];
    let one = |value: &str| vec![value.to_owned()];
    vec![
        ("no token", vec![], missing()),
        ("revoked", vec![bearer(&token("dead"))], revoked()),
        ("expired", vec![with(json!({ "iat": NOW - 900, "exp": NOW - 1 }))], expired()),
        ("expires now", vec![with(json!({ "exp": NOW }))], expired()),
        ("another key", vec![bearer(&forged())], invalid()),
        ("cut signature", vec![bearer(cut)], invalid()),
        ("no signature", vec![bearer(&format!("{unsigned}."))], invalid()),
        ("one part", one("Bearer abc"), invalid()),
        ("four parts", vec![bearer(&format!("{good}.x"))], invalid()),
        ("`none`", one("Bearer eyJhbGciOiJub25lIn0.e30."), invalid()),
        ("another issuer", vec![with(json!({ "iss": "https://other.example" }))], invalid()),
        ("no issuer", vec![with(json!({ "iss": null }))], invalid()),
        ("somebody else's audience", vec![with(json!({ "aud": "https://other.example" }))], invalid()),
        ("not yet valid", vec![with(json!({ "nbf": NOW + 60 }))], invalid()),
        ("no expiry", vec![with(json!({ "exp": null }))], invalid()),
        ("too long-lived", vec![with(json!({ "exp": NOW + 367 * 24 * 60 * 60 }))], invalid()),
        ("critical extension", vec![bearer(&critical())], invalid()),
        ("two headers", vec![bearer(&good), bearer(&good)], invalid_request()),
        ("two headers, one empty", vec![bearer(&good), String::new()], invalid_request()),
        ("joined by a comma", vec![format!("{}, {}", bearer(&good), bearer(&good))], invalid_request()),
        ("two tokens", vec![format!("Bearer {good} {good}")], invalid_request()),
        ("another scheme", one("Basic dXNyXzEyMzpzZWNyZXQ="), missing()),
        ("no scheme", vec![good.clone()], missing()),
        ("scheme alone", one("Bearer"), invalid_request()),
        ("empty header", one(""), missing()),
        ("characters of no token", one("Bearer a\"b"), invalid_request()),
        ("an oversized header", vec![bearer(&"a".repeat(8 * 1024 + 1))], invalid_request()),
    ]
}

fn forged() -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"another secret of at least 32 bytes").unwrap();
    test_support::sign(
        &json!({ "alg": "HS256" }),
        &test_support::claims("forged"),
        jsonwebtoken::Algorithm::HS256,
        &key,
    )
}

fn critical() -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(test_support::SECRET).unwrap();
    let header = json!({ "alg": "HS256", "crit": ["exp"] });
    test_support::sign(&header, &test_support::claims("critical"), jsonwebtoken::Algorithm::HS256, &key)
}

fn logged_out() -> Answer {
    answer(200, &[], r#"{"message":"Successfully logged out"}"#)
}

fn missing() -> Answer {
    let body = r#"{"description":"Request does not contain an access token.","error":"authorization_required"}"#;
    answer(401, &[("www-authenticate", "Bearer")], body)
}

fn invalid() -> Answer {
    let challenge = r#"Bearer error="invalid_token", error_description="The token is invalid.""#;
    let body = r#"{"description":"The token is invalid.","error":"invalid_token"}"#;
    answer(401, &[("www-authenticate", challenge)], body)
}

fn expired() -> Answer {
    let challenge = r#"Bearer error="invalid_token", error_description="The token has expired.""#;
    let body = r#"{"description":"The token has expired.","error":"token_expired"}"#;
    answer(401, &[("www-authenticate", challenge)], body)
}

fn revoked() -> Answer {
    let challenge = r#"Bearer error="invalid_token", error_description="The token has been revoked.""#;
    let body = r#"{"description":"The token has been revoked.","error":"token_revoked"}"#;
    answer(401, &[("www-authenticate", challenge)], body)
}

fn invalid_request() -> Answer {
    let description = "The request is malformed, or does not carry exactly one access token.";
    let challenge = format!(r#"Bearer error="invalid_request", error_description="{description}""#);
    answer(
        400,
        &[("www-authenticate", &challenge)],
        &format!(r#"{{"description":"{description}","error":"invalid_request"}}"#),
    )
}

fn unavailable() -> Answer {
    let body =
        r#"{"description":"The service is temporarily unavailable. Try again.","error":"temporarily_unavailable"}"#;
    answer(503, &[("retry-after", "1")], body)
}

fn method_not_allowed() -> Answer {
    let body = r#"{"description":"The logout endpoint requires the method POST.","error":"method_not_allowed"}"#;
    answer(405, &[("allow", "POST")], body)
}

/// A response of the library: these headers and no others.
fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let length = body.len().to_string();
    let common = [("cache-control", "no-store"), ("content-length", &length), ("content-type", "application/json")];
    let headers = headers.iter().chain(&common).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Answer::new(status, headers, body.to_owned())
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

async fn ask(server: &Server, protocol: Protocol, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    match protocol {
        Protocol::Http1 => server.send(method, path, headers, "").await,
        Protocol::Http2 => {
            let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
            let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), server.url(path));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            let headers: Vec<_> = response.headers().iter().map(pair).collect();
            Answer::new(status, headers, response.text().await.unwrap())
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Stack {
    /// axum, with the logout service beside the guarded routes.
    Axum,
    /// hyper alone, likewise.
    Hyper,
    /// axum, with the logout service inside the layer.
    Inside,
}

impl Stack {
    const ALL: [Self; 3] = [Self::Axum, Self::Hyper, Self::Inside];

    async fn start(self, clock: &ManualClock) -> (Server, HandStore) {
        let store = HandStore::new();
        let logout = Logout::new(verifier(clock), store.clone());
        let service = logout.service().timeout(LOGOUT_TIMEOUT);
        let guarded = Router::new().route(ME, any(me));
        let server = match self {
            Self::Axum => Server::axum(guarded.layer(logout.layer()).route_service(LOGOUT, service)).await,
            Self::Inside => Server::axum(guarded.route_service(LOGOUT, service).layer(logout.layer())).await,
            Self::Hyper => Server::start(|listener| hyper(listener, logout)).await,
        };
        (server, store)
    }
}

async fn hyper(listener: TcpListener, logout: Logout) {
    let guarded = logout.layer().layer(service_fn(async |request| {
        Ok::<_, Infallible>(Response::<Full<Bytes>>::new(Full::from(me(request).await)))
    }));
    let service = logout.service().timeout(LOGOUT_TIMEOUT);
    let routes = service_fn(move |request: Request<Incoming>| {
        let (guarded, service) = (guarded.clone(), service.clone());
        async move {
            match request.uri().path() {
                LOGOUT => service.oneshot(request).await.map(boxed),
                _ => guarded.oneshot(request).await.map(boxed),
            }
        }
    });
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await
        });
    }
}

fn boxed<B>(response: Response<B>) -> Response<BoxBody<Bytes, BoxError>>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    response.map(|body| body.map_err(Into::into).boxed())
}

async fn me<B>(request: Request<B>) -> String {
    let token = request.extensions().get::<tower_logout::VerifiedToken<Claims>>().unwrap();
    format!("hello {}", token.sub.as_deref().unwrap())
}
