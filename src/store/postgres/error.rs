//! [`PostgresError`]: errors of the store, each with the likely cause and the remedy.

use std::time::Duration;

use tokio_postgres::{
    error::{Severity, SqlState},
    types::{WasNull, WrongType},
};

use super::{connect_error::ConnectError, rights::MissingRights, sqlstate, target::Target};
use crate::{
    chain::debug_as_chain,
    store::{StoreError, StoreErrorKind},
};

/// The cause of each [`StoreError`] of this store.
#[derive(thiserror::Error)]
pub(super) enum PostgresError {
    #[error("PostgreSQL or the connection to it reported an error: see the cause and the server's log")]
    Database(#[source] tokio_postgres::Error),
    #[error(
        "PostgreSQL at {target} did not answer within {limit:?}, including the time to connect and to wait for a free \
         connection: it is down, unreachable or too slow; check it, or raise `PostgresStoreOptions::timeout`"
    )]
    TimedOut { target: Target, limit: Duration },
    #[error("no connection available within {limit:?}, and no more can be opened: see the cause")]
    NoConnectionAvailable { limit: Duration, source: ConnectError },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection was already returned to the pool: this is a bug, report it")]
    Returned,
    #[error(
        "the schema {0:?} has no tables of this store: call `PostgresStore::migrate` once, or run the SQL in its \
         documentation"
    )]
    NotMigrated(String),
    #[error("the tables have layout {0}, which a later version of tower-logout has created: update tower-logout")]
    NewerLayout(i32),
    #[error(
        "row-level security applies to this role on the tables in the schema {0:?}, which may hide rows: run `alter \
         table … disable row level security` on `revocation` and `state`, or `alter role … bypassrls`"
    )]
    RowSecurity(String),
    #[error(
        "`revocation` and `state` in the schema {0:?} are not both ordinary, logged tables (views and partitioned, \
         foreign, temporary or unlogged tables are not): replace them by the tables that `PostgresStore::migrate` \
         creates"
    )]
    WrongTableType(String),
    #[error(
        "the tables in the schema {0:?} do not have the layout that this store needs: compare them with the layout in \
         its documentation, or choose a separate schema with `PostgresStoreOptions::schema`"
    )]
    WrongLayout(String, #[source] tokio_postgres::Error),
    #[error("{0}")]
    Rights(MissingRights, #[source] tokio_postgres::Error),
    #[error(
        "revocations that this store has observed are missing from the table: it was emptied, restored from an older \
         copy or replaced; restore them, or restart the application to accept that these tokens are valid again"
    )]
    RowsLost,
    #[error(
        "the table did not store the revocation: a trigger or a rule on `revocation` drops or changes rows; remove it"
    )]
    NotStored,
    #[error(
        "expired revocations were not deleted, because `state.purged_through` could not be raised: a trigger or a rule \
         on `state` prevents it; remove it"
    )]
    WatermarkNotStored,
    #[error(
        "the server is a standby or read-only, so it can neither store revocations nor prove that a token is not \
         revoked: connect to the primary"
    )]
    Standby,
    #[error("the server runs PostgreSQL {}, but 13 or later is required: update it", .0 / 10_000)]
    OldServer(i32),
    #[error(
        "the server is not PostgreSQL: it reports the version `{version}` and lacks features that this store needs; \
         use PostgreSQL 13 or later, or a service that runs it"
    )]
    NotPostgres { version: String, source: Option<tokio_postgres::Error> },
    #[error("the server or table changed during the operation: try again")]
    Replaced,
    #[error("the tables contain data that this store has not written ({0}): remove or restore it")]
    Damaged(&'static str),
    #[error(
        "the server returned no row for a statement that always returns one: check whether a proxy or an extension \
         changes statements or results"
    )]
    NoRow,
    #[error("the operating system provided no random bytes: check that the process may use `getrandom`")]
    Random(#[source] getrandom::Error),
    #[error("a schema name must have 1 to 63 bytes, no zero byte, and must not begin with `pg_`")]
    SchemaName,
    #[error("a store needs at least one connection: raise `PostgresStoreOptions::connections`")]
    NoConnections,
    #[error("the connection string is invalid: {0}")]
    ConnectionString(String),
    #[error("the connection string names no host: add one, as in `postgres://user:password@host:5432/database`")]
    NoHost,
    #[error("TLS needs the feature `postgres-tls` of this crate: enable it")]
    TlsNotCompiled,
    #[error("certificates are set, but the connection string says `sslmode=disable`: remove one of them")]
    TlsDisabled,
    #[cfg(feature = "postgres-tls")]
    #[error("the file that `{0}` names cannot be read: correct the path, or the rights of the file")]
    CertificateFile(&'static str, #[source] std::io::Error),
    #[cfg(feature = "postgres-tls")]
    #[error(
        "the file that `sslrootcert` names is invalid: {0}; it must have CA certificates, in PEM, and nothing else"
    )]
    RootCertificateFile(crate::certificates::PemError),
    #[cfg(feature = "postgres-tls")]
    #[error(
        "the client's certificate or its key is invalid: {0}; set both, in PEM, with \
         `PostgresStoreOptions::client_certificate` or with `sslcert` and `sslkey`"
    )]
    ClientCertificate(&'static str),
    #[cfg(feature = "postgres-tls")]
    #[error("the client's certificate and its key cannot be used, or do not belong together: set the right ones")]
    ClientCertificateRejected(#[source] rustls::Error),
    #[cfg(feature = "postgres-tls")]
    #[error(
        "TLS needs a crypto provider of rustls: install one first, for example with \
         `rustls::crypto::aws_lc_rs::default_provider().install_default()`"
    )]
    NoCryptoProvider,
    #[cfg(feature = "postgres-tls")]
    #[error("the root certificates are invalid: {0}; set CA certificates, in PEM, and nothing else")]
    RootCertificates(crate::certificates::PemError),
    #[cfg(feature = "postgres-tls")]
    #[error("the crypto provider of rustls cannot be used for TLS: install another one")]
    Tls(#[source] rustls::Error),
}

