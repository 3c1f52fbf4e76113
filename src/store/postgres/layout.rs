//! How revocations are stored in the tables: layout 1 of `docs/postgres-layout.md`.

use tokio_postgres::Row;

use super::error::PostgresError;
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

/// The version of the layout that the store's statements are written for.
pub(super) const LAYOUT: i32 = 1;

/// Checks the version that `state.layout` names.
pub(super) fn check_layout(layout: i32) -> Result<(), PostgresError> {
    match layout {
        LAYOUT => Ok(()),
        ..LAYOUT => Err(PostgresError::Damaged("`state.layout` is a version that never existed")),
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

/// Reads the revocation in the three columns from `first` on.
///
/// Returns `None` if this version does not know the kind of the key: no token has such a key here.
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
