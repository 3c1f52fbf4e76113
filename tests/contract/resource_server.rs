//! Promise: what a resource server owes its clients (RFC 6750, section 3; RFC 9728, section 5.1): 403
//! for a token that lacks the required scope, and challenges with the parameters that are
//! configured, which nothing in a setting can break out of.

use std::convert::Infallible;

use axum::{Router, body::Bytes, routing::post};
use futures_util::{StreamExt, stream};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;
use serde_json::json;
use test_support::{
    bearer, claims_with, clock, hs256, token, verifier,
    wire::{Answer, Server},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    Claims, Logout, VerifiedToken,
    guard::Requirement,
    middleware::RequestBody,
    respond::{JsonResponder, Protocol, Rejection, RejectionContext, Respond},
    scope,
};

const ORDERS: &str = "/api/v1/orders";
const LOGOUT: &str = "/api/v1/logout";

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory())
}

fn configured() -> Logout {
    logout().realm("Order \"desk\"").unwrap().resource("https://api.example/mcp").unwrap()
}

async fn start(logout: Logout) -> Server {
    let orders = post(async |_: Bytes| "ordered").layer(logout.axum_layer().require(scope("orders:write")));
    Server::axum(Router::new().route(ORDERS, orders).route_service(LOGOUT, logout.service())).await
}

fn answer(status: u16, challenge: &str, body: &str) -> Answer {
    let headers = [
        ("cache-control", "no-store"),
        ("content-length", &body.len().to_string()),
        ("content-type", "application/json"),
        ("www-authenticate", challenge),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Answer::new(status, headers, body.to_owned())
}

const LACKS_BODY: &str =
    r#"{"description":"The request requires higher privileges than the token has.","error":"insufficient_scope"}"#;
const LACKS: &str =
    r#"error="insufficient_scope", error_description="The request requires higher privileges than the token has.""#;
const INVALID: &str = r#"error="invalid_token", error_description="The token is invalid.""#;
const TWO: &str = r#"error="invalid_request", error_description="The request is malformed, or does not carry exactly one access token.""#;

#[tokio::test]
async fn a_token_without_the_scope_is_403_with_the_scope_in_the_challenge() {
    let server = start(logout()).await;
    let expected = answer(403, &format!(r#"Bearer {LACKS}, scope="orders:write""#), LACKS_BODY);
    assert_eq!(server.post(ORDERS, &token("reader")).await, expected);
    let good = hs256(&claims_with("writer", json!({ "scope": "orders:read orders:write" })));
    assert_eq!(server.post(ORDERS, &good).await.status, 200);
    let again = server.send_http2("POST", ORDERS, &[("authorization", &bearer(&token("reader")))]).await;
    assert_eq!((again.status, again.header("www-authenticate")), (403, expected.header("www-authenticate")));
}

#[tokio::test]
async fn the_scope_is_in_every_challenge_of_the_route_and_in_none_of_the_endpoint() {
    let server = start(logout()).await;
    let challenge = async |path: &str, value: Option<&str>| {
        let headers: Vec<_> = value.map(|value| ("authorization", value)).into_iter().collect();
        let answer = server.send("POST", path, &headers, "").await;
        (answer.status, answer.header("www-authenticate").unwrap().to_owned())
    };
    for (value, status, plain) in [(None, 401, ""), (Some("Bearer x"), 401, INVALID), (Some("Bearer x y"), 400, TWO)] {
        let all = [plain, r#"scope="orders:write""#].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        assert_eq!(challenge(ORDERS, value).await, (status, format!("Bearer {}", all.join(", "))));
        assert_eq!(challenge(LOGOUT, value).await, (status, format!("Bearer {plain}").trim_end().to_owned()));
    }
}

#[tokio::test]
async fn realm_and_metadata_are_in_every_challenge() {
    let server = start(configured()).await;
    let realm = r#"Bearer realm="Order \"desk\"""#;
    let metadata = r#"resource_metadata="https://api.example/.well-known/oauth-protected-resource/mcp""#;
    let scope = r#"scope="orders:write""#;
    for (path, scope) in [(ORDERS, format!("{scope}, ")), (LOGOUT, String::new())] {
        for (value, status, error) in [
            (None, 401, String::new()),
            (Some("Bearer x"), 401, format!("{INVALID}, ")),
            (Some("Bearer x y"), 400, format!("{TWO}, ")),
        ] {
            let headers: Vec<_> = value.map(|value| ("authorization", value)).into_iter().collect();
            let answer = server.send("POST", path, &headers, "").await;
            let expected = format!("{realm}, {error}{scope}{metadata}");
            assert_eq!((answer.status, answer.header("www-authenticate")), (status, Some(&*expected)), "{path}");
        }
    }
    let answer = server.post(ORDERS, &token("reader")).await;
    let expected = format!("{realm}, {LACKS}, {scope}, {metadata}");
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, Some(&*expected)));
    let answer = server.send("GET", LOGOUT, &[], "").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (405, None));
}

#[tokio::test]
async fn an_extractor_that_rejects_writes_the_same_challenge() {
    let handler = post(async |token: VerifiedToken<Claims>| token.sub.clone().unwrap());
    let layer = logout().realm("Orders").unwrap().allow_anonymous().axum_layer();
    let server = Server::axum(Router::new().route(ORDERS, handler).layer(layer)).await;
    let answer = server.send("POST", ORDERS, &[], "").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(r#"Bearer realm="Orders""#)));
}

#[tokio::test]
async fn an_upload_that_is_cut_off_is_answered_with_the_same_challenge() {
    let logout = logout().realm("Orders").unwrap();
    let handler = service_fn(async |request: http::Request<RequestBody<_>>| {
        let read = BodyExt::collect(request.into_body()).await;
        let status = if read.is_ok() { 200 } else { 400 };
        Ok::<_, Infallible>(Response::builder().status(status).body(String::new()).unwrap())
    });
    let token = token("upload");
    let never_ends =
        stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))]).chain(stream::pending());
    let request = http::Request::post(ORDERS).header("authorization", bearer(&token));
    let request = request.body(StreamBody::new(never_ends)).unwrap();
    let upload = logout.layer().require(|_: &VerifiedToken| true).layer(handler).oneshot(request);
    let leaving = http::Request::post(LOGOUT).header("authorization", bearer(&token)).body(String::new()).unwrap();
    // The upload is polled first, so that the handler waits for its body when the token is revoked.
    let (answer, left) = tokio::join!(upload, logout.service().oneshot(leaving));
    assert_eq!(left.unwrap().status(), 200);
    let answer = answer.unwrap();
    let expected = r#"Bearer realm="Orders", error="invalid_token", error_description="The token has been revoked.""#;
    assert_eq!((answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()), (401, expected));
}

