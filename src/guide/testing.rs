//! How an application tests its routes, its handlers, and what happens to them when time passes.
//!
//! Enable the feature `test-util` for tests. It adds a clock that a test moves:
//!
//! ```toml
//! [dev-dependencies]
//! tower = { version = "0.5", features = ["util"] } # `oneshot`
//! tower-logout = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! A test of routes uses a [`MemoryStore`](crate::MemoryStore) and signs its tokens. Make the
//! application's router a function of the `Logout`, so that the test can pass its own:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use jsonwebtoken::{EncodingKey, Header};
//! use tower::ServiceExt;
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken,
//!     clock::{Clock, ManualClock, Timestamp},
//! };
//!
//! /// The application under test.
//! fn routes(logout: &Logout) -> Router {
//!     Router::new()
//!         .route("/api/v1/me", get(async |token: VerifiedToken<Claims>| token.sub.clone().unwrap_or_default()))
//!         .layer(logout.axum_layer())
//!         .route_service("/api/v1/logout", logout.service())
//! }
//!
//! const SECRET: &str = "a secret of the tests, 32 bytes long";
//!
//! /// `Claims` can be made, and written as JSON.
//! fn token(now: Timestamp, jti: &str) -> Result<String, jsonwebtoken::errors::Error> {
//!     let mut claims = Claims::new(now.saturating_add(Duration::from_secs(900)));
//!     claims.iss = Some("https://login.example".to_owned());
//!     claims.sub = Some("ann".to_owned());
//!     claims.iat = Some(now);
//!     claims.jti = Some(jti.to_owned());
//!     jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())?)
//! }
//!
//! async fn send(app: &Router, method: &str, path: &str, token: &str) -> Result<StatusCode, Box<dyn std::error::Error>> {
//!     let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
//!     Ok(app.clone().oneshot(request.body(Body::empty())?).await?.status())
//! }
//!
//! let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
//! let verifier = JwtVerifier::hs256(SECRET).issuer("https://login.example").clock(clock.clone()).build()?;
//! let logout = Logout::new(verifier, MemoryStore::new().clock(clock.clone()));
//! let app = routes(&logout);
//!
//! // A logout ends the token, and no other.
//! let (first, second) = (token(clock.now(), "1")?, token(clock.now(), "2")?);
//! assert_eq!(send(&app, "POST", "/api/v1/logout", &first).await?, StatusCode::OK);
//! assert_eq!(send(&app, "GET", "/api/v1/me", &first).await?, StatusCode::UNAUTHORIZED);
//! assert_eq!(send(&app, "GET", "/api/v1/me", &second).await?, StatusCode::OK);
//!
//! // The other one expires. No test has to sleep for it.
//! clock.advance(Duration::from_secs(900));
//! assert_eq!(send(&app, "GET", "/api/v1/me", &second).await?, StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
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
//! [`session_of`](crate::Revoker::session_of) need the key in the identity:
//! `identity.carries(RevocationKey::subject("https://login.example", "ann"))`.
//!
//! # Waiting
//!
//! What waits for a clock, such as [`settled`](crate::revoker::Receipt::settled) or the answer to
//! "log out everywhere", waits for the test to move the [`ManualClock`](crate::clock::ManualClock).
//! Start it on a task, wait until [`sleepers`](crate::clock::ManualClock::sleepers) counts it, and
//! advance:
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
//! use http::Request;
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
