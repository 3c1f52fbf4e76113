//! Why a connection could not be made: where it was to lead, the likely cause, and what to do.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use tokio_postgres::{Config, config::Host, error::SqlState};

use super::sqlstate;
use crate::store::StoreErrorKind;

/// Where a store connects to: hosts with their ports, and the database. Neither user nor password.
#[derive(Clone, Debug)]
pub(super) struct Target(Arc<str>);

impl Target {
    pub(super) fn of(config: &Config) -> Self {
        let ports = config.get_ports();
        let port = |place: usize| ports.get(place).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let hosts: Vec<_> = if config.get_hosts().is_empty() {
            let addresses = config.get_hostaddrs().iter().enumerate();
            addresses.map(|(place, address)| std::net::SocketAddr::new(*address, port(place)).to_string()).collect()
        } else {
            let hosts = config.get_hosts().iter().enumerate();
            hosts.map(|(place, host)| at(host, config.get_hostaddrs().get(place), port(place))).collect()
        };
        let database = config.get_dbname().map_or_else(
            || "the database named like the user".to_owned(),
            |database| format!("database `{}`", database.escape_debug()),
        );
        Self(format!("{}, {database}", hosts.join(" or ")).into())
    }
}

fn at(host: &Host, address: Option<&std::net::IpAddr>, port: u16) -> String {
    match (host, address) {
        (Host::Tcp(host), None) if host.contains(':') => format!("[{host}]:{port}"),
        (Host::Tcp(host), None) => format!("{host}:{port}"),
        (Host::Tcp(host), Some(address)) => format!("{host}:{port} (at {address})"),
        #[cfg(unix)]
        (Host::Unix(directory), _) => format!("socket {}/.s.PGSQL.{port}", directory.display()),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A connection that could not be made. All who waited for it are told.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot connect to PostgreSQL at {target}: {}", cause.text())]
pub(super) struct Unreachable {
    target: Target,
    cause: Cause,
    #[source]
    source: Option<Arc<tokio_postgres::Error>>,
}

impl Unreachable {
    pub(super) fn new(target: &Target, error: tokio_postgres::Error) -> Self {
        Self { target: target.clone(), cause: Cause::of(&error), source: Some(Arc::new(error)) }
    }

    pub(super) fn late(target: &Target, patience: Duration) -> Self {
        Self { target: target.clone(), cause: Cause::Late(patience), source: None }
    }

    pub(super) fn kind(&self) -> StoreErrorKind {
        match self.cause {
            Cause::Password | Cause::NotAllowed | Cause::NoDatabase | Cause::Parameter | Cause::Tls | Cause::NoTls => {
                StoreErrorKind::Misconfigured
            }
            Cause::Other => {
                let code = self.source.as_ref().and_then(|error| error.code());
                code.map_or(StoreErrorKind::Unavailable, |code| sqlstate::kind(code.code()))
            }
            Cause::Late(_)
            | Cause::TooMany
            | Cause::Refused
            | Cause::UnknownHost
            | Cause::NoSocket
            | Cause::Network
            | Cause::ReadOnly
            | Cause::NotReady
            | Cause::Closed => StoreErrorKind::Unavailable,
        }
    }

    /// Whether the server, or a pooler before it, has connections and gives no more of them.
    pub(super) fn is_for_want_of_connections(&self) -> bool {
        matches!(self.cause, Cause::TooMany)
    }

    /// The same, or it may be so: a pooler lets clients wait.
    pub(super) fn may_be_for_want_of_connections(&self) -> bool {
        matches!(self.cause, Cause::TooMany | Cause::Late(_))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    Late(Duration),
    TooMany,
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
    Other,
}

impl Cause {
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
                // A name that is not known has no kind of its own.
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
            _ => Self::Other,
        }
    }

    /// What a server or a pooler says. Poolers have few codes, and are known by their words.
    fn reported(code: &SqlState, message: &str) -> Self {
        const WORDS: [&str; 5] =
            ["too many c", "no more connections", "max client", "max_client_conn", "connection limit"];
        let says = message.to_lowercase();
        let too_many = [SqlState::TOO_MANY_CONNECTIONS, SqlState::CONFIGURATION_LIMIT_EXCEEDED];
        if too_many.contains(code) || WORDS.iter().any(|words| says.contains(words)) {
            return Self::TooMany;
        }
        match *code {
            SqlState::INVALID_PASSWORD => Self::Password,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION | SqlState::INSUFFICIENT_PRIVILEGE => Self::NotAllowed,
            SqlState::INVALID_CATALOG_NAME => Self::NoDatabase,
            SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => Self::NotReady,
            _ if says.contains("startup parameter") => Self::Parameter,
            _ => Self::Other,
        }
    }

    fn text(self) -> String {
        let text = match self {
            Self::Late(patience) => {
                return format!(
                    "it did not answer within {patience:?}: it is down, out of reach or too slow, or lets clients wait for a free \
                     connection; check the address, firewalls and the server's load, or allow more time with \
                     `PostgresStoreOptions::timeout`"
                );
            }
            Self::TooMany => {
                "it gives no more connections: raise the limit (of the role, the database, `max_connections` or the pooler), or \
                 lower `PostgresStoreOptions::connections` in those who have them"
            }
            Self::Refused => "nothing listens there: start the server, or correct host and port",
            Self::UnknownHost => "the name of the host is not known: correct it, or check the name service",
            Self::NoSocket => "there is no such socket: start the server, or correct directory and port",
            Self::Network => "it is out of reach: check the address, routes and firewalls",
            Self::ReadOnly => {
                "it takes no writes: name the primary, not a standby, and see that `default_transaction_read_only` is off for \
                 the role and the database"
            }
            Self::Tls => {
                "TLS failed: the certificate must be for the host's name and by an authority that the system trusts, or one \
                 given with `PostgresStoreOptions::root_certificates`"
            }
            Self::NoTls => "the server has no TLS: turn it on there (`ssl = on`), or leave `sslmode=require` out",
            Self::Password => {
                "the password is missing or wrong, or of a kind the server does not take: correct it in the connection string"
            }
            Self::NotAllowed => {
                "this user may not connect to this database from here: correct the connection string, or `pg_hba.conf` and the role"
            }
            Self::NoDatabase => "there is no such database: create it, or correct the connection string",
            Self::NotReady => "the server is starting or shutting down: try again in a moment",
            Self::Parameter => {
                "the pooler does not know an option of the connection string: leave it out, or name it in `ignore_startup_parameters`"
            }
            Self::Closed => {
                "the connection was closed while it was made: see the server's log, and whether PostgreSQL listens there"
            }
            Self::Other => "see the cause",
        };
        text.to_owned()
    }
}

const DEFAULT_PORT: u16 = 5432;
