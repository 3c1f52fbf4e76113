//! Shared code of tests and benchmarks: tokens, clocks, servers, browsers, and stores that fail on
//! demand.
#![allow(
    clippy::len_without_is_empty,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::new_without_default,
    clippy::return_self_not_must_use
)]

mod alone;
#[cfg(target_os = "linux")]
pub mod browser;
pub mod events;
#[cfg(target_os = "linux")]
pub mod examples;
#[cfg(target_os = "linux")]
pub mod fleet;
pub mod hand;
#[cfg(target_os = "linux")]
pub mod postgres;
pub mod redb;
pub mod replica;
#[cfg(target_os = "linux")]
pub mod servers;
pub mod streams;
#[cfg(target_os = "linux")]
mod target;
pub mod tokens;
pub mod visitor;
pub mod wire;

pub use alone::{is_alone, is_alone_with};
pub use tokens::*;
