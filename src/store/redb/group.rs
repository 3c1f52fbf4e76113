//! Groups: revocations of single tokens that are written and deleted together.

use std::collections::BTreeMap;

use super::{error::FileError, layout::ROW_LEN};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

/// Whether revocations of a key are written to groups. Such a key is hardly ever revoked again, so
/// its row need not be found by key.
pub(super) fn is_grouped(key: RevocationKey) -> bool {
    key.kind().is_of_one_token()
}

/// Groups under construction. Within a group, the remaining retention of the rows differs by less
/// than a factor of two, or by a minute. Although a group is deleted as a whole, no row is
/// therefore kept for more than twice its retention.
pub(super) struct Groups {
    now: Timestamp,
    by_class: BTreeMap<u32, Group>,
}

#[derive(Default)]
pub(super) struct Group {
    pub(super) bytes: Vec<u8>,
    /// The latest `retain_until` of its rows.
    pub(super) latest: Timestamp,
}

impl Groups {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, by_class: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, row: &Revocation) {
        let minutes = row.retain_until().saturating_since(self.now).as_secs() / 60;
        let group = self.by_class.entry(minutes.checked_ilog2().map_or(0, |log| log + 1)).or_default();
        group.bytes.extend_from_slice(row.key().as_bytes());
        for time in [row.issued_through(), row.retain_until()] {
            group.bytes.extend_from_slice(&time.as_unix_millis().to_le_bytes());
        }
        group.latest = group.latest.max(row.retain_until());
    }

    pub(super) fn finish(self) -> impl Iterator<Item = Group> {
        self.by_class.into_values()
    }
}

/// Reads the rows of a group.
pub(super) fn rows(bytes: &[u8]) -> Result<impl Iterator<Item = Result<Revocation, FileError>>, FileError> {
    match bytes.as_chunks::<ROW_LEN>() {
        ([], _) | (_, [_, ..]) => Err(FileError::damaged("a group does not consist of whole rows")),
        (rows, []) => Ok(rows.iter().map(row)),
    }
}

fn row(bytes: &[u8; ROW_LEN]) -> Result<Revocation, FileError> {
    let (key, times) = bytes.split_at(RevocationKey::LEN);
    let key = key.first_chunk().and_then(|key| RevocationKey::from_bytes(*key));
    let key = key.ok_or_else(|| FileError::damaged("a row of a group has a key of an unknown kind"))?;
    let mut times = times.as_chunks().0.iter().map(|time| Timestamp::from_unix_millis(u64::from_le_bytes(*time)));
    let (Some(issued_through), Some(retain_until)) = (times.next(), times.next()) else {
        return Err(FileError::damaged("a row of a group is truncated"));
    };
    Ok(Revocation::new(key, issued_through, retain_until))
}
