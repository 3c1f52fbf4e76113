//! [`Transmitter`]: requests to a transmitter.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header::AUTHORIZATION};
use serde::Deserialize;

use super::{TransmitterError, credentials::Credentials};
use crate::{
    fetch::{self, Address, Fetch, FetchError, Limits, Reply},
    token::jwt::{ConfigError, object, transmitter_metadata},
};

/// A transmitter, as requests to it need it.
pub(super) struct Transmitter {
    pub(super) issuer: Arc<str>,
    pub(super) client: Option<Arc<dyn Fetch>>,
    pub(super) allow_http_on_loopback: bool,
}

/// A request to a transmitter.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) address: &'a Address,
    pub(super) credentials: &'a Credentials,
    /// The JSON text of the body.
    pub(super) body: Option<String>,
    /// More headers.
    pub(super) headers: HeaderMap,
    pub(super) limits: Limits,
}

/// The metadata of a transmitter (Shared Signals Framework 1.0, section 7.1), as far as it is used.
#[derive(Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    #[serde(default)]
    pub(super) delivery_methods_supported: Vec<String>,
    pub(super) configuration_endpoint: Option<String>,
    pub(super) status_endpoint: Option<String>,
    pub(super) verification_endpoint: Option<String>,
}

impl Transmitter {
    pub(super) fn address(&self, text: &str) -> Result<Address, FetchError> {
        Address::parse(text, self.allow_http_on_loopback)
    }

    /// Sends a request, and returns the response with whatever status it has.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Reply, TransmitterError> {
        let Call { operation, method, address, credentials, body, headers, limits } = call;
        let Some(client) = &self.client else {
            return Err(TransmitterError::Answer { operation, reason: "there is no HTTP client to send it with" });
        };
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = address.uri().clone();
        *request.headers_mut() = headers;
        request.headers_mut().insert(http::header::ACCEPT, JSON);
        if let Some(header) = credentials.header().await? {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request.headers_mut().insert(http::header::CONTENT_TYPE, JSON);
            *request.body_mut() = body.into();
        }
        fetch::send(client, request, limits).await.map_err(|source| TransmitterError::Fetch { operation, source })
    }

    /// Fetches the metadata of the transmitter.
    pub(super) async fn metadata(&self) -> Result<Metadata, TransmitterError> {
        let operation = "read its metadata";
        let unusable = |error| {
            let ConfigError::Address(source) = error else { return TransmitterError::OtherIssuer };
            TransmitterError::Fetch { operation, source }
        };
        let addresses = transmitter_metadata(&self.issuer, self.allow_http_on_loopback).map_err(unusable)?;
        for address in &addresses {
            let credentials = &Credentials::None;
            let (method, headers, limits) = (Method::GET, HeaderMap::new(), MANAGEMENT);
            let call = Call { operation, method, address, credentials, body: None, headers, limits };
            let reply = self.send(call).await?;
            match reply.status {
                status if status.is_success() => return self.read_metadata(operation, &reply),
                status if status.is_client_error() => {}
                status => return Err(TransmitterError::status(operation, status)),
            }
        }
        Err(TransmitterError::NoMetadata { addresses: addresses.iter().map(ToString::to_string).collect() })
    }

    fn read_metadata(&self, operation: &'static str, reply: &Reply) -> Result<Metadata, TransmitterError> {
        let metadata: Metadata = read(operation, reply)?;
        if metadata.issuer != *self.issuer {
            return Err(TransmitterError::OtherIssuer);
        }
        Ok(metadata)
    }
}

/// Reads a JSON object from a response.
pub(super) fn read<T: for<'a> Deserialize<'a>>(operation: &'static str, reply: &Reply) -> Result<T, TransmitterError> {
    let unusable = |reason| TransmitterError::Answer { operation, reason };
    let text = str::from_utf8(&reply.body).map_err(|_| unusable("it is not UTF-8"))?;
    object(text)
        .map_err(|_| unusable("it is not a JSON object with the members that it must have; is the address right?"))
}

/// The bounds of requests that are neither long polls nor large.
pub(super) const MANAGEMENT: Limits = Limits { timeout: Duration::from_secs(10), len: 512 * 1024 };
const JSON: HeaderValue = HeaderValue::from_static("application/json");
