//! [`RedbStoreError`]: what can be wrong with the file, the likely cause and the remedy.

use std::{error::Error, fmt, io, path::PathBuf, sync::Arc};

use super::{layout::FORMAT, rescue::Rescue};
use crate::{
    set::AtCapacity,
    store::{StoreError, StoreErrorKind},
};

/// Why the file could not be used. Shared by all callers whose revocations are written together.
#[derive(Clone, Debug)]
pub(super) struct RedbStoreError {
    path: Arc<PathBuf>,
    error: Arc<FileError>,
}

impl fmt::Display for RedbStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl Error for RedbStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl RedbStoreError {
    pub(super) fn new(path: &Arc<PathBuf>, error: FileError) -> Self {
        Self { path: Arc::clone(path), error: Arc::new(error) }
    }

    /// Whether what was written before the error is in the file nevertheless.
    pub(super) fn spares_what_is_written(&self) -> bool {
        self.error.kind() != StoreErrorKind::Damaged
    }

    /// Makes it the error of an operation of the store.
    pub(super) fn of(self, operation: &'static str) -> StoreError {
        let kind = self.error.kind();
        StoreError::new(operation, self).with_kind(kind)
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("the directory of the file does not exist; create it, or give another path")]
    NoDirectory(#[source] io::Error),
    #[error("this is a directory or a device, not a file; give the path of a file of its own")]
    NotAFile,
    #[error("the file cannot be opened for reading and writing; check its owner, its permissions and the disk")]
    Open(#[source] io::Error),
    #[error(
        "the file is in use by another store, in this process or another; stop that one, or give each store its own \
         file"
    )]
    InUse,
    #[error("the file cannot be locked; the file system must support locks, and network file systems often do not")]
    Lock(#[source] io::Error),
    #[error("the file is not one of this store, and is left as it is; check the path, or move the file away")]
    Foreign,
    #[error(
        "the file is of format {found}, and this version of tower-logout knows formats up to {FORMAT}; the file is left \
         as it is; use the version that wrote it, or a later one"
    )]
    Newer { found: u32 },
    #[error(
        "the file is damaged, and is left as it is; something other than this store changed it, or the disk is failing; \
         put back a copy, or, when all tokens have expired or the signing keys are changed, move the file away"
    )]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
    #[error("the file holds more live revocations than the store may hold; raise its capacity")]
    OverCapacity(#[source] AtCapacity),
    #[error("reading or writing the file failed; check the disk, and the room on it")]
    Io(#[source] io::Error),
    #[error("the operating system provides no random numbers")]
    Random(#[source] getrandom::Error),
    #[error("the database in the file failed")]
    Database(#[source] Box<redb::Error>),
    #[error("the database panicked; this is a bug in it, or the file was changed while it was open: {0}")]
    Panicked(String),
    #[error(
        "the file is no longer at its path: it or its directory was removed or renamed, or its file system unmounted; \
         revocations are rejected until the file is back, and checks are answered from memory; if it was renamed, rename it \
         back, and no restart is needed; if it was removed, {0}"
    )]
    Gone(Rescue),
    #[error(
        "another file is at the path than the one that is open; revocations are rejected until that one is back, and \
         checks are answered from memory; if it was renamed, move the other file away and rename it back, and no \
         restart is needed; if it was removed, {0}"
    )]
    Replaced(Rescue),
    #[error(
        "cannot determine whether the file is still at its path, so revocations are rejected; check the permissions of \
         the directories above it, and the file system"
    )]
    Path(#[source] io::Error),
    #[error(
        "another program has overwritten the file or cut it short while it was open; it is left as it is, revocations \
         are rejected, and checks are answered from memory, which a restart loses: before you restart with a copy or \
         an empty file, change the signing keys or wait until all tokens have expired"
    )]
    Overwritten,
    #[error("the file was not usable after an earlier failure and could not be opened again")]
    Reopen(#[source] Box<FileError>),
    #[error("the file is closed after an earlier failure")]
    Closed,
}

impl FileError {
    fn kind(&self) -> StoreErrorKind {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};

        match self {
            Self::NoDirectory(_)
            | Self::NotAFile
            | Self::Open(_)
            | Self::InUse
            | Self::Lock(_)
            | Self::Foreign
            | Self::Newer { .. }
            | Self::Gone(_)
            | Self::Replaced(_) => StoreErrorKind::Misconfigured,
            Self::Damaged(_) | Self::Overwritten => StoreErrorKind::Damaged,
            Self::OverCapacity(_) => StoreErrorKind::Full,
            Self::Io(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) => {
                StoreErrorKind::Full
            }
            Self::Io(_) | Self::Path(_) | Self::Closed => StoreErrorKind::Unavailable,
            Self::Reopen(error) => error.kind(),
            Self::Random(_) | Self::Database(_) | Self::Panicked(_) => StoreErrorKind::Other,
        }
    }

    pub(super) fn damaged(what: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged(what.into())
    }

    /// The error that redb reports, or the operating system's if there is one in it.
    pub(super) fn from_redb(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => match error.kind() {
                // Not a failure of the disk: the database refers to pages that do not exist.
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::damaged(error),
                _ => Self::Io(error),
            },
            redb::Error::Corrupted(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_) => Self::damaged(error),
            error => Self::Database(Box::new(error)),
        }
    }
}

/// Why the writer has not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriterError {
    #[error("{waiting} revocations are already waiting to be written; the disk is too slow for them, or stuck")]
    Busy { waiting: usize },
    #[error("writing was interrupted by a panic, which is a bug; the revocation may be stored or not; revoke again")]
    Interrupted,
    #[error("the thread that writes the file has ended; open the store again")]
    Ended,
    #[error("the thread that writes the file could not be started")]
    Start(#[source] io::Error),
}

impl WriterError {
    /// Makes it the error of an operation of the store.
    pub(super) fn of(self, operation: &'static str) -> StoreError {
        let kind = match self {
            Self::Busy { .. } | Self::Start(_) => StoreErrorKind::Unavailable,
            Self::Interrupted | Self::Ended => StoreErrorKind::Other,
        };
        StoreError::new(operation, self).with_kind(kind)
    }
}
