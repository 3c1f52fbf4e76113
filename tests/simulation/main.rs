//! Real replicas over a simulated log, in one thread with simulated time: everything that servers,
//! networks, clocks and nodes do follows from a seed.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss)]

mod checks;
mod events;
mod fleet;
mod herd;
mod log;
mod network;
mod plan;
mod run;
mod seeds;
mod server;
mod trace;
mod traffic;
mod world;
