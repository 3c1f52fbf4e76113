//! What threads meet at in this room, and how large it is. `tests/model/` compiles the room with a model checker's in their place, and in small.

pub(super) use std::sync::{
    Mutex, MutexGuard, OnceLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

pub(super) use arc_swap::ArcSwap;
pub(super) use foldhash::fast::RandomState;

/// At ten million entries a shard has about ten thousand, and whoever revokes waits a fraction of a millisecond for its purge or growth.
pub(super) const SHARDS: usize = 1024;

/// So many of the eight slots of a group are used, on average, when a table is replaced by a larger one, and in one that has just been made.
///
/// So an entry takes 44 bytes at most, while nothing is removed; and an insertion copies six others, on average.
pub(super) const FULL: usize = 7;
pub(super) const ROOMY: usize = 6;
