//! [`Fingerprint`]: detects that another program has written to the open file.

use std::io;

use super::{backend::Backend, header::FirstPage, storage::Storage};

/// The length and the first page of the open file, as this store has left them.
///
/// The first page contains the file's random id and the number of commits, so it differs from that
/// of any other file or older copy. Changes in later pages are detected when the file is opened,
/// because redb has a checksum of each page.
#[derive(Debug)]
pub(super) struct Fingerprint {
    backend: Backend,
    first_page: FirstPage,
}

impl Fingerprint {
    pub(super) fn of(file: &dyn Storage, backend: Backend) -> io::Result<Self> {
        Ok(Self { backend, first_page: FirstPage::read(file)? })
    }

    /// Whether the length and the first page are as this store has left them.
    pub(super) fn matches(&self, file: &dyn Storage) -> io::Result<bool> {
        Ok(self.backend.has_own_length(file)? && self.first_page.is_in(file)?)
    }

    /// Records a commit in the first page.
    pub(super) fn record_commits(&mut self, storage: &dyn Storage, commits: u64) -> io::Result<()> {
        self.first_page.record_commits(storage, commits)
    }

    /// Keeps redb from writing to a file that another program has written to.
    pub(super) fn seal(&self) {
        self.backend.seal();
    }
}
