//! A store of several regions, over simulated logs and over real servers.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod checks;
mod configuration;
mod conformance;
mod generations;
mod reports;
mod starting;
mod support;
mod writes;
