//! [`RedbStoreOptions`]: capacity and clock of a store.

use std::{fmt, path::Path, sync::Arc};

use super::{RedbStore, storage::Storage};
use crate::{
    clock::{Clock, SystemClock},
    store::{MemoryStore, StoreError},
};

/// Options of a [`RedbStore`]: capacity and clock.
///
/// # Examples
///
/// ```
/// use tower_logout::RedbStore;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("revocations.redb");
/// let store = RedbStore::options().capacity(100_000).open(path)?;
/// assert!(store.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct RedbStoreOptions {
    pub(super) capacity: usize,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wrap: Wrap,
}

pub(super) type Wrap = Box<dyn FnOnce(Box<dyn Storage>) -> Box<dyn Storage> + Send>;

impl Default for RedbStoreOptions {
    fn default() -> Self {
        Self { capacity: MemoryStore::DEFAULT_CAPACITY, clock: Arc::new(SystemClock), wrap: Box::new(|file| file) }
    }
}

impl RedbStoreOptions {
    /// Sets the maximum number of live revocations. Beyond it, revoking is an error. Default:
    /// [`MemoryStore::DEFAULT_CAPACITY`].
    pub fn capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// Sets the clock by which expired revocations are purged. It should show the same time as the
    /// verifier's clock. Default: the system's clock.
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Wraps the file, so that a test can make it fail.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn storage(self, wrap: impl FnOnce(Box<dyn Storage>) -> Box<dyn Storage> + Send + 'static) -> Self {
        Self { wrap: Box::new(wrap), ..self }
    }

    /// Opens the file at `path`, or creates it, with these options. Blocks as [`RedbStore::open`]
    /// does.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`RedbStore::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<RedbStore, StoreError> {
        RedbStore::open_with(path.as_ref(), self)
    }
}

impl fmt::Debug for RedbStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStoreOptions")
            .field("capacity", &self.capacity)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
