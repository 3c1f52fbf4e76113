//! [`RedbStore`]: a store in a single file. The feature `redb` needs Rust 1.90.
//!
//! | topic | files |
//! |---|---|
//! | layout of the file | `layout`, `header`, `group` |
//! | writing: batches, outcomes, expiry | `writer`, `revoke`, `prune`, `expired` |
//! | opening, reading and writing the file | `file`, `database`, `load`, `catch` |
//! | detecting a removed, replaced or overwritten file | `path`, `fingerprint`, `lock`, `rescue` |
//! | the bytes below redb | `backend`, `storage` |

mod backend;
mod catch;
mod database;
mod error;
mod expired;
mod file;
mod fingerprint;
mod group;
mod header;
mod layout;
mod load;
mod lock;
mod options;
mod path;
mod prune;
mod rescue;
mod revoke;
mod storage;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{Generation, RevocationSet, RevocationSignal},
    store::{RevocationStore, StoreError},
};
use error::WriterError;
use file::RevocationFile;
use load::LoadAll;
pub use options::RedbStoreOptions;
#[cfg(feature = "test-util")]
pub use storage::Storage;
use writer::{Request, Writer};

/// Store that keeps revocations in a single file. They survive restarts, SIGKILL and power loss.
/// Clones share the store.
///
/// All checks are answered from memory and never touch the disk. A revocation is acknowledged once
/// it is synced to the disk. One thread writes the revocations of all concurrent callers in
/// batches, and deletes expired ones in small portions. At capacity, revoking is an error: live
/// revocations are never evicted.
///
/// After a disk error, or while the disk is full, revoking is an error until a write succeeds
/// again; the store retries with every revocation and once a second. Checks continue. A revocation
/// that ended in an error may have been written: revoking again then returns [`Outcome::Already`].
/// After an error the store reads its file again, and revocations wait until it has done so.
///
/// # The file
///
/// Only one store can have the file open, in this process or another. A lock of the operating
/// system enforces this and is released when the process ends. The file must be on a local disk
/// that honors syncs. It contains hashes and times, no tokens. Opening reads the whole file and
/// verifies the checksum of every page; a damaged file is rejected and not changed. A rollback of
/// the whole file to an older copy while it is closed is not detected, and neither is a deliberate
/// change with matching checksums. `docs/redb-layout.md` in the repository describes the layout.
///
/// Back up the file while the store is closed.
///
/// # When the file is removed, replaced or overwritten
///
/// Before and after each write, and once a second while idle, the store checks that its path still
/// leads to the open file, and that the length and the first page of the file are unchanged. If
/// not, revoking is an error (503 at the logout endpoint), because a restart would not find the
/// revocation; checks are answered from memory. The error and the event `revocation file lost` name
/// the remedy. A relative path is made absolute when the store is opened.
///
/// * **Renamed or unmounted** (the file, its directory or its file system): put it back at its
///   path. No restart is needed.
/// * **Removed, or another file is at its path**: save the open file before the process ends, then
///   restart. On Linux, the error contains the command, a copy from `/proc`.
/// * **Overwritten or truncated by another program**: the revocations in memory cannot be saved.
///   Before a restart with a copy or without a file, change the signing keys, or wait until all
///   tokens have expired.
///
/// A restart before that loses the revocations that are in no copy, and their tokens are accepted
/// again. A backup contains only the revocations that were made before it. After restoring one,
/// revoke all tokens issued until then ([`Revoker::everything`](crate::Revoker::everything)), or
/// change the signing keys.
///
/// Two changes are not detected while the store has the file open: a change after the first page
/// that keeps the file's length, which is detected when the file is next opened, and a rename that
/// is undone between two checks. Files can only be compared on Unix; on Windows, an open file can
/// be neither removed nor renamed.
///
/// Do not limit the size of files (`ulimit -f`, `LimitFSIZE=` of systemd): the write that would
/// exceed the limit raises the signal `SIGXFSZ`, which ends the process unless it is ignored. Limit
/// the store by [`capacity`](RedbStoreOptions::capacity) instead.
///
/// # Dropping
///
/// Dropping the last clone blocks until all requested revocations are written, and then closes the
/// file, which can be opened again at once.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{
///     RedbStore, RevocationStore,
///     clock::Timestamp,
///     revocation::{Outcome, Revocation, RevocationKey},
/// };
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("revocations.redb");
/// let key = RevocationKey::token_id("https://matar.app", "4f2a");
/// let revocation = Revocation::new(key, Timestamp::MAX, Timestamp::MAX);
///
/// let store = RedbStore::open(&path)?;
/// assert_eq!(store.revoke(&revocation).await?, Outcome::Newly);
/// drop(store);
///
/// let store = RedbStore::open(&path)?;
/// assert_eq!(store.revoke(&revocation).await?, Outcome::Already);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RedbStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    set: Arc<RevocationSet>,
    /// `None` once the store is being dropped.
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens the file at `path`, or creates it, with the [default
    /// capacity](crate::MemoryStore::DEFAULT_CAPACITY) and the system's clock.
    ///
    /// Blocks until the whole file is read: about a second for a million revocations, longer on a
    /// slow disk. The directory of the file must exist. An existing file may be empty.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the cause and the remedy if the file is in use by another store, was not
    /// written by a `RedbStore`, is damaged, was written by a later version, holds more live
    /// revocations than the capacity, or cannot be read, written or locked. A rejected file is not
    /// changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options().open(path)
    }

    /// Returns the default options: capacity and clock.
    pub fn options() -> RedbStoreOptions {
        RedbStoreOptions::default()
    }

    /// Returns the number of revocations in the store, including expired ones that were not purged
    /// yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.set.len()
    }

    /// Returns whether the store holds no revocation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.set.is_empty()
    }

    fn open_with(path: &Path, options: RedbStoreOptions) -> Result<Self, StoreError> {
        let RedbStoreOptions { capacity, clock, wrap } = options;
        let set = Arc::new(RevocationSet::with_capacity(capacity));
        let mut loaded = LoadAll::new(Arc::clone(&set), clock);
        let file = RevocationFile::open(path, wrap, &mut loaded).map_err(|error| error.of("open"))?;
        let (requests, queue) = sync_channel(MAX_WAITING);
        let writer = Writer::new(queue, loaded, file);
        let writer = thread::Builder::new().name("tower-logout-redb".to_owned()).spawn(|| writer.run());
        let writer = writer.map_err(|error| WriterError::Start(error).of("open"))?;
        Ok(Self { shared: Arc::new(Shared { set, requests: Some(requests), writer: Some(writer) }) })
    }
}

