//! Promise: the inner service receives exactly what the layer has verified, and a rejected request
//! gets the reason.

use std::convert::Infallible;

use axum::{Json, Router, response::IntoResponse, routing::any};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use serde_json::json;
use test_support::{
    NOW, SECRET, at, bearer, claims_with, clock, hs256, identity, token, verifier,
    wire::{Answer, Server},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::MapRequestLayer};
use tower_logout::{
    Claims, JwtVerifier, Logout, RevocationWatch, VerifiedToken,
    middleware::RequestBody,
    respond::{AutoResponder, JsonResponder, Protocol, Rejection, RejectionContext},
    token::TokenVerifier,
};

/// The event for the operator says which of the two it is: see `misconfigured_handlers`.
const MISCONFIGURED: &str = r#"{"description":"The server is misconfigured.","error":"server_error"}"#;

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory())
}

/// Handlers that report the caller that they see.
fn app() -> Router {
    Router::new().route("/who", any(who)).route("/optional", any(optional)).route("/mine", any(mine))
}

async fn who(token: VerifiedToken<Claims>) -> String {
    token.sub.clone().unwrap()
}

async fn optional(token: Option<VerifiedToken<Claims>>) -> String {
    token.map_or_else(|| "nobody".to_owned(), |token| token.sub.clone().unwrap())
}

async fn mine(token: VerifiedToken<Mine>) -> String {
    format!("{} of {}", token.sub, token.tenant)
}

#[derive(Debug, serde::Deserialize)]
struct Mine {
    sub: String,
    tenant: u32,
}

/// A token that something in front of the layer has put into the request.
async fn foreign<B>() -> impl Fn(Request<B>) -> Request<B> + Clone {
    let other = hs256(&claims_with("foreign", json!({ "sub": "the administrator" })));
    let foreign = verifier(&clock()).verify(&other).await.unwrap();
    move |mut request: Request<B>| {
        request.extensions_mut().insert(foreign.clone());
        request
    }
}

#[tokio::test]
async fn a_token_that_was_there_before_is_replaced() {
    let app =
        app().layer(ServiceBuilder::new().layer(MapRequestLayer::new(foreign().await)).layer(logout().axum_layer()));
    let server = Server::axum(app).await;
    assert_eq!(server.get("/who", &token("mine")).await.body, "usr_123");
    assert_eq!(server.get("/optional", &token("mine")).await.body, "usr_123");
    assert_eq!(server.send("GET", "/who", &[], "").await.status, 401);
}

