//! What stands in for `src/revocation/sync.rs`.

use std::sync::{Arc, Mutex as Unseen};

pub use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Each run is the same.
pub use foldhash::fast::FixedState as RandomState;

/// All keys meet.
pub const SHARDS: usize = 1;

/// The checker keeps the last seven values of a word, which has one for each slot that was filled.
pub const FULL: usize = 2;
pub const ROOMY: usize = 1;

/// An atomic pointer: no more order than that of its loads and stores.
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
