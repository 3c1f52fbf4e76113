//! Creates the tables, and looks at what there is.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::{
    PostgresStore, Shared,
    cursor::check_layout,
    error::PostgresError,
    statements::{LOCK_MIGRATION, SCHEMA_EXISTS, SERVER},
};
use crate::store::StoreError;

impl PostgresStore {
    /// Creates the tables if they are not there. Any number of nodes may do so at the same time, and each time they start.
    ///
    /// It needs the right to create a schema in the database, or if there is one of that name, to create tables in it; where the tables are there, it needs neither. It takes at most half a minute.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the tables cannot be created, or are of a later version of this crate. Nothing has changed then.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let migrated = shared.bounded_by(PATIENCE, "migrate", async {
            loop {
                match shared.migrate().await {
                    Err(error) if error.is_conflict() => {}
                    done => return done,
                }
            }
        });
        migrated.await
    }
}

impl Shared {
    /// Whether this is a server that the store can work with.
    pub(super) async fn check_server(&self) -> Result<(), PostgresError> {
        let state = [(&self.statements.state_table as _, Type::TEXT)];
        let (rows, mut lease) = self.sessions.query(SERVER, &state).await?;
        let row = rows.first().ok_or(PostgresError::Damaged("a question without an answer"))?;
        let version = row.try_get(0)?;
        if version < OLDEST_SERVER {
            return Err(PostgresError::OldServer(version));
        }
        if row.try_get(1)? {
            return Err(PostgresError::Standby);
        }
        if row.try_get(2)? {
            for row in lease.query(&self.statements.layout, &[]).await? {
                check_layout(row.try_get(0)?)?;
            }
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<(), PostgresError> {
        let statements = &self.statements;
        let mut lease = self.sessions.lease().await?;
        let transaction = lease.begin()?.transaction().await?;
        transaction.query_typed(LOCK_MIGRATION, &[]).await?;
        let names = [(&self.schema.quoted() as _, Type::TEXT), (&statements.state_table as _, Type::TEXT)];
        let there = transaction.query_typed(SCHEMA_EXISTS, &names).await?;
        let there = there.first().ok_or(PostgresError::Damaged("a question without an answer"))?;
        let (schema, state): (bool, bool) = (there.try_get(0)?, there.try_get(1)?);
        let layout = if state { transaction.query_typed(&statements.layout, &[]).await? } else { Vec::new() };
        if let Some(row) = layout.first() {
            check_layout(row.try_get(0)?)?;
        } else {
            if !schema {
                transaction.batch_execute(&statements.create_schema).await?;
            }
            transaction.batch_execute(&statements.create_tables).await?;
        }
        transaction.batch_execute(&statements.restored).await?;
        transaction.commit().await?;
        lease.end();
        Ok(())
    }
}

const OLDEST_SERVER: i32 = 130_000;
const PATIENCE: Duration = Duration::from_secs(30);