#[tokio::test]
async fn a_token_that_was_there_before_is_gone_from_an_anonymous_request() {
    let layers = ServiceBuilder::new()
        .layer(MapRequestLayer::new(foreign().await))
        .layer(logout().allow_anonymous().axum_layer());
    let server = Server::axum(app().layer(layers)).await;
    assert_eq!(server.send("GET", "/optional", &[], "").await.body, "nobody");
    assert_eq!(server.send("GET", "/who", &[], "").await.status, 401);
    // Also without a framework.
    let bare = ServiceBuilder::new()
        .layer(MapRequestLayer::new(foreign().await))
        .layer(logout().allow_anonymous().layer())
        .service(service_fn(async |request: Request<RequestBody<Empty<Bytes>>>| {
            assert!(request.extensions().get::<VerifiedToken<Claims>>().is_none());
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }));
    assert_eq!(bare.oneshot(Request::new(Empty::new())).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn anonymous_requests_pass_without_claims_and_bad_tokens_do_not_pass() {
    let logout = logout().allow_anonymous();
    let server = Server::axum(app().layer(logout.axum_layer()).route_service("/logout", logout.service())).await;
    assert_eq!(server.send("GET", "/optional", &[], "").await.body, "nobody");
    assert_eq!(server.get("/optional", &token("good")).await.body, "usr_123");
    let expired = hs256(&claims_with("expired", json!({ "iat": NOW - 9, "exp": NOW })));
    assert_eq!(code(&server.get("/optional", &expired).await), "token_expired");
    assert_eq!(code(&server.get("/optional", "a.b.c").await), "invalid_token");
    assert_eq!(code(&server.send("GET", "/optional", &[("authorization", "Bearer")], "").await), "invalid_request");
    assert_eq!(server.send("GET", "/optional", &[("authorization", "Basic x")], "").await.body, "nobody");
    assert_eq!(code(&server.send("POST", "/logout", &[], "").await), "authorization_required");
    assert_eq!(server.post("/logout", &token("good")).await.status, 200);
    assert_eq!(code(&server.get("/optional", &token("good")).await), "token_revoked");
}

#[tokio::test]
async fn a_handler_that_needs_a_token_rejects_anonymous_requests_as_the_layer_does() {
    let strict = Server::axum(app().layer(logout().axum_layer())).await;
    let anonymous = Server::axum(app().layer(logout().allow_anonymous().axum_layer())).await;
    for headers in [&[][..], &[("content-type", "application/grpc")]] {
        let answer = anonymous.send("POST", "/who", headers, "").await;
        assert_eq!(answer, strict.send("POST", "/who", headers, "").await, "{headers:?}");
        let answer = anonymous.send_http2("POST", "/who", headers).await;
        assert_eq!(answer, strict.send_http2("POST", "/who", headers).await, "{headers:?}");
    }
}

#[tokio::test]
async fn a_route_outside_the_layer_is_500_and_the_client_learns_no_more() {
    let server = Server::axum(app()).await;
    for path in ["/who", "/optional", "/mine"] {
        for answer in [server.get(path, &token("x")).await, server.send("GET", path, &[], "").await] {
            assert_eq!((answer.status, &*answer.body), (500, MISCONFIGURED), "{path}");
        }
    }
}

#[tokio::test]
async fn another_claims_type_than_the_verifiers_is_500_and_the_client_learns_no_more() {
    let server = Server::axum(app().layer(logout().allow_anonymous().axum_layer())).await;
    for answer in [server.get("/mine", &token("x")).await, server.send("GET", "/mine", &[], "").await] {
        assert_eq!((answer.status, &*answer.body), (500, MISCONFIGURED));
    }
}

#[tokio::test]
async fn claims_can_be_of_the_users_own_type() {
    let verifier = JwtVerifier::hs256(SECRET).clock(clock()).claims::<Mine>().build().unwrap();
    let server = Server::axum(app().layer(Logout::new(verifier, test_support::memory()).axum_layer())).await;
    let with = |tenant| hs256(&claims_with("own", json!({ "tenant": tenant })));
    assert_eq!(server.get("/mine", &with(json!(7))).await.body, "usr_123 of 7");
    assert_eq!(code(&server.get("/mine", &with(json!("seven"))).await), "invalid_token");
    assert_eq!(code(&server.get("/mine", &token("without a tenant")).await), "invalid_token");
}

#[tokio::test]
async fn two_layers_with_two_claims_types_both_provide_theirs() {
    let theirs = JwtVerifier::hs256(SECRET).clock(clock()).claims::<Mine>().build().unwrap();
    let both = app().layer(Logout::new(theirs, test_support::memory()).axum_layer()).layer(logout().axum_layer());
    let server = Server::axum(both).await;
    let token = hs256(&claims_with("both", json!({ "tenant": 7 })));
    assert_eq!(server.get("/mine", &token).await.body, "usr_123 of 7");
    assert_eq!(server.get("/who", &token).await.body, "usr_123");
}

#[tokio::test]
async fn the_identity_comes_with_the_claims() {
    let service = logout().layer().layer(service_fn(async |request: Request<RequestBody<Empty<Bytes>>>| {
        let token = request.extensions().get::<VerifiedToken<Claims>>().unwrap();
        assert_eq!(token.claims().jti.as_deref(), Some("whole"));
        assert_eq!(token.identity().own_key(), identity("whole", at(NOW + 900)).own_key());
        assert_eq!(token.identity().expires_at(), at(NOW + 900));
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    }));
    let request = Request::builder().header("authorization", bearer(&token("whole")));
    assert_eq!(service.oneshot(request.body(Empty::new()).unwrap()).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_rejection_has_its_reason_in_the_response_extensions() {
    let logout = logout();
    let guarded = logout.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))));
    let request = |method: &str, value: Option<&str>| {
        let request = Request::builder().method(method);
        let request = value.into_iter().fold(request, |request, value| request.header("authorization", value));
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let expired = bearer(&hs256(&claims_with("expired", json!({ "iat": NOW - 9, "exp": NOW }))));
    let good = bearer(&token("good"));
    assert_eq!(reason(guarded.clone(), request("GET", Some(&good))).await, None);
    assert_eq!(reason(logout.service(), request("POST", Some(&good))).await, None);
    for (value, expected) in [
        (None, Rejection::Missing),
        (Some("Bearer a b"), Rejection::InvalidRequest),
        (Some("Bearer a.b.c"), Rejection::Invalid),
        (Some(&*expired), Rejection::Expired),
        (Some(&*good), Rejection::Revoked),
    ] {
        assert_eq!(reason(guarded.clone(), request("GET", value)).await, Some(expected));
        assert_eq!(reason(logout.service(), request("POST", value)).await, Some(expected));
    }
    assert_eq!(reason(logout.service(), request("GET", None)).await, Some(Rejection::MethodNotAllowed));
}

#[tokio::test]
async fn a_closure_responds_with_the_parts_of_every_rejection() {
    let logout = logout().respond(|context: &RejectionContext| {
        let mut response = Response::new(Bytes::from_static(b"mine"));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        if context.reason == Rejection::MethodNotAllowed {
            response.headers_mut().insert("cache-control", "private".parse().unwrap());
        }
        response
    });
    for service in [logout.service(), logout.clone().service()] {
        let response = service.oneshot(Request::post("/").body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["cache-control"]),
            (StatusCode::IM_A_TEAPOT, &"no-store".parse().unwrap())
        );
        assert_eq!(response.extensions().get(), Some(&Rejection::Missing));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "mine");
    }
    let response = logout.service().oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap();
    assert_eq!(response.headers()["cache-control"], "private", "its own choice stays");
    let server = Server::axum(app().layer(logout.axum_layer())).await;
    let answer = server.send_http2("POST", "/who", &[("content-type", "application/grpc")]).await;
    assert_eq!((answer.status, &*answer.body), (418, "mine"), "alone it answers gRPC as well");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_closure_for_http_does_not_change_grpc() {
    let teapot = |_: &RejectionContext| Response::builder().status(418).body(Bytes::new()).unwrap();
    let ours = Server::axum(app().layer(logout().axum_layer())).await;
    let theirs = Server::axum(app().layer(logout().respond(AutoResponder::new(teapot)).axum_layer())).await;
    let grpc = [("content-type", "application/grpc")];
    assert_eq!(theirs.send("POST", "/who", &[], "").await.status, 418);
    let answer = theirs.send_http2("POST", "/who", &grpc).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("16")));
    assert_eq!(answer, ours.send_http2("POST", "/who", &grpc).await);
}

