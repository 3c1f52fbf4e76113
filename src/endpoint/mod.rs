//! The logout endpoint: [`LogoutService`].
//!
//! # Matar
//!
//! Matar is an app whose public API documentation specifies a logout endpoint: its path,
//! `POST /api/v1/logout`, and its response bodies. This crate implements that endpoint. The path is
//! the one at which the application mounts the service; the bodies are those of
//! [`JsonResponder`](crate::respond::JsonResponder), and can be replaced. The issuer
//! `https://matar.app` in the examples is that of Matar's tokens.

mod log_out;
mod refresh;
mod scope;
mod service;

pub use scope::LogoutScope;
pub use service::{LogoutFuture, LogoutService};
