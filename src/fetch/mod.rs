//! HTTP requests to identity providers: [`Fetch`] is the client, and a closure can be one.
//!
//! Key sources and token introspection send their requests through it. With the feature `oidc`,
//! `HttpClient` is used by default. Use a client of your own for mutual TLS, a SOCKS proxy, or to
//! share the connections of the application.

mod address;
mod body;
#[cfg(feature = "oidc")]
mod client;
mod error;
mod send;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::BoxError;

pub use body::FetchBody;
#[cfg(feature = "oidc")]
pub use client::{HttpClient, HttpClientError};
pub use error::FetchError;

pub(crate) use address::Address;
pub(crate) use send::{Limits, Reply, send};

/// An HTTP client for requests to identity providers.
///
/// A closure that takes an [`http::Request<Bytes>`](http::Request) and returns a future of an
/// [`http::Response`] with any body is a client.
///
/// # Contract
///
/// * Certificates are verified.
/// * Redirects are not followed: the response to the request itself is returned, whatever its
///   status. A provider, or whoever answers in its place, could otherwise direct requests into the
///   internal network.
/// * The body is returned while it arrives. The caller stops reading at its limit, so a client
///   need not limit it. A client that decompresses returns the decompressed body.
///
/// The caller drops the future when its timeout expires.
///
/// # Examples
///
/// A client that answers from memory, for a test:
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower_logout::fetch::Fetch;
///
/// fn client() -> impl Fetch {
///     |request: Request<Bytes>| async move {
///         assert_eq!(request.uri(), "https://idp.example/jwks");
///         Ok::<_, std::io::Error>(Response::new(Full::from(r#"{"keys":[]}"#)))
///     }
/// }
/// ```
#[async_trait]
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request and returns the head of the response.
    ///
    /// # Errors
    ///
    /// If there is no response. The error must not quote the request, which may contain a token or
    /// a secret.
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<FetchBody>, BoxError>;
}

#[async_trait]
impl<F, Sending, B, E> Fetch for F
where
    F: Fn(Request<Bytes>) -> Sending + Send + Sync + 'static,
    Sending: Future<Output = Result<Response<B>, E>> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    E: Into<BoxError>,
{
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<FetchBody>, BoxError> {
        let response = self(request).await.map_err(Into::into)?;
        Ok(response.map(FetchBody::new))
    }
}

/// The client that is used if the application sets none.
pub(crate) fn default_client() -> Option<Arc<dyn Fetch>> {
    #[cfg(feature = "oidc")]
    let client = Some(Arc::new(HttpClient::new()) as Arc<dyn Fetch>);
    #[cfg(not(feature = "oidc"))]
    let client = None;
    client
}
