//! The map in this process that local stores answer from: [`RevocationSet`], and the [`RevocationSignal`]s of those
//! who wait for one of its keys.

mod alarm;
mod engine;
mod shard;
mod signal;
mod sync;
mod table;

pub(crate) use alarm::Alarm;
pub use engine::{AtCapacity, RevocationSet};
pub use signal::RevocationSignal;
