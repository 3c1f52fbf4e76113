//! [`Server`]: identifies the server and verifies that it can be used.

use tokio_postgres::Error;

use super::{error::PostgresError, session::query_all, shared::Shared, statements::CrashMarker};

/// The facts about a server that the store needs.
pub(super) struct Server {
    /// The result of `version()`.
    pub(super) version: String,
    pub(super) has_tables: bool,
    pub(super) crash_marker: CrashMarker,
}

impl Shared {
    /// Identifies the server.
    ///
    /// # Errors
    ///
    /// If it is not PostgreSQL, too old or a standby, or if the role lacks the rights to identify
    /// it.
    pub(super) async fn identify_server(&self) -> Result<Server, PostgresError> {
        let mut session = self.sessions.acquire().await?;
        let marker = format!("select {}", CrashMarker::ReplayedThrough.sql());
        let statements = [("select version()", &[][..]), (&self.setup.server, &[]), (&marker, &[])];
        let mut results = query_all(session.begin()?, &statements).await.into_iter();
        session.finish();
        let (Some(version), Some(server), Some(marker)) = (results.next(), results.next(), results.next()) else {
            return Err(PostgresError::NoRow);
        };
        let version = version?;
        let version: &str = version.first().ok_or(PostgresError::NoRow)?.try_get(0)?;
        let not_postgres = |source| PostgresError::NotPostgres { version: version.to_owned(), source };
        if !is_postgres(version) {
            return Err(not_postgres(None));
        }
        let server = match server {
            Ok(rows) => rows,
            Err(error) if is_unsupported(&error) => return Err(not_postgres(Some(error))),
            Err(error) => return Err(error.into()),
        };
        let server = server.first().ok_or(PostgresError::NoRow)?;
        let number = server.try_get(0)?;
        if number < MIN_VERSION {
            return Err(PostgresError::OldServer(number));
        }
        if server.try_get(1)? {
            return Err(PostgresError::Standby);
        }
        let crash_marker = marker.map_or(CrashMarker::StatisticsReset, |_| CrashMarker::ReplayedThrough);
        Ok(Server { version: version.to_owned(), has_tables: server.try_get(2)?, crash_marker })
    }
}

/// Whether `version()` is that of PostgreSQL, and not of another server with the same protocol.
fn is_postgres(version: &str) -> bool {
    let version = version.to_lowercase();
    version.starts_with("postgresql ") && !OTHERS.iter().any(|other| version.contains(other))
}

/// Whether an error shows that the server does not support a statement.
pub(super) fn is_unsupported(error: &Error) -> bool {
    // feature_not_supported, syntax_error, undefined_function, undefined_object, undefined_table
    // (of the system), internal_error
    error.code().is_some_and(|code| ["0A000", "42601", "42883", "42704", "42P01", "XX000"].contains(&code.code()))
}

/// `server_version_num` of PostgreSQL 13.
const MIN_VERSION: i32 = 130_000;
/// Parts of the `version()` of other servers, in lower case.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_servers_are_recognized_by_their_version() {
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
