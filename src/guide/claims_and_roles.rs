//! How handlers get the application's own claims, and how roles are enforced.
//!
//! Define a struct with the claims that handlers need, and select it with
//! [`claims`](crate::token::jwt::JwtVerifierBuilder::claims). The type of the `Logout` is then
//! `Logout<User>`, and handlers take a `VerifiedToken<User>`:
//!
//! ```rust
//! # mod program {
//! use axum::{
//!     Json, Router,
//!     extract::{FromRequestParts, Request},
//!     http::{StatusCode, request::Parts},
//!     middleware::{Next, from_fn},
//!     response::{IntoResponse, Response},
//!     routing::{delete, get},
//! };
//! use serde::Deserialize;
//! use serde_json::{Value, json};
//! use tower_logout::{JwtVerifier, Logout, MemoryStore, VerifiedToken};
//!
//! #[derive(Deserialize)]
//! struct User {
//!     sub: String,
//!     #[serde(default)] // a token without roles has none; without this line, it is rejected
//!     roles: Vec<Role>,
//! }
//!
//! #[derive(Clone, Copy, Deserialize, PartialEq)]
//! #[serde(rename_all = "lowercase")]
//! enum Role {
//!     Admin,
//!     Editor,
//!     #[serde(other)] // a role that this service does not know is no reason to reject the token
//!     Other,
//! }
//!
//! fn app(secret: &str) -> Result<Router, Box<dyn std::error::Error>> {
//!     let verifier = JwtVerifier::hs256(secret)
//!         .issuer("https://login.example")
//!         .audience("https://api.example")
//!         .claims::<User>()
//!         .build()?;
//!     let logout: Logout<User> = Logout::new(verifier, MemoryStore::new());
//!
//!     let editors = Router::new()
//!         .route("/api/v1/drafts", get(async || "drafts"))
//!         .route_layer(from_fn(editors_only)); // for all routes above
//!     Ok(Router::new()
//!         .route("/api/v1/me", get(me))
//!         .route("/api/v1/users/{id}", delete(delete_user))
//!         .merge(editors)
//!         .layer(logout.axum_layer()) // added last, so it sees a request first
//!         .route_service("/api/v1/logout", logout.service()))
//! }
//!
//! async fn me(user: VerifiedToken<User>) -> Json<Value> {
//!     Json(json!({ "sub": user.sub }))
//! }
//!
//! /// A role for one handler: the extractor is the check.
//! async fn delete_user(_: Admin) -> StatusCode {
//!     StatusCode::NO_CONTENT
//! }
//!
//! struct Admin(VerifiedToken<User>);
//!
//! impl<S: Send + Sync> FromRequestParts<S> for Admin {
//!     type Rejection = Response;
//!
//!     async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
//!         let user = VerifiedToken::<User>::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
//!         if user.roles.contains(&Role::Admin) { Ok(Self(user)) } else { Err(StatusCode::FORBIDDEN.into_response()) }
//!     }
//! }
//!
//! /// A role for several routes: a middleware inside the layer.
//! async fn editors_only(user: VerifiedToken<User>, request: Request, next: Next) -> Response {
//!     if user.roles.contains(&Role::Editor) { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use axum::body::Body;
//! #     use tower::ServiceExt;
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let app = app(secret)?;
//! #     let mut statuses = Vec::new();
//! #     for roles in [json!(["admin", "astronaut"]), json!(["editor"]), json!(null)] {
//! #         let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #         let mut claims = json!({
//! #             "iss": "https://login.example", "aud": "https://api.example", "sub": "ann",
//! #             "iat": now, "exp": now + 900,
//! #         });
//! #         if !roles.is_null() {
//! #             claims["roles"] = roles;
//! #         }
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
//! #         for (method, path) in [("GET", "/api/v1/me"), ("DELETE", "/api/v1/users/7"), ("GET", "/api/v1/drafts")] {
//! #             let request = Request::builder().method(method).uri(path);
//! #             let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty())?;
//! #             statuses.push(app.clone().oneshot(request).await?.status().as_u16());
//! #         }
//! #     }
//! #     assert_eq!(statuses, [200, 204, 403, 200, 403, 200, 200, 403, 403]);
//! #     let admin = |Admin(user)| user;
//! #     let _ = admin;
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! # Which tokens are rejected
//!
//! The verifier checks the registered claims (`iss`, `aud`, `exp`, `nbf`, `iat`) whatever the type
//! of the claims is. The type then decides about the rest: an authentic token that cannot be
//! deserialized to it is rejected with 401 `invalid_token`, and the event `token rejected by the
//! configuration` has the message of serde. Use `#[serde(default)]` or `Option` for claims that
//! only some tokens have.
//!
//! A missing role is another matter: the token is good, and the answer is 403. For a body in the
//! style of the rejections, answer with axum's `Json` beside the status, or let the layer do it, as
//! the next section shows:
//!
//! ```rust
//! use axum::{
//!     Json,
//!     http::StatusCode,
//!     response::{IntoResponse, Response},
//! };
//! use serde_json::json;
//!
//! fn forbidden() -> Response {
//!     let body = json!({ "description": "The role `admin` is required.", "error": "insufficient_role" });
//!     (StatusCode::FORBIDDEN, Json(body)).into_response()
//! }
//! # assert_eq!(forbidden().status(), 403);
//! ```
//!
//! # Requiring a scope
//!
//! [`require`](crate::RevocationLayer::require) adds a requirement to a layer: a
//! [`scope`](crate::guard::scope), or a closure that takes the token. Several must all be
//! fulfilled.
//!
//! ```rust
//! # mod program {
//! use axum::{
//!     Router,
//!     routing::{delete, get, post},
//! };
//! use serde::Deserialize;
//! use tower_logout::{JwtVerifier, Logout, MemoryStore, VerifiedToken, scope, token::Scoped};
//!
//! #[derive(Deserialize)]
//! struct User {
//!     #[serde(default)]
//!     scope: String,
//!     #[serde(default)]
//!     roles: Vec<String>,
//! }
//!
//! /// Says where the scope is. `Claims` has this already.
//! impl Scoped for User {
//!     fn has_scope(&self, value: &str) -> bool {
//!         self.scope.has_scope(value) // or a list: `self.scp.has_scope(value)`
//!     }
//! }
//!
//! fn app(secret: &str) -> Result<Router, Box<dyn std::error::Error>> {
//!     let verifier = JwtVerifier::hs256(secret).issuer("https://login.example").claims::<User>().build()?;
//!     let logout: Logout<User> = Logout::new(verifier, MemoryStore::new());
//!
//!     let read = logout.axum_layer().require(scope("orders:read"));
//!     let write = logout.axum_layer().require(scope("orders:read orders:write"));
//!     let admin = logout.axum_layer().require(|user: &VerifiedToken<User>| user.roles.iter().any(|role| role == "admin"));
//!     Ok(Router::new()
//!         .route("/api/v1/orders", get(async || "orders").layer(read))
//!         .route("/api/v1/orders", post(async || "ordered").layer(write))
//!         .route("/api/v1/orders", delete(async || "deleted").layer(admin))
//!         .route_service("/api/v1/logout", logout.service()))
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use axum::body::Body;
//! #     use http::Request;
//! #     use serde_json::json;
//! #     use tower::ServiceExt;
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let app = app(secret)?;
//! #     let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #     let mut statuses = Vec::new();
//! #     for claims in [json!({ "scope": "orders:read" }), json!({ "scope": "orders:write orders:read" }), json!({ "roles": ["admin"] })] {
//! #         let mut claims = claims;
//! #         (claims["iss"], claims["iat"], claims["exp"]) = (json!("https://login.example"), json!(now), json!(now + 900));
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
//! #         for (method, path) in [("GET", "orders"), ("POST", "orders"), ("DELETE", "orders"), ("POST", "logout")] {
//! #             let request = Request::builder().method(method).uri(format!("/api/v1/{path}"));
//! #             let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty())?;
//! #             statuses.push(app.clone().oneshot(request).await?.status().as_u16());
//! #         }
//! #     }
//! #     assert_eq!(statuses, [200, 403, 403, 200, 200, 200, 403, 200, 403, 403, 200, 200]);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! * A valid token that does not fulfil them gets 403 with the body
//!   `{"description":"…","error":"insufficient_scope"}` and a challenge that names the scope, from
//!   which a client learns what to ask its authorization server for. A gRPC client gets status 7.
//! * Scope values are compared exactly. A token that is not valid any more is 401 as ever, and so
//!   is a request without a token, even where [anonymous requests are
//!   allowed](crate::Logout::allow_anonymous).
//! * The logout endpoint asks for no scope.
//! * Layers nest: one for all routes and one with a requirement inside it work as one. The
//!   challenge of each names what that layer requires.
//! * Frameworks without Tower layers use [`Logout::require`](crate::Logout::require): a clone with
//!   the requirement checks and rejects for the routes that have it.
//!
//! # The registered claims as well
//!
//! [`Claims`](crate::Claims), the default type, has the registered claims, the session, the client
//! and the scope. A struct can include it:
//!
//! ```rust
//! use serde::Deserialize;
//! use tower_logout::Claims;
//!
//! #[derive(Deserialize)]
//! struct User {
//!     #[serde(flatten)]
//!     registered: Claims,
//!     roles: Vec<String>,
//! }
//!
//! # fn main() -> Result<(), serde_json::Error> {
//! let user: User = serde_json::from_str(r#"{"sub":"ann","exp":1458872196,"roles":["admin"]}"#)?;
//! assert_eq!(user.registered.sub.as_deref(), Some("ann"));
//! assert_eq!(user.roles, ["admin"]);
//! # Ok(())
//! # }
//! ```
//!
//! Scopes are in `Claims::scope`, separated by spaces. Handlers ask with
//! [`Scoped`](crate::token::Scoped): `token.has_scope("orders:read")`.
//!
//! # Roles change, tokens do not
//!
//! A role that is taken away stays in the tokens that were issued before. Revoke these tokens, so
//! that the client has to get a new one: see [`sessions_and_devices`](super::sessions_and_devices).
//!
//! A claim of your own can be what tokens are revoked by. Name it with
//! [`revocable_claim`](crate::token::jwt::JwtVerifierBuilder::revocable_claim), and all tokens with
//! a certain value can be revoked at once, such as those of a tenant:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, Logout, MemoryStore};
//!
//! let verifier = JwtVerifier::hs256("a secret of at least 32 bytes, and random")
//!     .issuer("https://login.example")
//!     .audience("https://api.example")
//!     .revocable_claim("tenant")
//!     .build()?;
//! let logout = Logout::new(verifier, MemoryStore::new());
//! logout.revoker().claim("https://login.example", "tenant", "acme").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A handler that gets no token
//!
//! A handler that asks for a `VerifiedToken` of another type than the verifier's, or on a route
//! outside the layer, is answered with 500 and the body
//! `{"description":"The server is misconfigured.","error":"server_error"}`. The event `handler
//! misconfigured` names the type that it asks for and the types that the request has.
