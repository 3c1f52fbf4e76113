//! Tests of `RedisStore` with real servers.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod batches;
mod conformance;
mod connections;
mod consume;
mod credentials;
mod documented_layout;
mod errors;
mod failover;
mod faults;
mod find;
mod following;
mod joins;
mod loss;
mod lost_entries;
mod many_at_once;
mod retention;
mod rights;
mod sentinel_and_cluster;
mod server_checks;
mod settings;
mod shards;
mod shards_followed;
mod support;
mod tls;
