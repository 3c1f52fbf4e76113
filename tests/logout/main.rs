//! What a logout revokes, how long it is retained, and what can interrupt it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss)]

mod capacity;
mod clock_steps;
mod concurrent_logouts;
mod everywhere;
mod logout_service;
mod retention;
mod revoker;
