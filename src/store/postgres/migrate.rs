//! Creation of the tables.

use std::time::Duration;

use super::{PostgresStore, error::PostgresError, layout::check_layout, shared::Shared, statements::LOCK_MIGRATION};
use crate::store::StoreError;

impl PostgresStore {
    /// Creates the tables if they do not exist. Any number of nodes may call it at the same time,
    /// and whenever they start.
    ///
    /// The role needs the right to create a schema in the database, or to create tables in the
    /// schema if that exists; neither is needed if the tables exist. The call takes at most 30 s.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the tables cannot be created, or were created by a later version of this
    /// crate. They are then unchanged.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the tables either created or unchanged.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let migrated = shared.within(TIMEOUT, "migrate", async {
            shared.statements().await?;
            loop {
                match shared.migrate().await {
                    Err(error) if error.is_conflict() => {}
                    Err(error) => return Err(error),
                    // The tables exist now, so the statements are tried on them.
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
