//! Creation of the tables.

use std::{sync::Arc, time::Duration};

use super::{
    PostgresStore,
    error::PostgresError,
    layout::check_layout,
    options::PostgresStoreOptions,
    schema::Schema,
    shared::Shared,
    statements::{LOCK_MIGRATION, SetupStatements},
};
use crate::store::StoreError;

impl PostgresStore {
    /// Creates the tables if they do not exist. Any number of nodes may call it at the same time,
    /// and whenever they start.
    ///
    /// The role needs the right to create a schema in the database, or to create tables in the
    /// schema if that exists; neither is needed if the tables exist. Where other tools run the
    /// migrations, [`schema_sql`](Self::schema_sql) has the SQL. The call takes at most 30 s.
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

impl PostgresStore {
    /// Returns the SQL that [`migrate`](Self::migrate) runs, for the default schema. See
    /// [`PostgresStoreOptions::schema_sql`].
    #[must_use]
    pub fn schema_sql() -> String {
        sql(&Schema::default())
    }
}

impl PostgresStoreOptions {
    /// Returns the SQL that [`PostgresStore::migrate`] runs, for teams that run migrations
    /// themselves, with another role than that of the application.
    ///
    /// It may be run more than once. Its last lines are comments: the `grant` statements for the
    /// role of the application, which is named `app` there. With these rights, the role may not
    /// create anything, and `migrate` succeeds because nothing is left to do.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the name of the schema is invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), tower_logout::store::StoreError> {
    /// use tower_logout::PostgresStore;
    ///
    /// let sql = PostgresStore::options().schema("logout").schema_sql()?;
    /// assert!(sql.starts_with("begin;\ncreate schema if not exists \"logout\";"));
    /// assert!(sql.contains("-- grant usage on schema \"logout\" to app;"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema_sql(&self) -> Result<String, StoreError> {
        Schema::new(&self.schema).map(|schema| sql(&schema)).map_err(|error| error.in_operation("migrate"))
    }
}

fn sql(schema: &Schema) -> String {
    let SetupStatements { create_schema, create_tables, restored, .. } = SetupStatements::new(schema);
    let [create_schema, create_tables, restored] =
        [&create_schema, &create_tables, &restored].map(|sql| sql.trim_end());
    let grants = schema.apply(include_str!("sql/grants.sql"));
    let grants: Vec<_> = grants.lines().map(|line| format!("-- {line}\n")).collect();
    format!("begin;\n{create_schema};\n\n{create_tables}\n\n{restored};\ncommit;\n\n{}", grants.concat())
}

impl Shared {
    async fn migrate(&self) -> Result<(), PostgresError> {
        let setup = &self.setup;
        let mut session = self.sessions.acquire().await?;
        let client = Arc::clone(session.begin()?);
        client.batch_execute("begin").await?;
        client.query_typed(LOCK_MIGRATION, &[]).await?;
        let existing = client.query_typed(&setup.existing, &[]).await?;
        let existing = existing.first().ok_or(PostgresError::NoRow)?;
        let (schema, state): (bool, bool) = (existing.try_get(0)?, existing.try_get(1)?);
        let layout = if state { client.query_typed(&setup.layout, &[]).await? } else { Vec::new() };
        if let Some(row) = layout.first() {
            check_layout(row.try_get(0)?)?;
        } else {
            if !schema {
                client.batch_execute(&setup.create_schema).await?;
            }
            client.batch_execute(&setup.create_tables).await?;
        }
        client.batch_execute(&setup.restored).await?;
        client.batch_execute("commit").await?;
        session.finish();
        Ok(())
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);
