//! [`RevocationFile`]: the file of a store. Locks, opens, checks and writes it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    backend::Backend,
    catch::catching,
    database::{Changes, RevocationDatabase},
    error::{FileError, RedbStoreError},
    fingerprint::Fingerprint,
    header::Header,
    load::Load,
    lock::LockedFile,
    path::CheckedPath,
    storage::Storage,
};
use crate::{clock::Timestamp, revocation::Revocation};

/// The file, locked for as long as this lives. After a failure the database in it is closed, and
/// can be opened again.
#[derive(Debug)]
pub(super) struct RevocationFile {
    file: Arc<LockedFile>,
    path: CheckedPath,
    /// The file, or a test's wrapper around it.
    storage: Arc<dyn Storage>,
    id: u64,
    /// The number of acknowledged commits. A file with fewer is an older copy.
    commits: u64,
    opened: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    database: RevocationDatabase,
    fingerprint: Fingerprint,
}

impl RevocationFile {
    /// Locks a file and reads all of its rows. Creates it if it does not exist or is empty.
    ///
    /// A file that cannot be used is not changed.
    pub(super) fn open(
        path: &Path,
        wrap: impl FnOnce(Box<dyn Storage>) -> Box<dyn Storage>,
        load: &mut impl Load,
    ) -> Result<Self, RedbStoreError> {
        let absolute = std::path::absolute(path).map_err(FileError::Open);
        let path = Arc::new(absolute.map_err(|error| RedbStoreError::new(&Arc::new(path.to_owned()), error))?);
        let opened = catching(|| Ok(Self::open_at(&path, wrap, load)?));
        let mut file = opened.map_err(|error| RedbStoreError::new(&path, error))?;
        file.check()?;
        Ok(file)
    }

    fn open_at(
        path: &Arc<PathBuf>,
        wrap: impl FnOnce(Box<dyn Storage>) -> Box<dyn Storage>,
        load: &mut impl Load,
    ) -> Result<Self, FileError> {
        let file = Arc::new(LockedFile::open(path)?);
        let path = CheckedPath::new(Arc::clone(&file), path);
        let storage: Arc<dyn Storage> = Arc::from(wrap(Box::new(Arc::clone(&file))));
        let opened = match Header::read(&*storage)? {
            Header::Unfinished => Opened::create(&storage, &file, &path)?,
            Header::Complete { commits, .. } => Opened::open(&storage, &file, commits, load)?,
        };
        let Header::Complete { id, .. } = Header::read(&file)? else {
            return Err(FileError::Overwritten);
        };
        Ok(Self { file, path, storage, id, commits: opened.database.commits(), opened: Some(opened) })
    }

    pub(super) fn path(&self) -> &Path {
        self.path.get()
    }

    /// Checks that the path leads to the open file, and that no other program has written to it.
    pub(super) fn check(&mut self) -> Result<(), RedbStoreError> {
        let checked = catching(|| {
            self.path.check()?;
            match &self.opened {
                Some(opened) if !opened.fingerprint.matches(&self.file)? => Err(FileError::Overwritten.into()),
                _ => Ok(()),
            }
        });
        if let Err(FileError::Overwritten) = checked {
            self.close();
        }
        checked.map_err(|error| self.error(error))
    }

    /// Whether the database is open: there was no failure since it was opened.
    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Whether a commit would raise the purge watermark or delete a group.
    pub(super) fn is_behind(&self, purged_through: Timestamp) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.database.is_behind(purged_through))
    }

    /// Opens the database again after a failure, and reads all of its rows. The file stayed locked
    /// meanwhile.
    pub(super) fn reopen(&mut self, load: &mut impl Load) -> Result<(), RedbStoreError> {
        let opened = catching(|| match Header::read(&*self.storage) {
            Ok(Header::Complete { id, commits }) if id == self.id && commits >= self.commits => {
                Ok(Opened::open(&self.storage, &self.file, commits, load)?)
            }
            Ok(_) | Err(FileError::Foreign) => Err(FileError::Overwritten.into()),
            Err(error) => Err(error.into()),
        });
        let opened = opened.map_err(|error| match error {
            FileError::Overwritten => self.error(error),
            error => self.error(FileError::Reopen(Box::new(error))),
        })?;
        self.commits = opened.database.commits();
        self.opened = Some(opened);
        Ok(())
    }

    /// Makes all of the changes or none, and syncs them. After an error, either is possible.
    pub(super) fn commit<'a>(
        &mut self,
        changes: Changes<'_, impl IntoIterator<Item = &'a Revocation>>,
    ) -> Result<(), RedbStoreError> {
        let Some(Opened { database, fingerprint }) = self.opened.as_mut() else {
            return Err(self.error(FileError::Closed));
        };
        let written = catching(|| {
            database.commit(changes)?;
            fingerprint.record_commits(&*self.storage, database.commits())?;
            Ok(database.commits())
        });
        match written {
            Ok(commits) => {
                self.commits = commits;
                Ok(())
            }
            Err(error) => {
                self.close();
                Err(self.error(error))
            }
        }
    }

    /// Closes the database. The file stays locked.
    pub(super) fn close(&mut self) {
        let Some(Opened { database, fingerprint }) = self.opened.take() else { return };
        // The next opening completes whatever closing does not.
        let _ = catching(|| {
            // redb writes when it is closed, which would damage a copy that was written over the
            // file.
            if !fingerprint.matches(&self.file).unwrap_or(false) {
                fingerprint.seal();
            }
            drop(database);
            Ok(())
        });
    }

    fn error(&self, error: FileError) -> RedbStoreError {
        RedbStoreError::new(self.path.get(), error)
    }
}

impl Opened {
    fn create(storage: &Arc<dyn Storage>, file: &Arc<LockedFile>, path: &CheckedPath) -> Result<Self, FileError> {
        Header::begin(&**storage)?;
        let backend = Backend::new(Arc::clone(storage)).map_err(FileError::Io)?;
        let database = RevocationDatabase::create(backend.clone())?;
        backend.publish().map_err(FileError::Io)?;
        path.sync_name().map_err(FileError::Io)?;
        Header::complete(&**storage, database.commits())?;
        let fingerprint = Fingerprint::of(file, backend).map_err(FileError::Io)?;
        Ok(Self { database, fingerprint })
    }

    fn open(
        storage: &Arc<dyn Storage>,
        file: &Arc<LockedFile>,
        min_commits: u64,
        load: &mut impl Load,
    ) -> Result<Self, FileError> {
        let backend = Backend::new(Arc::clone(storage)).map_err(FileError::Io)?;
        let database = RevocationDatabase::open(backend.clone(), load)?;
        let commits = database.commits();
        if commits < min_commits {
            return Err(FileError::damaged(format!(
                "it has lost its latest commit: expected at least {min_commits} commits, found {commits}"
            )));
        }
        backend.publish().map_err(FileError::Io)?;
        let mut fingerprint = Fingerprint::of(file, backend).map_err(FileError::Io)?;
        if commits > min_commits {
            fingerprint.record_commits(&**storage, commits).map_err(FileError::Io)?;
        }
        Ok(Self { database, fingerprint })
    }
}