#[tokio::test]
async fn a_responder_may_answer_as_an_axum_handler_does() {
    let respond = |context: &RejectionContext| {
        (StatusCode::IM_A_TEAPOT, Json(json!({ "reason": context.reason.code() }))).into_response()
    };
    for logout in [logout().respond(respond), logout().respond(AutoResponder::new(respond))] {
        let boxed = app().layer(logout.layer()).route_service("/logout", logout.service());
        for app in [boxed, app().layer(logout.axum_layer()).route_service("/logout", logout.service())] {
            let server = Server::axum(app).await;
            for path in ["/who", "/logout"] {
                let answer = server.send("POST", path, &[], "").await;
                assert_eq!((answer.status, &*answer.body), (418, r#"{"reason":"authorization_required"}"#), "{path}");
                assert_eq!(answer.header("content-type"), Some("application/json"));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
            }
        }
    }
}

/// Reports whether the request has a watch, and its state.
async fn watched(watch: Option<RevocationWatch>) -> String {
    watch.map_or_else(|| "unwatched".to_owned(), |watch| format!("{:?}", watch.ended()))
}

#[tokio::test]
async fn a_watch_can_be_optional_as_a_token_can() {
    let app =
        || Router::new().route("/watched", any(watched)).route("/required", any(async |_: RevocationWatch| "watched"));
    let guarded = Server::axum(app().layer(logout().axum_layer())).await;
    let open = Server::axum(app().layer(logout().allow_anonymous().axum_layer())).await;
    assert_eq!(open.get("/watched", &token("one")).await.body, "None");
    assert_eq!(open.send("GET", "/watched", &[], "").await.body, "unwatched");
    let answer = open.send("GET", "/required", &[], "").await;
    assert_eq!(answer, guarded.send("GET", "/required", &[], "").await, "it is rejected as the layer would do");
    assert_eq!((answer.status, code(&answer)), (401, "authorization_required".to_owned()));
    let outside = Server::axum(app()).await;
    for path in ["/watched", "/required"] {
        let answer = outside.get(path, &token("one")).await;
        assert_eq!((answer.status, &*answer.body), (500, MISCONFIGURED), "{path}");
    }
}

#[tokio::test]
async fn a_handler_can_reject_a_request_as_the_layer_does() {
    let logout = logout().respond(JsonResponder);
    let handler = any(async || Err::<(), _>(Rejection::Revoked));
    let app = app().layer(logout.axum_layer()).route_service("/logout", logout.service()).route("/handler", handler);
    let server = Server::axum(app).await;
    assert_eq!(server.post("/logout", &token("one")).await.status, 200);
    let by_layer = server.get("/who", &token("one")).await;
    assert_eq!((by_layer.status, code(&by_layer)), (401, "token_revoked".to_owned()));
    assert_eq!(server.get("/handler", &token("one")).await, by_layer);
    assert_eq!(Rejection::Missing.into_response().extensions().get(), Some(&Rejection::Missing));
}

/// A check without a Tower service.
#[tokio::test]
async fn a_manual_check_is_rejected_with_the_text_of_the_responder() {
    let logout = logout().respond(|context: &RejectionContext| {
        Response::builder().status(418).body(format!("{} {:?}", context.reason.code(), context.protocol)).unwrap()
    });
    let reason = logout.check((&Request::new(())).into()).await.unwrap_err();
    let answer = logout.reject(reason, Protocol::Grpc);
    assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (418, &"no-store".parse().unwrap()));
    assert_eq!(answer.extensions().get(), Some(&Rejection::Missing));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "authorization_required Grpc");
}

async fn reason<S, B>(service: S, request: Request<Empty<Bytes>>) -> Option<Rejection>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap().extensions().get().copied()
}

fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    body["error"].as_str().unwrap().to_owned()
}
