//! [`Connector`]: opens a connection to a server, directly or through a proxy.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper_util::{
    client::legacy::connect::{HttpConnector, proxy::Tunnel},
    rt::TokioIo,
};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{sync::OnceCell, task::spawn_blocking, time::timeout};
use tokio_rustls::TlsConnector;
use tower::{BoxError, Service};

use super::{
    HttpClientError,
    connection::{Connection, Stream},
    proxy::Proxy,
};
use crate::{
    certificates::{client_config, trusted},
    loopback::is_loopback,
};

/// What connections are made with.
#[derive(Clone)]
pub(super) struct Settings {
    /// In addition to those of the system.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) proxy: Proxy,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("certificates", &self.certificates.len()).field("proxy", &self.proxy).finish()
    }
}

/// Opens connections, with TLS if the scheme is `https`.
#[derive(Clone)]
pub(super) struct Connector(Arc<Shared>);

struct Shared {
    settings: Settings,
    tcp: HttpConnector,
    /// Created at the first `https` request, so that `http` ones need no crypto provider.
    tls: OnceCell<TlsConnector>,
}

impl Connector {
    pub(super) fn new(settings: Settings) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided by the number of a name's addresses, so that each of them is tried.
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self(Arc::new(Shared { settings, tcp, tls: OnceCell::new() }))
    }

    pub(super) fn settings(&self) -> Settings {
        self.0.settings.clone()
    }

    /// Checks what can be checked without a connection.
    pub(super) async fn check(&self, uri: &Uri) -> Result<(), HttpClientError> {
        let scheme = uri.scheme_str().unwrap_or_default();
        match (scheme, uri.host()) {
            ("https", Some(_)) => {
                self.0.settings.proxy.for_request(uri)?;
                self.0.tls().await.map(drop)
            }
            ("http", Some(host)) if is_loopback(host) => Ok(()),
            _ => Err(HttpClientError::Scheme(scheme.to_owned())),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let stream = timeout(CONNECT_TIMEOUT, shared.connect(&uri)).await.map_err(|_| ConnectError::TimedOut)??;
            Ok(Connection::new(stream))
        })
    }
}

impl Shared {
    async fn connect(self: Arc<Self>, uri: &Uri) -> Result<Stream, BoxError> {
        let direct = Direct(Arc::clone(&self));
        let Some(proxy) = self.settings.proxy.for_request(uri)? else { return direct.connect(uri).await };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let tunnelled = tunnel.call(uri.clone()).await;
        let stream = tunnelled
            .map_err(|error| ConnectError::Proxy { proxy: proxy.uri().to_string(), source: error.into() })?
            .into_inner();
        self.encrypt(uri, stream).await
    }

    /// Encrypts the bytes of a stream, for a server whose certificate has the name in the URL.
    async fn encrypt(&self, uri: &Uri, stream: Stream) -> Result<Stream, BoxError> {
        let host = uri.host().unwrap_or_default();
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned())?;
        Ok(Box::new(self.tls().await?.connect(name, stream).await?))
    }

    async fn tls(&self) -> Result<&TlsConnector, HttpClientError> {
        self.tls.get_or_try_init(|| tls(self.settings.certificates.clone())).await
    }
}

/// Connects to a server or a proxy itself.
struct Direct(Arc<Shared>);

impl Direct {
    async fn connect(&self, uri: &Uri) -> Result<Stream, BoxError> {
        let stream: Stream = Box::new(self.0.tcp.clone().call(uri.clone()).await?.into_inner());
        if uri.scheme() == Some(&Scheme::HTTP) { Ok(stream) } else { self.0.encrypt(uri, stream).await }
    }
}

impl Service<Uri> for Direct {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let direct = Self(Arc::clone(&self.0));
        Box::pin(async move { direct.connect(&uri).await.map(TokioIo::new) })
    }
}

async fn tls(certificates: Vec<CertificateDer<'static>>) -> Result<TlsConnector, HttpClientError> {
    let provider = CryptoProvider::get_default().ok_or(HttpClientError::NoCryptoProvider)?;
    // Reads files, and on some systems asks a service.
    let trusted = spawn_blocking(|| trusted(certificates)).await;
    let (roots, mut errors) = trusted.map_err(|stopped| HttpClientError::NoRootCertificates(Some(stopped.into())))?;
    if roots.is_empty() {
        return Err(HttpClientError::NoRootCertificates(errors.pop().map(Into::into)));
    }
    let config = client_config(provider, roots).map_err(|error| HttpClientError::CryptoProvider(error.into()))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Why there is no connection, where the library says too little.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("there was no connection within {CONNECT_TIMEOUT:?}")]
    TimedOut,
    #[error(
        "the proxy {proxy} opened no connection to the server: may it, and does it need a user name and a password?"
    )]
    Proxy { proxy: String, source: BoxError },
}

/// From the resolution of the name to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
