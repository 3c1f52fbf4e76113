//! [`Place`]: whether the file that is open is the one that a restart will find.

use std::{
    fmt, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::FileError,
    storage::{LockedFile, Storage},
};

/// An open file, and the path at which a restart looks for it.
#[derive(Debug)]
pub(super) struct Place {
    file: Arc<LockedFile>,
    /// It is absolute, so that it leads to the same place when the process changes its directory.
    path: Arc<PathBuf>,
    /// Whether the name at the path is known to survive a power loss.
    name_is_durable: bool,
}

impl Place {
    /// The place of a file that was opened there.
    pub(super) fn of(file: Arc<LockedFile>, path: &Arc<PathBuf>) -> Self {
        Self { file, path: Arc::clone(path), name_is_durable: true }
    }

    /// The file as it is, whatever a test puts in front of it.
    pub(super) fn file(&self) -> &dyn Storage {
        &self.file
    }

    /// Whether the path leads to the open file.
    pub(super) fn check(&mut self) -> Result<(), FileError> {
        let checked = match is_at(self.file.handle(), &self.path) {
            Ok(true) if self.name_is_durable => Ok(()),
            // It was away, and somebody has put it back.
            Ok(true) => self.sync_name().map_err(FileError::Place),
            Ok(false) => Err(FileError::Replaced(self.rescue())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(FileError::Gone(self.rescue()))
            }
            Err(error) => Err(FileError::Place(error)),
        };
        self.name_is_durable = checked.is_ok();
        checked
    }

    /// Makes the name of the file survive a power loss.
    pub(super) fn sync_name(&self) -> io::Result<()> {
        // Elsewhere a directory cannot be opened, and its entries need no syncing.
        if cfg!(unix) {
            // What a symbolic link leads to has its name in another directory than the link.
            if let Some(directory) = fs::canonicalize(&*self.path)?.parent() {
                File::open(directory)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn rescue(&self) -> Rescue {
        Rescue { nameless: nameless(self.file.handle()), path: Arc::clone(&self.path) }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let (at_path, open) = (fs::metadata(path)?, file.metadata()?);
    Ok((at_path.dev(), at_path.ino()) == (open.dev(), open.ino()))
}

/// The standard library tells no file from another here. On Windows, an open one can be neither removed nor renamed.
#[cfg(not(unix))]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    file.metadata()?;
    Ok(fs::metadata(path)?.is_file())
}

/// How the contents of an open file are saved when it has lost its name.
#[derive(Debug)]
pub(super) struct Rescue {
    /// Where they can be read, on systems that have such a place.
    nameless: Option<PathBuf>,
    path: Arc<PathBuf>,
}

impl fmt::Display for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nameless) = &self.nameless {
            let (nameless, path) = (nameless.display(), self.path.display());
            write!(f, "save it before this process ends (`cp -p {nameless} '{path}'`) and restart; otherwise ")?;
        }
        f.write_str(
            "a restart loses all revocations that are in no copy: change the signing keys first, or wait until all \
             tokens have expired",
        )
    }
}

/// Where a file can be read for as long as it is open, whatever happens to its name.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "other systems have no such place"))]
fn nameless(file: &File) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    let descriptor = Some(std::os::fd::AsRawFd::as_raw_fd(file));
    #[cfg(not(target_os = "linux"))]
    let descriptor = None::<i32>;
    descriptor.map(|descriptor| format!("/proc/{}/fd/{descriptor}", std::process::id()).into())
}
