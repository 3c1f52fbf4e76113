//! A store of several regions, over simulated logs and over real servers.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod checks;
mod configuration;
mod conformance;
mod generations;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
mod lost;
#[cfg(target_os = "linux")]
mod moving;
#[cfg(target_os = "linux")]
mod nodes;
mod reports;
mod starting;
mod support;
mod writes;
