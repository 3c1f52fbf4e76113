//! Opens connections and cancels statements on them.

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, Error, NoTls, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{
    address::PostgresAddress, config, connect_error::ConnectError, error::PostgresError, libpq::LibpqOptions,
    options::PostgresStoreOptions, prepared::Prepared, target::Target,
};
use crate::store::password::PasswordSource;

/// Opens connections to one server, with or without TLS.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<Config>,
    /// Asked for the password of each connection.
    password: Option<PasswordSource>,
    target: Target,
    tls: Tls,
    timeout: Duration,
}

#[derive(Clone)]
enum Tls {
    Plain,
    #[cfg(feature = "postgres-tls")]
    Rustls(tokio_postgres_rustls::MakeRustlsConnect),
}

/// A connection and the task that drives it. Dropping it ends the task.
pub(super) struct Connection {
    /// Shared with the notification that follows a statement.
    pub(super) client: Arc<Client>,
    pub(super) prepared: Prepared,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connector {
    pub(super) fn new(address: &PostgresAddress, options: &PostgresStoreOptions) -> Result<Self, PostgresError> {
        let (config, libpq) = config::parse(address, options)?;
        let tls = tls(&config, &libpq, options)?;
        Ok(Self {
            target: Target::of(&config),
            config: Arc::new(config),
            password: address.password_source.clone(),
            tls,
            timeout: options.timeout,
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The time limit of a call, which also applies to background tasks.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Opens a connection. `wakeup` is notified of each notification and when the connection ends.
    pub(super) async fn open(&self, wakeup: Arc<Notify>, limit: Duration) -> Result<Connection, ConnectError> {
        let begun = Instant::now();
        let mut config = Arc::clone(&self.config);
        if let Some(source) = &self.password {
            // Its caller waits for the whole limit, and is told that the password is late.
            let limit = limit * 3 / 4;
            let password = match timeout(limit, source.ask()).await {
                Ok(password) => password.map_err(|error| ConnectError::no_password(&self.target, error))?,
                Err(_) => return Err(ConnectError::password_timed_out(&self.target, limit)),
            };
            Arc::make_mut(&mut config).password(password);
        }
        let opened = timeout(limit.saturating_sub(begun.elapsed()), async {
            match &self.tls {
                Tls::Plain => open(&config, NoTls, wakeup).await,
                #[cfg(feature = "postgres-tls")]
                Tls::Rustls(tls) => open(&config, tls.clone(), wakeup).await,
            }
        });
        match opened.await {
            Ok(opened) => opened.map_err(|error| ConnectError::new(&self.target, error)),
            Err(_) => Err(ConnectError::timed_out(&self.target, limit)),
        }
    }

    /// Asks the server, in the background, to cancel the running statement of a connection.
    /// Otherwise the statement would continue, or wait for a lock, although its result is not
    /// needed.
    pub(super) fn cancel_in_background(&self, client: &Client) {
        if !client.is_closed()
            && let Ok(runtime) = Handle::try_current()
        {
            let (connector, token) = (self.clone(), client.cancel_token());
            runtime.spawn(async move {
                let _ = timeout(connector.timeout, connector.cancel(token)).await;
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
        // Dropped before the wake-up, so that the client is then closed.
        drop(connection);
        wakeup.notify_one();
    });
    Ok(Connection { client: Arc::new(client), prepared: Prepared::default(), task })
}

#[cfg(not(feature = "postgres-tls"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail if the feature `postgres-tls` is enabled")]
fn tls(_: &Config, _: &LibpqOptions, _: &PostgresStoreOptions) -> Result<Tls, PostgresError> {
    Ok(Tls::Plain)
}

#[cfg(feature = "postgres-tls")]
fn tls(config: &Config, libpq: &LibpqOptions, options: &PostgresStoreOptions) -> Result<Tls, PostgresError> {
    if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
        super::tls::connector(libpq, options).map(Tls::Rustls)
    } else {
        Ok(Tls::Plain)
    }
}
