//! [`CheckedPath`]: checks that a restart will find the open file.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{error::FileError, lock::LockedFile, rescue::Rescue};

/// The path at which a restart looks for the open file.
#[derive(Debug)]
pub(super) struct CheckedPath {
    file: Arc<LockedFile>,
    /// Absolute, so that it leads to the same file after the process has changed its directory.
    path: Arc<PathBuf>,
    /// Whether the name at the path is known to survive a power loss.
    name_is_durable: bool,
}

impl CheckedPath {
    /// Creates the path at which the file was opened.
    pub(super) fn new(file: Arc<LockedFile>, path: &Arc<PathBuf>) -> Self {
        Self { file, path: Arc::clone(path), name_is_durable: true }
    }

    pub(super) fn get(&self) -> &Arc<PathBuf> {
        &self.path
    }

    /// Checks that the path leads to the open file.
    pub(super) fn check(&mut self) -> Result<(), FileError> {
        let checked = match leads_to(&self.path, self.file.handle()) {
            Ok(true) if self.name_is_durable => Ok(()),
            // The file was renamed or replaced, and has been restored since.
            Ok(true) => self.sync_name().map_err(FileError::Path),
            Ok(false) => Err(FileError::Replaced(self.rescue())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(FileError::Gone(self.rescue()))
            }
            Err(error) => Err(FileError::Path(error)),
        };
        self.name_is_durable = checked.is_ok();
        checked
    }

    /// Makes the name of the file survive a power loss.
    pub(super) fn sync_name(&self) -> io::Result<()> {
        // Other systems cannot open directories, and their entries need no syncing.
        if cfg!(unix) {
            // The target of a symbolic link may be in another directory than the link.
            if let Some(directory) = fs::canonicalize(&**self.path)?.parent() {
                File::open(directory)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn rescue(&self) -> Rescue {
        Rescue::new(self.file.handle(), &self.path)
    }
}

#[cfg(unix)]
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let (at_path, open) = (fs::metadata(path)?, file.metadata()?);
    Ok((at_path.dev(), at_path.ino()) == (open.dev(), open.ino()))
}

/// The standard library cannot compare files here. On Windows, an open one can be neither removed
/// nor renamed.
#[cfg(not(unix))]
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    file.metadata()?;
    Ok(fs::metadata(path)?.is_file())
}
