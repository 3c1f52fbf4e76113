//! Encoding of revocations in the tables: layout 1, as `docs/postgres-layout.md` describes it.

use tokio_postgres::Row;

use super::error::PostgresError;
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

/// The version of the layout that the statements use.
pub(super) const LAYOUT: i32 = 1;

/// Checks the version in `state.layout`.
pub(super) fn check_layout(layout: i32) -> Result<(), PostgresError> {
    match layout {
        LAYOUT => Ok(()),
        ..LAYOUT => Err(PostgresError::Damaged("`state.layout` is not a known version")),
        _ => Err(PostgresError::NewerLayout(layout)),
    }
}

/// A row of `revocation`, with the columns as they are stored.
#[derive(Clone, Debug)]
pub(super) struct StoredRow {
    pub(super) key: Vec<u8>,
    pub(super) issued_through: i64,
    pub(super) retain_until: i64,
}

/// Converts to milliseconds since the Unix epoch. [`Timestamp::MAX`] is the greatest `bigint`.
pub(super) fn to_column(instant: Timestamp) -> i64 {
    i64::try_from(instant.as_unix_millis()).unwrap_or(i64::MAX)
}

/// Converts from milliseconds since the Unix epoch. The greatest `bigint` is [`Timestamp::MAX`].
pub(super) fn to_timestamp(column: i64) -> Result<Timestamp, PostgresError> {
    match u64::try_from(column) {
        Ok(_) if column == i64::MAX => Ok(Timestamp::MAX),
        Ok(millis) => Ok(Timestamp::from_unix_millis(millis)),
        Err(_) => Err(PostgresError::Damaged("an instant is before the Unix epoch")),
    }
}

/// Reads a revocation from three columns, beginning with `first`.
///
/// Returns `None` if this version does not know the kind of the key. No token that it verifies has
/// such a key.
pub(super) fn to_revocation(row: &Row, first: usize) -> Result<Option<Revocation>, PostgresError> {
    let key: &[u8] = row.try_get(first)?;
    let key =
        <[u8; RevocationKey::LEN]>::try_from(key).map_err(|_| PostgresError::Damaged("a key is not 16 bytes long"))?;
    let issued_through = to_timestamp(row.try_get(first + 1)?)?;
    let retain_until = to_timestamp(row.try_get(first + 2)?)?;
    Ok(RevocationKey::from_bytes(key).map(|key| Revocation::new(key, issued_through, retain_until)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_keep_their_order_and_the_end_of_time() {
        for instant in [0, 1, u64::MAX / 2 - 1].map(Timestamp::from_unix_millis) {
            assert!(to_timestamp(to_column(instant)).is_ok_and(|read| read == instant));
        }
        for instant in [u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX].map(Timestamp::from_unix_millis) {
            assert!(to_timestamp(to_column(instant)).is_ok_and(|read| read == Timestamp::MAX));
        }
        assert!(to_timestamp(-1).is_err());
    }
}
