//! Tests of `src/set` under the model checker `loom`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod model;
mod open_streams;
mod revocation_set;

// The paths by which the modules of `src/set` refer to the rest of the crate.
use model::{chain, clock, revocation, set};
