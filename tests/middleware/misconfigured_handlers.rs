//! Promise: a handler that requires what no layer provides causes an event for the operator that
//! says what is required and what is there; the client only learns that the server is
//! misconfigured.

use axum::{Router, body::Body, routing::any};
use http::{Request, Version};
use http_body_util::BodyExt;
use test_support::{
    bearer, clock,
    events::{Event, Events},
    token, verifier,
};
use tower::ServiceExt;
use tower_logout::{
    Claims, JwtVerifier, Logout, RevocationWatch, VerifiedToken, middleware::MissingToken, token::TokenSource,
};

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory())
}

#[derive(Debug, serde::Deserialize)]
struct Mine {}

#[derive(Debug, serde::Deserialize)]
struct Others {}

fn others() -> Logout<Others> {
    let verifier = JwtVerifier::hs256(test_support::SECRET).issuer(test_support::ISSUER).clock(clock());
    Logout::new(verifier.claims::<Others>().build().unwrap(), test_support::memory())
}

fn app() -> Router {
    Router::new()
        .route("/token", any(async |_: VerifiedToken<Mine>| "let in"))
        .route("/optional", any(async |_: Option<VerifiedToken<Mine>>| "let in"))
        .route("/watch", any(async |_: RevocationWatch| "let in"))
        .route("/mine", any(async |token: Result<VerifiedToken<Mine>, MissingToken>| token.unwrap_err().to_string()))
}

/// Sends a request, checks the response, and returns the events at ERROR.
async fn events(app: Router, path: &str, authorized: bool) -> Vec<Event> {
    let heard = Events::of_this_thread();
    for (method, version, content_type) in [
        ("GET", Version::HTTP_11, "text/plain"),
        ("POST", Version::HTTP_2, "application/grpc"),
        ("POST", Version::HTTP_11, "application/grpc"),
    ] {
        let request = Request::builder().uri(path).method(method).version(version);
        let mut request = request.header("content-type", content_type);
        if authorized {
            request = request.header("authorization", bearer(&token("one")));
        }
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 500, "{path} {method} {version:?}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"description":"The server is misconfigured.","error":"server_error"}"#);
    }
    assert!(!heard.text().contains("usr_123"), "no claim is in it: {}", heard.text());
    let errors = heard.errors();
    assert_eq!(errors.len(), 3, "one for each request: {errors:?}");
    errors
}

fn name<T>() -> &'static str {
    std::any::type_name::<T>()
}

fn list(names: &[&str]) -> String {
    format!("{names:?}")
}

async fn is_told(app: Router, path: &str, authorized: bool, found: &[&str], anonymous: &[&str]) {
    let asked = if path == "/watch" { name::<RevocationWatch>() } else { name::<VerifiedToken<Mine>>() };
    for event in events(app, path, authorized).await {
        let (told, fields) = (format!("{path} {event}"), &event.fields);
        assert_eq!(fields["message"], "handler misconfigured", "{told}");
        assert_eq!(fields["asked"], asked, "{told}");
        assert_eq!(fields["found"], list(found), "{told}");
        assert_eq!(fields["anonymous"], list(anonymous), "{told}");
        assert!(fields["error"].contains("is the route inside the layer"), "{told}");
    }
}

#[tokio::test]
async fn a_route_outside_of_the_layer() {
    for path in ["/token", "/optional", "/watch"] {
        for authorized in [true, false] {
            is_told(app(), path, authorized, &[], &[]).await;
        }
    }
}

#[tokio::test]
async fn another_claims_type_than_the_verifiers() {
    for path in ["/token", "/optional"] {
        is_told(app().layer(logout().axum_layer()), path, true, &[name::<VerifiedToken<Claims>>()], &[]).await;
        let both = app().layer(logout().axum_layer()).layer(others().axum_layer());
        let found = [name::<VerifiedToken<Claims>>(), name::<VerifiedToken<Others>>()];
        is_told(both, path, true, &found, &[]).await;
    }
}

#[tokio::test]
async fn a_request_without_a_token_if_layers_of_other_claims_types_allow_it() {
    let layers = || app().layer(logout().allow_anonymous().axum_layer()).layer(others().allow_anonymous().axum_layer());
    let anonymous = [name::<VerifiedToken<Claims>>(), name::<VerifiedToken<Others>>()];
    for path in ["/token", "/optional"] {
        is_told(layers(), path, false, &[], &anonymous).await;
    }
    // A watch has no claims type, so a missing one is no mistake.
    let response = layers().oneshot(Request::get("/watch").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 401);
    let elsewhere = logout().allow_anonymous().token_source(TokenSource::cookie("none"));
    let one_of_two = app().layer(elsewhere.axum_layer()).layer(others().axum_layer());
    is_told(one_of_two, "/token", true, &[name::<VerifiedToken<Others>>()], &[name::<VerifiedToken<Claims>>()]).await;
}

#[tokio::test]
async fn the_error_is_for_the_author_of_the_handler() {
    let response = app().oneshot(Request::get("/mine").body(Body::empty()).unwrap()).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("claims type of a VerifiedToken"), "{text:?}");
}
