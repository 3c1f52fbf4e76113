//! Tokens of real identity providers, as their own processes.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod backchannel_logout;
mod glewlwyd;
mod introspection;
mod oidc_provider;
mod support;
