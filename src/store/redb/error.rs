//! [`RedbStoreError`]: errors of the file, each with the likely cause and the remedy.

use std::{error::Error, fmt, io, path::PathBuf, sync::Arc};

use super::{layout::FORMAT, rescue::Rescue};
use crate::{
    set::AtCapacity,
    store::{StoreError, StoreErrorKind},
};

/// Error of the file, shared by all callers whose revocations were written together.
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

    /// Whether earlier revocations are still in the file after this error.
    pub(super) fn keeps_written_revocations(&self) -> bool {
        self.error.kind() != StoreErrorKind::Damaged
    }

    /// Converts to the public error of an operation.
    pub(super) fn of(self, operation: &'static str) -> StoreError {
        let kind = self.error.kind();
        StoreError::new(operation, self).with_kind(kind)
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("the directory of the file does not exist; create it, or use another path")]
    NoDirectory(#[source] io::Error),
    #[error("the path is a directory or a device, not a file; use a path at which the store can create its own file")]
    NotAFile,
    #[error("the file cannot be opened for reading and writing; check its owner, its permissions and the disk")]
    Open(#[source] io::Error),
    #[error(
        "the file is in use by another store, in this process or another; stop the other one, or give each store its \
         own file"
    )]
    InUse,
    #[error("the file cannot be locked; put it on a local file system, because network file systems often lack locks")]
    Lock(#[source] io::Error),
    #[error("the file is not one of this store and is left unchanged; check the path, or move the file away")]
    Foreign,
    #[error(
        "the file is of format {found}, but this version of tower-logout supports formats up to {FORMAT}; the file is \
         left unchanged; use the version that wrote it, or a later one"
    )]
    Newer { found: u32 },
    #[error(
        "the file is damaged and is left unchanged; another program has changed it, or the disk is failing; restore a \
         copy, or move the file away once all tokens have expired or the signing keys were changed"
    )]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
    #[error("the file contains more live revocations than the store may hold; raise its capacity")]
    OverCapacity(#[source] AtCapacity),
    #[error("reading or writing the file failed; check the disk and its free space")]
    Io(#[source] io::Error),
    #[error("the operating system provided no random numbers; check that the process may use `getrandom`")]
    Random(#[source] getrandom::Error),
    #[error("the database in the file reported an unexpected error; try again, and report a bug if it persists")]
    Database(#[source] Box<redb::Error>),
    #[error(
        "the database panicked, because of a bug or because the file was changed while it was open; try again: {0}"
    )]
    Panicked(String),
    #[error(
        "the file is no longer at its path: it or its directory was removed or renamed, or its file system unmounted; \
         revoking fails until the file is back, and checks are answered from memory; if it was renamed, rename it back, \
         and no restart is needed; if it was removed, {0}"
    )]
    Gone(Rescue),
    #[error(
        "the file at the path is not the open one; revoking fails until the open file is back, and checks are answered \
         from memory; if it was renamed, move the other file away and rename it back, and no restart is needed; if it \
         was removed, {0}"
    )]
    Replaced(Rescue),
    #[error(
        "cannot determine whether the file is still at its path, so revoking fails; check the permissions of the \
         directories above it, and the file system"
    )]
    Path(#[source] io::Error),
    #[error(
        "another program has overwritten or truncated the file while it was open; it is left unchanged, revoking \
         fails, and checks are answered from memory, which a restart loses: before you restart with a copy or an \
         empty file, change the signing keys or wait until all tokens have expired"
    )]
    Overwritten,
    #[error("the file could not be opened again after an earlier failure; see the cause")]
    Reopen(#[source] Box<FileError>),
    #[error("the file is closed after an earlier failure; the next revocation tries to open it again")]
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

    /// Converts an error of redb, or the operating system's error inside it.
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

/// Errors of the thread that writes the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriterError {
    #[error(
        "{waiting} revocations are already waiting to be written; the disk is too slow or does not respond; check it"
    )]
    Busy { waiting: usize },
    #[error(
        "writing was interrupted by a panic, which is a bug; the revocation may or may not be stored; revoke again"
    )]
    Interrupted,
    #[error("the thread that writes the file has ended; open the store again")]
    Ended,
    #[error("the thread that writes the file could not be started; check the limit on threads")]
    Start(#[source] io::Error),
}

impl WriterError {
    /// Converts to the public error of an operation.
    pub(super) fn of(self, operation: &'static str) -> StoreError {
        let kind = match self {
            Self::Busy { .. } | Self::Start(_) => StoreErrorKind::Unavailable,
            Self::Interrupted | Self::Ended => StoreErrorKind::Other,
        };
        StoreError::new(operation, self).with_kind(kind)
    }
}