debug_as_chain!(PostgresError);

impl PostgresError {
    /// Converts to the public error of an operation.
    pub(super) fn in_operation(self, operation: &'static str) -> StoreError {
        let kind = self.kind();
        StoreError::new(operation, self).with_kind(kind)
    }

    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Database(error) => match error.code() {
                Some(code) => sqlstate::kind(code.code()),
                // The connection failed, or another program than PostgreSQL answered.
                None => StoreErrorKind::Unavailable,
            },
            Self::Connect(error) => error.kind(),
            Self::TimedOut { .. }
            | Self::NoConnectionAvailable { .. }
            | Self::Returned
            | Self::Replaced
            | Self::Standby => StoreErrorKind::Unavailable,
            Self::Damaged(_) | Self::RowsLost => StoreErrorKind::Damaged,
            Self::NoRow | Self::Random(_) => StoreErrorKind::Other,
            Self::NotMigrated(_)
            | Self::NewerLayout(_)
            | Self::RowSecurity(_)
            | Self::WrongTableType(_)
            | Self::WrongLayout(..)
            | Self::Rights(..)
            | Self::NotStored
            | Self::WatermarkNotStored
            | Self::OldServer(_)
            | Self::NotPostgres { .. }
            | Self::SchemaName
            | Self::NoConnections
            | Self::ConnectionString(_)
            | Self::NoHost
            | Self::TlsNotCompiled
            | Self::TlsDisabled => StoreErrorKind::Misconfigured,
            #[cfg(feature = "postgres-tls")]
            Self::NoCryptoProvider
            | Self::RootCertificates(_)
            | Self::CertificateFile(..)
            | Self::RootCertificateFile(_)
            | Self::ClientCertificate(_)
            | Self::ClientCertificateRejected(_)
            | Self::Tls(_) => StoreErrorKind::Misconfigured,
        }
    }

    /// Whether the statement conflicted with another transaction, so that it may succeed when
    /// repeated.
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| conflicts.contains(code)))
    }

    /// Whether a single row may have caused this error of a statement that was rolled back, or has
    /// not stored all rows.
    pub(super) fn may_concern_one_row(&self) -> bool {
        match self {
            Self::NotStored => true,
            Self::Database(error) if is_connection_usable_after(error) => {
                error.code().is_some_and(|code| sqlstate::may_concern_one_row(code.code()))
            }
            _ => false,
        }
    }

    /// Replaces an error of the server by one that names the cause and the remedy, if its code
    /// shows them.
    pub(super) fn explained(self, schema: &str) -> Self {
        let Self::Database(error) = self else { return self };
        let schema = || schema.to_owned();
        match error.code().map(SqlState::code) {
            None if is_wrong_column_type(&error) => Self::WrongLayout(schema(), error),
            Some("42P01" | "3F000") => Self::NotMigrated(schema()), // undefined_table, invalid_schema_name
            // undefined_column, undefined_function, datatype_mismatch, invalid_column_reference,
            // wrong_object_type, cannot_coerce, feature_not_supported, not_null_violation,
            // check_violation, numeric_value_out_of_range, object_not_in_prerequisite_state
            Some(
                "42703" | "42883" | "42804" | "42P10" | "42809" | "42846" | "0A000" | "23502" | "23514" | "22003"
                | "55000",
            ) => Self::WrongLayout(schema(), error),
            Some("42501")
                if error.as_db_error().is_some_and(|error| error.message().contains("row-level security")) =>
            {
                Self::RowSecurity(schema())
            }
            Some("42501") => Self::Rights(MissingRights::new(schema(), Vec::new()), error),
            Some("25006") => Self::Standby,
            Some("22012") => Self::WatermarkNotStored, // only `sql/prune.sql` divides
            _ => Self::Database(error),
        }
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// Whether a column has a different type than in the layout, or is null unexpectedly.
fn is_wrong_column_type(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<WrongType>() || cause.is::<WasNull>())
}

/// Whether the connection accepts further statements after this error.
pub(super) fn is_connection_usable_after(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| !matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic)))
}
