//! Introspection of opaque tokens: the authorization server is asked whether a token is active (RFC
//! 7662, and RFC 9701 for signed answers).
//!
//! [`Introspection`] is a [`TokenVerifier`](crate::token::TokenVerifier) like
//! [`JwtVerifier`](crate::JwtVerifier), and
//! [`JwtVerifier::or_opaque`](crate::JwtVerifier::or_opaque) combines the two.
//!
//! # What an answer means
//!
//! | answer | result |
//! |---|---|
//! | 200, `active` is `true` | accepted, if the token has not expired and issuer, audience and the other requirements are met; otherwise 401 |
//! | 200, `active` is `false` | 401 |
//! | 200 with another `active`, with two of them, without one, or not JSON | 503 |
//! | 400, 401, 403: this service is not allowed to ask | 503 |
//! | any other status, no answer, no answer in time | 503 |
//!
//! A token is rejected (401) only if the server has judged it. Everything else is an outage, in
//! which a client should keep its token.
//!
//! # How long an answer counts
//!
//! An answer that the token is active is cached for [`cache_for`](IntrospectionBuilder::cache_for),
//! 15 seconds by default, counted from the moment at which the request was sent, and never beyond
//! the expiry of the token. The revocation store is asked on every request all the same, so a
//! logout at this service takes effect at once. What is revoked only at the authorization server is
//! noticed when the cached answer has become too old. What the token has opened by then, such as a
//! stream, goes on: it ends when the token expires or is revoked in the store.
//!
//! Answers are never written to the store: a revocation is final, and an answer may change.

mod answer;
mod authentication;
mod builder;
mod by_shape;
mod cache;
mod endpoint;
mod error;
mod requirements;
mod settings;
mod shape;
mod verdict;
mod verifier;

pub use builder::IntrospectionBuilder;
pub use by_shape::JwtOrOpaque;
pub use error::{ConfigError, IntrospectionError};
pub use verifier::Introspection;
