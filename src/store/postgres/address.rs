//! [`PostgresAddress`]: the servers of a store, with the credentials for them.

use std::{error::Error, fmt};

use tokio_postgres::Config;

use super::{config::explain, error::PostgresError, libpq::LibpqOptions};
use crate::store::password::PasswordSource;

/// Address of a PostgreSQL server, with the database and the credentials: from parts, or from a
/// connection string.
///
/// A part needs no encoding, unlike in a URL. `&str` and `String` convert into an address, and its
/// methods add to what the text says. `Debug` shows neither the user nor the password.
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), tower_logout::store::StoreError> {
/// use tower_logout::{PostgresStore, store::PostgresAddress};
///
/// let address = PostgresAddress::new("db.internal")
///     .port(5432)
///     .database("app")
///     .user("app")
///     .password("p@ss/word")
///     .require_tls();
/// let store = PostgresStore::connect(address).await?;
/// # Ok(())
/// # }
/// ```
///
/// A password that changes, such as a token of IAM or Entra, or a lease of Vault:
///
/// ```no_run
/// # async fn token_for(user: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
/// # async fn connect() -> Result<(), tower_logout::store::StoreError> {
/// use tower_logout::{PostgresStore, store::PostgresAddress};
///
/// let url = "postgres://app@db.internal/app?sslmode=verify-full";
/// let address = PostgresAddress::from(url).password_from(|| token_for("app"));
/// let store = PostgresStore::connect(address).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct PostgresAddress {
    text: Option<String>,
    hosts: Vec<(String, u16)>,
    database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    requires_tls: bool,
    pub(super) password_source: Option<PasswordSource>,
}

impl PostgresAddress {
    /// Creates an address from a host's name or IP address, or the directory of a Unix socket, with
    /// port 5432, the operating system's user, and the database of the user's name.
    pub fn new(host: impl Into<String>) -> Self {
        Self::default().host(host)
    }

    /// Adds a host, with the port of the one before. The store connects to the first host that
    /// accepts writes.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        let port = self.hosts.last().map_or(DEFAULT_PORT, |&(_, port)| port);
        self.hosts.push((host.into(), port));
        self
    }

    /// Sets the port of the host that was added last. Default: 5432. Without effect if the hosts
    /// are those of a connection string.
    pub fn port(mut self, port: u16) -> Self {
        if let Some(last) = self.hosts.last_mut() {
            last.1 = port;
        }
        self
    }

    /// Sets the name of the database. Default: the user's name.
    pub fn database(self, name: impl Into<String>) -> Self {
        Self { database: Some(name.into()), ..self }
    }

    /// Sets the user. Default: the operating system's user.
    pub fn user(self, user: impl Into<String>) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    /// Sets the password.
    pub fn password(self, password: impl Into<String>) -> Self {
        Self { password: Some(password.into()), ..self }
    }

    /// Sets a closure that gives the password of each new connection, for credentials that change.
    /// It replaces a [`password`](Self::password).
    ///
    /// The closure is asked whenever a connection is opened, also for the one on which a
    /// [`Replica`](crate::Replica) listens, and several times at once if several are opened. It has
    /// three quarters of the [time limit](crate::store::PostgresStoreOptions::timeout), so it
    /// should cache what is slow to get. Open connections are not affected when the password
    /// changes.
    ///
    /// If it fails, panics or takes too long, the call that needs the connection ends in an error
    /// of the kind [`Unavailable`](crate::store::StoreErrorKind::Unavailable) with the closure's
    /// error as a source, and the next connection asks again. The error must not contain the
    /// password, because it is logged.
    pub fn password_from<F, A, E>(self, closure: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self { password_source: Some(PasswordSource::new(closure)), ..self }
    }

    /// Requires TLS, as `sslmode=verify-full` in a connection string does. Needs the feature
    /// `postgres-tls`.
    pub fn require_tls(self) -> Self {
        Self { requires_tls: true, ..self }
    }

    /// Combines the connection string and the parts.
    pub(super) fn parse(&self) -> Result<(Config, LibpqOptions), PostgresError> {
        let (mut options, mut config) = match &self.text {
            Some(text) => {
                let (options, rest) = LibpqOptions::take_from(text)?;
                let config = rest.parse().map_err(|error| PostgresError::ConnectionString(explain(&error)))?;
                (options, config)
            }
            None => (LibpqOptions::default(), Config::new()),
        };
        if self.requires_tls {
            options.sslmode = Some("verify-full".to_owned());
        }
        self.add_hosts(&mut config);
        if let Some(name) = &self.database {
            config.dbname(name);
        }
        if let Some(user) = &self.user {
            config.user(user);
        }
        if let Some(password) = &self.password {
            config.password(password);
        }
        Ok((config, options))
    }

    fn add_hosts(&self, config: &mut Config) {
        if self.hosts.is_empty() {
            return;
        }
        // Either one port for all, or one for each host.
        let before = config.get_hosts().len().max(config.get_hostaddrs().len());
        for at in config.get_ports().len()..before {
            let port = if at == 0 { DEFAULT_PORT } else { config.get_ports()[0] };
            config.port(port);
        }
        for (host, port) in &self.hosts {
            config.host(host).port(*port);
        }
    }
}

impl From<&str> for PostgresAddress {
    /// Takes a URL (`postgres://user:password@host:5432/database`) or `key=value` pairs. Errors in
    /// it are reported when a store is created.
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<&String> for PostgresAddress {
    fn from(text: &String) -> Self {
        Self::from(text.clone())
    }
}

impl From<String> for PostgresAddress {
    fn from(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAddress")
            .field("hosts", &self.hosts)
            .field("database", &self.database)
            .field("requires_tls", &self.requires_tls)
            .finish_non_exhaustive()
    }
}

const DEFAULT_PORT: u16 = 5432;
