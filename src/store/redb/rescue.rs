//! [`Rescue`]: instructions to save an open file that is no longer at its path.

use std::{fmt, fs::File, path::PathBuf, sync::Arc};

#[derive(Debug)]
pub(super) struct Rescue {
    /// The path at which the open file can still be read, on systems that have one.
    proc_path: Option<PathBuf>,
    path: Arc<PathBuf>,
}

impl Rescue {
    pub(super) fn new(file: &File, path: &Arc<PathBuf>) -> Self {
        Self { proc_path: proc_path(file), path: Arc::clone(path) }
    }
}

impl fmt::Display for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(proc_path) = &self.proc_path {
            let (proc_path, path) = (proc_path.display(), self.path.display());
            write!(f, "save it before this process ends (`cp -p {proc_path} '{path}'`) and restart; otherwise ")?;
        }
        f.write_str(
            "a restart loses all revocations that are in no copy: change the signing keys first, or wait until all \
             tokens have expired",
        )
    }
}

/// A path at which a file can be read while it is open, even after it was removed.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "other systems have no such path"))]
fn proc_path(file: &File) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    let descriptor = Some(std::os::fd::AsRawFd::as_raw_fd(file));
    #[cfg(not(target_os = "linux"))]
    let descriptor = None::<i32>;
    descriptor.map(|descriptor| format!("/proc/{}/fd/{descriptor}", std::process::id()).into())
}
