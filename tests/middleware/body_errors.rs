//! Promise: the error of a body passes through either layer in both directions. `layer()` passes it
//! on unchanged; with `axum_layer()` it is found where it would be without the layer, as axum does
//! for an exceeded limit.

use std::{convert::Infallible, error::Error, fmt, io};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request},
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use futures_util::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::Value;
use test_support::{bearer, clock, token, verifier, wire::Server};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::limit::RequestBodyLimitLayer;
use tower_logout::{Logout, guard::EndReason, middleware::RequestBody};

const LIMIT: usize = 1000;
const TWO_LIMITS: &str = "limits on both sides";

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory()).allow_anonymous()
}

fn app() -> Router {
    Router::new()
        .route("/json", post(async |Json(value): Json<Value>| value.as_str().unwrap().len().to_string()))
        .route("/bytes", post(async |bytes: Bytes| bytes.len().to_string()))
        .route("/string", post(async |text: String| text.len().to_string()))
        .route(
            "/optional",
            post(async |bytes: Result<Bytes, axum::extract::rejection::BytesRejection>| format!("{bytes:?}")),
        )
        .route("/body", post(read))
}

/// Reads the body and reports the error and its depth in the chain.
async fn read(request: Request) -> String {
    match request.into_body().collect().await {
        Ok(body) => body.to_bytes().len().to_string(),
        Err(error) => chain(&error),
    }
}

fn chain(error: &dyn Error) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    errors.map(|error| format!("{error:?}")).collect::<Vec<_>>().join("; ")
}

/// The possible orders of limits and layers: without the layer, with it and with two of it.
fn orders() -> Vec<(&'static str, [Router; 3])> {
    let mut orders = orders_of_the_layer();
    orders.extend(orders_of_axums_limit());
    orders
}

fn orders_of_the_layer() -> Vec<(&'static str, [Router; 3])> {
    vec![
        (
            "a limit outside",
            with(
                |app| app.layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| app.layer(logout().axum_layer()).layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| {
                    app.layer(logout().axum_layer())
                        .layer(logout().axum_layer())
                        .layer(RequestBodyLimitLayer::new(LIMIT))
                },
            ),
        ),
        (
            "a limit inside",
            with(
                |app| app.layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| app.layer(RequestBodyLimitLayer::new(LIMIT)).layer(logout().axum_layer()),
                |app| {
                    app.layer(RequestBodyLimitLayer::new(LIMIT))
                        .layer(logout().axum_layer())
                        .layer(logout().axum_layer())
                },
            ),
        ),
        (
            "a limit between",
            with(
                |app| app.layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| app.layer(logout().axum_layer()).layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| {
                    app.layer(logout().axum_layer())
                        .layer(RequestBodyLimitLayer::new(LIMIT))
                        .layer(logout().axum_layer())
                },
            ),
        ),
        (
            TWO_LIMITS,
            with(
                |app| app.layer(RequestBodyLimitLayer::new(LIMIT)).layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| {
                    let inside = app.layer(RequestBodyLimitLayer::new(LIMIT));
                    inside.layer(logout().axum_layer()).layer(RequestBodyLimitLayer::new(LIMIT))
                },
                |app| {
                    let inside = app.layer(RequestBodyLimitLayer::new(2 * LIMIT)).layer(logout().axum_layer());
                    inside.layer(logout().axum_layer()).layer(RequestBodyLimitLayer::new(LIMIT))
                },
            ),
        ),
        (
            "a limit outside, in one stack",
            with(
                |app| app.layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| {
                    app.layer(
                        ServiceBuilder::new().layer(RequestBodyLimitLayer::new(LIMIT)).layer(logout().axum_layer()),
                    )
                },
                |app| {
                    let stack = ServiceBuilder::new().layer(RequestBodyLimitLayer::new(LIMIT));
                    app.layer(stack.layer(logout().axum_layer()).layer(logout().axum_layer()))
                },
            ),
        ),
        (
            "a limit inside, in one stack",
            with(
                |app| app.layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| {
                    app.layer(
                        ServiceBuilder::new().layer(logout().axum_layer()).layer(RequestBodyLimitLayer::new(LIMIT)),
                    )
                },
                |app| {
                    let stack = ServiceBuilder::new().layer(logout().axum_layer()).layer(logout().axum_layer());
                    app.layer(stack.layer(RequestBodyLimitLayer::new(LIMIT)))
                },
            ),
        ),
    ]
}

