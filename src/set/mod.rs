//! The in-memory set of revocations ([`RevocationSet`]) for custom stores, and the signals of its
//! revocations ([`RevocationSignal`]).

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
