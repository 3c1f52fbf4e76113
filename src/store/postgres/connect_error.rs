//! [`ConnectError`]: errors of opening a connection, with the server, the likely cause and the
//! remedy.

use std::{error::Error, io, sync::Arc, time::Duration};

use tokio_postgres::error::SqlState;

use super::{sqlstate, target::Target};
use crate::store::StoreErrorKind;

/// A failed attempt to connect, which all callers that waited for the connection receive.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot connect to PostgreSQL at {target}: {}", failure.text())]
pub(super) struct ConnectError {
    target: Target,
    failure: ConnectFailure,
    #[source]
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ConnectError {
    pub(super) fn new(target: &Target, error: tokio_postgres::Error) -> Self {
        Self { target: target.clone(), failure: ConnectFailure::of(&error), source: Some(Arc::new(error)) }
    }

    pub(super) fn no_password(target: &Target, error: Arc<dyn Error + Send + Sync>) -> Self {
        Self { target: target.clone(), failure: ConnectFailure::NoPassword, source: Some(error) }
    }

    pub(super) fn password_timed_out(target: &Target, limit: Duration) -> Self {
        Self { target: target.clone(), failure: ConnectFailure::PasswordTimedOut(limit), source: None }
    }

    pub(super) fn timed_out(target: &Target, limit: Duration) -> Self {
        Self { target: target.clone(), failure: ConnectFailure::TimedOut(limit), source: None }
    }

    pub(super) fn kind(&self) -> StoreErrorKind {
        match self.failure {
            ConnectFailure::Password
            | ConnectFailure::NotAllowed
            | ConnectFailure::NoDatabase
            | ConnectFailure::Parameter
            | ConnectFailure::Tls
            | ConnectFailure::NoTls => StoreErrorKind::Misconfigured,
            ConnectFailure::Other(kind) => kind,
            ConnectFailure::NoPassword
            | ConnectFailure::PasswordTimedOut(_)
            | ConnectFailure::TimedOut(_)
            | ConnectFailure::TooManyConnections
            | ConnectFailure::Refused
            | ConnectFailure::UnknownHost
            | ConnectFailure::NoSocket
            | ConnectFailure::Network
            | ConnectFailure::ReadOnly
            | ConnectFailure::NotReady
            | ConnectFailure::Closed => StoreErrorKind::Unavailable,
        }
    }

    /// Whether the server, or a pooler in front of it, has reached its limit on connections.
    pub(super) fn is_connection_limit(&self) -> bool {
        matches!(self.failure, ConnectFailure::TooManyConnections)
    }

    /// Whether a limit on connections is a possible cause, because a pooler may make clients wait.
    pub(super) fn may_be_connection_limit(&self) -> bool {
        matches!(self.failure, ConnectFailure::TooManyConnections | ConnectFailure::TimedOut(_))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ConnectFailure {
    TimedOut(Duration),
    TooManyConnections,
    Refused,
    UnknownHost,
    NoSocket,
    Network,
    ReadOnly,
    Tls,
    NoTls,
    Password,
    NotAllowed,
    NoDatabase,
    NotReady,
    Parameter,
    Closed,
    NoPassword,
    PasswordTimedOut(Duration),
    Other(StoreErrorKind),
}

impl ConnectFailure {
    fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(reported) = error.as_db_error() {
            return Self::reported(reported.code(), reported.message());
        }
        let mut causes = std::iter::successors(Error::source(error), |&cause| cause.source());
        if let Some(io) = causes.find_map(|cause| cause.downcast_ref::<io::Error>()) {
            let connecting = error.to_string() == "error connecting to server";
            return match io.kind() {
                io::ErrorKind::ConnectionRefused => Self::Refused,
                io::ErrorKind::PermissionDenied if io.to_string().contains("does not allow writes") => Self::ReadOnly,
                io::ErrorKind::NotFound => Self::NoSocket,
                io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                    Self::Closed
                }
                _ if error.to_string().contains("TLS") => Self::Tls,
                // An unknown host name has no specific kind.
                _ if connecting && io.raw_os_error().is_none() && io.kind() != io::ErrorKind::TimedOut => {
                    Self::UnknownHost
                }
                _ => Self::Network,
            };
        }
        let text = Error::source(error).map(ToString::to_string).unwrap_or_default();
        match error.to_string().as_str() {
            _ if text.contains("does not support TLS") => Self::NoTls,
            text if text.contains("TLS") => Self::Tls,
            "invalid configuration" | "authentication error" => Self::Password,
            _ if error.is_closed() => Self::Closed,
            _ => Self::Other(StoreErrorKind::Unavailable),
        }
    }

    /// Classifies the error of a server or a pooler. Poolers use few codes, so the text is
    /// considered too.
    fn reported(code: &SqlState, message: &str) -> Self {
        const TEXTS: [&str; 5] =
            ["too many c", "no more connections", "max client", "max_client_conn", "connection limit"];
        let message = message.to_lowercase();
        let too_many = [SqlState::TOO_MANY_CONNECTIONS, SqlState::CONFIGURATION_LIMIT_EXCEEDED];
        if too_many.contains(code) || TEXTS.iter().any(|text| message.contains(text)) {
            return Self::TooManyConnections;
        }
        match *code {
            SqlState::INVALID_PASSWORD => Self::Password,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION | SqlState::INSUFFICIENT_PRIVILEGE => Self::NotAllowed,
            SqlState::INVALID_CATALOG_NAME => Self::NoDatabase,
            SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => Self::NotReady,
            _ if message.contains("startup parameter") => Self::Parameter,
            _ => Self::Other(sqlstate::kind(code.code())),
        }
    }

    fn text(self) -> String {
        let text = match self {
            Self::TimedOut(limit) => {
                return format!(
                    "it did not answer within {limit:?}: it is down, unreachable or too slow, or makes clients wait \
                     for a free connection; check the address, firewalls and the server's load, or allow more \
                     time with `PostgresStoreOptions::timeout`"
                );
            }
            Self::PasswordTimedOut(limit) => {
                return format!(
                    "the application's closure (`PostgresAddress::password_from`) gave no password within {limit:?}: \
                     let it keep the password until it changes, or allow more time with `PostgresStoreOptions::timeout`"
                );
            }
            Self::NoPassword => {
                "the application's closure (`PostgresAddress::password_from`) failed to give a password, or panicked: \
                 see the cause"
            }
            Self::TooManyConnections => {
                "it accepts no more connections: raise the limit (of the role, the database, `max_connections` or the \
                 pooler), or lower `PostgresStoreOptions::connections` in the applications that use it"
            }
            Self::Refused => "no server listens at this address: start the server, or correct the host and the port",
            Self::UnknownHost => "the host name cannot be resolved: correct it, or check the DNS",
            Self::NoSocket => "there is no such socket: start the server, or correct the directory and the port",
            Self::Network => "the host is unreachable: check the address, routes and firewalls",
            Self::ReadOnly => {
                "it is read-only: connect to the primary instead of a standby, and check that \
                 `default_transaction_read_only` is off for the role and the database"
            }
            Self::Tls => {
                "TLS failed: the certificate must be issued for the host's name, by an authority that the system \
                 trusts or that is set with `PostgresStoreOptions::root_certificates` or `sslrootcert`"
            }
            Self::NoTls => {
                "the server has no TLS: turn it on there (`ssl = on`), or use \
                 `sslmode=disable`"
            }
            Self::Password => {
                "the password is missing or wrong, or of a kind that the server does not accept: correct it in the \
                 connection string, or what `PostgresAddress::password_from` gives"
            }
            Self::NotAllowed => {
                "this user may not connect to this database from here: correct the connection string, or \
                 `pg_hba.conf` and the role"
            }
            Self::NoDatabase => "there is no such database: create it, or correct the connection string",
            Self::NotReady => "the server is starting or shutting down: try again in a moment",
            Self::Parameter => {
                "the pooler does not know an option of the connection string: remove it, or list it in \
                 `ignore_startup_parameters`"
            }
            Self::Closed => {
                "the connection was closed while it was opened: look in the server's log, and check that PostgreSQL \
                 listens there"
            }
            Self::Other(_) => "the server reported an unexpected error: see the cause",
        };
        text.to_owned()
    }
}
