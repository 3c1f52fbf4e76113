//! Promise: a rejection is HTTP 200 only for a request that can be gRPC, whatever content type it
//! claims.

use std::convert::Infallible;

use axum::{Router, routing::any};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Empty};
use serde_json::json;
use test_support::{
    NOW, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256, token, verifier,
    wire::Server,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    Claims, Logout, VerifiedToken,
    middleware::RequestBody,
    respond::{
        AnswerBody, AutoResponder, GrpcResponder, JsonResponder, Protocol, Rejection, RejectionContext, Respond,
    },
};

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// Content types of gRPC clients.
const CAN_BE_GRPC: [&str; 8] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc+json",
    "application/grpc;charset=utf-8",
    "application/grpc ; charset=utf-8",
    "Application/gRPC",
    "APPLICATION/GRPC+PROTO;x=y",
    "\t application/grpc ",
];

const CANNOT: [&str; 14] = [
    "",
    "application/json",
    "application/grp",
    "application/grpcx",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc.v2",
    "application/grpc/x",
    "application/grpc x",
    "application/grpc,application/json",
    "application/json;application/grpc",
    "xapplication/grpc",
    "text/application/grpc",
];

fn content_types(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (CONTENT_TYPE, HeaderValue::from_str(value).unwrap())).collect()
}

#[test]
fn a_request_is_grpc_only_if_it_can_be() {
    for content_type in CAN_BE_GRPC {
        let headers = content_types(&[content_type]);
        for version in [Version::HTTP_2, Version::HTTP_3] {
            assert_eq!(Protocol::of(&Method::POST, version, &headers), Protocol::Grpc, "{content_type}");
        }
        for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(Protocol::of(&Method::POST, version, &headers), Protocol::Http, "{content_type} {version:?}");
        }
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "post", "QUERY"] {
            let method = method.parse().unwrap();
            assert_eq!(Protocol::of(&method, Version::HTTP_2, &headers), Protocol::Http, "{content_type} {method}");
        }
        // Two different content types do not make a gRPC request.
        for other in [content_type, "application/json"] {
            for both in [[content_type, other], [other, content_type]] {
                let headers = content_types(&both);
                assert_eq!(Protocol::of(&Method::POST, Version::HTTP_2, &headers), Protocol::Http, "{both:?}");
            }
        }
    }
    for content_type in CANNOT {
        let headers = content_types(&[content_type]);
        assert_eq!(Protocol::of(&Method::POST, Version::HTTP_2, &headers), Protocol::Http, "{content_type}");
    }
    assert_eq!(Protocol::of(&Method::POST, Version::HTTP_2, &HeaderMap::new()), Protocol::Http);
    let bytes = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_bytes(b"application/grpc\xff").unwrap())]);
    assert_eq!(Protocol::of(&Method::POST, Version::HTTP_2, &bytes), Protocol::Http);
}

/// A server whose layer and logout endpoint have this responder, and an open route whose handler
/// rejects requests.
async fn server<R: Respond>(store: HandStore, responder: R) -> Server {
    let logout = Logout::new(verifier(&clock()), store).respond(responder);
    let open = Router::new().route("/handler", any(who)).layer(logout.clone().allow_anonymous().axum_layer());
    let app = Router::new()
        .route("/layer", any(who))
        .layer(logout.axum_layer())
        .merge(open)
        .route_service("/logout", logout.service());
    Server::axum(app).await
}

async fn who(token: VerifiedToken<Claims>) -> String {
    token.sub.clone().unwrap()
}

/// Every rejection, as its HTTP status, and a request that causes it.
fn reasons() -> Vec<(u16, Act, Vec<String>)> {
    let expired = hs256(&claims_with("expired", json!({ "iat": NOW - 9, "exp": NOW })));
    let good = bearer(&token("good"));
    vec![
        (401, Act::Now, vec![]),
        (401, Act::Now, vec![bearer("a.b.c")]),
        (401, Act::Now, vec![bearer(&expired)]),
        (401, Act::Now, vec![bearer(&token("revoked"))]),
        (400, Act::Now, vec![good.clone(), good.clone()]),
        (503, Act::Fail, vec![good]),
    ]
}

async fn assert_rejected(server: &Server, store: &HandStore) {
    let _ = store.clone().checks(Act::Now);
    assert_eq!(server.post("/logout", &token("revoked")).await.status, 200);
    for (status, act, credentials) in reasons() {
        let _ = store.clone().checks(act);
        let credentials: Vec<_> = credentials.iter().map(|value| ("authorization", &**value)).collect();
        for path in ["/layer", "/handler", "/logout"] {
            for method in ["POST", "GET", "PUT"] {
                let status = if path == "/logout" && method != "POST" { 405 } else { status };
                let asked = format!("{method} {path} {credentials:?}");
                let mut plain = credentials.clone();
                plain.push(("content-type", "application/json"));
                let expected = server.send(method, path, &plain, "").await;
                assert_eq!(expected.status, status, "{asked}");
                for content_type in ["application/grpc", "application/grpc+proto", "application/grpc-web+proto"] {
                    let mut headers = credentials.clone();
                    headers.push(("content-type", content_type));
                    assert_eq!(server.send(method, path, &headers, "").await, expected, "{asked} {content_type}");
                    if method != "POST" || content_type == "application/grpc-web+proto" {
                        let answer = server.send_http2(method, path, &headers).await;
                        assert_eq!(answer, expected, "{asked} {content_type} over HTTP/2");
                    }
                }
                let mut twice = credentials.clone();
                twice.extend([GRPC, ("content-type", "application/json")]);
                assert_eq!(server.send_http2(method, path, &twice).await, expected, "{asked} twice");
            }
        }
    }
}

