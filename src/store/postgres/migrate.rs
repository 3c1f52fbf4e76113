//! Creates the tables.

use std::time::Duration;

use super::{PostgresStore, error::PostgresError, layout::check_layout, shared::Shared, statements::LOCK_MIGRATION};
use crate::store::StoreError;

impl PostgresStore {
    /// Creates the tables unless they exist. Any number of nodes may call it at the same time, and
    /// each time they start.
    ///
    /// It needs the right to create a schema in the database, or to create tables in the schema if
    /// that exists. If the tables exist, it needs neither. It takes at most 30 s.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the tables cannot be created, or are of a later version of this crate.
    /// Nothing has then changed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let migrated = shared.within(TIMEOUT, "migrate", async {
            shared.statements().await?;
            loop {
                match shared.migrate().await {
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(error),
                    // Now that there are tables, the statements are tried on them.
                    Ok(()) => return shared.statements().await.map(drop),
                }
            }
        });
        migrated.await
    }
}

impl Shared {
    async fn migrate(&self) -> Result<(), PostgresError> {
        let setup = &self.setup;
        let mut session = self.sessions.acquire().await?;
        let transaction = session.begin()?.transaction().await?;
        transaction.query_typed(LOCK_MIGRATION, &[]).await?;
        let existing = transaction.query_typed(&setup.existing, &[]).await?;
        let existing = existing.first().ok_or(PostgresError::NoRow)?;
        let (schema, state): (bool, bool) = (existing.try_get(0)?, existing.try_get(1)?);
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
        session.finish();
        Ok(())
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);