#[tokio::test]
async fn settings_may_come_in_any_order() {
    let settings: [fn(Logout) -> Logout; 3] = [
        |logout| logout.realm("r").unwrap(),
        |logout| logout.resource("https://api.example").unwrap(),
        |logout| logout.require(scope("s")).respond(JsonResponder),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let logout = order.into_iter().fold(logout(), |logout, index| settings[index](logout));
        let response = logout.clone().reject(Rejection::Missing, Protocol::Http);
        let expected = r#"Bearer realm="r", scope="s", resource_metadata="https://api.example/.well-known/oauth-protected-resource""#;
        assert_eq!(response.headers()["www-authenticate"], expected);
    }
}

#[tokio::test]
async fn a_realm_that_no_header_can_carry_is_an_error_that_says_so() {
    for realm in ["a\r\nset-cookie: a=b", "a\nb", "\0", "\t", "\u{7f}", "café"] {
        let error = logout().realm(realm).unwrap_err();
        assert_eq!(error.realm, realm);
        assert!(error.to_string().contains("ASCII") && !error.to_string().contains(['\r', '\n']), "{error}");
    }
    let error = logout().resource("http://api.example").unwrap_err().to_string();
    assert!(error.contains("`http://api.example`") && error.contains("https"), "{error}");
    assert!(logout().protected_resource().unwrap_err().to_string().contains("Logout::resource"));
}

