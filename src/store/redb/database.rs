//! [`RevocationDatabase`]: the rows of the file. They are read all at once and written in
//! transactions.

use std::{cmp::Reverse, collections::BinaryHeap};

use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable};

use super::{
    backend::Backend,
    catch::{Failed, catching},
    error::FileError,
    group::{self, Groups, is_grouped},
    layout::{GROUPS, REVOCATIONS, STATE},
    load::Load,
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

#[derive(Debug)]
pub(super) struct RevocationDatabase {
    database: Database,
    commits: u64,
    purged_through: Timestamp,
    /// The latest `retain_until` and the number of each group, earliest first.
    groups: BinaryHeap<Reverse<(Timestamp, u64)>>,
    next_group: u64,
}

/// The changes of a commit.
pub(super) struct Changes<'a, L> {
    pub(super) live: L,
    /// Keys of rows to delete, provided that their `retain_until` is at or before `purged_through`.
    pub(super) expired: &'a [RevocationKey],
    /// The maximum number of groups to delete.
    pub(super) max_groups: usize,
    /// The current time. Rows that are written together are grouped by their remaining retention.
    pub(super) now: Timestamp,
    /// The purge watermark: no deleted row has a later `retain_until`.
    pub(super) purged_through: Timestamp,
}

impl RevocationDatabase {
    pub(super) fn create(backend: Backend) -> Result<Self, FileError> {
        catching(|| {
            let mut created = Self::new(builder().create_with_backend(backend)?);
            let (now, purged_through) = (Timestamp::MIN, Timestamp::MIN);
            created.commit(Changes { live: [], expired: &[], max_groups: 0, now, purged_through })?;
            Ok(created)
        })
    }

    /// Opens a database and reads all of its rows.
    pub(super) fn open(backend: Backend, load: &mut impl Load) -> Result<Self, FileError> {
        let opened = catching(|| {
            // Verifies the checksum of every page that belongs to a row.
            let database = builder().set_check_integrity_on_open(true).create_with_backend(backend)?;
            let mut opened = Self::new(database);
            opened.read(load)?;
            Ok(opened)
        });
        opened.map_err(|error| match error {
            // Debug builds of redb panic where release builds report a damaged file.
            FileError::Panicked(message) => FileError::damaged(message),
            error => error,
        })
    }

    fn new(database: Database) -> Self {
        Self { database, commits: 0, purged_through: Timestamp::MIN, groups: BinaryHeap::new(), next_group: 0 }
    }

    /// The number of commits since the file was created.
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }

    /// Whether a commit would raise the purge watermark or delete a group.
    pub(super) fn is_behind(&self, purged_through: Timestamp) -> bool {
        self.purged_through < purged_through || self.expired_group(purged_through).is_some()
    }

    /// The next group in which no row has a `retain_until` after `watermark`.
    fn expired_group(&self, watermark: Timestamp) -> Option<u64> {
        self.groups.peek().filter(|Reverse((latest, _))| *latest <= watermark).map(|Reverse((_, number))| *number)
    }

    /// Makes all of the changes or none, and syncs them. After an error, `self` may differ from the
    /// file.
    pub(super) fn commit<'a>(
        &mut self,
        changes: Changes<'_, impl IntoIterator<Item = &'a Revocation>>,
    ) -> Result<(), Failed> {
        let Changes { live, expired, max_groups, now, purged_through } = changes;
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
            for key in expired {
                let key = key.as_bytes();
                // The key may have been revoked again since it was purged.
                let is_expired = table.get(key)?.is_some_and(|row| row.value().1 <= purged_through.as_unix_millis());
                if is_expired {
                    table.remove(key)?;
                }
            }
            let mut groups = transaction.open_table(GROUPS)?;
            for _ in 0..max_groups {
                let Some(number) = self.expired_group(purged_through) else { break };
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

    fn read(&mut self, load: &mut impl Load) -> Result<(), Failed> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(REVOCATIONS)?;
        let state = table.get(&STATE)?.ok_or_else(|| FileError::damaged("the number of its commits is missing"))?;
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
            let key = key.ok_or_else(|| FileError::damaged("a row has a key of an unknown kind"))?;
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

/// Checks are answered from the set, so only the writer uses the cache.
const CACHE_BYTES: usize = 64 << 20;
