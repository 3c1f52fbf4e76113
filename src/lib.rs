//! tower-logout revokes JSON Web Tokens (JWTs) before they expire. Add a layer to an axum, hyper or
//! tonic service and mount one endpoint: after `POST /api/v1/logout` the token is rejected on every
//! route and every node, also after a restart. The event streams, downloads and gRPC calls that it
//! opened end at the same moment, and WebSocket handlers are told to close. A session, a user, a
//! client or every token can be revoked as well, also by an identity provider's back-channel logouts,
//! security events and global revocations.
//!
//! A JWT cannot be recalled: it is valid until it expires. To support logout, a service must record
//! revoked tokens and check every request. This crate provides the record ([`RevocationStore`]), the
//! check ([`RevocationLayer`]) and the endpoint ([`LogoutService`]). Checks are answered from memory.
//!
//! # Quick start
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! serde = { version = "1", features = ["derive"] }
//! tokio = { version = "1", features = ["full"] }
//! tower-logout = { version = "0.1", features = ["axum", "redb"] }
//! ```
//!
//! ```no_run
//! # #[cfg(all(feature = "axum", feature = "redb", feature = "aws-lc-rs"))]
//! # mod program {
//! use axum::{Router, routing::get};
//! use tower_logout::{Claims, JwtVerifier, Logout, RedbStore, VerifiedToken};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = std::env::var("JWT_SECRET").map_err(|_| "set JWT_SECRET to at least 32 bytes")?;
//!     let verifier = JwtVerifier::hs256(secret)
//!         .issuer("https://login.example")
//!         .audience("https://api.example")
//!         .build()?;
//!     let logout = Logout::new(verifier, RedbStore::open("revocations.redb")?);
//!     let app = Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(logout.axum_layer()) // guards the routes above it
//!         .route_service("/api/v1/logout", logout.service());
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//!
//! async fn me(token: VerifiedToken<Claims>) -> String {
//!     format!("Hello, {}!", token.sub.as_deref().unwrap_or("you"))
//! }
//! # }
//! ```
//!
//! A token with an `aud` is rejected if no audience is named; leave that line out if your tokens have
//! none.
//!
//! For tokens of an identity provider, enable the feature `oidc` and begin with
//! `JwtVerifier::discover("https://idp.example/")`; in place of `build()?`, call `start().await?`. It
//! then follows the rotation of keys.
//!
//! Create one [`Logout`] and clone it: two with separate stores do not see each other's revocations.
//! With other Tower services, such as hyper and tonic, use `logout.layer()`.
//!
//! # Claims and roles
//!
//! Handlers receive any type that the claims can be deserialized to:
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))]
//! # mod program {
//! use axum::http::StatusCode;
//! use tower_logout::{JwtVerifier, VerifiedToken};
//!
//! #[derive(serde::Deserialize)]
//! struct User {
//!     sub: String,
//!     #[serde(default)] // otherwise, a token without roles is rejected
//!     roles: Vec<String>,
//! }
//!
//! /// `Logout::new` makes a `Logout<User>` of it.
//! fn verifier(secret: &str) -> Result<JwtVerifier<User>, Box<dyn std::error::Error>> {
//!     let verifier = JwtVerifier::hs256(secret)
//!         .issuer("https://login.example")
//!         .audience("https://api.example")
//!         .claims::<User>()
//!         .build()?;
//!     Ok(verifier)
//! }
//!
//! async fn admin(user: VerifiedToken<User>) -> Result<String, StatusCode> {
//!     if user.roles.iter().any(|role| role == "admin") {
//!         Ok(format!("Welcome, {}.", user.sub))
//!     } else {
//!         Err(StatusCode::FORBIDDEN)
//!     }
//! }
//! # }
//! ```
//!
//! # Which store
//!
//! | store | feature | use it for |
//! |---|---|---|
//! | `MemoryStore` | | tests, and one process that may forget |
//! | `RedbStore` | `redb` | one process: a file that survives restarts and power loss |
//! | `Replica` over `RedisStore` | `redis` | several nodes, recommended: checks stay in memory; other nodes know of a logout within milliseconds as a rule |
//! | `Replica` over `PostgresStore` | `postgres` | the same, with each logout on PostgreSQL's disk |
//! | `Regions` of replicas | | several regions, each with a log of its own |
//! | `RedisStore` or `PostgresStore` directly | | several nodes, no staleness: each check is a round trip, and fails while the server is down |
//!
//! `docs/operations.md` lists servers and managed services.
//!
//! # What clients see
//!
//! Path and bodies are those of the app Matar. [`Logout::respond`] replaces the bodies; gRPC requests get
//! gRPC statuses.
//!
//! | case | status | body |
//! |---|---|---|
//! | logged out | 200 | `{"message":"Successfully logged out"}` |
//! | token revoked | 401 | `{"description":"The token has been revoked.","error":"token_revoked"}` |
//! | no bearer token | 401 | `{"description":"Request does not contain an access token.","error":"authorization_required"}` |
//! | token expired | 401 | `{"description":"The token has expired.","error":"token_expired"}` |
//! | token invalid | 401 | `{"description":"The token is invalid.","error":"invalid_token"}` |
//! | required scope missing | 403 | `{"description":"…","error":"insufficient_scope"}` |
//! | several tokens, a malformed one, or no `sub` to log out | 400 | `{"description":"…","error":"invalid_request"}` |
//! | store or verifier unavailable | 503, `Retry-After` | `{"description":"…","error":"temporarily_unavailable"}` |
//! | another method than `POST` to log out | 405, `Allow` | `{"description":"…","error":"method_not_allowed"}` |
//! | reported by the identity provider | 200, 202 or 204 | empty |
//! | misconfigured handler | 500 | `{"description":"…","error":"server_error"}` |
//!
//! Every 401, 403 and 400 carries the `WWW-Authenticate` challenge of RFC 6750, and all these responses
//! carry `Cache-Control: no-store`.
//!
//! # Guarantees
//!
//! * A logout is answered with 200 once the store has the revocation. Later requests are rejected:
//!   on this node at once, on others within 5 s (`max_staleness`), or else get 503.
//! * If the store or the verifier cannot answer, a request gets 503: never a pass, and never 401,
//!   on which clients discard their tokens.
//! * Of any number of concurrent logouts with one token, exactly one succeeds.
//! * A revocation is remembered for as long as any verifier could accept the token. No live
//!   revocation is evicted.
//! * What a token has opened ends when the token is revoked or expires, on every node.
//! * No token, claim or secret is in logs, metrics, errors or `Debug`.
//!
//! `docs/guarantees.md` has them with their tests.
//!
//! # Guide
//!
//! The [guide] has a chapter for each task.
//!
//! # How it works
//!
//! 1. A [`TokenSource`](token::TokenSource) extracts the token from the request.
//! 2. A [`TokenVerifier`](token::TokenVerifier) validates it, and returns its claims
//!    ([`VerifiedToken`]) and what it can be revoked by
//!    ([`TokenIdentity`](revocation::TokenIdentity)). The layer caches the result where the
//!    verifier allows it.
//! 3. The [`RevocationStore`] reports whether the token has been revoked. It is asked on every
//!    request.
//! 4. If the route has [requirements](guard::Requirement), such as a [`scope()`], the token must
//!    fulfil them.
//! 5. The inner service runs, or a [`Respond`](respond::Respond) implementation builds the response
//!    to the rejected request.
//!
//! A [`Revocation`](revocation::Revocation) applies to all tokens that carry a
//! [key](revocation::RevocationKey) and were issued up to an instant. A key stands for one token, a
//! session, a subject, a client, an issuer, a claim of the application's choice, or everything.
//! [`Revoker`] revokes by any of them from application code.
//!
//! When a token is revoked or expires, the connections that it has opened end as well. The layer
//! ends response and request bodies; a [`RevocationWatch`] tells WebSocket handlers and other
//! long-running work.
//!
//! # Failure
//!
//! If the store or the verifier cannot answer, the request is rejected with 503, not with 401,
//! because clients discard tokens on 401. Options that weaken a check start with `insecure_` or
//! `allow_`.
//!
//! # Why a token is rejected
//!
//! The client learns only that the token is invalid. With the feature `tracing`, an authentic token
//! that only the configuration rejects is reported at level `WARN`, with the reason and the setting
//! to change; any other rejection is reported at level `DEBUG`: see [`telemetry`]. Without it, ask
//! the verifier while you set up the service:
//!
//! ```
//! # #[cfg(feature = "aws-lc-rs")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, token::TokenVerifier};
//!
//! let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
//! let token = "the rejected token";
//! if let Some(Err(error)) = verifier.verify_now(token) {
//!     println!("{error}: {:?}", std::error::Error::source(&error)); // never quotes the token
//! }
//! // What the claims of an authentic token lack, such as: missing field `roles`.
//! assert_eq!(verifier.explain(token), None);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "aws-lc-rs"))]
//! # fn main() {}
//! ```
//!
//! # Modules
//!
//! Each module answers one question. The names that most applications need are also at the root.
//!
//! | module | question |
//! |---|---|
//! | [`token`] | Where is the token, and who verifies it? |
//! | [`token::jwt`](crate::token) | Which issuers, keys and claims does a JWT verifier accept? |
//! | [`token::introspection`](crate::token) | Which opaque tokens does an authorization server know? |
//! | [`fetch`](crate) | How are requests sent to an identity provider? |
//! | [`store`] | Where are revocations kept? How is a custom store written? |
//! | [`revocation`] | What are revocations, their keys, and the identity of a token? |
//! | [`middleware`] | What happens to a request, and to its bodies? |
//! | [`guard`] | What must a token fulfil? When and why does a live stream end? |
//! | [`endpoint`] | What does the logout endpoint do? What is published about the resource? |
//! | [`revoker`] | How does application code revoke? |
//! | [`respond`] | What is a client told? |
//! | [`telemetry`] | What do operators see? |
//! | [`clock`] | What time is it, also in tests? |
//! | [`set`] | How does a custom store keep revocations in memory? |
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `jwt` | `JwtVerifier`; needs one of the next two to verify signatures | yes |
//! | `aws-lc-rs` | signatures verified by `aws-lc-rs`; takes precedence if both are enabled | yes |
//! | `rust-crypto` | signatures verified by the `RustCrypto` crates | no |
//! | `receivers` | endpoints that receive logouts from elsewhere, such as `Logout::backchannel`; part of `oidc` | no |
//! | `oidc` | `fetch::HttpClient`, for requests to identity providers, and `token::introspection`, for opaque tokens; the application installs the crypto provider of `rustls` | no |
//! | `redb` | `RedbStore`, one file; needs Rust 1.90 | no |
//! | `redis` | `RedisStore`, a Redis or Valkey that all processes share | no |
//! | `redis-cluster` | `RedisStore` over a Redis Cluster | no |
//! | `redis-sentinel` | `RedisStore` over a master that Sentinels monitor | no |
//! | `redis-tls` | TLS to Redis, by `rustls`; the application installs its crypto provider | no |
//! | `postgres` | `PostgresStore`, a PostgreSQL that all processes share | no |
//! | `postgres-tls` | TLS to PostgreSQL, by `rustls`; the application installs its crypto provider | no |
//! | `axum` | `Logout::axum_layer`, and [`VerifiedToken`] and [`RevocationWatch`] as extractors | no |
//! | `serde` | `Serialize` and `Deserialize` for [`Revocation`], [`RevocationKey`], [`KeyKind`], [`Outcome`] and [`Timestamp`] | no |
//! | `tracing` | events, see [`telemetry`] | no |
//! | `metrics` | metrics, see [`telemetry`] | no |
//! | `test-util` | `ManualClock`, `TestIssuer`, and the conformance suite for stores | no |
//!
//! Features are additive: none changes what another provides.
//!
//! [`Revocation`]: revocation::Revocation
//! [`RevocationKey`]: revocation::RevocationKey
//! [`KeyKind`]: revocation::KeyKind
//! [`Outcome`]: revocation::Outcome
//! [`Timestamp`]: clock::Timestamp
//!
//! # Runtime
//!
//! Checks that the verifier and the store answer at once need no runtime. [`LogoutService`], a
//! [`Replica`], stores that must be waited for, watched bodies and the waiting of
//! [`SystemClock`](clock::SystemClock) need Tokio with time enabled; stores that connect to a
//! server also need I/O.
//!
//! A runtime whose threads are blocked, by long computations or calls that do not await, ends
//! streams late and lets timeouts fire late; a [`Replica`] that cannot follow its log becomes
//! stale, so that requests get 503. Move such work to `tokio::task::spawn_blocking`.
//!
//! # Types of other crates in the public interface
//!
//! | crate | where |
//! |---|---|
//! | `http` | requests, responses, and the parts of a [`RequestHead`](token::RequestHead) |
//! | `http-body`, `bytes` | the bodies, which implement `Body` with `Bytes` as data |
//! | `tower` | `Service`, and `BoxError` as the error of bodies |
//! | `tower-layer` | `Layer` |
//! | `async-trait` | the asynchronous traits: [`RevocationStore`], [`RevocationLog`](store::RevocationLog), [`TokenVerifier`](token::TokenVerifier) |
//! | `serde` | a bound on the claims of `JwtVerifier`, implementations for `Claims`, and the feature `serde` |
//! | `tokio` | `watch::Receiver`, from [`ReplicaMonitor::watch`](store::ReplicaMonitor::watch) |
//! | `axum-core` | with the feature `axum`: `Body`, and the traits of extractors and responses |
//!
// The guide is documented only with these features.
#![cfg_attr(
    all(
        feature = "aws-lc-rs",
        feature = "axum",
        feature = "oidc",
        feature = "postgres",
        feature = "redb",
        feature = "redis",
        feature = "test-util"
    ),
    doc = "[guide]: crate::guide"
)]
#![cfg_attr(
    not(all(
        feature = "aws-lc-rs",
        feature = "axum",
        feature = "oidc",
        feature = "postgres",
        feature = "redb",
        feature = "redis",
        feature = "test-util"
    )),
    doc = "[guide]: https://docs.rs/tower-logout/latest/tower_logout/guide/index.html"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "oidc", feature = "redis-tls", feature = "postgres-tls"))]
mod certificates;
mod chain;
pub mod clock;
pub mod endpoint;
#[cfg(feature = "jwt")]
pub mod fetch;
pub mod guard;
// Documentation only. Its links and examples need these features.
#[cfg(all(
    any(doc, doctest),
    feature = "aws-lc-rs",
    feature = "axum",
    feature = "oidc",
    feature = "postgres",
    feature = "redb",
    feature = "redis",
    feature = "test-util"
))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guide;
mod logout;
mod loopback;
pub mod middleware;
pub mod respond;
pub mod revocation;
pub mod revoker;
pub mod set;
pub mod store;
pub mod telemetry;
pub mod token;

pub use endpoint::{LogoutScope, LogoutService};
pub use guard::{RevocationWatch, scope};
pub use logout::Logout;
pub use middleware::RevocationLayer;
pub use revoker::Revoker;
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
#[cfg(feature = "redb")]
pub use store::RedbStore;
#[cfg(feature = "redis")]
pub use store::RedisStore;
pub use store::{MemoryStore, Replica, RevocationStore};
#[cfg(feature = "jwt")]
pub use token::jwt::JwtVerifier;
pub use token::{Claims, VerifiedToken};
