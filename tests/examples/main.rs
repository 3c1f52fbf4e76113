//! Every example does what it says, as a process of its own.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod page;
mod run;
mod streams;
mod weight;
