//! Tests of `PostgresStore` with real servers.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod batches;
mod conformance;
mod connections;
mod credentials;
mod deadlines;
mod documented_layout;
mod errors;
mod faults;
mod find;
mod following;
mod hidden_rows;
mod many_at_once;
mod migration;
mod other_log;
mod prepared;
mod pruning;
mod revoking;
mod start;
mod support;
mod tls;
