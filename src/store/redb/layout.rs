//! Names and sizes of the file layout, format 1, as `docs/redb-layout.md` describes it.

use redb::TableDefinition;

use crate::revocation::RevocationKey;

/// The format that is written, and the highest that can be read.
pub(super) const FORMAT: u32 = 1;

pub(super) const PAGE_LEN: usize = 4096;

/// Where redb's pages begin.
pub(super) const HEADER_LEN: u64 = PAGE_LEN as u64;

pub(super) const REVOCATIONS: TableDefinition<'_, &[u8; RevocationKey::LEN], (u64, u64)> =
    TableDefinition::new("revocations");

/// The key of the row in `revocations` with the number of commits and the purge watermark. It is no
/// revocation key, because none begins with a zero byte.
pub(super) const STATE: [u8; RevocationKey::LEN] = [0; RevocationKey::LEN];

pub(super) const GROUPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("groups");

/// The length of a row of a group.
pub(super) const ROW_LEN: usize = RevocationKey::LEN + 2 * size_of::<u64>();