#[test]
fn reasons_that_are_not_about_the_token_have_no_challenge() {
    for (reason, status) in [(Rejection::Unavailable, 503), (Rejection::MethodNotAllowed, 405)] {
        let response = configured().reject(reason, Protocol::Http);
        assert_eq!((response.status().as_u16(), response.headers().get("www-authenticate")), (status, None));
    }
    let context = RejectionContext::new(Rejection::InsufficientScope, Protocol::Http);
    assert_eq!(JsonResponder.reject(&context).headers()["www-authenticate"], format!("Bearer {LACKS}"));
    assert_eq!(context.challenge.realm().or(context.challenge.scope()).or(context.challenge.resource_metadata()), None);
}

/// Reads a challenge as a client does (RFC 9110, section 11.6.1), or fails.
fn parsed(challenge: &str) -> Vec<(String, String)> {
    let mut rest = challenge.strip_prefix("Bearer").unwrap();
    let mut parameters = Vec::new();
    let mut separator = " ";
    while !rest.is_empty() {
        rest = rest.strip_prefix(separator).unwrap();
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{challenge}");
        let (mut text, mut characters) = (String::new(), value.chars());
        loop {
            match characters.next().unwrap() {
                '"' => break,
                '\\' => text.push(characters.next().unwrap()),
                character => text.push(character),
            }
        }
        parameters.push((name.to_owned(), text));
        (rest, separator) = (characters.as_str(), ", ");
    }
    parameters
}

/// A requirement that names any text as its scope, and is never fulfilled.
struct Names(String);

impl Requirement<Claims> for Names {
    fn is_met(&self, _: &VerifiedToken) -> bool {
        false
    }

    fn scope(&self) -> Option<&str> {
        Some(&self.0)
    }
}

fn is_scope_value(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|character| matches!(character, '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E'))
}

/// Texts with everything that could end a quoted-string, a header or a challenge.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        r#"["\\, =a-c]{0,12}"#,
        ".{0,12}",
        proptest::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter),
        "[a-c\r\n\t\u{0}\"\\\\ ]{0,12}",
    ]
}

proptest! {
    #[test]
    fn no_setting_breaks_out_of_its_parameter(
        realm in text(), resource in "https://[a-z]{1,3}(/.{0,6}|[\"\\\\ ,=?a-z]{0,6})?", named in text(), required in text(),
    ) {
        let mut expected = Vec::new();
        let mut logout = logout();
        if let Ok(set) = logout.clone().realm(realm.clone()) {
            logout = set;
            prop_assert!(realm.chars().all(|character| matches!(character, ' '..='~')));
            expected.push(("realm".to_owned(), realm));
        }
        if let Ok(set) = logout.clone().resource(&resource) {
            logout = set;
        }
        let mut values: Vec<&str> = Vec::new();
        for value in named.split(' ').chain(required.split(' ')).filter(|value| is_scope_value(value)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let layer = logout.layer().require(Names(named.clone())).require(scope(&*required));
        let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
        let request = http::Request::builder().header("authorization", bearer(&token("any"))).body(String::new()).unwrap();
        let response = block_on(layer.layer(inner).oneshot(request)).unwrap();
        prop_assert_eq!(response.status(), 403);
        prop_assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 1);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        expected.push(("error".to_owned(), "insufficient_scope".to_owned()));
        expected.push(("error_description".to_owned(), Rejection::InsufficientScope.description().to_owned()));
        if !values.is_empty() {
            expected.push(("scope".to_owned(), values.join(" ")));
        }
        let mut parameters = parsed(challenge);
        if parameters.len() > expected.len() {
            let (name, url) = parameters.pop().unwrap();
            prop_assert_eq!(name, "resource_metadata");
            // What the well-known path was inserted into is the resource; a path that is a slash alone is dropped.
            let [inserted, resource] = [url.replacen("/.well-known/oauth-protected-resource", "", 1), resource]
                .map(|url| url.parse::<http::Uri>().unwrap());
            prop_assert_eq!(inserted.authority(), resource.authority());
            prop_assert_eq!((inserted.path(), inserted.query()), (resource.path(), resource.query()));
        }
        prop_assert_eq!(parameters, expected);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
