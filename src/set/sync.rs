//! The synchronisation primitives and sizes of this module.
//!
//! The model-checking tests compile the module with the primitives of a model checker and smaller
//! sizes.

use crate::revocation::KeyKind;

pub(super) use std::sync::{
    Mutex, MutexGuard, OnceLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

pub(super) use arc_swap::ArcSwap;
pub(super) use foldhash::fast::RandomState;

/// The number of shards.
///
/// With ten million entries, a shard has about ten thousand. A revocation then waits a fraction of
/// a millisecond while the shard is purged or grows.
pub(super) const SHARDS: usize = 1024;

/// The average number of used slots per group of eight above which a table is replaced by a larger
/// one.
///
/// With [`INITIAL_LOAD`], an entry uses at most 44 bytes while nothing is removed, and an insertion
/// copies six other entries on average.
pub(super) const MAX_LOAD: usize = 7;
/// The average number of used slots per group in a new table.
pub(super) const INITIAL_LOAD: usize = 6;

/// The number of kinds of keys.
pub(super) const KINDS: usize = KeyKind::ALL.len();
