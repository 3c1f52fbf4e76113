//! Logout for bearer tokens, as [Tower](https://docs.rs/tower) middleware.
//!
//! A JSON Web Token cannot be called back: once it is out, it works until it expires. A service that wants a logout
//! must therefore remember what was revoked and ask on every request. This crate is that memory and that question:
//! [`RevocationLayer`] guards any Tower service, [`LogoutService`] is the endpoint that ends a token, and a
//! [`RevocationStore`] remembers.
//!
//! # Quick start
//!
//! ```
//! # #[cfg(all(feature = "jwt", feature = "axum", feature = "aws-lc-rs"))]
//! # mod app {
//! use axum::{Router, routing::get};
//! use tower_logout::{Claims, JwtVerifier, MemoryStore, RevocationLayer, VerifiedToken};
//!
//! fn app(secret: &[u8]) -> Result<Router, Box<dyn std::error::Error>> {
//!     let verifier = JwtVerifier::hs256(secret).issuer("https://matar.app").build()?;
//!     let layer = RevocationLayer::new(verifier, MemoryStore::new());
//!     Ok(Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(layer.clone())
//!         .route_service("/api/v1/logout", layer.logout_service()))
//! }
//!
//! async fn me(token: VerifiedToken<Claims>) -> String {
//!     token.sub.clone().unwrap_or_default()
//! }
//! # }
//! ```
//!
//! Use clones of one layer for the routes and for the logout: two layers with a `MemoryStore` each know nothing of each other's
//! logouts.
//!
//! `MemoryStore` forgets when the process ends; `RedbStore` (feature `redb`) keeps what it was told in a file. Services on several machines
//! share a `RedisStore` or a `PostgresStore`, best through a [`Replica`], which answers from memory all the same.
//!
//! # The way through the house
//!
//! A request comes to a [`TokenSource`], which finds its token; to a [`TokenVerifier`], which says what the token is
//! ([`VerifiedToken`], [`TokenIdentity`]), and knows it the next time ([`CachedVerifier`]); to a [`RevocationStore`], which says whether it is dead; and then to the
//! inner service. [`Guard`] is where that is decided. Whoever is refused is told so by a [`Respond`]er.
//!
//! A [`Revocation`] says that tokens which carry a [key](RevocationKey) and were issued through an instant are dead.
//! One token, a session, a subject, a client, an issuer or everything: [`Revoker`] says it from application code.
//!
//! What a token has opened ends with it: response bodies and uploads by themselves, WebSockets and whatever else outlives a response by a
//! [`RevocationWatch`].
//!
//! # Fail closed
//!
//! What cannot be told for certain is refused with 503, never with 401, on which clients throw their tokens away,
//! and never let through. Every way to have it otherwise has `insecure_` or `allow_` in its name.
//!
//! # Why a token is refused
//!
//! The client learns no more than that the token is invalid. With the feature `tracing`, a token of the configured issuer
//! that only the configuration refuses is a `WARN` with the reason and the setting to change, and any other refusal is in
//! a `DEBUG` event: see [`telemetry`]. Without it, ask the verifier while you set things up:
//!
//! ```
//! # #[cfg(all(feature = "jwt", feature = "aws-lc-rs"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, TokenVerifier};
//!
//! let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
//! let token = "the token that is refused";
//! if let Some(Err(error)) = verifier.verify_now(token) {
//!     println!("{error}: {:?}", std::error::Error::source(&error)); // never quotes the token
//! }
//! // What the claims of an authentic token lack, such as: missing field `roles`.
//! assert_eq!(verifier.explain(token), None);
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "jwt", feature = "aws-lc-rs")))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | what | default |
//! |---|---|---|
//! | `jwt` | [`JwtVerifier`]; needs one of the next two to verify anything | yes |
//! | `aws-lc-rs` | signatures checked by `aws-lc-rs`; used if both are enabled | yes |
//! | `rust-crypto` | signatures checked by the `RustCrypto` crates | no |
//! | `redb` | `RedbStore`, one file; needs Rust 1.90 | no |
//! | `redis` | `RedisStore`, a Redis or Valkey that all processes share | no |
//! | `redis-cluster` | `RedisStore` over a Redis Cluster | no |
//! | `redis-sentinel` | `RedisStore` over a master that Sentinels watch | no |
//! | `redis-tls` | TLS to Redis, by `rustls`; the application installs its crypto provider | no |
//! | `postgres` | `PostgresStore`, a PostgreSQL that all processes share | no |
//! | `postgres-tls` | TLS to PostgreSQL, by `rustls`; the application installs its crypto provider | no |
//! | `axum` | [`VerifiedToken`] and [`RevocationWatch`] as extractors, through `axum-core` | no |
//! | `serde` | [`Revocation`], [`RevocationKey`], [`KeyKind`], [`Outcome`] and [`Timestamp`] are `Serialize` and `Deserialize` | no |
//! | `tracing` | events, see [`telemetry`] | no |
//! | `metrics` | metrics, see [`telemetry`] | no |
//! | `test-util` | `ManualClock`, and the suite that every store must pass | no |
//!
//! # Runtime
//!
//! Checks that a store answers at once need no runtime. [`LogoutService`], a [`Replica`], stores that must be waited for, bodies that are
//! watched and the waiting of [`SystemClock`] need Tokio, with time enabled, and those that reach a server with I/O.
//!
//! A runtime whose threads are blocked, by long computations or calls that do not await, runs nothing else meanwhile: streams end
//! late, timeouts fire late, and a [`Replica`] that cannot follow its log becomes stale, so that requests get 503. Move such work
//! to `tokio::task::spawn_blocking`.
//!
//! # Types of other crates in the public interface
//!
//! `http`, `http-body`, `bytes`, `tower` (with its `BoxError`) and `tower-layer`, `serde`
//! (a bound on claims), `async-trait` (for whoever implements a store or a verifier), `tokio` (the channel that shows a
//! [`Replica`]'s [`Health`]), and `axum-core` with the feature `axum`.
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