fn orders_of_axums_limit() -> Vec<(&'static str, [Router; 3])> {
    vec![
        (
            "a limit outside, and axum's none",
            with(
                |app| app.layer(DefaultBodyLimit::disable()).layer(RequestBodyLimitLayer::new(LIMIT)),
                |app| {
                    app.layer(DefaultBodyLimit::disable())
                        .layer(logout().axum_layer())
                        .layer(RequestBodyLimitLayer::new(LIMIT))
                },
                |app| {
                    let inside = app.layer(logout().axum_layer()).layer(logout().axum_layer());
                    inside.layer(DefaultBodyLimit::disable()).layer(RequestBodyLimitLayer::new(LIMIT))
                },
            ),
        ),
        (
            "axum's limit outside",
            with(
                |app| app.layer(DefaultBodyLimit::max(LIMIT)),
                |app| app.layer(logout().axum_layer()).layer(DefaultBodyLimit::max(LIMIT)),
                |app| app.layer(logout().axum_layer()).layer(logout().axum_layer()).layer(DefaultBodyLimit::max(LIMIT)),
            ),
        ),
        (
            "axum's limit inside",
            with(
                |app| app.layer(DefaultBodyLimit::max(LIMIT)),
                |app| app.layer(DefaultBodyLimit::max(LIMIT)).layer(logout().axum_layer()),
                |app| app.layer(DefaultBodyLimit::max(LIMIT)).layer(logout().axum_layer()).layer(logout().axum_layer()),
            ),
        ),
    ]
}

fn with(none: fn(Router) -> Router, one: fn(Router) -> Router, two: fn(Router) -> Router) -> [Router; 3] {
    [none(app()), one(app()), two(app())]
}

