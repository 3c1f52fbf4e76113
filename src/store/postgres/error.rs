use std::time::Duration;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{Severity, SqlState};

/// Why the store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresError {
    #[error("PostgreSQL reported an error")]
    Database(#[source] tokio_postgres::Error),
    #[error("PostgreSQL did not answer within {0:?}, connecting included: it is down, out of reach or too slow")]
    TimedOut(Duration),
    #[error("no connection can be had: {0}")]
    NoConnection(String),
    #[error(
        "the schema {0:?} has no tables of this store: call `PostgresStore::migrate`, once, or run the SQL in its documentation"
    )]
    NotMigrated(String),
    #[error("the tables have layout {0}, which a later version of this crate has made: update this one")]
    NewerLayout(i32),
    #[error("the server is a standby: it can neither take a revocation nor say that there is none")]
    Standby,
    #[error("the server is PostgreSQL {}, and 13 or later is needed", .0 / 10_000)]
    OldServer(i32),
    #[error("another server or another table answered than the one that was begun with")]
    Replaced,
    #[error("the tables hold what this store has not written: {0}")]
    Damaged(&'static str),
    #[error("the name of a schema has 1 to 63 bytes, and no zero byte")]
    SchemaName,
    #[error("a store needs at least one connection")]
    NoConnections,
    #[error("the connection string is not understood: {0}")]
    ConnectionString(String),
    #[error("the connection string names no host")]
    NoHost,
    #[cfg(not(feature = "postgres-tls"))]
    #[error("`sslmode=require` needs the feature `postgres-tls`")]
    TlsNotCompiled,
    #[cfg(feature = "postgres-tls")]
    #[error("root certificates are given, and the connection string says `sslmode=disable`")]
    TlsDisabled,
    #[cfg(feature = "postgres-tls")]
    #[error(
        "TLS needs a crypto provider: the application is to install one, as by `rustls::crypto::aws_lc_rs::default_provider().install_default()`"
    )]
    NoCryptoProvider,
    #[cfg(feature = "postgres-tls")]
    #[error("the root certificates are not PEM, or hold no certificate")]
    RootCertificates,
    #[cfg(feature = "postgres-tls")]
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl PostgresError {
    /// What may work when it is tried again: others were in the way.
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| conflicts.contains(code)))
    }

    /// The same, with a remedy if tables are missing.
    pub(super) fn about(self, schema: &str) -> Self {
        let missing = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
        match self {
            Self::Database(error) if error.code().is_some_and(|code| missing.contains(code)) => {
                Self::NotMigrated(schema.to_owned())
            }
            error => error,
        }
    }
}

/// Whether the server has answered and the connection can be used again.
pub(super) fn leaves_connection_in_order(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| !matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic)))
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<PoolError> for PostgresError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            other => Self::NoConnection(other.to_string()),
        }
    }
}
