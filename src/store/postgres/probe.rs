//! Tries all statements before the first use: verifies that the server supports them, that the role
//! has the rights, and that the tables have the right layout.

use tokio_postgres::{Error, Row};

use super::{
    check::token_values,
    cursor::FollowParams,
    error::PostgresError,
    layout::check_layout,
    loss::KnownRows,
    rights::MissingRights,
    server::{Server, is_unsupported},
    session::query_all,
    shared::Shared,
    statements::{CrashMarker, NOTIFY, Statements},
    status::TableStatus,
    value::Value,
};
use crate::revocation::RevocationKey;

impl Shared {
    /// Returns the statements for this server, after verifying that they work there.
    ///
    /// Until the tables exist, this is repeated with each call.
    pub(super) async fn statements(&self) -> Result<&Statements, PostgresError> {
        if let Some(&marker) = self.verified.get() {
            return Ok(self.statements_with(marker));
        }
        // One call verifies at a time; the others use its result.
        let _turn = self.verifying.lock().await;
        if let Some(&marker) = self.verified.get() {
            return Ok(self.statements_with(marker));
        }
        match self.verify().await {
            Ok(marker) => Ok(self.statements_with(marker)),
            Err(error) => match error.explained(self.schema.name()) {
                PostgresError::Rights(_, cause) => Err(self.missing_rights(cause).await),
                error => Err(error),
            },
        }
    }

    fn statements_with(&self, marker: CrashMarker) -> &Statements {
        match marker {
            CrashMarker::ReplayedThrough => &self.statements_by_replay,
            CrashMarker::StatisticsReset => &self.statements_by_statistics,
        }
    }

    async fn verify(&self) -> Result<CrashMarker, PostgresError> {
        let server = self.identify_server().await?;
        if self.try_statements(&server).await? {
            let _ = self.verified.set(server.crash_marker);
        }
        Ok(server.crash_marker)
    }

    /// Runs all statements in a transaction that is rolled back. Returns whether the tables are set
    /// up.
    async fn try_statements(&self, server: &Server) -> Result<bool, PostgresError> {
        let statements = self.statements_with(server.crash_marker);
        let probe = probe_key()?;
        let (key, lock_timeout) = (&probe[..], Self::lock_timeout(self.timeout));
        let lock_timeout = || Value::Text(Some(&lock_timeout));
        let revoke = |through| [Value::Key(key), Value::Number(through), Value::Number(i64::MAX), lock_timeout()];
        let (insert, update) = (revoke(0), revoke(1));
        let revoke_all =
            [Value::Keys(vec![key]), Value::Numbers(vec![2]), Value::Numbers(vec![i64::MAX]), lock_timeout()];
        let expected = KnownRows::default();
        let check: Vec<_> = expected.values().into_iter().chain(token_values(vec![key], 0, i64::MAX)).collect();
        let find: Vec<_> = expected.values().into_iter().chain([Value::Key(key)]).collect();
        let follow: Vec<_> = expected.values().into_iter().chain(FollowParams::nothing().into_values()).collect();
        let (no_rows, channel) = ([Value::Number(0)], [Value::Text(Some(&self.channel))]);

        let mut tried: Vec<(&str, &[Value<'_>])> = vec![(ADVISORY_LOCK, &[]), (SNAPSHOTS, &[])];
        if !self.poll_only {
            tried.push((&self.setup.listen, &[]));
        }
        let without_tables = tried.len();
        if server.has_tables {
            tried.extend([
                (statements.revoke.text(), &insert[..]),
                (statements.revoke.text(), &update),
                (&statements.is_revoked, &check),
                (statements.revoke_all.text(), &revoke_all),
                (&statements.find, &find),
                (statements.follow.text(), &follow),
                (&statements.prune, &no_rows),
                (NOTIFY, &channel),
            ]);
        }
        tried.push(("rollback", &[]));

        let mut session = self.sessions.acquire().await?;
        let client = session.begin()?;
        client.query_typed("begin", &[]).await?;
        let mut results = query_all(client, &tried).await;
        let rolled_back = results.pop().ok_or(PostgresError::NoRow)?;
        let with_tables = results.split_off(without_tables);
        if rolled_back.is_ok() {
            session.finish();
        }
        for result in results {
            result.map_err(|error| {
                if is_unsupported(&error) {
                    PostgresError::NotPostgres { version: server.version.clone(), source: Some(error) }
                } else {
                    error.into()
                }
            })?;
        }
        let with_tables = with_tables.into_iter().collect::<Result<Vec<_>, _>>()?;
        rolled_back?;
        match &with_tables[..] {
            [insert, update, check, ..] => self.evaluate(insert, update, check),
            _ => Ok(false),
        }
    }

    /// Returns whether the tables are set up, and verifies that they have stored the revocation.
    fn evaluate(&self, insert: &[Row], update: &[Row], check: &[Row]) -> Result<bool, PostgresError> {
        let insert = insert.first().ok_or(PostgresError::NoRow)?;
        let update = update.first().ok_or(PostgresError::NoRow)?;
        let check = check.first().ok_or(PostgresError::NoRow)?;
        if insert.try_get("row_security")? {
            return Err(PostgresError::RowSecurity(self.schema.name().to_owned()));
        }
        if check.try_get::<_, Option<&str>>("tables")?.is_none() {
            return Err(PostgresError::WrongTableType(self.schema.name().to_owned()));
        }
        // While `state` has no row, it is not set up yet.
        let Some(layout) = insert.try_get::<_, Option<i32>>("layout")? else { return Ok(false) };
        check_layout(layout)?;
        TableStatus::read(check, self.schema.name())?;
        if insert.try_get("stored")? && update.try_get("stored")? && check.try_get("revoked")? {
            Ok(true)
        } else {
            Err(PostgresError::NotStored)
        }
    }

    /// Asks the server which rights are missing.
    async fn missing_rights(&self, cause: Error) -> PostgresError {
        let schema = self.schema.name().to_owned();
        let grants = async {
            let rows = self.sessions.query(&self.setup.missing_rights, &[Value::Text(Some(&schema))]).await?;
            let grant = |row: &Row| -> Result<_, PostgresError> {
                let (role, rights, object): (&str, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                Ok(format!("grant {rights} on {object} to {role}"))
            };
            rows.iter().map(grant).collect::<Result<Vec<_>, PostgresError>>()
        };
        let grants = grants.await.unwrap_or_default();
        PostgresError::Rights(MissingRights::new(schema, grants), cause)
    }
}

/// Returns a random key that no token has: no kind of key begins with a zero byte.
fn probe_key() -> Result<[u8; RevocationKey::LEN], PostgresError> {
    let mut key = [0; RevocationKey::LEN];
    getrandom::fill(&mut key[1..]).map_err(PostgresError::Random)?;
    Ok(key)
}

/// Functions that the store needs and that servers other than PostgreSQL lack.
const ADVISORY_LOCK: &str = "select pg_try_advisory_xact_lock_shared(8390055908409634664)";
const SNAPSHOTS: &str =
    "select pg_visible_in_snapshot(pg_current_xact_id(), pg_current_snapshot()), pg_postmaster_start_time()";
