//! Checks tokens on the server.

use tokio_postgres::types::{ToSql, Type};

use super::{error::PostgresError, layout::to_column, loss::KnownRows, shared::Shared, status::TableStatus};
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
        let (expected, token) = (known.columns(), TokenColumns::new(token));
        let params: Vec<_> = expected.params().into_iter().chain(token.params()).collect();
        let rows = self.sessions.query(&statements.is_revoked, &params).await?;
        let row = rows.first().ok_or_else(|| self.not_migrated())?;
        Ok((TableStatus::read(row, self.schema.name())?, row.try_get("revoked")?))
    }
}

/// A token as parameters of a statement.
pub(super) struct TokenColumns<'a> {
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) issued_at: i64,
    pub(super) retain_until: i64,
}

impl<'a> TokenColumns<'a> {
    fn new(token: &'a TokenIdentity) -> Self {
        Self {
            keys: token.keys().iter().map(|key| &key.as_bytes()[..]).collect(),
            issued_at: to_column(token.issued_at()),
            retain_until: to_column(token.retain_until()),
        }
    }

    /// The parameters `$4` to `$6` of `sql/is_revoked.sql`.
    pub(super) fn params(&self) -> [(&(dyn ToSql + Sync), Type); 3] {
        [(&self.keys, Type::BYTEA_ARRAY), (&self.issued_at, Type::INT8), (&self.retain_until, Type::INT8)]
    }
}