/// How a body is sent: at once with its length, or in chunks without.
async fn post_to(server: &Server, path: &str, in_parts: bool, authorized: bool, len: usize) -> (StatusCode, String) {
    let text = format!("\"{}\"", "x".repeat(len - 2));
    let body = if in_parts {
        let parts: Vec<_> = text.as_bytes().chunks(100).map(|part| Ok::<_, Infallible>(part.to_vec())).collect();
        reqwest::Body::wrap_stream(stream::iter(parts))
    } else {
        text.into()
    };
    let request = reqwest::Client::new().post(server.url(path)).header("content-type", "application/json").body(body);
    let request = if authorized { request.header("authorization", bearer(&token("limited"))) } else { request };
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn an_exceeded_limit_is_413_in_any_position() {
    for (order, apps) in orders() {
        let [without, one, two] = apps;
        let (without, one, two) = (Server::axum(without).await, Server::axum(one).await, Server::axum(two).await);
        for path in ["/json", "/bytes", "/string", "/optional", "/body"] {
            // A chunked body is watched if there is a token.
            for (in_parts, authorized) in [(true, true), (true, false), (false, true), (false, false)] {
                for len in [LIMIT / 2, LIMIT * 3 / 2] {
                    let expected = post_to(&without, path, in_parts, authorized, len).await;
                    let told = format!("{order}: {path}, in parts {in_parts}, authorized {authorized}, {len}");
                    assert_eq!(post_to(&one, path, in_parts, authorized, len).await, expected, "one layer, {told}");
                    assert_eq!(post_to(&two, path, in_parts, authorized, len).await, expected, "two layers, {told}");
                    // For axum itself, two limits are one wrapper too many.
                    if order != TWO_LIMITS && matches!(path, "/json" | "/bytes" | "/string") {
                        let status = if len > LIMIT { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::OK };
                        assert_eq!(expected.0, status, "without a layer, {told}");
                    }
                }
            }
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Mine(&'static str);

impl fmt::Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Mine {}

/// A body that fails after this many chunks.
fn fails_after<E>(parts: usize, error: E) -> StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, E>>> {
    let mut frames: Vec<_> = (0..parts).map(|_| Ok(Frame::data(Bytes::from_static(b"part")))).collect();
    frames.push(Err(error));
    StreamBody::new(stream::iter(frames))
}

/// The error outside: axum's, which contains that of the handler's body.
async fn of_the_handler(response: Response) -> String {
    let error = response.into_body().collect().await.unwrap_err();
    match error.into_inner().downcast::<Mine>() {
        Ok(mine) => format!("mine: {mine}"),
        Err(other) => format!("other: {other:?}"),
    }
}

#[tokio::test]
async fn the_error_of_a_response_is_found_outside_as_without_the_layer() {
    let app = || {
        let fails = |parts| get(async move || Body::new(fails_after(parts, Mine("broken"))));
        Router::new().route("/0", fails(0)).route("/1", fails(1)).route("/9", fails(9))
    };
    let nested = app().layer(logout().axum_layer()).layer(logout().axum_layer());
    let unwatched = app().layer(logout().allow_streams_after_revocation().axum_layer());
    for (name, app) in
        [("none", app()), ("one", app().layer(logout().axum_layer())), ("two", nested), ("unwatched", unwatched)]
    {
        let server = Server::axum(app.layer(map_response(of_the_handler))).await;
        for path in ["/0", "/1", "/9"] {
            assert_eq!(server.get(path, &token("broken")).await.body, "mine: broken", "{name} {path}");
            assert_eq!(server.send("GET", path, &[], "").await.body, "mine: broken", "{name} {path} anonymous");
        }
    }
}

#[tokio::test]
async fn the_reason_for_an_ended_response_is_found_outside_another_layer() {
    async fn reason(response: Response) -> String {
        let error = response.into_body().collect().await.unwrap_err();
        error
            .into_inner()
            .downcast::<EndReason>()
            .map_or_else(|other| format!("{other:?}"), |reason| reason.to_string())
    }
    let inner = logout();
    let revoker = inner.revoker();
    let app = Router::new().route(
        "/",
        get(async move |token: tower_logout::VerifiedToken<tower_logout::Claims>| {
            let _ = revoker.token(token.identity()).await.unwrap();
            Body::from_stream(stream::pending::<Result<Bytes, Mine>>())
        }),
    );
    let server =
        Server::axum(app.layer(inner.axum_layer()).layer(logout().axum_layer()).layer(map_response(reason))).await;
    assert_eq!(server.get("/", &token("ended")).await.body, EndReason::Revoked.to_string());
}

/// One request and its response through `layer()` alone, with bodies that fail with this error.
async fn through<E: Into<BoxError> + Clone + Send + 'static>(error: E, authorized: bool) -> [BoxError; 2] {
    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel();
    let answer = error.clone();
    let service = logout().layer().layer(service_fn(move |request: http::Request<RequestBody<_>>| {
        let (sent, answer) = (sent.clone(), answer.clone());
        async move {
            let error = request.into_body().collect().await.err().unwrap();
            sent.send(error).unwrap();
            Ok::<_, Infallible>(http::Response::new(fails_after(2, answer)))
        }
    }));
    let mut request = http::Request::post("/");
    if authorized {
        request = request.header("authorization", bearer(&token("through")));
    }
    let response = service.oneshot(request.body(fails_after(2, error)).unwrap()).await.unwrap();
    let of_the_response = response.into_body().collect().await.err().unwrap();
    [received.recv().await.unwrap(), of_the_response]
}

/// An error that is boxed already.
#[derive(Clone)]
struct Boxed;

impl From<Boxed> for BoxError {
    fn from(_: Boxed) -> Self {
        Self::from(Mine("boxed"))
    }
}

#[derive(Clone)]
struct Io;

impl From<Io> for BoxError {
    fn from(_: Io) -> Self {
        Self::from(io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// A framework's error, which `axum_layer()` takes out of its wrapper.
#[derive(Clone)]
struct OfAxum;

impl From<OfAxum> for BoxError {
    fn from(_: OfAxum) -> Self {
        Self::from(axum::Error::new(Mine("of axum")))
    }
}

#[tokio::test]
async fn layer_passes_an_error_on_unchanged_in_one_box_with_any_features() {
    for authorized in [true, false] {
        for error in through(Mine("plain"), authorized).await {
            assert_eq!(error.downcast_ref(), Some(&Mine("plain")));
        }
        for error in through(Boxed, authorized).await {
            assert_eq!(error.downcast_ref(), Some(&Mine("boxed")));
        }
        for error in through(Io, authorized).await {
            assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::BrokenPipe);
        }
        for error in through(OfAxum, authorized).await {
            let wrapper = error.downcast::<axum::Error>().expect("the wrapper stays");
            assert_eq!(wrapper.into_inner().downcast_ref(), Some(&Mine("of axum")));
        }
    }
    let whole = logout().layer().layer(service_fn(async |_: http::Request<RequestBody<Full<Bytes>>>| {
        let body = Full::new(Bytes::new()).map_err(|never| -> BoxError { match never {} });
        Ok::<_, Infallible>(http::Response::new(body))
    }));
    assert_eq!(whole.oneshot(http::Request::new(Full::default())).await.unwrap().status(), StatusCode::OK);
}
