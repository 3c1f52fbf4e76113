//! Stores revocations on the server.

use tokio_postgres::Row;

use super::{
    error::PostgresError,
    layout::{check_layout, to_column},
    shared::Shared,
    value::Value,
};
use crate::revocation::{Outcome, Revocation};

impl Shared {
    pub(super) async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, PostgresError> {
        let statements = self.statements().await?;
        let key = revocation.key();
        let lock_timeout = Self::lock_timeout(self.timeout);
        let values = [
            Value::Key(key.as_bytes()),
            Value::Number(to_column(revocation.issued_through())),
            Value::Number(to_column(revocation.retain_until())),
            Value::Text(Some(&lock_timeout)),
        ];
        for _ in 0..ATTEMPTS {
            let rows = self.sessions.write(&statements.revoke, &values, &self.channel).await?;
            let row = rows.first().ok_or_else(|| self.not_migrated())?;
            if let Some(outcome) = self.outcome(row)? {
                self.loss.add_written(revocation);
                return Ok(outcome);
            }
        }
        Err(PostgresError::NotStored)
    }

    /// Reads whether a revocation was stored, and with which outcome. If it was not, the next
    /// attempt sees the changes that another transaction has committed during this one.
    pub(super) fn outcome(&self, row: &Row) -> Result<Option<Outcome>, PostgresError> {
        if row.try_get("row_security")? {
            return Err(PostgresError::RowSecurity(self.schema.name().to_owned()));
        }
        let layout: Option<i32> = row.try_get("layout")?;
        check_layout(layout.ok_or_else(|| self.not_migrated())?)?;
        if !row.try_get("stored")? {
            return Ok(None);
        }
        let newly: Option<bool> = row.try_get("newly")?;
        Ok(Some(if newly == Some(true) { Outcome::Newly } else { Outcome::Already }))
    }
}

/// How often a revocation that another transaction has kept from being stored is sent.
pub(super) const ATTEMPTS: usize = 2;
