//! The layout of the file, format 1.
//!
//! The first page, of 4096 bytes, belongs to this crate (`header.rs` describes it). After it comes
//! a database of redb 4 with two tables. `revocations` has a row for each session, subject, client,
//! issuer and claim, which are revoked again and again, and for `everything`:
//!
//! | key, 16 bytes | value, two `u64` |
//! |---|---|
//! | a [`RevocationKey`] | `issued_through`, `retain_until`, in ms since the Unix epoch |
//! | sixteen zero bytes | the number of commits, and the purge watermark in ms since the Unix epoch |
//!
//! `groups` has the revocations of single tokens. A group holds those that were written together
//! and are to be retained for about as long:
//!
//! | key, `u64` | value, one or more rows of 32 bytes |
//! |---|---|
//! | in the order of writing | a [`RevocationKey`], `issued_through`, `retain_until`; two `u64`, least significant byte first |
//!
//! A group is never changed. It is deleted when the purge watermark reaches the latest
//! `retain_until` of its rows; rows that have expired can therefore stay for about as long as they
//! were retained. A token that was revoked twice can be in two groups.

use redb::TableDefinition;

use crate::revocation::RevocationKey;

/// The format of files that are written, and the highest that can be read.
pub(super) const FORMAT: u32 = 1;

pub(super) const PAGE_LEN: usize = 4096;

/// Where redb's pages begin.
pub(super) const HEADER_LEN: u64 = PAGE_LEN as u64;

pub(super) const REVOCATIONS: TableDefinition<'_, &[u8; RevocationKey::LEN], (u64, u64)> =
    TableDefinition::new("revocations");

/// The key of the row in `revocations` that is not a revocation: no kind of key begins with a zero.
pub(super) const STATE: [u8; RevocationKey::LEN] = [0; RevocationKey::LEN];

pub(super) const GROUPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("groups");

/// The length of a row of a group.
pub(super) const ROW_LEN: usize = RevocationKey::LEN + 2 * size_of::<u64>();
