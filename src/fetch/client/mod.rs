//! [`HttpClient`], the default client (feature `oidc`).
//!
//! It is built on what `reqwest` is built on, and not on `reqwest`, whose features an application
//! shares: with `rustls-no-provider`, an application's own `reqwest::Client::new()` would panic
//! where no crypto provider is installed. It also adds 28 crates to the feature `jwt` and not 63.

mod connection;
mod connector;
mod error;
mod proxy;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    Extensions, HeaderValue, Request, Response,
    header::{ACCEPT_ENCODING, USER_AGENT},
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioTimer},
};
use tower::BoxError;

use self::{
    connection::Answered,
    connector::{Connector, Settings},
    proxy::Proxy,
};
use crate::{
    certificates::root_certificates,
    fetch::{Fetch, FetchBody},
};

pub use error::HttpClientError;

/// The default HTTP client for requests to identity providers.
///
/// It sends `https` requests, and `http` requests to this machine only. Clones share connections.
///
/// * **TLS** 1.2 or 1.3, by `rustls`. The server's certificate is verified against the CA
///   certificates of the system (on Linux, `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them), and
///   those of [`root_certificates`](Self::root_certificates). They are read at the first request.
/// * **The crypto provider** is the one that the application has installed for the process, for
///   example by `rustls::crypto::aws_lc_rs::default_provider().install_default()`. Without one, an
///   `https` request is an error that says so.
/// * **Proxies** are those of the environment variables `HTTPS_PROXY` or `ALL_PROXY`, except for
///   the hosts in `NO_PROXY`; lower case works, too. They are read when the client is created.
///   Requests to this machine never go through a proxy.
/// * **Time**: name resolution, connection, proxy and TLS handshake take 2 s at most. The caller
///   limits the whole request; dropping its future closes the connection.
/// * **Connections** are kept for 30 s after a request and then closed. A request that fails on a
///   kept connection before there is a response, for example because the server has restarted, is
///   sent again on a new one. Requests that must not arrive twice need another client.
/// * Redirects are not followed, no cookies are kept, and no compression is asked for. The head of
///   a response is 64 KiB at most.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::fetch::HttpClient;
///
/// let client = HttpClient::new()
///     .root_certificates(std::fs::read("/etc/ssl/company-ca.pem")?)?
///     .proxy("http://proxy.example:3128")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpClient {
    connector: Connector,
    keeping: Client<Connector, Full<Bytes>>,
    /// Uses each connection once.
    fresh: Client<Connector, Full<Bytes>>,
}

impl HttpClient {
    /// Creates a client with the CA certificates of the system and the proxy of the environment.
    ///
    /// Nothing is read and nothing can fail before the first request.
    pub fn new() -> Self {
        Self::with(Settings { certificates: Vec::new(), proxy: Proxy::of_environment() })
    }

    /// Adds CA certificates, in PEM, to those of the system, for servers with a certificate of a
    /// private authority.
    ///
    /// # Errors
    ///
    /// If the text contains no certificate, a certificate that cannot be read, or anything other
    /// than certificates.
    pub fn root_certificates(self, pem: impl AsRef<[u8]>) -> Result<Self, HttpClientError> {
        let mut settings = self.connector.settings();
        settings.certificates.extend(root_certificates(pem.as_ref()).map_err(HttpClientError::root_certificates)?);
        Ok(Self::with(settings))
    }

    /// Sets the proxy through which requests are sent, in place of that of the environment:
    /// `http://host:port` or `https://host:port`, with `user:password@` if the proxy needs it.
    ///
    /// The proxy sees the host and the port, and encrypted bytes.
    ///
    /// # Errors
    ///
    /// If the text is no such URL.
    pub fn proxy(self, url: &str) -> Result<Self, HttpClientError> {
        let proxy = Proxy::at(url)?;
        Ok(Self::with(Settings { proxy, ..self.connector.settings() }))
    }

    /// Connects directly, whatever the environment says about proxies.
    pub fn no_proxy(self) -> Self {
        Self::with(Settings { proxy: Proxy::none(), ..self.connector.settings() })
    }

    fn with(settings: Settings) -> Self {
        let connector = Connector::new(settings);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.http1_max_buf_size(MAX_HEAD_LEN).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
        let keeping = builder.build(connector.clone());
        let fresh = builder.pool_max_idle_per_host(0).build(connector.clone());
        Self { connector, keeping, fresh }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
        match self.keeping.request(request.clone().map(Full::new)).await {
            Err(error) if was_kept(&error) => self.fresh.request(request.map(Full::new)).await,
            result => result,
        }
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Fetch for HttpClient {
    async fn fetch(&self, mut request: Request<Bytes>) -> Result<Response<FetchBody>, BoxError> {
        self.connector.check(request.uri()).await?;
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert(const { HeaderValue::from_static(NAME) });
        headers.entry(ACCEPT_ENCODING).or_insert(const { HeaderValue::from_static("identity") });
        let mut response = self.send(request).await?;
        if let Some(answered) = response.extensions_mut().remove::<Answered>() {
            answered.set();
        }
        Ok(response.map(FetchBody::new))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("settings", &self.connector.settings()).finish_non_exhaustive()
    }
}

/// Whether the request failed on a connection on which an earlier one was answered.
fn was_kept(error: &Error) -> bool {
    let mut extensions = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extensions);
    }
    extensions.get::<Answered>().is_some_and(Answered::is_set)
}

const NAME: &str = concat!("tower-logout/", env!("CARGO_PKG_VERSION"));

/// Shorter than what servers and load balancers usually keep connections for, which is 60 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const MAX_HEAD_LEN: usize = 64 * 1024;
