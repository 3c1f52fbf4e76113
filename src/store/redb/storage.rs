//! [`Storage`]: the bytes under the database, and [`LockedFile`], which they are in.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use redb::{StorageBackend, backends::FileBackend};

use super::error::FileError;

/// Bytes that can be read and written anywhere, and synced.
///
/// A store has its file under it. Tests put one in front that fails when they want it to.
#[cfg_attr(not(feature = "test-util"), expect(unreachable_pub, reason = "only tests reach it"))]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// How many bytes there are.
    ///
    /// # Errors
    ///
    /// As the operating system reports them; so in all methods.
    fn size(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset` on. To read past the end is an error.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` from `offset` on.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts off what is beyond `size`, or adds zeros up to it.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Returns once everything written before is on stable storage.
    fn sync(&self) -> io::Result<()>;
}

/// A file that nobody else has open through this type, in this process or another.
///
/// The lock is the operating system's and ends with the process, however it ends.
#[derive(Debug)]
pub(super) struct LockedFile(FileBackend);

impl LockedFile {
    /// Opens a file, or creates an empty one, and locks it. What it contains is left as it is.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        // Before opening: to open a FIFO would wait for its other end.
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Err(FileError::NotAFile),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::Open(error)),
            Ok(_) | Err(_) => {}
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::NoDirectory(error),
            _ => FileError::Open(error),
        })?;
        #[expect(clippy::incompatible_msrv, reason = "the feature needs a later one")]
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => FileError::InUse,
            TryLockError::Error(error) => FileError::Lock(error),
        })?;
        let backend = FileBackend::new(file).map_err(|error| FileError::from_redb(error.into()))?;
        Ok(Self(backend))
    }
}

impl Storage for LockedFile {
    fn size(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Makes the name of a new file survive a power loss.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened, and its entries need no syncing.
    if cfg!(unix) {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
