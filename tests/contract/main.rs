//! What clients see: the responses of the logout endpoint and of every guarded route.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod answers;
#[cfg(target_os = "linux")]
mod auth_request;
mod browsers_are_not_locked_out;
mod header_rules;
mod matar_sample;
mod rejection_status;
mod resource_metadata;
mod resource_server;
