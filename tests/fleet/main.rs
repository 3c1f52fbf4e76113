//! What several nodes promise together, over real servers.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod capacity;
mod concurrent_logouts;
mod model;
mod open_streams;
mod servers_harness;
