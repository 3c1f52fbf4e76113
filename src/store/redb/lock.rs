//! [`LockedFile`]: the locked file on the disk.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
    sync::Arc,
};

use redb::{StorageBackend, backends::FileBackend};

use super::{error::FileError, storage::Storage};

/// A file that no other store can open, in this process or another.
///
/// The lock is one of the operating system, which releases it when the process ends, even by a
/// crash.
#[derive(Debug)]
pub(super) struct LockedFile {
    backend: FileBackend,
    file: File,
}

impl LockedFile {
    /// Opens a file, or creates an empty one, and locks it. Its contents are not changed.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        // Checked before opening, because opening a FIFO would wait for its other end.
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Err(FileError::NotAFile),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::Open(error)),
            Ok(_) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // FILE_SHARE_READ and FILE_SHARE_WRITE without FILE_SHARE_DELETE: the open file can be
        // neither removed nor renamed.
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 0x1 | 0x2);
        let file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::NoDirectory(error),
            _ => FileError::Open(error),
        })?;
        #[expect(clippy::incompatible_msrv, reason = "the feature `redb` needs a later version")]
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => FileError::InUse,
            TryLockError::Error(error) => FileError::Lock(error),
        })?;
        let backend = FileBackend::new(file.try_clone().map_err(FileError::Open)?);
        let backend = backend.map_err(|error| FileError::from_redb(error.into()))?;
        Ok(Self { backend, file })
    }

    pub(super) fn handle(&self) -> &File {
        &self.file
    }
}

impl Drop for LockedFile {
    /// Releases the lock by itself: a process that is being started by another thread has a copy of
    /// the descriptor until it runs its program, and closing alone would leave the file locked as
    /// long.
    fn drop(&mut self) {
        #[expect(clippy::incompatible_msrv, reason = "the feature `redb` needs a later version")]
        let _ = self.file.unlock();
    }
}

impl Storage for Arc<LockedFile> {
    fn size(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.backend.write(offset, data)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.backend.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.backend.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_file_can_be_opened_though_a_copy_of_its_descriptor_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("revocations.redb");
        let locked = LockedFile::open(&path).expect("the file is new");
        let copy = locked.handle().try_clone().expect("a copy");
        assert!(matches!(LockedFile::open(&path), Err(FileError::InUse)));
        drop(locked);
        assert!(LockedFile::open(&path).is_ok());
        drop(copy);
    }
}
