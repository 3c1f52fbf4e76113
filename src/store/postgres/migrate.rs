//! Creates the tables.

use std::time::Duration;

use super::{PostgresStore, Shared, error::PostgresError, here::check_layout, statements::LOCK_MIGRATION};
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
            shared.ready().await?;
            loop {
                match shared.migrate().await {
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(error),
                    // Now there are tables to try.
                    Ok(()) => return shared.ready().await.map(drop),
                }
            }
        });
        migrated.await
    }
}

impl Shared {
    async fn migrate(&self) -> Result<(), PostgresError> {
        let setup = &self.setup;
        let mut lease = self.sessions.lease().await?;
        let transaction = lease.begin()?.transaction().await?;
        transaction.query_typed(LOCK_MIGRATION, &[]).await?;
        let there = transaction.query_typed(&setup.there, &[]).await?;
        let there = there.first().ok_or(PostgresError::NoRow)?;
        let (schema, state): (bool, bool) = (there.try_get(0)?, there.try_get(1)?);
        let layout = if state { transaction.query_typed(&setup.layout, &[]).await? } else { Vec::new() };
        if let Some(row) = layout.first() {
            check_layout(row.try_get(0)?)?;
        } else {
            if !schema {
                transaction.batch_execute(&setup.create_schema).await?;
            }
            transaction.batch_execute(&setup.create_tables).await?;
        }
        transaction.batch_execute(&setup.restored).await?;
        transaction.commit().await?;
        lease.end();
        Ok(())
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
