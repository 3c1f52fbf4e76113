//! [`RedbStore`]: one file that survives restarts. The feature `redb` needs Rust 1.90.
//!
//! # The file
//!
//! Format 1: a page of 4096 bytes that is ours (a title, the format, a count of commits; `header.rs` has the layout), and after
//! it a database of redb 4 with two tables. `revocations` has a row for each session, subject, client, issuer and claim, which are
//! revoked again and again, and for `everything`:
//!
//! | key, 16 bytes | value, two `u64` |
//! |---|---|
//! | a [`RevocationKey`](crate::RevocationKey) | `issued_through`, `retain_until`, in ms since the Unix epoch |
//! | sixteen zero bytes | the number of commits, and `purged_through` in ms since the Unix epoch |
//!
//! `groups` has the revocations of single tokens: those that were written together and are to be retained for about as long.
//! A group is never changed. It is deleted when its last row was to be retained until `purged_through` or before; so rows that
//! have expired can stay for about as long as they were retained. A token that was revoked twice can be in two groups.
//!
//! | key, `u64` | value, 32 bytes a row, one or more |
//! |---|---|
//! | in the order of writing | a [`RevocationKey`](crate::RevocationKey), `issued_through`, `retain_until`; eight bytes each, least significant first |

mod backend;
mod error;
mod file;
mod group;
mod header;
mod options;
mod place;
mod storage;
mod writer;
mod written;

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
    set::{RevocationSet, RevocationSignal},
    store::{RevocationStore, StoreError},
};
use error::WriterError;
use file::RevocationFile;
pub use options::RedbStoreOptions;
#[cfg(feature = "test-util")]
pub use storage::Storage;
use writer::{Loaded, Request, Writer};

/// Remembers revocations in one file, which survives restarts, SIGKILL and power loss.
///
/// All checks are answered from memory and never touch the disk. A revocation is answered once it is synced to the disk; one
/// thread writes, in groups, what all callers ask for at the same time. The same thread deletes what has expired, in
/// small portions. At capacity, revoking is an error: nothing live is evicted.
///
/// After an error of the disk, or when it is full, revoking is an error until a write succeeds again, which is tried with every
/// revocation and once a second; checks go on. An error can mean that the revocation was written nevertheless: revoking
/// again then tells [`Outcome::Already`]. While a store that had an error reads its file again, revocations wait for it.
///
/// # The file
///
/// One store has it open at a time, in this process or another; a lock of the operating system, which ends with the process, keeps
/// others out. The file must be on a local disk that really syncs. It holds hashes and times, no tokens. It is read whole at
/// opening, every page with its checksum, and one that is damaged is refused and left as it is. What cannot be noticed: that the
/// whole file was put back to an older state while it was closed, and a change by someone who also made the checksums fit.
///
/// A copy is to be made while the store is closed. The feature `redb` needs Rust 1.90.
///
/// # When the file is removed, replaced or overwritten
///
/// Before and after each write the store looks whether its path still leads to the open file, and whether the file's length and
/// first page are as it left them. If not, revoking is an error (503 at the logout endpoint), since a restart would not find the
/// revocation; checks are answered from memory. The error, and the event `revocation file lost`, say what to do. Once a second an idle store looks,
/// too. A path is made absolute when the store is opened.
///
/// | what happened | what to do |
/// |---|---|
/// | the file or its directory was renamed, or its file system unmounted | put it back; no restart is needed |
/// | it was removed, or another file took its place | save the open file before the process ends: on Linux, the error names the command, a copy from `/proc`; then restart |
/// | something wrote into it, or cut it short | what is in memory cannot be saved: change the signing keys, or wait until all tokens have expired, before a restart with a copy or without a file |
///
/// A restart before that loses what is in no copy, and tokens that were revoked are accepted again. A backup has what was revoked before it was
/// made, and no more: after restoring one, revoke everything issued before, or change the signing keys.
///
/// What is not noticed while the store has the file open: changes behind its first page that keep its length (they are found
/// when it is opened: every page has a checksum), and a file that was renamed and put back between two looks. Other systems than Unix do not tell one
/// file from another; on Windows, the open file can be neither removed nor renamed.
///
/// A limit of the size of files (`ulimit -f`, `LimitFSIZE=` of systemd) ends the whole process at the write that would exceed
/// it, by the signal `SIGXFSZ`; only where that is ignored is it an error of one logout. Leave it unlimited, and bound the store by
/// [`capacity`](RedbStoreOptions::capacity).
///
/// # Dropping
///
/// Dropping the store blocks until everything that was asked for is written, and closes the file; it can be opened again at once.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{Outcome, RedbStore, Revocation, RevocationKey, RevocationStore, Timestamp};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("revocations.redb");
/// let revocation = Revocation::new(RevocationKey::token_id("https://matar.app", "4f2a"), Timestamp::MAX, Timestamp::MAX);
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
#[derive(Debug)]
pub struct RedbStore {
    set: Arc<RevocationSet>,
    /// `None` once the store is being dropped.
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens a file, or creates it, with the [default capacity](crate::MemoryStore::DEFAULT_CAPACITY) and the system's clock.
    ///
    /// Blocks until all of the file is read: about a second for a million revocations, more on a slow disk.
    /// Its directory must exist. An existing file may be empty.
    ///
    /// # Errors
    ///
    /// [`StoreError`] whose source says what is wrong and what to do, if the file is in use by another store, is not a file of this
    /// store, is damaged, was written by a later version, holds more live revocations than the capacity, or if it
    /// cannot be read, written or locked. A file that is refused is left as it is, byte for byte.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options().open(path)
    }

    /// What else can be chosen: the capacity and the clock.
    pub fn options() -> RedbStoreOptions {
        RedbStoreOptions::default()
    }

    /// How many revocations the store holds, those included that the next purge removes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether the store holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    fn open_with(path: &Path, options: RedbStoreOptions) -> Result<Self, StoreError> {
        let RedbStoreOptions { capacity, clock, wrap } = options;
        let set = Arc::new(RevocationSet::with_capacity(capacity));
        let mut loaded = Loaded::new(Arc::clone(&set), clock);
        let file = RevocationFile::open(path, wrap, &mut loaded).map_err(|error| error.of("open"))?;
        let (requests, queue) = sync_channel(MOST_WAITING);
        let writer = Writer::new(queue, loaded, file);
        let writer = thread::Builder::new().name("tower-logout-redb".to_owned()).spawn(|| writer.run());
        let writer = writer.map_err(|error| StoreError::new("open", WriterError::Start(error)))?;
        Ok(Self { set, requests: Some(requests), writer: Some(writer) })
    }
}

#[async_trait]
impl RevocationStore for RedbStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { revocation: *revocation, answer };
        // Full or not, this returns at once: an async thread never waits for the disk.
        let queued = self.requests.as_ref().map_or(Err(WriterError::Ended), |requests| {
            requests.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => WriterError::Busy { waiting: MOST_WAITING },
                TrySendError::Disconnected(_) => WriterError::Ended,
            })
        });
        queued.map_err(|error| {
            let kind = error.class();
            StoreError::new("revoke", error).with_kind(kind)
        })?;
        answered.await.unwrap_or_else(|_| Err(StoreError::new("revoke", WriterError::Ended)))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(self.set.is_revoked(token))
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        Some(Ok(self.set.is_revoked(token)))
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.set.watch(token))
    }

    fn is_private(&self) -> bool {
        true
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        // The writer ends when it has answered what is in the queue.
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Some hundred milliseconds of work for the writer; beyond that, callers are told at once.
const MOST_WAITING: usize = 16_384;
