//! The directories in which cargo has placed the running program.

use std::{env, path::PathBuf};

/// The target directory.
pub(crate) fn directory() -> PathBuf {
    ancestor(3)
}

/// The directory of the profile in it: `debug` or `release`.
pub(crate) fn profile() -> PathBuf {
    ancestor(2)
}

/// Tests and benches are in `deps`, in the directory of the profile.
fn ancestor(level: usize) -> PathBuf {
    let program = env::current_exe().unwrap();
    program.ancestors().nth(level).expect("a test or a bench, in a target directory").to_owned()
}