#[async_trait]
impl RevocationStore for RedbStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let outcomes = self.shared.revoke(vec![*revocation]).await?;
        Ok(outcomes.first().copied().unwrap_or(Outcome::Already))
    }

    /// One commit, with the revocations of all callers that wait at the time.
    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        if revocations.is_empty() {
            return Ok(Vec::new());
        }
        self.shared.revoke(revocations.to_vec()).await
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        Ok(self.shared.set.revocation(key))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(self.shared.set.is_revoked(token))
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        Some(Ok(self.shared.set.is_revoked(token)))
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.shared.set.watch(token))
    }

    fn generation(&self) -> Option<Generation> {
        self.shared.set.generation()
    }

    fn is_private(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }
}

impl Shared {
    async fn revoke(&self, revocations: Vec<Revocation>) -> Result<Vec<Outcome>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Request { revocations, answer }).map_err(|error| error.of("revoke"))?;
        answered.await.unwrap_or_else(|_| Err(WriterError::Interrupted.of("revoke")))
    }

    /// Queues a request without blocking: async tasks never wait for the disk.
    fn send(&self, request: Request) -> Result<(), WriterError> {
        let requests = self.requests.as_ref().ok_or(WriterError::Ended)?;
        requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => WriterError::Busy { waiting: MAX_WAITING },
            TrySendError::Disconnected(_) => WriterError::Ended,
        })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The writer ends once it has answered all queued requests.
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Maximum length of the queue: a few hundred milliseconds of work for the writer. While the queue
/// is full, revoking is an error at once.
const MAX_WAITING: usize = 16_384;
