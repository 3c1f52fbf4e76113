//! [`AsWritten`]: what an open file must look like if nobody else has written it.

use std::io;

use super::{backend::Backend, header::FirstPage, storage::Storage};

/// The length and the first page of an open file, as this store has left them.
///
/// The first page has the file's own number and counts the commits, so no other file and no older copy has the same.
/// What changes in later pages is found when the file is opened: redb has a checksum of each.
#[derive(Debug)]
pub(super) struct AsWritten {
    backend: Backend,
    first_page: FirstPage,
}

impl AsWritten {
    pub(super) fn now(file: &dyn Storage, backend: Backend) -> io::Result<Self> {
        Ok(Self { backend, first_page: FirstPage::read(file)? })
    }

    /// Whether the file is as it was left.
    pub(super) fn is_in(&self, file: &dyn Storage) -> io::Result<bool> {
        Ok(self.backend.is_whole(file)? && self.first_page.is_in(file)?)
    }

    /// Notes a commit in the first page.
    pub(super) fn note_commits(&mut self, storage: &dyn Storage, commits: u64) -> io::Result<()> {
        self.first_page.note_commits(storage, commits)
    }

    /// Keeps redb from writing to a file that is not its own any more.
    pub(super) fn seal(&self) {
        self.backend.seal();
    }
}
