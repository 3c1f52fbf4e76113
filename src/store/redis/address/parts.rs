//! [`RedisAddress`]: the address of a server as the application gives it.

use std::{error::Error, fmt, future::Future};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::store::{
    password::PasswordSource,
    redis::error::{OptionsError, Result},
};

/// Address of a Redis server with the credentials for it: a URL, or parts that need no
/// percent-encoding.
///
/// Wherever an address is taken, a `&str` or a `String` is a URL:
/// `redis://user:password@host:port/database`, or `rediss://…` for TLS.
///
/// # Passwords that change
///
/// [`password_from`](Self::password_from) takes a closure that is asked for each new connection.
/// Use it for tokens of a cloud provider (IAM, Entra ID), for the leases of Vault, or for a file
/// that is replaced. Connections that exist are not affected by a new password. When the server
/// closes one because its token has expired, the store opens another with a new token.
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), tower_logout::store::StoreError> {
/// use tower_logout::{RedisStore, store::RedisAddress};
///
/// let address = RedisAddress::new("redis.internal", 6379).user("logout").password("p@ss/word");
/// let store = RedisStore::connect(address).await?;
///
/// let rotated = RedisAddress::from("rediss://logout@redis.internal").password_from(token);
/// let store = RedisStore::connect(rotated).await?;
/// # Ok(())
/// # }
///
/// async fn token() -> Result<String, std::io::Error> {
///     // Asks the cloud provider.
///     # Ok(String::new())
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisAddress {
    target: Target,
    tls: bool,
    user: Option<String>,
    password: Option<Password>,
    database: Option<u32>,
}

#[derive(Clone)]
enum Target {
    Url(String),
    Host(String, u16),
}

#[derive(Clone)]
enum Password {
    Fixed(String),
    From(PasswordSource),
}

impl RedisAddress {
    /// Creates an address from a host name or an IP address and a port, usually 6379.
    ///
    /// For the primary of Sentinels, the host is its name, and the port is ignored.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::at(Target::Host(host.into(), port))
    }

    const fn at(target: Target) -> Self {
        Self { target, tls: false, user: None, password: None, database: None }
    }

    /// Uses TLS (feature `redis-tls`), as a URL that begins with `rediss://` does. The server's
    /// certificate is always verified.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets the user. Default: that of the URL, or the user `default`.
    ///
    /// A user needs a password as well. For a user without one (`nopass`), any password will do.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sets the password, in place of one in the URL or of
    /// [`password_from`](Self::password_from).
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Password::Fixed(password.into()));
        self
    }

    /// Sets a closure that returns the password for each new connection, in place of one in the
    /// URL or of [`password`](Self::password).
    ///
    /// The store opens several connections, sometimes at the same time, and all of them again when
    /// the server has restarted. If a password is expensive to obtain, the closure should keep it
    /// and share it between callers. After a rejected login, the next attempt asks again.
    ///
    /// The closure has as much time as the connection: the store's
    /// [`timeout`](crate::store::RedisStoreOptions::timeout). It runs on the runtime and must not
    /// block. Its error makes the operation fail with the kind
    /// [`Unavailable`](crate::store::StoreErrorKind::Unavailable) and is the
    /// [source](Error::source) of the [`StoreError`](crate::store::StoreError); a panic counts as
    /// an error. The store writes neither the password nor the user to errors or logs. The text of
    /// the closure's error is written, so it must not contain the password.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the time is over.
    pub fn password_from<F, R, E>(mut self, closure: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.password = Some(Password::From(PasswordSource::new(closure)));
        self
    }

    /// Sets the number of the database. Default: that of the URL, or 0. A Cluster has no other.
    pub fn database(mut self, database: u32) -> Self {
        self.database = Some(database);
        self
    }

    /// Combines the parts, and returns the closure for the password beside them.
    pub(super) fn resolve(self) -> Result<(ConnectionInfo, Option<PasswordSource>), OptionsError> {
        let Self { target, tls, user, password, database } = self;
        let info = match target {
            Target::Url(url) => from_url(&url)?,
            Target::Host(host, port) => from_host(host, port)?,
        };
        let info = if tls { with_tls(info)? } else { info };
        if matches!(info.addr(), ConnectionAddr::Tcp(_, 0) | ConnectionAddr::TcpTls { port: 0, .. }) {
            return Err(OptionsError::Port);
        }
        let mut settings = info.redis_settings().clone();
        if user.as_deref().is_some_and(str::is_empty) {
            return Err(OptionsError::EmptyUser);
        }
        if let Some(user) = user {
            settings = settings.set_username(user);
        }
        if let Some(database) = database {
            settings = settings.set_db(database.into());
        }
        let source = match password {
            Some(Password::From(source)) => Some(source),
            Some(Password::Fixed(password)) => {
                settings = settings.set_password(password);
                None
            }
            None => None,
        };
        if source.is_none() && is_without_password(&settings) {
            return Err(OptionsError::UserWithoutPassword);
        }
        Ok((info.set_redis_settings(settings), source))
    }
}

fn from_url(url: &str) -> Result<ConnectionInfo, OptionsError> {
    let url = url.trim();
    if !cfg!(feature = "redis-tls") && ["rediss:", "valkeys:"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(OptionsError::TlsFeature);
    }
    let info = url.into_connection_info().map_err(OptionsError::Url)?;
    if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
        return Err(OptionsError::Insecure);
    }
    Ok(info)
}

