//! How connections are made: those of the pool, and that of a listener.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use deadpool_postgres::Connect;
use tokio::{runtime::Handle, sync::Notify, task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, Error, NoTls, Socket,
    config::{SslMode, TargetSessionAttrs},
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{error::PostgresError, options::PostgresStoreOptions};

/// Opens connections with or without TLS, and wakes somebody whenever a notification comes or the connection ends.
#[derive(Clone)]
pub(super) struct Connector {
    tls: Tls,
    wakeup: Arc<Notify>,
}

#[derive(Clone)]
enum Tls {
    Plain,
    #[cfg(feature = "postgres-tls")]
    Rustls(tokio_postgres_rustls::MakeRustlsConnect),
}

impl Connector {
    pub(super) fn new(config: &Config, options: &PostgresStoreOptions) -> Result<Self, PostgresError> {
        Ok(Self { tls: tls(config, options)?, wakeup: Arc::default() })
    }

    /// The same, for a connection that is listened on.
    pub(super) fn waking(&self, wakeup: &Arc<Notify>) -> Self {
        Self { tls: self.tls.clone(), wakeup: Arc::clone(wakeup) }
    }

    pub(super) async fn open(&self, config: &Config) -> Result<(Client, JoinHandle<()>), Error> {
        match &self.tls {
            Tls::Plain => open(config, NoTls, Arc::clone(&self.wakeup)).await,
            #[cfg(feature = "postgres-tls")]
            Tls::Rustls(tls) => open(config, tls.clone(), Arc::clone(&self.wakeup)).await,
        }
    }

    /// Asks the server, in the background, to give up what a connection is doing: it would go on, or wait for a lock, for somebody who has gone.
    pub(super) fn abandon(&self, client: &Client, patience: Duration) {
        if !client.is_closed()
            && let Ok(runtime) = Handle::try_current()
        {
            let (connector, token) = (self.clone(), client.cancel_token());
            runtime.spawn(async move {
                let _ = timeout(patience, connector.cancel(token)).await;
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

impl Connect for Connector {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        let config = config.clone();
        Box::pin(async move { self.open(&config).await })
    }
}

async fn open<T>(config: &Config, tls: T, wakeup: Arc<Notify>) -> Result<(Client, JoinHandle<()>), Error>
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
    Ok((client, task))
}

/// What a connection string says, and what this store insists on.
pub(super) fn config(url: &str, options: &PostgresStoreOptions) -> Result<Config, PostgresError> {
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
