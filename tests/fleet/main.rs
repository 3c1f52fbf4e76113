//! What several nodes guarantee together, with real servers.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod capacity;
mod concurrent_logouts;
mod model;
mod open_streams;
mod scale;
mod servers_harness;
