//! The in-process map of live revocations ([`RevocationSet`]), and the signals that watch its keys
//! ([`RevocationSignal`]).

mod alarm;
mod engine;
mod generation;
mod registry;
mod shard;
mod signal;
mod sync;
mod table;

pub(crate) use alarm::Alarm;
pub use engine::{AtCapacity, RevocationSet};
pub use generation::Generation;
pub use signal::RevocationSignal;
