//! Opaque tokens: what an authorization server's answers mean, how long they count, and that a
//! logout here takes effect at once.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod answers;
mod authentication;
mod by_shape;
mod cached_answers;
mod claims;
mod concurrency;
mod configuration;
mod logout;
mod model;
mod observability;
mod reports;
mod requests;
mod signed_answers;
mod support;
