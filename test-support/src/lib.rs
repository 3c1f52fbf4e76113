//! Shared code of tests and benchmarks: tokens, clocks, servers, browsers, and stores that fail on
//! demand.
#![allow(clippy::must_use_candidate, clippy::missing_panics_doc, clippy::new_without_default)]

mod alone;
pub mod browser;
pub mod events;
pub mod examples;
pub mod fleet;
pub mod hand;
pub mod postgres;
pub mod redb;
pub mod replica;
pub mod servers;
pub mod streams;
mod target;
pub mod tokens;
pub mod wire;

pub use alone::is_alone;
pub use tokens::*;
