//! What a store tries before it does anything else: the server, the rights of its role, and the tables.

use std::{future::poll_fn, pin::Pin, task::Poll};

use tokio_postgres::{Client, Error, Row, types::Type};

use super::{
    Shared, Token,
    error::{MissingRights, PostgresError},
    here::{Here, check_layout},
    log::Question,
    sessions::Params,
    statements::{CrashSign, NOTIFY, Statements},
    witnesses::Asked,
};
use crate::revocation::RevocationKey;

impl Shared {
    /// The statements for this server, once it is known that they work there.
    ///
    /// Until there are tables, it is only known that they may.
    pub(super) async fn ready(&self) -> Result<&Statements, PostgresError> {
        if let Some(&crash) = self.tried.get() {
            return Ok(self.statements(crash));
        }
        // One at a time; the others find what it has found.
        let _turn = self.trying.lock().await;
        if let Some(&crash) = self.tried.get() {
            return Ok(self.statements(crash));
        }
        let server = self.examine().await?;
        let tried = self.try_out(&server).await;
        let tried = match tried {
            Err(PostgresError::Rights(_, cause)) => Err(self.missing_rights(cause).await),
            other => other,
        };
        if tried? {
            let _ = self.tried.set(server.crash);
        }
        Ok(self.statements(server.crash))
    }

    fn statements(&self, crash: CrashSign) -> &Statements {
        match crash {
            CrashSign::ReplayedThrough => &self.statements,
            CrashSign::StatisticsReset => &self.statements_by_statistics,
        }
    }

    async fn examine(&self) -> Result<Server, PostgresError> {
        let mut lease = self.sessions.lease().await?;
        let crash = format!("select {}", CrashSign::ReplayedThrough.sql());
        let questions = [("select version()", &[][..]), (&self.setup.server, &[]), (&crash, &[])];
        let mut answers = at_once(lease.begin()?, &questions).await.into_iter();
        lease.end();
        let (version, server, crash) = (answers.next(), answers.next(), answers.next());
        let version = answer(version)?;
        let version: &str = version.first().ok_or(PostgresError::NoRow)?.try_get(0)?;
        let other = |source| PostgresError::NotPostgres { version: version.to_owned(), source };
        if !is_postgres(version) {
            return Err(other(None));
        }
        let server = match answer(server) {
            Ok(rows) => rows,
            Err(error) if is_missing(&error) => return Err(other(Some(error))),
            Err(error) => match PostgresError::from(error).about(self.schema.name()) {
                PostgresError::Rights(_, cause) => return Err(self.missing_rights(cause).await),
                error => return Err(error),
            },
        };
        let server = server.first().ok_or(PostgresError::NoRow)?;
        let number = server.try_get(0)?;
        if number < OLDEST_SERVER {
            return Err(PostgresError::OldServer(number));
        }
        if server.try_get(1)? {
            return Err(PostgresError::Standby);
        }
        let crash = answer(crash).map_or(CrashSign::StatisticsReset, |_| CrashSign::ReplayedThrough);
        Ok(Server { version: version.to_owned(), has_tables: server.try_get(2)?, crash })
    }

