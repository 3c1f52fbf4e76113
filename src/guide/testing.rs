//! How an application tests its routes, its handlers, and what happens to them when time passes.
//!
//! Enable the feature `test-util` for tests. It adds a clock that a test moves, and an identity
//! provider. The examples of this chapter need, beside the dependencies of the application:
//!
//! ```toml
//! [dev-dependencies]
//! async-trait = "0.1" # a store that fails
//! futures-util = "0.3" # streams of events
//! http-body-util = "0.1" # reads bodies
//! jsonwebtoken = { version = "12", default-features = false, features = ["aws_lc_rs"] } # signs tokens
//! serde_json = "1"
//! tower = { version = "0.5", features = ["util"] } # `oneshot`
//! tower-logout = { version = "0.1", features = ["axum", "test-util"] }
//! ```
//!
//! A test of routes uses a [`MemoryStore`](crate::MemoryStore) and signs its tokens. Make the
//! application's router a function of the `Logout`, so that the test can pass its own:
//!
//! ```rust
//! # mod program {
//! # mod tokio { pub use ::tokio::{main as test, *}; }
//! use std::{convert::Infallible, error::Error, time::Duration};
//!
//! use axum::{
//!     Router,
//!     body::Body,
//!     http::{Request, StatusCode},
//!     response::{Response, sse::{Event, Sse}},
//!     routing::get,
//! };
//! use futures_util::stream::{self, Stream};
//! use http_body_util::BodyExt;
//! use jsonwebtoken::{EncodingKey, Header};
//! use serde::Deserialize;
//! use serde_json::json;
//! use tower::ServiceExt;
//! use tower_logout::{
//!     JwtVerifier, Logout, MemoryStore, VerifiedToken,
//!     clock::{Clock, ManualClock, Timestamp},
//! };
//!
//! // The application under test.
//!
//! #[derive(Deserialize)]
//! struct User {
//!     sub: String,
//!     #[serde(default)]
//!     roles: Vec<String>,
//! }
//!
//! fn routes(logout: &Logout<User>) -> Router {
//!     Router::new()
//!         .route("/api/v1/me", get(async |user: VerifiedToken<User>| user.sub.clone()))
//!         .route("/api/v1/admin", get(admin))
//!         .route("/api/v1/events", get(events))
//!         .layer(logout.axum_layer())
//!         .route_service("/api/v1/logout", logout.service())
//! }
//!
//! async fn admin(user: VerifiedToken<User>) -> StatusCode {
//!     if user.roles.iter().any(|role| role == "admin") { StatusCode::OK } else { StatusCode::FORBIDDEN }
//! }
//!
//! async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
//!     Sse::new(stream::pending())
//! }
//!
//! // The tests.
//!
//! const SECRET: &str = "a secret of the tests, 32 bytes long";
//!
//! fn setup() -> Result<(ManualClock, Router), Box<dyn Error>> {
//!     let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
//!     let verifier = JwtVerifier::hs256(SECRET)
//!         .issuer("https://login.example")
//!         .audience("https://api.example")
//!         .claims::<User>()
//!         .clock(clock.clone())
//!         .build()?;
//!     let store = MemoryStore::new().clock(clock.clone()); // the clock of the verifier
//!     Ok((clock, routes(&Logout::new(verifier, store).last_event("logout"))))
//! }
//!
//! fn token(clock: &ManualClock, jti: &str, roles: &[&str]) -> Result<String, Box<dyn Error>> {
//!     let now = clock.now().as_unix_millis() / 1000;
//!     let claims = json!({
//!         "iss": "https://login.example",
//!         "aud": "https://api.example",
//!         "sub": "ann",
//!         "iat": now,
//!         "exp": now + 900,
//!         "jti": jti,
//!         "roles": roles,
//!     });
//!     let key = EncodingKey::from_secret(SECRET.as_bytes())?;
//!     Ok(jsonwebtoken::encode(&Header::default(), &claims, &key)?)
//! }
//!
//! async fn send(app: &Router, method: &str, path: &str, token: &str) -> Result<Response, Box<dyn Error>> {
//!     let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
//!     Ok(app.clone().oneshot(request.body(Body::empty())?).await?)
//! }
//!
//! #[tokio::test]
//! async fn a_logout_ends_the_token_and_no_other() -> Result<(), Box<dyn Error>> {
//!     let (clock, app) = setup()?;
//!     let (first, second) = (token(&clock, "1", &[])?, token(&clock, "2", &[])?);
//!     assert_eq!(send(&app, "POST", "/api/v1/logout", &first).await?.status(), StatusCode::OK);
//!     assert_eq!(send(&app, "GET", "/api/v1/me", &first).await?.status(), StatusCode::UNAUTHORIZED);
//!     assert_eq!(send(&app, "GET", "/api/v1/me", &second).await?.status(), StatusCode::OK);
//!
//!     clock.advance(Duration::from_secs(900)); // the other one expires, and the test does not sleep
//!     assert_eq!(send(&app, "GET", "/api/v1/me", &second).await?.status(), StatusCode::UNAUTHORIZED);
//!     Ok(())
//! }
//!
//! #[tokio::test]
//! async fn administrators_need_the_role() -> Result<(), Box<dyn Error>> {
//!     let (clock, app) = setup()?;
//!     for (roles, status) in [(&["admin"][..], StatusCode::OK), (&[], StatusCode::FORBIDDEN)] {
//!         assert_eq!(send(&app, "GET", "/api/v1/admin", &token(&clock, "1", roles)?).await?.status(), status);
//!     }
//!     Ok(())
//! }
//!
//! #[tokio::test]
//! async fn a_logout_ends_an_open_stream() -> Result<(), Box<dyn Error>> {
//!     let (clock, app) = setup()?;
//!     let token = token(&clock, "1", &[])?;
//!     let stream = send(&app, "GET", "/api/v1/events", &token).await?; // open for as long as it is kept
//!     assert_eq!(send(&app, "POST", "/api/v1/logout", &token).await?.status(), StatusCode::OK);
//!     let received = stream.into_body().collect().await?.to_bytes();
//!     assert_eq!(received, "event: logout\ndata: token_revoked\n\n");
//!     Ok(())
//! }
//!
//! #[tokio::test]
//! async fn a_stream_that_is_being_read_ends_when_the_token_expires() -> Result<(), Box<dyn Error>> {
//!     let (clock, app) = setup()?;
//!     let stream = send(&app, "GET", "/api/v1/events", &token(&clock, "1", &[])?).await?;
//!     let reading = tokio::spawn(stream.into_body().collect());
//!     while clock.sleepers() == 0 {
//!         tokio::task::yield_now().await; // until the stream waits for the clock
//!     }
//!     clock.advance(Duration::from_secs(900));
//!     assert_eq!(reading.await??.to_bytes(), "event: logout\ndata: token_expired\n\n");
//!     Ok(())
//! }
//! # pub fn check() -> Result<(), Box<dyn Error>> {
//! #     a_logout_ends_the_token_and_no_other()?;
//! #     administrators_need_the_role()?;
//! #     a_logout_ends_an_open_stream()?;
//! #     a_stream_that_is_being_read_ends_when_the_token_expires()
//! # }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check()
//! # }
//! ```
//!
//! Give the store the clock of the verifier. With the system's clock, a `MemoryStore` purges
//! revocations of tokens that a test dates in the past, and a token whose revocation may have been
//! purged counts as revoked: a test would then see 401 `token_revoked` for tokens that nobody has
//! revoked.
//!
//! A stream that is being read counts as a sleeper of the clock, because it waits for the expiry of
//! its token. A body that fails instead, because it is not an event stream or no last event is set,
//! makes `collect` an error.
//!
//! # Tokens of an identity provider
//!
//! A [`TestIssuer`](crate::token::jwt::TestIssuer) is an identity provider in the process of the
//! test. It signs tokens of any claims, adds those that every access token has, and serves its keys
//! and its discovery document on a free port of this machine:
//!
//! ```rust
//! # mod program {
//! # mod tokio { pub use ::tokio::{main as test, *}; }
//! use std::error::Error;
//!
//! use serde_json::json;
//! use tower_logout::{
//!     JwtVerifier,
//!     token::{TokenVerifier, jwt::{Issuer, TestIssuer}},
//! };
//!
//! fn verifier(issuer: &TestIssuer) -> Result<JwtVerifier, Box<dyn Error>> {
//!     let issuer = Issuer::keys(issuer.url(), issuer.key_set()).audience("https://api.example");
//!     Ok(JwtVerifier::issuers([issuer]).build()?)
//! }
//!
//! #[tokio::test]
//! async fn only_tokens_for_this_service_are_accepted() -> Result<(), Box<dyn Error>> {
//!     let issuer = TestIssuer::start().await;
//!     let verifier = verifier(&issuer)?;
//!     let token = issuer.token(&json!({ "sub": "ann", "aud": "https://api.example" }));
//!     assert_eq!(verifier.verify(&token).await?.sub.as_deref(), Some("ann"));
//!     let other = issuer.token(&json!({ "sub": "ann", "aud": "https://other.example" }));
//!     assert!(verifier.verify(&other).await.is_err());
//!     Ok(())
//! }
//!
//! #[tokio::test]
//! async fn tokens_of_a_stolen_key_are_rejected() -> Result<(), Box<dyn Error>> {
//!     let issuer = TestIssuer::start().await;
//!     let token = issuer.token(&json!({ "sub": "ann", "aud": "https://api.example" }));
//!     issuer.rotate_without_overlap();
//!     assert!(verifier(&issuer)?.verify(&token).await.is_err());
//!     Ok(())
//! }
//! # pub fn check() -> Result<(), Box<dyn Error>> {
//! #     only_tokens_for_this_service_are_accepted()?;
//! #     tokens_of_a_stolen_key_are_rejected()
//! # }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check()
//! # }
//! ```
//!
//! It rotates its keys with [`rotate`](crate::token::jwt::TestIssuer::rotate), is down between
//! [`stop`](crate::token::jwt::TestIssuer::stop) and
//! [`resume`](crate::token::jwt::TestIssuer::resume), and answers late, wrongly or not at all with
//! [`delay`](crate::token::jwt::TestIssuer::delay),
//! [`answer_with`](crate::token::jwt::TestIssuer::answer_with) and
//! [`hang`](crate::token::jwt::TestIssuer::hang). Tokens that must be rejected, such as those of
//! another type, are signed with
//! [`sign_exactly`](crate::token::jwt::TestIssuer::sign_exactly). With
//! [`clock`](crate::token::jwt::TestIssuer::clock), it dates tokens by the clock of the test.
//!
//! # One handler
//!
//! A handler is a function. Call it with a [`VerifiedToken`](crate::VerifiedToken) that the test
//! makes, of the claims type of the application:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use tower_logout::{
//!     Claims, VerifiedToken,
//!     clock::Timestamp,
//!     revocation::{Retention, RevocationKey, TokenIdentity},
//! };
//!
//! async fn me(token: VerifiedToken<Claims>) -> String {
//!     token.sub.clone().unwrap_or_default()
//! }
//!
//! let (issued_at, expires_at) = (Timestamp::from_unix_seconds(100), Timestamp::from_unix_seconds(1_000));
//! let own = RevocationKey::token_id("https://login.example", "1");
//! let identity = TokenIdentity::new(own, issued_at, expires_at, &Retention::default());
//! let mut claims = Claims::new(expires_at);
//! claims.sub = Some("ann".to_owned());
//! assert_eq!(me(VerifiedToken::new(identity, claims)).await, "ann");
//! # }
//! ```
//!
//! Handlers that revoke by [`subject_of`](crate::Revoker::subject_of) or
//! [`session_of`](crate::Revoker::session_of) need the key in the identity, which is returned with
//! it: `let identity = identity.carries(RevocationKey::subject("https://login.example", "ann"));`.
//!
//! # Waiting
//!
//! What waits for a clock, such as [`settled`](crate::revoker::Receipt::settled) or the answer to
//! "log out everywhere", waits for the test to move the [`ManualClock`](crate::clock::ManualClock).
//! Start it on a task, wait until [`sleepers`](crate::clock::ManualClock::sleepers) counts it, and
//! advance. Streams that are being read are counted too, so a test with both waits for the sum:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use tower_logout::{JwtVerifier, Logout, MemoryStore, clock::{ManualClock, Timestamp}};
//!
//! let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
//! let verifier = JwtVerifier::hs256([7; 32]).issuer("https://login.example").clock(clock.clone()).build()?;
//! let logout = Logout::new(verifier, MemoryStore::new().clock(clock.clone()));
//!
//! let receipt = logout.revoker().user("ann").await?;
//! let settled = tokio::spawn(async move { receipt.settled().await });
//! while clock.sleepers() == 0 {
//!     tokio::task::yield_now().await;
//! }
//! assert!(!settled.is_finished());
//! clock.advance(Duration::from_secs(1));
//! settled.await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A store that fails
//!
//! A store is a trait with two methods to write. One whose checks are errors shows what the
//! application does in an outage:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use async_trait::async_trait;
//! use axum::http::Request;
//! use tower_logout::{
//!     JwtVerifier, Logout, RevocationStore,
//!     clock::{ManualClock, Timestamp},
//!     respond::Rejection,
//!     revocation::{Outcome, Revocation, TokenIdentity},
//!     store::StoreError,
//! };
//!
//! struct Down;
//!
//! #[async_trait]
//! impl RevocationStore for Down {
//!     async fn revoke(&self, _: &Revocation) -> Result<Outcome, StoreError> {
//!         Err(StoreError::new("revoke", "the test has unplugged it"))
//!     }
//!
//!     async fn is_revoked(&self, _: &TokenIdentity) -> Result<bool, StoreError> {
//!         Err(StoreError::new("check", "the test has unplugged it"))
//!     }
//! }
//!
//! # let secret = "a secret of the tests, 32 bytes long";
//! # let clock = ManualClock::at(Timestamp::from_unix_seconds(100));
//! # let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! # let claims = serde_json::json!({ "iat": 100, "exp": 1_000 });
//! # let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
//! let logout = Logout::new(JwtVerifier::hs256(secret).clock(clock).build()?, Down);
//! let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(())?;
//! assert_eq!(logout.check((&request).into()).await.unwrap_err(), Rejection::Unavailable); // 503
//! # Ok(())
//! # }
//! ```
//!
//! # Against a real server
//!
//! A test with a `RedisStore` or a `PostgresStore` can share a server with others: give each a
//! [prefix](crate::store::RedisStoreOptions::prefix) or a
//! [schema](crate::store::PostgresStoreOptions::schema) of its own.
