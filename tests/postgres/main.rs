//! What `PostgresStore` promises, held against real servers.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod connections;
mod errors;
mod faults;
mod hidden_rows;
mod start;
mod store;
mod tls;
