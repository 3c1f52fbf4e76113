//! Checks tokens on the server.

use super::{
    error::PostgresError, layout::to_column, loss::KnownRows, shared::Shared, status::TableStatus, value::Value,
};
use crate::revocation::TokenIdentity;

impl Shared {
    /// Returns whether a token is revoked, for a store that is used directly.
    pub(super) async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, PostgresError> {
        let known = self.loss.known_rows();
        let (status, revoked) = self.is_revoked_and_status(token, &known).await?;
        // A revocation that was found is valid, even if others were lost.
        if revoked {
            return Ok(true);
        }
        self.loss.check(&known, &status).map(|()| false)
    }

    /// Returns whether a token is revoked, and the state of the tables at that time.
    pub(super) async fn is_revoked_and_status(
        &self,
        token: &TokenIdentity,
        known: &KnownRows,
    ) -> Result<(TableStatus, bool), PostgresError> {
        let statements = self.statements().await?;
        let keys = token.keys().iter().map(|key| &key.as_bytes()[..]).collect();
        let token = token_values(keys, to_column(token.issued_at()), to_column(token.retain_until()));
        let values: Vec<_> = known.values().into_iter().chain(token).collect();
        let rows = self.sessions.query(&statements.is_revoked, &values).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        Ok((TableStatus::read(row, self.schema.name())?, row.try_get("revoked")?))
    }
}

/// The parameters `$4` to `$6` of `sql/is_revoked.sql`: a token.
pub(super) fn token_values(keys: Vec<&[u8]>, issued_at: i64, retain_until: i64) -> [Value<'_>; 3] {
    [Value::Keys(keys), Value::Number(issued_at), Value::Number(retain_until)]
}
