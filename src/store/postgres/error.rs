use std::{fmt, time::Duration};

use tokio_postgres::{
    error::{Severity, SqlState},
    types::{WasNull, WrongType},
};

use super::{
    sqlstate,
    unreachable::{Target, Unreachable},
};
use crate::{chain::debug_as_chain, store::StoreErrorKind};

/// Why the store could not do what it was asked for.
#[derive(thiserror::Error)]
pub(super) enum PostgresError {
    #[error("PostgreSQL reported an error")]
    Database(#[source] tokio_postgres::Error),
    #[error(
        "PostgreSQL at {target} did not answer within {patience:?}, connecting and waiting for a free connection included: it is down, \
         out of reach or too slow"
    )]
    TimedOut { target: Target, patience: Duration },
    #[error("no connection was free within {patience:?}, and no more can be had")]
    NoneFree { patience: Duration, source: Unreachable },
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("the connection was given back")]
    GivenBack,
    #[error(
        "the schema {0:?} has no tables of this store: call `PostgresStore::migrate`, once, or run the SQL in its documentation"
    )]
    NotMigrated(String),
    #[error("the tables have layout {0}, which a later version of this crate has made: update this one")]
    NewerLayout(i32),
    #[error(
        "row-level security is in force for this role on the tables in the schema {0:?}, so that rows may be hidden: run `alter table … disable row \
         level security` on `revocation` and `state`, or `alter role … bypassrls`"
    )]
    Narrowed(String),
    #[error(
        "`revocation` and `state` in the schema {0:?} are not both ordinary tables that outlive a crash (views, partitioned, foreign, temporary and \
         `unlogged` tables are not): put the tables of `PostgresStore::migrate` in their place"
    )]
    NoTables(String),
    #[error(
        "the tables in the schema {0:?} are not as this store needs them: compare them with the layout in its documentation, or give it a schema of \
         its own with `PostgresStoreOptions::schema`"
    )]
    OtherTables(String, #[source] tokio_postgres::Error),
    #[error("{0}")]
    Rights(MissingRights, #[source] tokio_postgres::Error),
    #[error(
        "revocations that this store has seen are gone from the table: it was emptied, restored from an older copy or replaced. Bring them back; or, if \
         tokens that were revoked may pass again, start the application anew"
    )]
    Emptied,
    #[error(
        "the table did not take the revocation: a trigger or a rule on `revocation` keeps rows out or changes them; remove it"
    )]
    NotStored,
    #[error(
        "the server is a standby or read-only: it can neither take a revocation nor say that there is none; connect to the primary"
    )]
    Standby,
    #[error("the server is PostgreSQL {}, and 13 or later is needed: update it", .0 / 10_000)]
    OldServer(i32),
    #[error(
        "the server is not PostgreSQL but says that it is `{version}`, and lacks what this store needs: use PostgreSQL 13 or later, or a service that runs it"
    )]
    NotPostgres { version: String, source: Option<tokio_postgres::Error> },
    #[error("another server or another table answered than the one that was begun with")]
    Replaced,
    #[error(
        "the server returned no row for a statement that always returns one: look for a proxy or an extension that changes statements or answers"
    )]
    NoRow,
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    #[error("the tables hold what this store has not written: {0}")]
    Damaged(&'static str),
    #[error("the name of a schema has 1 to 63 bytes, no zero byte, and does not begin with `pg_`")]
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
    #[error("the root certificates cannot be used: {0}; give the certificates of authorities in PEM, and nothing else")]
    RootCertificates(crate::store::certificates::PemFault),
    #[cfg(feature = "postgres-tls")]
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

debug_as_chain!(PostgresError);

impl PostgresError {
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Database(error) => match error.code() {
                Some(code) => sqlstate::kind(code.code()),
                // The connection failed, or something else than PostgreSQL answered.
                None => StoreErrorKind::Unavailable,
            },
            Self::Unreachable(error) => error.kind(),
            Self::TimedOut { .. } | Self::NoneFree { .. } | Self::GivenBack | Self::Replaced | Self::Standby => {
                StoreErrorKind::Unavailable
            }
            Self::Damaged(_) | Self::Emptied => StoreErrorKind::Damaged,
            Self::NoRow | Self::Random(_) => StoreErrorKind::Other,
            Self::NotMigrated(_)
            | Self::NewerLayout(_)
            | Self::Narrowed(_)
            | Self::NoTables(_)
            | Self::OtherTables(..)
            | Self::Rights(..)
            | Self::NotStored
            | Self::OldServer(_)
            | Self::NotPostgres { .. }
            | Self::SchemaName
            | Self::NoConnections
            | Self::ConnectionString(_)
            | Self::NoHost => StoreErrorKind::Misconfigured,
            #[cfg(not(feature = "postgres-tls"))]
            Self::TlsNotCompiled => StoreErrorKind::Misconfigured,
            #[cfg(feature = "postgres-tls")]
            Self::TlsDisabled | Self::NoCryptoProvider | Self::RootCertificates(_) | Self::Tls(_) => {
                StoreErrorKind::Misconfigured
            }
        }
    }

    /// What may work when it is tried again: others were in the way.
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| conflicts.contains(code)))
    }

    /// The same, with what it means and what to do, where the server's code tells.
    pub(super) fn about(self, schema: &str) -> Self {
        let Self::Database(error) = self else { return self };
        let schema = || schema.to_owned();
        match error.code().map(SqlState::code) {
            None if is_of_another_type(&error) => Self::OtherTables(schema(), error),
            Some("42P01" | "3F000") => Self::NotMigrated(schema()), // undefined_table, invalid_schema_name
            // undefined_column, undefined_function, datatype_mismatch, feature_not_supported, invalid_column_reference, wrong_object_type, cannot_coerce,
            // not_null_violation, check_violation, and numbers out of range
            Some(
                "42703" | "42883" | "42804" | "42P10" | "42809" | "42846" | "0A000" | "23502" | "23514" | "22003"
                | "55000",
            ) => Self::OtherTables(schema(), error),
            Some("42501")
                if error.as_db_error().is_some_and(|error| error.message().contains("row-level security")) =>
            {
                Self::Narrowed(schema())
            }
            Some("42501") => Self::Rights(MissingRights::unknown(schema()), error),
            Some("25006") => Self::Standby,
            _ => Self::Database(error),
        }
    }
}

/// What a role may not do, and has to.
#[derive(Debug)]
pub(super) struct MissingRights {
    schema: String,
    /// `grant` statements, if it could be asked what is missing.
    grants: Vec<String>,
}

impl MissingRights {
    pub(super) fn new(schema: String, grants: Vec<String>) -> Self {
        Self { schema, grants }
    }

    fn unknown(schema: String) -> Self {
        Self { schema, grants: Vec::new() }
    }
}

impl fmt::Display for MissingRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the role has not all the rights that the store needs in the schema {:?}: ", self.schema)?;
        if self.grants.is_empty() {
            f.write_str("run the `grant` statements in its documentation")
        } else {
            write!(f, "run `{}`", self.grants.join("; "))
        }
    }
}

/// Whether a column has another type than the layout has, or is null where it has no nulls.
fn is_of_another_type(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<WrongType>() || cause.is::<WasNull>())
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
