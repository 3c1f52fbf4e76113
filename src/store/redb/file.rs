//! [`RevocationFile`]: the file as rows, opened, read whole, and written in transactions.

use std::{
    any::Any,
    cmp::Reverse,
    collections::BinaryHeap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::{
    backend::Backend,
    error::{FileError, RedbStoreError},
    group::{self, Groups, is_grouped},
    header::Header,
    place::Place,
    storage::{LockedFile, Storage},
    written::AsWritten,
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

/// The file, locked for as long as this lives. After a failure the database in it is closed, and can be opened again.
#[derive(Debug)]
pub(super) struct RevocationFile {
    path: Arc<PathBuf>,
    place: Place,
    storage: Arc<dyn Storage>,
    id: u64,
    /// How many commits were acknowledged. A file with fewer is an older copy.
    commits: u64,
    opened: Option<(Opened, AsWritten)>,
}

#[derive(Debug)]
struct Opened {
    database: Database,
    commits: u64,
    purged_through: Timestamp,
    /// The latest `retain_until` of each group, and its number; the earliest of them first.
    groups: BinaryHeap<Reverse<(Timestamp, u64)>>,
    next_group: u64,
}

/// Is told what a file holds, before the file is known to be sound as a whole.
pub(super) trait Load {
    /// What was purged from the file was to be retained until this instant or before. Called first.
    fn purged_through(&mut self, through: Timestamp);

    /// One row. A key can have several.
    fn row(&mut self, row: Revocation) -> Result<(), FileError>;
}

/// The instants of a commit.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// What is written together is grouped by how long from now it is to be retained.
    pub(super) now: Timestamp,
    /// What the commit deletes, and all before it, was to be retained until this instant or before.
    pub(super) purged_through: Timestamp,
}

impl RevocationFile {
    /// Locks a file and reads all of it; creates it if it does not exist or is empty.
    ///
    /// A file that cannot be used is left as it is.
    pub(super) fn open(
        path: &Path,
        wrap: impl FnOnce(Box<dyn Storage>) -> Box<dyn Storage>,
        load: &mut impl Load,
    ) -> Result<Self, RedbStoreError> {
        let absolute = std::path::absolute(path).map_err(FileError::Open);
        let path = Arc::new(absolute.map_err(|error| RedbStoreError::new(&Arc::new(path.to_owned()), error))?);
        let file = catching(|| {
            let locked = Arc::new(LockedFile::open(&path)?);
            let place = Place::of(Arc::clone(&locked), &path);
            let storage: Arc<dyn Storage> = Arc::from(wrap(Box::new(locked)));
            let opened = match Header::read(&*storage)? {
                Header::Unfinished => Opened::create(&storage, &place)?,
                Header::Complete { commits, .. } => Opened::open(&storage, &place, commits, load)?,
            };
            let Header::Complete { id, .. } = Header::read(place.file())? else {
                return Err(FileError::Overwritten.into());
            };
            let (path, commits) = (Arc::clone(&path), opened.0.commits);
            Ok(Self { path, place, storage, id, commits, opened: Some(opened) })
        });
        let mut file = file.map_err(|error| RedbStoreError::new(&path, error))?;
        file.check_place()?;
        Ok(file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to the open file, and nobody else has written it.
    pub(super) fn check_place(&mut self) -> Result<(), RedbStoreError> {
        let place = catching(|| {
            self.place.check()?;
            match &self.opened {
                Some((_, as_written)) if !as_written.is_in(self.place.file())? => Err(FileError::Overwritten.into()),
                _ => Ok(()),
            }
        });
        if let Err(FileError::Overwritten) = place {
            self.close();
        }
        place.map_err(|error| self.error(error))
    }

    /// Whether there was no failure since the file was opened.
    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Whether a commit would raise `purged_through` or delete a group.
    pub(super) fn is_behind(&self, purged_through: Timestamp) -> bool {
        self.opened.as_ref().is_some_and(|(opened, _)| {
            opened.purged_through < purged_through || opened.earliest_group_through(purged_through).is_some()
        })
    }

    /// Opens the database again after a failure, and reads all of it. The file was locked all the time.
    pub(super) fn reopen(&mut self, load: &mut impl Load) -> Result<(), RedbStoreError> {
        let opened = catching(|| match Header::read(&*self.storage) {
            Ok(Header::Complete { id, commits }) if id == self.id && commits >= self.commits => {
                Ok(Opened::open(&self.storage, &self.place, commits, load)?)
            }
            Ok(_) | Err(FileError::Foreign) => Err(FileError::Overwritten.into()),
            Err(error) => Err(error.into()),
        });
        let opened = opened.map_err(|error| match error {
            FileError::Overwritten => self.error(error),
            error => self.error(FileError::Reopen(Box::new(error))),
        })?;
        self.commits = opened.0.commits;
        self.opened = Some(opened);
        Ok(())
    }

    /// Writes revocations, and deletes those of `dead` and so many groups that were to be retained until `purged_through` or
    /// before: all of it or nothing, and synced. After an error, either is possible.
    pub(super) fn commit<'a>(
        &mut self,
        live: impl IntoIterator<Item = &'a Revocation>,
        dead: &[RevocationKey],
        most_groups: usize,
        times: Times,
    ) -> Result<(), RedbStoreError> {
        let Some((opened, as_written)) = self.opened.as_mut() else {
            return Err(self.error(FileError::Closed));
        };
        let written = catching(|| {
            opened.commit(live, dead, most_groups, times)?;
            as_written.note_commits(&*self.storage, opened.commits)?;
            Ok(opened.commits)
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

    /// Closes the database; the file stays locked.
    pub(super) fn close(&mut self) {
        let Some((opened, as_written)) = self.opened.take() else { return };
        // What closing does not finish, the next opening does.
        let _ = catching(|| {
            // redb writes when it is closed, which would damage a copy that was put in the place of the contents.
            if !as_written.is_in(self.place.file()).unwrap_or(false) {
                as_written.seal();
            }
            drop(opened);
            Ok(())
        });
    }

    fn error(&self, error: FileError) -> RedbStoreError {
        RedbStoreError::new(&self.path, error)
    }
}

impl Opened {
    fn create(storage: &Arc<dyn Storage>, place: &Place) -> Result<(Self, AsWritten), FileError> {
        Header::begin(&**storage)?;
        let backend = Backend::new(Arc::clone(storage)).map_err(FileError::Io)?;
        let mut opened = catching(|| Ok(Self::new(builder().create_with_backend(backend.clone())?)))?;
        let times = Times { now: Timestamp::MIN, purged_through: Timestamp::MIN };
        catching(|| opened.commit([], &[], 0, times))?;
        backend.publish().map_err(FileError::Io)?;
        place.sync_name().map_err(FileError::Io)?;
        Header::complete(&**storage, opened.commits)?;
        let as_written = AsWritten::now(place.file(), backend).map_err(FileError::Io)?;
        Ok((opened, as_written))
    }

    fn open(
        storage: &Arc<dyn Storage>,
        place: &Place,
        least_commits: u64,
        load: &mut impl Load,
    ) -> Result<(Self, AsWritten), FileError> {
        let backend = Backend::new(Arc::clone(storage)).map_err(FileError::Io)?;
        let opened = catching(|| {
            // Verifies the checksum of every page that belongs to a row.
            let database = builder().set_check_integrity_on_open(true).create_with_backend(backend.clone())?;
            let mut opened = Self::new(database);
            opened.read(load)?;
            Ok(opened)
        });
        let opened = opened.map_err(|error| match error {
            // Debug builds of redb panic where release builds report a damaged file.
            FileError::Panicked(what) => FileError::damaged(what),
            error => error,
        })?;
        if opened.commits < least_commits {
            return Err(FileError::damaged(format!(
                "it has lost its latest commit: it had {least_commits}, and has {}",
                opened.commits
            )));
        }
        backend.publish().map_err(FileError::Io)?;
        let mut as_written = AsWritten::now(place.file(), backend).map_err(FileError::Io)?;
        if opened.commits > least_commits {
            as_written.note_commits(&**storage, opened.commits).map_err(FileError::Io)?;
        }
        Ok((opened, as_written))
    }

    fn new(database: Database) -> Self {
        Self { database, commits: 0, purged_through: Timestamp::MIN, groups: BinaryHeap::new(), next_group: 0 }
    }

    /// The group that is to be deleted first, if all of it was to be retained until `through` or before.
    fn earliest_group_through(&self, through: Timestamp) -> Option<u64> {
        self.groups.peek().filter(|Reverse((latest, _))| *latest <= through).map(|Reverse((_, number))| *number)
    }

    /// After an error, this no longer says what is in the file.
    fn commit<'a>(
        &mut self,
        live: impl IntoIterator<Item = &'a Revocation>,
        dead: &[RevocationKey],
        most_groups: usize,
        Times { now, purged_through }: Times,
    ) -> Result<(), Failed> {
        let commits = self.commits + 1;
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        {
            let mut table = transaction.open_table(REVOCATIONS)?;
            table.insert(&STATE, (commits, purged_through.as_unix_millis()))?;
            let mut new_groups = Groups::new(now);
            for row in live {
                if is_grouped(row.key()) {
                    new_groups.push(row);
                    continue;
                }
                let times = (row.issued_through().as_unix_millis(), row.retain_until().as_unix_millis());
                table.insert(row.key().as_bytes(), times)?;
            }
            for key in dead {
                let key = key.as_bytes();
                // It may have been revoked anew since it was purged.
                let is_dead = table.get(key)?.is_some_and(|row| row.value().1 <= purged_through.as_unix_millis());
                if is_dead {
                    table.remove(key)?;
                }
            }
            let mut groups = transaction.open_table(GROUPS)?;
            for _ in 0..most_groups {
                let Some(number) = self.earliest_group_through(purged_through) else { break };
                groups.remove(number)?;
                self.groups.pop();
            }
            for group in new_groups.finish() {
                groups.insert(self.next_group, &*group.bytes)?;
                self.groups.push(Reverse((group.latest, self.next_group)));
                self.next_group += 1;
            }
        }
        transaction.commit()?;
        self.commits = commits;
        self.purged_through = purged_through;
        if self.groups.len() < self.groups.capacity() / 4 {
            self.groups.shrink_to(2 * self.groups.len());
        }
        Ok(())
    }

    /// Reads all rows.
    fn read(&mut self, load: &mut impl Load) -> Result<(), Failed> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(REVOCATIONS)?;
        let state = table.get(&STATE)?.ok_or_else(|| FileError::damaged("it does not say how often it was written"))?;
        let at = Timestamp::from_unix_millis;
        self.commits = state.value().0;
        self.purged_through = at(state.value().1);
        load.purged_through(self.purged_through);
        for row in table.iter()? {
            let (key, times) = row?;
            if key.value() == &STATE {
                continue;
            }
            let key = RevocationKey::from_bytes(*key.value());
            let key = key.ok_or_else(|| FileError::damaged("a row has a key of no known kind"))?;
            let (issued_through, retain_until) = times.value();
            load.row(Revocation::new(key, at(issued_through), at(retain_until)))?;
        }
        for group in transaction.open_table(GROUPS)?.iter()? {
            let (number, bytes) = group?;
            let mut latest = Timestamp::MIN;
            for row in group::rows(bytes.value())? {
                let row = row?;
                latest = latest.max(row.retain_until());
                load.row(row)?;
            }
            self.groups.push(Reverse((latest, number.value())));
            self.next_group = number.value() + 1;
        }
        Ok(())
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Any of redb's many error types, or one of ours.
struct Failed(FileError);

impl<E: Into<redb::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(FileError::from_redb(error.into()))
    }
}

impl From<FileError> for Failed {
    fn from(error: FileError) -> Self {
        Self(error)
    }
}

/// Calls redb, and makes a panic in it an error.
fn catching<T>(call: impl FnOnce() -> Result<T, Failed>) -> Result<T, FileError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|Failed(error)| error),
        Err(panic) => Err(FileError::Panicked(text(&*panic).to_owned())),
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "it did not say why",
    }
}

const REVOCATIONS: TableDefinition<'_, &[u8; RevocationKey::LEN], (u64, u64)> = TableDefinition::new("revocations");

const GROUPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("groups");

/// The key of the row that is no revocation: no kind of key begins with a zero.
const STATE: [u8; RevocationKey::LEN] = [0; RevocationKey::LEN];

/// All checks are answered from the set, so a cache helps the writer alone.
const CACHE_BYTES: usize = 64 << 20;
