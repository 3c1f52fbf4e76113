//! Every example behaves as documented, as its own process.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod oidc;
mod page;
mod run;
mod streams;
mod weight;
