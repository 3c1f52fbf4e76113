//! What a logout ends, for how long it is remembered, and what can interrupt it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod capacity;
mod clock_steps;
mod concurrent_logouts;
mod everywhere;
mod logout_service;
mod retention;
mod revoker;
