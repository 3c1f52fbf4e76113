//! Promise: every store passes the conformance suite, also behind a pointer.

use std::sync::Arc;

use tower_logout::{MemoryStore, RevocationStore, conformance};

conformance! {
    memory => MemoryStore::new();
    shared => Arc::new(MemoryStore::new());
    boxed => Box::new(MemoryStore::new()) as Box<dyn RevocationStore>;
    erased => Arc::new(MemoryStore::new()) as Arc<dyn RevocationStore>;
}
