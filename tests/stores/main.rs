//! What every store guarantees, and a `Replica` of any log.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod conformance;
mod errors;
mod model;
mod purge_pause;
mod replica;
mod replica_find;
mod replica_half_open;
mod replica_lag;
mod replica_loading;
mod replica_monitor;
mod replica_resend;
mod replica_start;
mod revocation_log;
mod support;
