//! Stores revocations on the server.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::{
    error::PostgresError,
    layout::{StoredRow, check_layout, to_column},
    shared::Shared,
};
use crate::revocation::{Outcome, Revocation};

impl Shared {
    pub(super) async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, PostgresError> {
        let statements = self.statements().await?;
        let key = revocation.key();
        let key: &[u8] = key.as_bytes();
        let issued_through = to_column(revocation.issued_through());
        let retain_until = to_column(revocation.retain_until());
        let lock_timeout = self.lock_timeout();
        let params = [
            (&key as _, Type::BYTEA),
            (&issued_through as _, Type::INT8),
            (&retain_until as _, Type::INT8),
            (&lock_timeout as _, Type::TEXT),
        ];
        // The second attempt sees changes that another transaction has committed during the first.
        for _ in 0..ATTEMPTS {
            let (rows, session) = self.sessions.write(&statements.revoke, &params).await?;
            let row = rows.first().ok_or_else(|| self.not_migrated())?;
            if row.try_get("row_security")? {
                return Err(PostgresError::RowSecurity(self.schema.name().to_owned()));
            }
            let layout: Option<i32> = row.try_get("layout")?;
            check_layout(layout.ok_or_else(|| self.not_migrated())?)?;
            if row.try_get("stored")? {
                self.loss.add_written(StoredRow { key: key.to_vec(), issued_through, retain_until });
                let newly: Option<bool> = row.try_get("newly")?;
                if newly.is_some() {
                    self.notifier.notify(session, Arc::clone(&self.channel), self.timeout);
                }
                return Ok(if newly == Some(true) { Outcome::Newly } else { Outcome::Already });
            }
        }
        Err(PostgresError::NotStored)
    }
}

const ATTEMPTS: usize = 2;
