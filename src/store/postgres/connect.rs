//! How connections are made: those of the pool, and that of a listener.

use std::{future::poll_fn, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, Error, NoTls, Socket,
    config::{SslMode, TargetSessionAttrs},
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{
    error::PostgresError,
    options::PostgresStoreOptions,
    unreachable::{Target, Unreachable},
};

/// Opens connections with or without TLS, and wakes somebody whenever a notification comes or the connection ends.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<Config>,
    target: Target,
    tls: Tls,
    patience: Duration,
}

#[derive(Clone)]
enum Tls {
    Plain,
    #[cfg(feature = "postgres-tls")]
    Rustls(tokio_postgres_rustls::MakeRustlsConnect),
}

/// A connection, and the task that serves it, which ends with it.
pub(super) struct Connection {
    pub(super) client: Client,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connector {
    pub(super) fn new(url: &str, options: &PostgresStoreOptions) -> Result<Self, PostgresError> {
        let config = config(url, options)?;
        let tls = tls(&config, options)?;
        Ok(Self { target: Target::of(&config), config: Arc::new(config), tls, patience: options.timeout })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// How long a call may take, and what it does in the background.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) async fn open(&self, wakeup: Arc<Notify>, patience: Duration) -> Result<Connection, Unreachable> {
        let opened = timeout(patience, async {
            match &self.tls {
                Tls::Plain => open(&self.config, NoTls, wakeup).await,
                #[cfg(feature = "postgres-tls")]
                Tls::Rustls(tls) => open(&self.config, tls.clone(), wakeup).await,
            }
        });
        match opened.await {
            Ok(opened) => opened.map_err(|error| Unreachable::new(&self.target, error)),
            Err(_) => Err(Unreachable::late(&self.target, patience)),
        }
    }

    /// Asks the server, in the background, to give up what a connection is doing: it would go on, or wait for a lock, for somebody who has gone.
    pub(super) fn abandon(&self, client: &Client) {
        if !client.is_closed()
            && let Ok(runtime) = Handle::try_current()
        {
            let (connector, token) = (self.clone(), client.cancel_token());
            runtime.spawn(async move {
                let _ = timeout(connector.patience, connector.cancel(token)).await;
            });
        }
    }

    async fn cancel(&self, token: CancelToken) -> Result<(), Error> {
        match &self.tls {
            Tls::Plain => token.cancel_query(NoTls).await,
            #[cfg(feature = "postgres-tls")]
            Tls::Rustls(tls) => token.cancel_query(tls.clone()).await,
        }
    }
}

async fn open<T>(config: &Config, tls: T, wakeup: Arc<Notify>) -> Result<Connection, Error>
where
    T: MakeTlsConnect<Socket> + Send,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, mut connection) = config.connect(tls).await?;
    let task = tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if matches!(message, AsyncMessage::Notification(_)) {
                wakeup.notify_one();
            }
        }
        // First, so that whoever wakes finds the client closed.
        drop(connection);
        wakeup.notify_one();
    });
    Ok(Connection { client, task })
}

/// What a connection string says, and what this store insists on.
fn config(url: &str, options: &PostgresStoreOptions) -> Result<Config, PostgresError> {
    let mut config: Config = url.parse().map_err(|error| PostgresError::ConnectionString(why(&error)))?;
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    if hosts == 0 {
        return Err(PostgresError::NoHost);
    }
    // A standby knows what was revoked too late, and can take nothing.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    #[cfg(feature = "postgres-tls")]
    if !options.root_certificates.is_empty() {
        if config.get_ssl_mode() == SslMode::Disable {
            return Err(PostgresError::TlsDisabled);
        }
        config.ssl_mode(SslMode::Require);
    }
    if config.get_application_name().is_none() {
        config.application_name("tower-logout");
    }
    if config.get_connect_timeout().is_none() {
        // So that the next host is tried before the time is up.
        config.connect_timeout(options.timeout / u32::try_from(hosts).unwrap_or(u32::MAX));
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(options.timeout);
    }
    if config.get_keepalives_idle() > KEEPALIVE_IDLE {
        config.keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL).keepalives_retries(3);
    }
    Ok(config)
}

/// What is wrong with a connection string, without a word of it: a part of the password may have been taken for something else.
fn why(error: &Error) -> String {
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let option = |name: &&str| text == format!("unknown option `{name}`");
    if text == "invalid value for option `sslmode`" {
        "`sslmode` is `disable` or `require`, which always verifies the certificate and the host's name".to_owned()
    } else if text.starts_with("invalid value for option `") {
        text
    } else if let Some(name) = NOT_SUPPORTED.iter().find(|name| option(name)) {
        format!(
            "it has `{name}`, which is not supported; root certificates are given by `PostgresStoreOptions::root_certificates`"
        )
    } else {
        "it looks like `postgres://user:password@host:5432/database?sslmode=require`, with special characters in its parts percent-encoded"
            .to_owned()
    }
}

#[cfg(not(feature = "postgres-tls"))]
fn tls(config: &Config, _: &PostgresStoreOptions) -> Result<Tls, PostgresError> {
    if config.get_ssl_mode() == SslMode::Require { Err(PostgresError::TlsNotCompiled) } else { Ok(Tls::Plain) }
}

#[cfg(feature = "postgres-tls")]
fn tls(config: &Config, options: &PostgresStoreOptions) -> Result<Tls, PostgresError> {
    // "Prefer" would be TLS or not, as whoever sits on the way likes it: not asked for, there is none.
    if config.get_ssl_mode() == SslMode::Require {
        super::tls::connector(&options.root_certificates).map(Tls::Rustls)
    } else {
        Ok(Tls::Plain)
    }
}

const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// What other clients know and this one does not.
const NOT_SUPPORTED: [&str; 8] =
    ["sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "service", "gssencmode", "client_encoding"];
