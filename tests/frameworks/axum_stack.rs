//! axum: one `ServiceBuilder` with `from_fn` inside and outside the layer and the usual layers of
//! services, in several orders.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, cors::CorsLayer, limit::RequestBodyLimitLayer,
    timeout::TimeoutLayer, trace::TraceLayer,
};
use tower_logout::{Logout, RevocationWatch, VerifiedToken};

use crate::{
    client::{End, assert_logs_out, events, send},
    user::{ANN, User, logout},
};

#[tokio::test]
async fn the_layer_stands_in_one_stack_behind_the_others() {
    assert_stack_holds(|logout, app| {
        let stack = ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(CatchPanicLayer::new())
            .layer(timeout())
            .layer(CompressionLayer::new())
            .layer(CorsLayer::permissive())
            .layer(from_fn(sees_all))
            .layer(logout.axum_layer())
            .layer(from_fn(sees_those_let_pass))
            .layer(RequestBodyLimitLayer::new(LIMIT));
        app.layer(stack)
    })
    .await;
}

#[tokio::test]
async fn the_layer_stands_in_one_stack_before_the_others() {
    assert_stack_holds(|logout, app| {
        let stack = ServiceBuilder::new()
            .layer(from_fn(sees_all))
            .layer(RequestBodyLimitLayer::new(LIMIT))
            .layer(logout.axum_layer())
            .layer(from_fn(sees_those_let_pass))
            .layer(CorsLayer::permissive())
            .layer(CompressionLayer::new())
            .layer(timeout())
            .layer(CatchPanicLayer::new())
            .layer(TraceLayer::new_for_http());
        app.layer(stack)
    })
    .await;
}

#[tokio::test]
async fn the_layer_stands_in_one_stack_amid_the_others() {
    assert_stack_holds(|logout, app| {
        let stack = ServiceBuilder::new()
            .layer(from_fn(sees_all))
            .layer(CompressionLayer::new())
            .layer(CatchPanicLayer::new())
            .layer(RequestBodyLimitLayer::new(LIMIT))
            .layer(TraceLayer::new_for_http())
            .layer(logout.axum_layer())
            .layer(timeout())
            .layer(from_fn(sees_those_let_pass))
            .layer(CorsLayer::permissive());
        app.layer(stack)
    })
    .await;
}

async fn assert_stack_holds(stack: fn(&Logout<User>, Router) -> Router) {
    let logout = logout();
    let app = Router::new()
        .route("/me", get(me))
        .route("/events", get(async || ([("content-type", "text/event-stream")], Body::from_stream(events()))))
        .route("/panic", get(panics))
        .route("/upload", post(async |body: String| body));
    let app = stack(&logout, app).route_service("/logout", logout.service());
    let addr = serve(app).await;
    assert_eq!(send(addr, "GET", "/panic", Some(ANN), "").await.0, 500);
    assert_eq!(send(addr, "POST", "/upload", Some(ANN), "short").await, (200, "short".to_owned()));
    assert_eq!(send(addr, "POST", "/upload", Some(ANN), "longer than the limit").await.0, 413);
    assert_logs_out(addr, &End::CutOff).await;
}

pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    addr
}

async fn me(token: VerifiedToken<User>) -> String {
    token.0.clone()
}

async fn panics() -> Response {
    panic!("a handler fails")
}

/// Outside the layer: sees rejected requests too.
async fn sees_all(request: Request, next: Next) -> Response {
    assert!(request.extensions().get::<VerifiedToken<User>>().is_none());
    next.run(request).await
}

/// Inside the layer.
async fn sees_those_let_pass(token: VerifiedToken<User>, _: RevocationWatch, request: Request, next: Next) -> Response {
    if token.0 == ANN { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(30))
}

const LIMIT: usize = 10;
