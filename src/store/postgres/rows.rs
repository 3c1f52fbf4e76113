//! Revocations as rows.

use tokio_postgres::Row;

use super::error::PostgresError;
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

/// The end of time, in the database and here, is the same.
pub(super) fn to_column(instant: Timestamp) -> i64 {
    i64::try_from(instant.as_unix_millis()).unwrap_or(i64::MAX)
}

pub(super) fn to_timestamp(column: i64) -> Result<Timestamp, PostgresError> {
    match u64::try_from(column) {
        Ok(_) if column == i64::MAX => Ok(Timestamp::MAX),
        Ok(millis) => Ok(Timestamp::from_unix_millis(millis)),
        Err(_) => Err(PostgresError::Damaged("an instant before the epoch")),
    }
}

/// The revocation that a row has in three columns, or `None` if its kind is one that this version does not know: no token here carries it.
pub(super) fn to_revocation(row: &Row, first: usize) -> Result<Option<Revocation>, PostgresError> {
    let key: &[u8] = row.try_get(first)?;
    let key =
        <[u8; RevocationKey::LEN]>::try_from(key).map_err(|_| PostgresError::Damaged("a key of another length"))?;
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
