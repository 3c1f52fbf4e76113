//! What a logout revokes, how long it is retained, and what can interrupt it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss)]

mod by_key;
mod capacity;
mod clock_steps;
mod concurrent_logouts;
mod consume;
mod everywhere;
mod logout_service;
mod look_up;
mod retention;
mod revoker;
