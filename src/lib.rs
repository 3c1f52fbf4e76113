//! Logout for bearer tokens, as [Tower](https://docs.rs/tower) middleware.
//!
//! A JWT is valid until it expires; there is no way to recall one. To support logout, a service
//! must record revoked tokens and check every request against that record. This crate provides the
//! record ([`RevocationStore`]), the check ([`RevocationLayer`]) and the endpoint
//! ([`LogoutService`]). The root object, [`Logout`], owns all settings and makes the layer and the
//! endpoint.
//!
//! # Quick start
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))]
//! # mod app {
//! use axum::{Router, routing::get};
//! use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken};
//!
//! fn app(secret: &[u8]) -> Result<Router, Box<dyn std::error::Error>> {
//!     let verifier = JwtVerifier::hs256(secret).issuer("https://matar.app").build()?;
//!     let logout = Logout::new(verifier, MemoryStore::new());
//!     Ok(Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(logout.axum_layer()) // guards the routes above it
//!         .route_service("/api/v1/logout", logout.service()))
//! }
//!
//! async fn me(token: VerifiedToken<Claims>) -> String {
//!     token.sub.clone().unwrap_or_default()
//! }
//! # }
//! ```
//!
//! With hyper, tonic and any other Tower service, [`Logout::layer`] takes the place of
//! `axum_layer`.
//!
//! Create one `Logout` and clone it. Two of them with a [`MemoryStore`] each do not see each
//! other's revocations.
//!
//! `MemoryStore` forgets everything when the process ends; `RedbStore` (feature `redb`) keeps
//! revocations in a file. Services on several machines share a `RedisStore` or a `PostgresStore`,
//! preferably through a [`Replica`], which answers checks from memory.
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
//! 4. The inner service runs, or a [`Respond`](respond::Respond) implementation builds the response
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
//! | [`store`] | Where are revocations kept? How is a custom store written? |
//! | [`revocation`] | What are revocations, their keys, and the identity of a token? |
//! | [`middleware`] | What happens to a request, and to its bodies? |
//! | [`guard`] | When and why does a live stream end? |
//! | [`endpoint`] | What does the logout endpoint do? |
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
//! | `test-util` | `ManualClock`, and the conformance suite for stores | no |
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
#![cfg_attr(docsrs, feature(doc_cfg))]

mod chain;
pub mod clock;
pub mod endpoint;
pub mod guard;
mod logout;
pub mod middleware;
pub mod respond;
pub mod revocation;
pub mod revoker;
pub mod set;
pub mod store;
pub mod telemetry;
pub mod token;

pub use endpoint::{LogoutScope, LogoutService};
pub use guard::RevocationWatch;
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

/// The README's examples, compiled.
#[cfg(all(doctest, feature = "axum", feature = "redb", feature = "redis", feature = "aws-lc-rs"))]
#[doc = include_str!("../README.md")]
struct Readme;
