//! What `RedisStore` promises, held against real servers.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod errors;
mod failover;
mod faults;
mod loss;
mod rights;
mod settings;
mod store;
