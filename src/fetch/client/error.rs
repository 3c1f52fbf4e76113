use tower::BoxError;

use crate::{certificates::PemError, chain::debug_as_chain};

/// Error of the settings of an [`HttpClient`](crate::fetch::HttpClient), or of what it needs from
/// the application and the system.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum HttpClientError {
    /// No crypto provider of `rustls` is installed.
    #[error(
        "TLS needs a crypto provider of rustls: install one at the start of `main`, for example with \
         `rustls::crypto::aws_lc_rs::default_provider().install_default()`"
    )]
    NoCryptoProvider,
    /// The crypto provider of `rustls` supports neither TLS 1.2 nor TLS 1.3.
    #[error("the crypto provider of rustls cannot be used for TLS: install another one")]
    CryptoProvider(#[source] BoxError),
    /// The system has no CA certificates, and none are set.
    #[error(
        "there are no CA certificates to verify the server with: install those of the system (often the package \
         `ca-certificates`), name a file with them in `SSL_CERT_FILE`, or call `HttpClient::root_certificates`"
    )]
    NoRootCertificates(#[source] Option<BoxError>),
    /// The given CA certificates cannot be used.
    #[error("the root certificates are invalid: set CA certificates, in PEM, and nothing else")]
    RootCertificates(#[source] BoxError),
    /// The proxy cannot be used.
    #[error(
        "the proxy cannot be used: its URL must be `http://host:port` or `https://host:port`; check the setting or the \
         variables `HTTPS_PROXY` and `ALL_PROXY`, or use a client of your own"
    )]
    Proxy,
    /// The request is not encrypted, and is not for this machine.
    #[error("`{0}` requests are not sent, except `http` requests to this machine: use an `https` URL")]
    Scheme(String),
}

debug_as_chain!(HttpClientError);

impl HttpClientError {
    pub(super) fn root_certificates(error: PemError) -> Self {
        Self::RootCertificates(error.into())
    }
}
