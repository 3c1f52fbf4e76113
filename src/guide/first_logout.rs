//! How to protect an axum service: from an empty folder to a logout that works.
//!
//! `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! jsonwebtoken = { version = "12", default-features = false, features = ["aws_lc_rs"] } # signs tokens
//! serde_json = "1"
//! tokio = { version = "1", features = ["full"] }
//! tower-logout = { version = "0.1", features = ["axum", "redb"] }
//! uuid = { version = "1", features = ["v4", "serde"] }
//! ```
//!
//! `src/main.rs`:
//!
//! ```rust
//! # mod program {
//! use std::time::{SystemTime, UNIX_EPOCH};
//!
//! use axum::{
//!     Json, Router,
//!     extract::State,
//!     http::StatusCode,
//!     routing::{get, post},
//! };
//! use jsonwebtoken::{EncodingKey, Header};
//! use serde_json::{Value, json};
//! use tower_logout::{Claims, JwtVerifier, Logout, RedbStore, RevocationStore, VerifiedToken};
//!
//! const ISSUER: &str = "https://login.example";
//! const AUDIENCE: &str = "https://api.example";
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = std::env::var("JWT_SECRET").map_err(|_| "set JWT_SECRET to at least 32 bytes")?;
//!     let app = app(&secret, RedbStore::open("revocations.redb")?)?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//!
//! fn app(secret: &str, store: impl RevocationStore) -> Result<Router, Box<dyn std::error::Error>> {
//!     let verifier = JwtVerifier::hs256(secret).issuer(ISSUER).audience(AUDIENCE).build()?;
//!     let logout = Logout::new(verifier, store);
//!     Ok(Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(logout.axum_layer()) // guards the routes above it
//!         .route_service("/api/v1/logout", logout.service())
//!         .route("/api/v1/login", post(login))
//!         .with_state(EncodingKey::from_secret(secret.as_bytes())?))
//! }
//!
//! async fn me(token: VerifiedToken<Claims>) -> Json<Value> {
//!     Json(json!({ "sub": token.sub }))
//! }
//!
//! /// Check a password here. Skip this handler if another service issues the tokens.
//! async fn login(State(key): State<EncodingKey>, Json(login): Json<Value>) -> Result<String, StatusCode> {
//!     let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
//!     let claims = json!({
//!         "iss": ISSUER,
//!         "aud": AUDIENCE,
//!         "sub": login["username"],
//!         "iat": now.as_secs(),
//!         "exp": now.as_secs() + 15 * 60,
//!         "jti": uuid::Uuid::new_v4(), // identifies this token
//!         "sid": uuid::Uuid::new_v4(), // identifies the session, that is, this login
//!     });
//!     jsonwebtoken::encode(&Header::default(), &claims, &key).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use axum::{body::Body, http::Request};
//! #     use http_body_util::BodyExt;
//! #     use tower::ServiceExt;
//! #     let app = app("a secret of at least 32 bytes, and random", tower_logout::MemoryStore::new())?;
//! #     let request = Request::post("/api/v1/login").header("content-type", "application/json");
//! #     let response = app.clone().oneshot(request.body(Body::from(r#"{"username":"ann"}"#))?).await?;
//! #     let token = String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?;
//! #     let mut statuses = Vec::new();
//! #     for (method, path) in [("GET", "/api/v1/me"), ("POST", "/api/v1/logout"), ("GET", "/api/v1/me")] {
//! #         let request = Request::builder().method(method).uri(path);
//! #         let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty())?;
//! #         statuses.push(app.clone().oneshot(request).await?.status().as_u16());
//! #     }
//! #     assert_eq!(statuses, [200, 200, 401]);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! Start it:
//!
//! ```text
//! export JWT_SECRET=$(openssl rand -base64 48)
//! cargo run
//! ```
//!
//! Log out in another terminal. The last line is answered with 401, also after a restart with the
//! same secret:
//!
//! ```text
//! URL=http://127.0.0.1:3000/api/v1
//! TOKEN=$(curl -s $URL/login -H 'content-type: application/json' -d '{"username":"ann"}')
//! curl -i $URL/me -H "Authorization: Bearer $TOKEN"
//! curl -i -X POST $URL/logout -H "Authorization: Bearer $TOKEN"
//! curl -i $URL/me -H "Authorization: Bearer $TOKEN"
//! ```
//!
//! # What the tokens need
//!
//! A token must have `exp`. The other claims are optional, and each makes something possible:
//!
//! | claim | what it is for |
//! |---|---|
//! | `iss`, `aud` | Compared exactly with [`issuer`](crate::token::jwt::JwtVerifierBuilder::issuer) and [`audience`](crate::token::jwt::JwtVerifierBuilder::audience). Name both. A token with an `aud` is rejected where none is configured; without an issuer, tokens of any issuer are accepted that the key has signed. |
//! | `iat` | Logging out a user or a session ends what was issued until then. A token without `iat` counts as older than every revocation: [`require_iat`](crate::token::jwt::JwtVerifierBuilder::require_iat) rejects such tokens. |
//! | `jti` | Identifies the token. Without it, the token is identified by what its signature covers; if an issuer signs the same claims twice in one second, both are one token. |
//! | `sub`, `sid` | The user and the session, by which [several tokens end at once](super::sessions_and_devices). |
//!
//! The example leaves [`max_lifetime`](crate::token::jwt::JwtVerifierBuilder::max_lifetime) at its
//! default of 366 days, and revocations of a user or a session are kept for that long. Where the
//! issuer's longest lifetime is known, set it, here `.max_lifetime(Duration::from_secs(15 * 60))`:
//! the store stays small, and tokens with a longer lifetime are rejected.
//!
//! # What a logout ends
//!
//! The endpoint of the example ends the token that it is called with, and no other. If a client
//! gets several tokens in one login, for instance by refreshing, use
//! `logout.service().scope(LogoutScope::Session)`, which ends all that have the same `sid`:
//! [`sessions_and_devices`](super::sessions_and_devices).
//!
//! # What is guarded
//!
//! The layer guards the routes that are added before it. Routes that are added after it, such as
//! the login and the logout endpoint, are not guarded: the endpoint checks the token itself.
//!
//! **A fallback of your own is guarded only if it is added before `Router::layer`.** A fallback
//! that is added afterwards is not guarded, and `Router::route_layer` never guards a fallback:
//!
//! | router | a path without a route, requested without a token |
//! |---|---|
//! | `.fallback(page).layer(logout.axum_layer())`, merged with others or not | 401 |
//! | `.layer(logout.axum_layer()).fallback(page)` | **the page** |
//! | `.fallback(page).route_layer(logout.axum_layer())` | **the page** |
//!
//! A router without a fallback of its own has that of axum, which answers 404. `Router::layer`
//! guards this one too, so an unknown path gets 401. Use `Router::route_layer` if it should get
//! 404. When routers are combined, one fallback answers for all, and it is not always the guarded
//! one. Routes stay guarded in each case; only the status of unknown paths differs:
//!
//! | router | unknown path, without a token |
//! |---|---|
//! | `guarded`, also with `.route(…)` afterwards | 401 |
//! | `other.merge(guarded)` | 401 |
//! | `guarded.merge(other)` | 404 |
//! | `other.nest("/api", guarded)`, a path below `/api` | 404 |
//!
//! [`allow_anonymous`](crate::Logout::allow_anonymous) lets requests without a token pass. Handlers
//! then take an `Option<VerifiedToken<Claims>>`. To do so on some routes only, give them a layer of
//! `logout.clone().allow_anonymous()`: clones share the verifier and the store.
//!
//! # What `Logout` makes
//!
//! [`Logout`](crate::Logout) is the root object. It owns the verifier, the store and all settings,
//! and makes everything else, which therefore agrees. It has no type parameter but that of the
//! claims, so it fits into an application's state and into signatures: `fn routes(logout: &Logout)
//! -> Router`.
//!
//! | method | what it makes or does |
//! |---|---|
//! | [`axum_layer()`](crate::Logout::axum_layer) | the layer for axum's routes; bodies keep axum's `Body` type |
//! | [`layer()`](crate::Logout::layer) | the layer for any other Tower service, with any bodies |
//! | [`service()`](crate::Logout::service) | the logout endpoint; its [`scope`](crate::LogoutService::scope) makes it end the session or all tokens of the user |
//! | [`revoker()`](crate::Logout::revoker) | a [`Revoker`](crate::Revoker), which revokes from application code |
//! | [`check`](crate::Logout::check), [`watch`](crate::Logout::watch), [`reject`](crate::Logout::reject) | the parts of the layer, where there is no Tower service to wrap |
//! | [`drain()`](crate::Logout::drain) | ends all live streams at shutdown |
//!
//! Create one and clone it. A second `Logout` with a store of its own, made for the endpoint, would
//! answer 200 and revoke nothing, because the routes ask another store. Such a logout logs the
//! error `revocation ends nothing`.
//!
//! # Settings
//!
//! Call these before the `Logout` is shared; each returns it:
//!
//! | setting | default | meaning |
//! |---|---|---|
//! | [`token_source`](crate::Logout::token_source) | `Authorization` header | where the token is in a request |
//! | [`respond`](crate::Logout::respond) | JSON, and gRPC for gRPC requests | writes the answers to rejected requests and to logouts |
//! | [`check_timeout`](crate::Logout::check_timeout) | 250 ms | how long verifier and store may take together before a request gets 503 |
//! | [`token_cache`](crate::Logout::token_cache) | 16,384 tokens, 16 MiB | the cache of verified tokens |
//! | [`refresh_tokens`](crate::Logout::refresh_tokens) | none | the verifier of refresh tokens, which a logout may carry |
//! | [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead) | 0 s | how far the clock of an issuer may run ahead when tokens are revoked |
//! | [`last_event`](crate::Logout::last_event) | none | the event that ends a stream of server-sent events |
//! | [`recheck_interval`](crate::Logout::recheck_interval) | 5 s | how often a live stream asks a store that does not notify |
//! | [`allow_anonymous`](crate::Logout::allow_anonymous) | off | requests without a token pass, without claims |
//! | [`allow_expired_as_anonymous`](crate::Logout::allow_expired_as_anonymous) | off | those with an expired token pass as well, without claims |
//! | [`allow_streams_after_revocation`](crate::Logout::allow_streams_after_revocation) | off | bodies that are open when their token ends go on |
//! | [`insecure_allow_on_store_failure`](crate::Logout::insecure_allow_on_store_failure) | off | requests pass while the store does not answer |
//!
//! The verifier has its own settings: see
//! [`JwtVerifierBuilder`](crate::token::jwt::JwtVerifierBuilder). To answer with other bodies, give
//! `respond` a closure or a responder of your own: [`Respond`](crate::respond::Respond) has an
//! example. Its method `logged_out` writes the 200.
//!
//! # Why is my token rejected?
//!
//! The client is told no more than `invalid_token`. With the feature `tracing`, an authentic token
//! that only the configuration rejects (issuer, audience, type, lifetime, claims of the wrong form)
//! is reported at level `WARN`, once a minute for each reason, with the message of serde (``missing
//! field `roles` ``) and the setting to change. Other rejections are reported at level `DEBUG`.
//! With the feature `metrics`, `tower_logout_checks_total` has the label `reason`. Without either,
//! ask the verifier while you set up the service:
//!
//! ```rust
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, Logout, MemoryStore};
//!
//! let verifier = JwtVerifier::hs256([7; 32]).issuer("https://login.example").build()?;
//! let logout = Logout::new(verifier, MemoryStore::new());
//! let token = "the rejected token";
//! if let Some(Err(error)) = logout.verifier().verify_now(token) {
//!     println!("{error:?}"); // with its causes
//! }
//! println!("{:?}", logout.verifier().explain(token)); // what the claims of an authentic token lack
//! # Ok(())
//! # }
//! ```
//!
//! None of them quotes a claim or the token.
//!
//! # A token is verified once
//!
//! A signature costs more than the rest of a check. A `Logout` therefore caches verified tokens,
//! keyed by the full token, if the verifier allows it, as `JwtVerifier` does. The store is still
//! asked on every request. A cached token ends at its expiry to the millisecond, when
//! `replace_keys` is called, and when it is revoked, as any other. Rejected tokens are not cached,
//! and tokens that are seen once do not displace those in use. `logout.token_cache(100_000, 64 <<
//! 20)` gives more room; `logout.token_cache(0, 0)` verifies each time, and keeps no token in
//! memory.
//!
//! Next: [`claims_and_roles`](super::claims_and_roles).
