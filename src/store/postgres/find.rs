//! Looks up revocations on the server.

use super::{
    error::PostgresError,
    layout::to_revocation,
    loss::KnownRows,
    shared::Shared,
    status::{STATUS_COLUMNS, TableStatus},
    value::Value,
};
use crate::revocation::{Revocation, RevocationKey};

impl Shared {
    /// Returns the revocation of a key, for a store that is used directly.
    pub(super) async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, PostgresError> {
        let known = self.loss.known_rows();
        let (status, found) = self.find_and_status(key, &known).await?;
        // Also if it was found: the row may come from an older copy of the table.
        self.loss.check(&known, &status).map(|()| found)
    }

    /// Returns the revocation of a key, and the state of the tables at that time.
    pub(super) async fn find_and_status(
        &self,
        key: RevocationKey,
        known: &KnownRows,
    ) -> Result<(TableStatus, Option<Revocation>), PostgresError> {
        let statements = self.statements().await?;
        let values: Vec<_> = known.values().into_iter().chain([Value::Key(key.as_bytes())]).collect();
        let rows = self.sessions.query(&statements.find, &values).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        let status = TableStatus::read(row, self.schema.name())?;
        let found = row.try_get::<_, Option<&[u8]>>(STATUS_COLUMNS)?.map(|_| to_revocation(row, STATUS_COLUMNS));
        Ok((status, found.transpose()?.flatten()))
    }
}
