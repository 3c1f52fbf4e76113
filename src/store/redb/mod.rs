//! [`RedbStore`]: one file that survives restarts. The feature `redb` needs Rust 1.90.
//!
//! | question | file |
//! |---|---|
//! | what is in the file | `layout`, `header`, `group` |
//! | who writes it: batches, outcomes, what expires | `writer`, `revoke`, `prune`, `expired` |
//! | how it is opened, read and written | `file`, `database`, `load`, `catch` |
//! | whether it is still the store's own | `path`, `fingerprint`, `lock`, `rescue` |
//! | the bytes under redb | `backend`, `storage` |

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
    revocation::{Outcome, Revocation, TokenIdentity},
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

/// Stores revocations in one file, which survives restarts, SIGKILL and power loss. Clones share
/// the store.
///
/// All checks are answered from memory and never touch the disk. A revocation is acknowledged once
/// it is synced to the disk. One thread writes the revocations of all concurrent callers in
/// batches, and deletes what has expired in small portions. At capacity, revoking is an error:
/// nothing live is evicted.
///
/// After an error of the disk, or when it is full, revoking is an error until a write succeeds
/// again, which is tried with every revocation and once a second. Checks continue. The revocation
/// may have been written despite an error: revoking again then returns [`Outcome::Already`]. While
/// a store that had an error reads its file again, revocations wait.
///
/// # The file
///
/// One store has it open at a time, in this process or another; a lock of the operating system,
/// which ends with the process, keeps others out. The file must be on a local disk that really
/// syncs. It holds hashes and times, no tokens. Opening reads all of it and verifies the checksum
/// of every page; a damaged file is rejected and not changed. A rollback of the whole file to an
/// older copy while it is closed is not detected, nor is a change by someone who also makes the
/// checksums fit.
///
/// Make copies while the store is closed.
///
/// # When the file is removed, replaced or overwritten
///
/// Before and after each write, and once a second while idle, the store checks that its path still
/// leads to the open file, and that the file's length and first page are as it left them. If not,
/// revoking is an error (503 at the logout endpoint), because a restart would not find the
/// revocation; checks are answered from memory. The error, and the event `revocation file lost`,
/// say what to do. A path is made absolute when the store is opened.
///
/// | what happened | what to do |
/// |---|---|
/// | the file or its directory was renamed, or its file system unmounted | put it back; no restart is needed |
/// | it was removed, or another file took its place | save the open file before the process ends: on Linux, the error names the command, a copy from `/proc`; then restart |
/// | another program has written to it, or cut it short | what is in memory cannot be saved: change the signing keys, or wait until all tokens have expired, before a restart with a copy or without a file |
///
/// A restart before that loses what is in no copy, and tokens that were revoked are accepted again.
/// A backup has what was revoked before it was made, and no more: after restoring one, revoke
/// everything issued before, or change the signing keys.
///
/// Not detected while the store has the file open: changes behind its first page that keep its
/// length (they are found when it is opened), and a file that was renamed and put back between two
/// checks. On systems other than Unix, files cannot be compared; on Windows, the open file can be
/// neither removed nor renamed.
///
/// A limit on the size of files (`ulimit -f`, `LimitFSIZE=` of systemd) ends the whole process at
/// the write that would exceed it, by the signal `SIGXFSZ`; only if that is ignored is it an error
/// of one logout. Leave it unlimited, and limit the store by
/// [`capacity`](RedbStoreOptions::capacity).
///
/// # Dropping
///
/// Dropping the last clone blocks until all requested revocations are written, and closes the file.
/// It can be opened again at once.
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
    /// Opens a file, or creates it, with the [default
    /// capacity](crate::MemoryStore::DEFAULT_CAPACITY) and the system's clock.
    ///
    /// Blocks until all of the file is read: about a second for a million revocations, more on a
    /// slow disk. Its directory must exist. An existing file may be empty.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the cause and the remedy if the file is in use by another store, does
    /// not belong to a store, is damaged, was written by a later version, holds more live
    /// revocations than the capacity, or cannot be read, written or locked. A rejected file is not
    /// changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options().open(path)
    }

    /// Returns options to open a store with: the capacity and the clock.
    pub fn options() -> RedbStoreOptions {
        RedbStoreOptions::default()
    }

    /// How many revocations the store holds, including those that the next purge removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.set.len()
    }

    /// Whether the store holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.set.is_empty()
    }

    fn open_with(path: &Path, options: RedbStoreOptions) -> Result<Self, StoreError> {
        let RedbStoreOptions { capacity, clock, wrap } = options;
        let set = Arc::new(RevocationSet::with_capacity(capacity));
        let mut loaded = LoadAll::new(Arc::clone(&set), clock);
        let file = RevocationFile::open(path, wrap, &mut loaded).map_err(|error| error.of("open"))?;
        let (requests, queue) = sync_channel(MOST_WAITING);
        let writer = Writer::new(queue, loaded, file);
        let writer = thread::Builder::new().name("tower-logout-redb".to_owned()).spawn(|| writer.run());
        let writer = writer.map_err(|error| WriterError::Start(error).of("open"))?;
        Ok(Self { shared: Arc::new(Shared { set, requests: Some(requests), writer: Some(writer) }) })
    }
}

#[async_trait]
impl RevocationStore for RedbStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.shared.send(Request { revocation: *revocation, answer }).map_err(|error| error.of("revoke"))?;
        answered.await.unwrap_or_else(|_| Err(WriterError::Interrupted.of("revoke")))
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
    /// Queues a request. Returns at once: an async thread never waits for the disk.
    fn send(&self, request: Request) -> Result<(), WriterError> {
        let requests = self.requests.as_ref().ok_or(WriterError::Ended)?;
        requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => WriterError::Busy { waiting: MOST_WAITING },
            TrySendError::Disconnected(_) => WriterError::Ended,
        })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The writer ends once it has answered what is in the queue.
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Some hundred milliseconds of work for the writer. Beyond that, revoking is an error at once.
const MOST_WAITING: usize = 16_384;