fn from_host(host: String, port: u16) -> Result<ConnectionInfo, OptionsError> {
    // In URLs, an IPv6 address has brackets.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned).unwrap_or(host);
    if host.is_empty() || host.contains(|c: char| "/@[]?#".contains(c) || c.is_whitespace() || c.is_control()) {
        return Err(OptionsError::Host);
    }
    ConnectionAddr::Tcp(host, port).into_connection_info().map_err(OptionsError::Url)
}

fn with_tls(info: ConnectionInfo) -> Result<ConnectionInfo, OptionsError> {
    if !cfg!(feature = "redis-tls") {
        return Err(OptionsError::TlsFeature);
    }
    match info.addr().clone() {
        ConnectionAddr::Tcp(host, port) => {
            Ok(info.set_addr(ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }))
        }
        ConnectionAddr::TcpTls { .. } => Ok(info),
        _ => Err(OptionsError::UnixSocketTls),
    }
}

/// Whether there is a user, whom the `redis` crate would ignore because there is no password.
fn is_without_password(settings: &RedisConnectionInfo) -> bool {
    settings.username().is_some() && settings.password().is_none()
}

/// Takes a URL, such as `redis://user:password@host:port/database`.
impl<T: AsRef<str> + ?Sized> From<&T> for RedisAddress {
    fn from(url: &T) -> Self {
        Self::at(Target::Url(url.as_ref().to_owned()))
    }
}

/// Takes a URL, such as `redis://user:password@host:port/database`.
impl From<String> for RedisAddress {
    fn from(url: String) -> Self {
        Self::at(Target::Url(url))
    }
}

impl From<&Self> for RedisAddress {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

/// Displays neither the user nor the password, nor a URL, which may contain them.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut address = f.debug_struct("RedisAddress");
        if let Target::Host(host, port) = &self.target {
            address.field("host", host).field("port", port);
        }
        address.field("tls", &self.tls).field("database", &self.database).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(address: RedisAddress) -> ConnectionInfo {
        address.resolve().unwrap_or_else(|error| unreachable!("{error}")).0
    }

    fn rejected(address: RedisAddress) -> String {
        address.resolve().map(|_| ()).expect_err("it is rejected").to_string()
    }

    #[test]
    fn parts_need_no_encoding_and_replace_those_of_a_url() {
        for address in [
            RedisAddress::new("redis.internal", 7000).user("log:out").password("p@ss/word%").database(2),
            RedisAddress::from("redis://a:b@redis.internal:7000/1").user("log:out").password("p@ss/word%").database(2),
            RedisAddress::from(String::from("redis://log%3aout:p%40ss%2fword%25@redis.internal:7000/2")),
        ] {
            let info = resolved(address);
            assert_eq!(info.addr().to_string(), "redis.internal:7000");
            let settings = info.redis_settings();
            assert_eq!(settings.username(), Some("log:out"));
            assert_eq!(settings.password(), Some("p@ss/word%"));
            assert_eq!(settings.db(), 2);
        }
        assert_eq!(
            resolved(RedisAddress::new("[::1]", 1)).addr().to_string(),
            resolved(RedisAddress::new("::1", 1)).addr().to_string()
        );
        #[cfg(feature = "redis-tls")]
        for address in [RedisAddress::new("host", 1).tls(), RedisAddress::from("redis://host:1").tls()] {
            assert!(matches!(resolved(address).addr(), ConnectionAddr::TcpTls { port: 1, insecure: false, .. }));
        }
    }

    #[test]
    fn the_last_password_applies() {
        let closure = || async { Ok::<_, std::io::Error>(String::new()) };
        let from_closure = RedisAddress::from("redis://user:hunter2@host").password_from(closure);
        assert!(from_closure.clone().resolve().is_ok_and(|(_, source)| source.is_some()));
        assert!(from_closure.password("x").resolve().is_ok_and(|(_, source)| source.is_none()));
        assert!(RedisAddress::from("redis://user@host").password_from(closure).resolve().is_ok());
    }

    #[test]
    fn what_is_missing_is_named() {
        for host in ["", " ", "[]", "redis://host", "user@host", "/run/redis.sock"] {
            assert!(rejected(RedisAddress::new(host, 6379)).contains("host"), "{host:?}");
        }
        assert!(rejected(RedisAddress::new("host", 0)).contains("port"));
        assert!(rejected(RedisAddress::from("redis://host:0")).contains("port"));
        assert!(rejected(RedisAddress::new("host", 1).user("")).contains("user"));
        assert!(rejected(RedisAddress::new("host", 1).user("logout")).contains("password_from"));
        assert!(rejected(RedisAddress::from("redis://logout@host")).contains("password_from"));
        assert!(RedisAddress::new("host", 1).password("x").resolve().is_ok(), "the user is `default`");
        assert!(RedisAddress::new("host", 1).user("logout").password("").resolve().is_ok(), "of a `nopass` user");
        #[cfg(feature = "redis-tls")]
        assert!(rejected(RedisAddress::from("unix:///run/redis.sock").tls()).contains("Unix socket"));
        #[cfg(not(feature = "redis-tls"))]
        assert!(rejected(RedisAddress::new("host", 1).tls()).contains("redis-tls"));
    }

    #[test]
    fn no_secret_is_displayed() {
        let closure = || async { Ok::<_, std::io::Error>("hunter2".to_owned()) };
        for address in [
            RedisAddress::new("host", 1).user("alice").password("hunter2"),
            RedisAddress::from("redis://alice:hunter2@host"),
            RedisAddress::from("redis://alice@host").password_from(closure),
        ] {
            let text = format!("{address:?}");
            assert!(!text.contains("alice") && !text.contains("hunter2"), "{text}");
        }
    }
}
