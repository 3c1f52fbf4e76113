//! The replacement of `src/set/sync.rs`.

use std::sync::{Arc, Mutex as Unseen, OnceLock as UnseenOnce};

pub use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Unseeded, so that every run is the same.
pub use foldhash::fast::FixedState as RandomState;

/// One shard, which all keys share.
pub const SHARDS: usize = 1;

/// The model checker keeps the last seven values of an atomic. The tags of a group take one for
/// each slot that is filled.
pub const MAX_LOAD: usize = 2;
pub const INITIAL_LOAD: usize = 1;

/// At least the number of kinds of keys.
pub const KINDS: usize = 16;

/// An atomic pointer that orders only its own loads and stores.
pub struct ArcSwap<T> {
    current: AtomicUsize,
    all: Unseen<Vec<Arc<T>>>,
}

impl<T> ArcSwap<T> {
    pub fn new(value: Arc<T>) -> Self {
        Self { current: AtomicUsize::new(0), all: Unseen::new(vec![value]) }
    }

    pub fn load(&self) -> Arc<T> {
        let current = self.current.load(Ordering::Acquire);
        Arc::clone(&self.all.lock().unwrap()[current])
    }

    pub fn store(&self, value: Arc<T>) {
        let mut all = self.all.lock().unwrap();
        all.push(value);
        let last = all.len() - 1;
        drop(all);
        self.current.store(last, Ordering::Release);
    }
}

/// A cell that is set by one thread at a time, under a lock.
pub struct OnceLock<T> {
    is_set: AtomicBool,
    value: UnseenOnce<T>,
}

impl<T> OnceLock<T> {
    pub fn new() -> Self {
        Self { is_set: AtomicBool::new(false), value: UnseenOnce::new() }
    }

    pub fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
    }

    pub fn set(&self, value: T) -> Result<(), T> {
        let set = self.value.set(value);
        self.is_set.store(true, Ordering::Release);
        set
    }
}