    /// Does all that the store will ever do, in a transaction that is rolled back. Returns whether there are tables to do it with.
    async fn try_out(&self, server: &Server) -> Result<bool, PostgresError> {
        let statements = self.statements(server.crash);
        let probe = probe_key()?;
        let (key, far, patience) = (&probe[..], i64::MAX, self.lock_timeout());
        let token = Token { keys: vec![key], issued_at: 0, retain_until: i64::MAX };
        let revoke = |issued_through| {
            [
                (&key as _, Type::BYTEA),
                (issued_through as _, Type::INT8),
                (&far as _, Type::INT8),
                (&patience as _, Type::TEXT),
            ]
        };
        let (inserted, raised) = (revoke(&0_i64), revoke(&1_i64));
        let asked = Asked::default();
        let check: Vec<_> = asked.params().into_iter().chain(token.params()).collect();
        let follow = Question { snapshot: "1:1:", until: None, changed_in: "18446744073709551615", key: &[] };
        let follow: Vec<_> = asked.params().into_iter().chain(follow.params()).collect();
        let (none, channel) = ([(&0_i64 as _, Type::INT8)], [(&&*self.channel as _, Type::TEXT)]);

        let mut questions: Vec<(&str, Params<'_>)> = vec![(ADVISORY_LOCK, &[]), (SNAPSHOTS, &[])];
        if !self.poll_only {
            questions.push((&self.setup.listen, &[]));
        }
        let general = questions.len();
        if server.has_tables {
            questions.extend([
                (&*statements.revoke, &inserted[..]),
                (&statements.revoke, &raised),
                (&statements.ask, &check),
                (&statements.follow, &follow),
                (&statements.prune, &none),
                (NOTIFY, &channel),
            ]);
        }
        questions.push(("rollback", &[]));

        let mut lease = self.sessions.lease().await?;
        let client = lease.begin()?;
        client.query_typed("begin", &[]).await?;
        let mut answers = at_once(client, &questions).await;
        let rolled_back = answer(answers.pop());
        let of_tables = answers.split_off(general);
        if rolled_back.is_ok() {
            lease.end();
        }
        for general in answers {
            general.map_err(|error| {
                if is_missing(&error) {
                    PostgresError::NotPostgres { version: server.version.clone(), source: Some(error) }
                } else {
                    error.into()
                }
            })?;
        }
        let about = |error: Error| PostgresError::from(error).about(self.schema.name());
        let of_tables = of_tables.into_iter().collect::<Result<Vec<_>, _>>().map_err(about)?;
        rolled_back?;
        match &of_tables[..] {
            [inserted, raised, check, ..] => self.judge(inserted, raised, check),
            _ => Ok(false),
        }
    }

    fn judge(&self, inserted: &[Row], raised: &[Row], check: &[Row]) -> Result<bool, PostgresError> {
        let read = |rows: &[Row]| -> Result<_, PostgresError> {
            let row = rows.first().ok_or(PostgresError::NoRow)?;
            Ok((
                row.try_get::<_, Option<i32>>("layout")?,
                row.try_get::<_, bool>("narrowed")?,
                row.try_get::<_, bool>("stored")?,
            ))
        };
        let (layout, narrowed, stored) = read(inserted)?;
        if narrowed {
            return Err(PostgresError::Narrowed(self.schema.name().to_owned()));
        }
        let check = check.first().ok_or(PostgresError::NoRow)?;
        if check.try_get::<_, Option<&str>>("tables")?.is_none() {
            return Err(PostgresError::NoTables(self.schema.name().to_owned()));
        }
        // Without its row, `state` is to be set up yet.
        let Some(layout) = layout else { return Ok(false) };
        check_layout(layout)?;
        Here::read(check, self.schema.name())?;
        if stored && read(raised)?.2 && check.try_get("revoked")? { Ok(true) } else { Err(PostgresError::NotStored) }
    }

    /// What is to be granted.
    async fn missing_rights(&self, cause: Error) -> PostgresError {
        let schema = self.schema.name().to_owned();
        let grants = async {
            let (rows, _) = self.sessions.query(&self.setup.rights, &[(&schema as _, Type::TEXT)]).await?;
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

struct Server {
    version: String,
    has_tables: bool,
    crash: CrashSign,
}

/// Whether the text of `version()` is PostgreSQL's, and not of something that speaks its protocol.
fn is_postgres(version: &str) -> bool {
    let version = version.to_lowercase();
    version.starts_with("postgresql ") && !OTHERS.iter().any(|other| version.contains(other))
}

/// Whether the server does not know what it was asked for.
fn is_missing(error: &Error) -> bool {
    // feature_not_supported, syntax_error, undefined_function, undefined_object, undefined_table (of the system), internal_error
    error.code().is_some_and(|code| ["0A000", "42601", "42883", "42704", "42P01", "XX000"].contains(&code.code()))
}

/// Asks everything at once, in one round trip, and returns the answers in the order of the questions.
async fn at_once(client: &Client, questions: &[(&str, Params<'_>)]) -> Vec<Result<Vec<Row>, Error>> {
    let mut asked: Vec<Pin<Box<dyn Future<Output = _> + Send + '_>>> = Vec::new();
    for &(sql, params) in questions {
        asked.push(Box::pin(client.query_typed(sql, params)));
    }
    let mut answers: Vec<Option<_>> = asked.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (question, answer) in asked.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(rows) = question.as_mut().poll(cx) {
                *answer = Some(rows);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

fn answer(answer: Option<Result<Vec<Row>, Error>>) -> Result<Vec<Row>, Error> {
    answer.unwrap_or(Ok(Vec::new()))
}

/// A random key that no token carries: no kind of key begins with a zero byte.
fn probe_key() -> Result<[u8; RevocationKey::LEN], PostgresError> {
    let mut key = [0; RevocationKey::LEN];
    getrandom::fill(&mut key[1..]).map_err(PostgresError::Random)?;
    Ok(key)
}

const OLDEST_SERVER: i32 = 130_000;
/// What some say that are not PostgreSQL, in small letters.
const OTHERS: [&str; 12] = [
    "cockroachdb",
    "-yb-",
    "yugabyte",
    "redshift",
    "greenplum",
    "cloudberry",
    "materialize",
    "risingwave",
    "questdb",
    "gauss",
    "dsql",
    "spanner",
];
/// The functions without which nothing works.
const ADVISORY_LOCK: &str = "select pg_try_advisory_xact_lock_shared(8390055908409634664)";
const SNAPSHOTS: &str =
    "select pg_visible_in_snapshot(pg_current_xact_id(), pg_current_snapshot()), pg_postmaster_start_time()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_postgresql_is_known_by_its_name() {
        for version in [
            "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit",
            "PostgreSQL 18.4 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 14.2.1, 64-bit",
            "PostgreSQL 16.6 on aarch64-unknown-linux-gnu, compiled by aarch64-unknown-linux-gnu-gcc (GCC) 9.5.0, 64-bit",
            "PostgreSQL 17.5 (6bc9ef8) on aarch64-unknown-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit",
            "PostgreSQL 15.2 (EnterpriseDB Advanced Server 15.2.0) on x86_64-pc-linux-gnu",
        ] {
            assert!(is_postgres(version), "{version}");
        }
        for version in [
            "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)",
            "PostgreSQL 11.2-YB-2.18.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 15.0.3, 64-bit",
            "PostgreSQL 15.2-YB-2.25.0.0-b0 on aarch64-unknown-linux-gnu, compiled by clang version 17.0.6, 64-bit",
            "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.77467",
            "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:e7c2b1f) on x86_64-pc-linux-gnu",
            "PostgreSQL 13.14.0-RisingWave-2.1.0 (3ec3e8f)",
            "Materialize v0.120.1 (0f3ae0b2f)",
        ] {
            assert!(!is_postgres(version), "{version}");
        }
    }
}
