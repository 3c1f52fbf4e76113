//! Promise: the sample request of the Matar app, the first application of this contract, works as
//! documented.

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use test_support::{SECRET, at, bearer, hs256};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{JwtVerifier, Logout, MemoryStore, clock::ManualClock, middleware::RequestBody};

/// The token of Matar's documentation, whose secret is unknown.
const LITERAL: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuYXV0aDAuY29tLyIsImF1ZCI6Imh0dHBzOi8vYXBpLmV4YW1wbGUuY29tL2NhbGFuZGFyL3YxLyIsInN1YiI6InVzcl8xMjMiLCJpYXQiOjE0NTg3ODU3OTYsImV4cCI6MTQ1ODg3MjE5Nn0.CA7eaHjIHz5NxeIJoFK9krqaeZrPLwmMmgI_XiQiIkQ";

const REVOKED: &str = r#"{"description":"The token has been revoked.","error":"token_revoked"}"#;
const EXPIRED: &str = r#"{"description":"The token has expired.","error":"token_expired"}"#;
const INVALID: &str = r#"{"description":"The token is invalid.","error":"invalid_token"}"#;

struct App {
    logout: Logout,
    clock: ManualClock,
}

impl App {
    fn new() -> Self {
        let clock = ManualClock::at(at(1_458_786_000));
        let verifier = JwtVerifier::hs256(SECRET)
            .issuer("https://example.auth0.com/")
            .audience("https://api.example.com/calandar/v1/")
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { logout: Logout::new(verifier, MemoryStore::new().clock(clock.clone())), clock }
    }

    async fn log_out(&self, token: &str) -> (StatusCode, String) {
        let request =
            Request::post("/api/v1/logout").header("authorization", bearer(token)).body(String::new()).unwrap();
        let response = self.logout.service().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    async fn visit(&self, token: &str) -> StatusCode {
        let inner =
            service_fn(async |_: Request<RequestBody<String>>| Ok::<_, std::io::Error>(Response::new(String::new())));
        let request = Request::get("/api/v1/me").header("authorization", bearer(token)).body(String::new()).unwrap();
        self.logout.layer().layer(inner).oneshot(request).await.unwrap().status()
    }
}

fn sample() -> String {
    hs256(&json!({
        "iss": "https://example.auth0.com/",
        "aud": "https://api.example.com/calandar/v1/",
        "sub": "usr_123",
        "iat": 1_458_785_796,
        "exp": 1_458_872_196,
    }))
}

#[tokio::test]
async fn the_first_logout_succeeds_and_the_second_reports_revoked() {
    let app = App::new();
    let token = sample();
    assert_eq!(app.visit(&token).await, StatusCode::OK);
    let done = (StatusCode::OK, r#"{"message":"Successfully logged out"}"#.to_owned());
    assert_eq!(app.log_out(&token).await, done);
    assert_eq!(app.visit(&token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(app.log_out(&token).await, (StatusCode::UNAUTHORIZED, REVOKED.to_owned()));
}

#[tokio::test]
async fn from_its_expiry_on_it_has_expired_whether_revoked_or_not() {
    let app = App::new();
    let token = sample();
    let _ = app.log_out(&token).await;
    app.clock.set(tower_logout::clock::Timestamp::from_unix_millis(1_458_872_195_999));
    assert_eq!(app.log_out(&token).await.1, REVOKED);
    for instant in [1_458_872_196, 1_458_872_197, 1_458_900_000, 4_102_444_800] {
        app.clock.set(at(instant));
        assert_eq!(app.log_out(&token).await, (StatusCode::UNAUTHORIZED, EXPIRED.to_owned()), "at {instant}");
    }
}

#[tokio::test]
async fn the_literal_token_is_invalid() {
    assert_eq!(App::new().log_out(LITERAL).await, (StatusCode::UNAUTHORIZED, INVALID.to_owned()));
}