#[tokio::test]
async fn a_rejection_is_not_http_200_because_of_its_content_type() {
    let store = HandStore::new();
    assert_rejected(&server(store.clone(), AutoResponder::<JsonResponder>::default()).await, &store).await;
}

#[tokio::test]
async fn a_responder_for_grpc_alone_does_not_make_http_200_of_other_requests() {
    let store = HandStore::new();
    assert_rejected(&server(store.clone(), GrpcResponder).await, &store).await;
}

#[tokio::test]
async fn a_request_that_can_be_grpc_is_rejected_as_grpc_everywhere() {
    let store = HandStore::new();
    let auto = server(store.clone(), AutoResponder::<JsonResponder>::default()).await;
    let grpc = server(store.clone(), GrpcResponder).await;
    assert_eq!(auto.post("/logout", &token("revoked")).await.status, 200);
    for (status, act, credentials) in reasons() {
        let _ = store.clone().checks(act);
        let mut headers: Vec<_> = credentials.iter().map(|value| ("authorization", &**value)).collect();
        headers.push(GRPC);
        let code = match status {
            400 => "3",
            503 => "14",
            _ => "16",
        };
        for path in ["/layer", "/handler", "/logout"] {
            for server in [&auto, &grpc] {
                let answer = server.send_http2("POST", path, &headers).await;
                let told = (answer.status, answer.header("grpc-status"), &*answer.body);
                assert_eq!(told, (200, Some(code), ""), "{path} {credentials:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_responder_for_services_without_grpc_never_answers_as_grpc() {
    let store = HandStore::new();
    let server = server(store.clone(), JsonResponder).await;
    assert_eq!(server.post("/logout", &token("revoked")).await.status, 200);
    for (status, act, credentials) in reasons() {
        let _ = store.clone().checks(act);
        let mut headers: Vec<_> = credentials.iter().map(|value| ("authorization", &**value)).collect();
        headers.push(GRPC);
        for path in ["/layer", "/handler", "/logout"] {
            let answer = server.send_http2("POST", path, &headers).await;
            assert_eq!((answer.status, answer.header("grpc-status")), (status, None), "{path} {credentials:?}");
        }
    }
}

/// One request through the layer with an open response, which a logout then ends.
async fn ends_with_trailers(method: Method, version: Version, content_type: &str, answered: &str) -> bool {
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let (feed, frames) = tokio::sync::mpsc::unbounded_channel::<Result<http_body::Frame<Bytes>, Infallible>>();
    let body = http_body_util::StreamBody::new(tokio_stream::wrappers::UnboundedReceiverStream::new(frames));
    let response = Response::builder().header("content-type", answered).body(body).unwrap();
    let response = std::sync::Mutex::new(Some(response));
    let service = logout.layer().layer(service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
        let response = response.lock().unwrap().take().unwrap();
        async { Ok::<_, Infallible>(response) }
    }));
    let token = token("open");
    let request = Request::builder().method(method).version(version).header("content-type", content_type);
    let request = request.header("authorization", bearer(&token)).body(Empty::new()).unwrap();
    let mut body = service.oneshot(request).await.unwrap().into_body();
    feed.send(Ok(http_body::Frame::data(Bytes::from_static(b"one")))).unwrap();
    body.frame().await.unwrap().unwrap();
    let request = Request::post("/").header("authorization", bearer(&token)).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(logout.service().oneshot(request).await.unwrap().status(), 200);
    let last = body.frame().await.unwrap();
    assert!(body.frame().await.is_none());
    last.is_ok_and(|frame| frame.into_trailers().unwrap()["grpc-status"] == "16")
}

#[tokio::test]
async fn a_stream_ends_as_grpc_only_if_its_request_can_be() {
    let grpc = "application/grpc+proto";
    assert!(ends_with_trailers(Method::POST, Version::HTTP_2, grpc, grpc).await);
    assert!(!ends_with_trailers(Method::POST, Version::HTTP_11, grpc, grpc).await);
    assert!(!ends_with_trailers(Method::GET, Version::HTTP_2, grpc, grpc).await);
    assert!(!ends_with_trailers(Method::POST, Version::HTTP_2, "application/json", grpc).await);
    for content_type in CANNOT {
        assert!(!ends_with_trailers(Method::POST, Version::HTTP_2, content_type, grpc).await, "{content_type}");
        assert!(!ends_with_trailers(Method::POST, Version::HTTP_2, grpc, content_type).await, "{content_type}");
    }
    for content_type in CAN_BE_GRPC {
        assert!(ends_with_trailers(Method::POST, Version::HTTP_2, content_type, content_type).await, "{content_type}");
    }
}

#[tokio::test]
async fn each_reason_has_one_status_for_each_protocol() {
    let parts = async |response: Response<AnswerBody>| {
        let (head, body) = response.into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    };
    for reason in [
        Rejection::Missing,
        Rejection::Revoked,
        Rejection::InsufficientScope,
        Rejection::InvalidRequest,
        Rejection::Unavailable,
    ] {
        let [http, grpc] = [Protocol::Http, Protocol::Grpc].map(|protocol| RejectionContext::new(reason, protocol));
        let plain = parts(JsonResponder.reject(&http)).await;
        assert_ne!(plain.0, 200);
        for response in
            [GrpcResponder.reject(&http), JsonResponder.reject(&grpc), AutoResponder::new(JsonResponder).reject(&http)]
        {
            assert_eq!(parts(response).await, plain, "{reason:?}");
        }
        assert_eq!(GrpcResponder.reject(&grpc).status(), 200);
    }
}
