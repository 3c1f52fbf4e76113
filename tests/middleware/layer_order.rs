//! Promise: the documented order works, and the other one behaves as documented: CORS outside,
//! expensive layers inside.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, body::Body, routing::post};
use http::Request;
use serde_json::{Value, json};
use test_support::{
    bearer, clock, token, verifier,
    wire::{Answer, Server},
};
use tower::{ServiceBuilder, ServiceExt, util::MapRequestLayer};
use tower_http::cors::{Any, CorsLayer};
use tower_logout::{Claims, Logout, VerifiedToken};

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory())
}

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers([http::header::AUTHORIZATION])
}

fn app() -> Router {
    Router::new().route("/echo", post(echo))
}

/// A token, then the body: extractors of request parts come first.
async fn echo(token: VerifiedToken<Claims>, Json(body): Json<Value>) -> Json<Value> {
    Json(json!({ "sub": token.sub, "body": body }))
}

const ORIGIN: (&str, &str) = ("origin", "https://app.example");

async fn preflight(server: &Server, path: &str) -> Answer {
    let headers =
        [ORIGIN, ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
    server.send("OPTIONS", path, &headers, "").await
}

#[tokio::test]
async fn with_cors_outside_preflights_pass_and_rejections_can_be_read() {
    let logout = logout();
    let app = app().layer(logout.axum_layer()).route_service("/logout", logout.service()).layer(cors());
    let server = Server::axum(app).await;
    for path in ["/echo", "/logout"] {
        let answer = preflight(&server, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
        let refused = server.send("POST", path, &[ORIGIN], "").await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some("*")), "{path}");
    }
    let token = bearer(&token("cors"));
    let answer = server.send("POST", "/logout", &[ORIGIN, ("authorization", &token)], "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")));
}

#[tokio::test]
async fn with_cors_inside_preflights_are_rejected() {
    let server = Server::axum(app().layer(cors()).layer(logout().axum_layer())).await;
    let answer = preflight(&server, "/echo").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, None));
}

#[tokio::test]
async fn without_cors_a_preflight_of_the_logout_is_405() {
    let server = Server::axum(Router::new().route_service("/logout", logout().service())).await;
    assert_eq!(preflight(&server, "/logout").await.status, 405);
}

/// Counts the requests that pass, whatever their body is wrapped in.
fn count<B>(seen: &Arc<AtomicUsize>) -> impl Fn(Request<B>) -> Request<B> + Clone + use<B> {
    let seen = Arc::clone(seen);
    move |request| {
        seen.fetch_add(1, Ordering::SeqCst);
        request
    }
}

#[tokio::test]
async fn inner_layers_never_see_a_rejected_request_and_outer_layers_see_all() {
    let (outside, inside) = (Arc::default(), Arc::default());
    let layers = ServiceBuilder::new()
        .layer(MapRequestLayer::new(count(&outside)))
        .layer(logout().axum_layer())
        .layer(MapRequestLayer::new(count(&inside)));
    let server = Server::axum(app().layer(layers)).await;
    let json = ("content-type", "application/json");
    for _ in 0..3 {
        assert_eq!(server.send("POST", "/echo", &[json], "1").await.status, 401);
    }
    let answer = server.send("POST", "/echo", &[json, ("authorization", &bearer(&token("seen")))], "1").await;
    assert_eq!((answer.status, &*answer.body), (200, r#"{"body":1,"sub":"usr_123"}"#));
    assert_eq!((outside.load(Ordering::SeqCst), inside.load(Ordering::SeqCst)), (4, 1));
}

#[tokio::test]
async fn a_request_is_rejected_before_its_body_is_read() {
    let server = Server::axum(app().layer(logout().axum_layer())).await;
    let broken = [("content-type", "application/json")];
    assert_eq!(server.send("POST", "/echo", &broken, "{").await.status, 401);
    let token = bearer(&token("broken"));
    let authorized = [broken[0], ("authorization", &*token)];
    assert_eq!(server.send("POST", "/echo", &authorized, "{").await.status, 400);
}

#[tokio::test]
async fn a_route_layer_leaves_unknown_paths_to_the_router() {
    let server = Server::axum(app().route_layer(logout().axum_layer())).await;
    assert_eq!(server.send("GET", "/nowhere", &[], "").await.status, 404);
    let server = Server::axum(app().layer(logout().axum_layer())).await;
    assert_eq!(server.send("GET", "/nowhere", &[], "").await.status, 401, "and a logout guards them, too");
}

#[tokio::test]
async fn nested_routers_are_guarded_where_the_layer_is_added() {
    let logout = logout();
    let app = Router::new()
        .nest("/api/v1", app().layer(logout.axum_layer()).route_service("/logout", logout.service()))
        .route("/healthz", axum::routing::get(async || "ok"));
    let server = Server::axum(app).await;
    assert_eq!(server.send("GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(server.send("POST", "/api/v1/echo", &[], "").await.status, 401);
    assert_eq!(server.post("/api/v1/logout", &token("nested")).await.status, 200);
    assert_eq!(server.post("/api/v1/logout", &token("nested")).await.status, 401);
}

async fn open() -> &'static str {
    "open"
}

/// Without a token, a path that has no route.
#[tokio::test]
async fn a_fallback_is_guarded_only_if_it_is_added_before_the_layer() {
    let logout = logout();
    let layer = || logout.axum_layer();
    let other = || Router::new().route("/open", axum::routing::get(open));
    let first = || app().fallback(open).layer(layer());
    let table = [
        ("fallback, layer", first(), 401),
        ("fallback, layer, merged", first().merge(other()), 401),
        ("merged with such a router", other().merge(first()), 401),
        ("layer, fallback", app().layer(layer()).fallback(open), 200),
        ("fallback, route_layer", app().fallback(open).route_layer(layer()), 200),
    ];
    for (order, router, status) in table {
        assert_eq!(status_of(router, "/nowhere").await, status, "{order}");
    }
}

/// Axum's default fallback answers 404; whether it is guarded depends on how routers are combined.
#[tokio::test]
async fn merging_and_nesting_decide_whose_default_fallback_answers_unknown_paths() {
    let logout = logout();
    let guarded = || app().layer(logout.axum_layer());
    let other = || Router::new().route("/open", axum::routing::get(open));
    let table = [
        ("guarded", guarded(), "/nowhere", 401),
        ("guarded, route", guarded().route("/open", axum::routing::get(open)), "/nowhere", 401),
        ("other merges guarded", other().merge(guarded()), "/nowhere", 401),
        ("guarded merges other", guarded().merge(other()), "/nowhere", 404),
        ("other nests guarded", other().nest("/api", guarded()), "/api/nowhere", 404),
    ];
    for (order, router, path, status) in table {
        assert_eq!(status_of(router.clone(), path).await, status, "{order}");
        let known = if path.starts_with("/api") { "/api/echo" } else { "/echo" };
        assert_eq!(status_of(router, known).await, 401, "{order}: routes stay guarded");
    }
}

async fn status_of(router: Router, path: &str) -> u16 {
    let request = Request::post(path).body(Body::empty()).unwrap();
    router.oneshot(request).await.unwrap().status().as_u16()
}
