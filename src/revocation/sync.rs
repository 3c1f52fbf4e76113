//! What threads meet at in this room. `tests/open_streams_model.rs` compiles the room with a model checker's in their place.

pub(super) use std::sync::{
    Mutex, MutexGuard, RwLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};
