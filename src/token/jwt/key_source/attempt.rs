//! [`Attempt`]: fetches the key set of an issuer once.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::ACCEPT};
use tokio::time::Instant;

use crate::{
    fetch::{self, Address, Fetch, FetchError, Limits, Reply},
    token::jwt::{
        ConfigError,
        key_source::{
            FetchSettings, KeySourceError, Location, location::MetadataAddresses, max_age::max_age, metadata::Metadata,
        },
    },
};

/// Fetches the key set of an issuer, whenever it is asked to.
pub(super) struct Attempt {
    client: Arc<dyn Fetch>,
    place: Place,
    limits: Limits,
    allow_http_on_loopback: bool,
}

enum Place {
    KeySet(Address),
    Metadata { issuer: String, addresses: MetadataAddresses, read: Option<(Metadata, Instant)> },
}

/// A key set as it was published.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) from: Address,
    pub(super) body: Bytes,
    pub(super) max_age: Option<Duration>,
}

impl Attempt {
    /// # Errors
    ///
    /// If there is no client, or an address is not one.
    pub(super) fn new(location: Location, settings: &FetchSettings) -> Result<Self, ConfigError> {
        let allow_http_on_loopback = settings.allow_http_on_loopback;
        let place = match location {
            Location::KeySet(address) => Place::KeySet(Address::parse(&address, allow_http_on_loopback)?),
            Location::Metadata { issuer } => {
                let addresses = MetadataAddresses::of(&issuer, allow_http_on_loopback)?;
                Place::Metadata { issuer, addresses, read: None }
            }
            #[cfg(feature = "receivers")]
            Location::Transmitter { issuer } => {
                let addresses = MetadataAddresses::of_transmitter(&issuer, allow_http_on_loopback)?;
                Place::Metadata { issuer, addresses, read: None }
            }
        };
        let client = settings.client.clone().ok_or(ConfigError::NoClient)?;
        let fetching = settings.fetching();
        let limits = Limits { timeout: fetching.timeout, len: fetching.max_len };
        Ok(Self { client, place, limits, allow_http_on_loopback })
    }

    /// The members of complex subjects that the metadata calls critical, as far as it was read.
    pub(super) fn critical_subject_members(&self) -> Option<&Arc<[String]>> {
        match &self.place {
            Place::Metadata { read: Some((metadata, _)), .. } => Some(&metadata.critical_subject_members),
            Place::Metadata { read: None, .. } | Place::KeySet(_) => None,
        }
    }

    /// Fetches the key set, and before it the metadata that tells where it is, unless that is
    /// known.
    pub(super) async fn fetch(&mut self) -> Result<Document, KeySourceError> {
        let first = self.key_set_address(false).await?;
        match self.key_set(first).await {
            // The key set may have moved.
            Err(KeySourceError::Fetch { source: FetchError::Status { status, .. }, .. })
                if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
                    && matches!(self.place, Place::Metadata { .. }) =>
            {
                let again = self.key_set_address(true).await?;
                self.key_set(again).await
            }
            result => result,
        }
    }

    /// Returns the address of the key set. Metadata is read if it was never read, a day after that,
    /// or if `anew`.
    async fn key_set_address(&mut self, anew: bool) -> Result<Address, KeySourceError> {
        let (issuer, addresses, read) = match &self.place {
            Place::KeySet(address) => return Ok(address.clone()),
            Place::Metadata { issuer, addresses, read } => (issuer, addresses, read),
        };
        if let Some((metadata, at)) = read
            && !anew
            && at.elapsed() < METADATA_MAX_AGE
        {
            return Ok(metadata.jwks_uri.clone());
        }
        match (self.metadata(issuer, addresses).await, read) {
            (Ok(metadata), _) => {
                let address = metadata.jwks_uri.clone();
                if let Place::Metadata { read, .. } = &mut self.place {
                    *read = Some((metadata, Instant::now()));
                }
                Ok(address)
            }
            // An outage of the metadata alone is no reason to stop refreshing keys.
            (Err(KeySourceError::Fetch { .. }), Some((known, _))) if !anew => Ok(known.jwks_uri.clone()),
            (Err(error), _) => Err(error),
        }
    }

    async fn metadata(
        &self,
        issuer: &str,
        MetadataAddresses(addresses): &MetadataAddresses,
    ) -> Result<Metadata, KeySourceError> {
        let mut missing = None;
        for address in addresses {
            let error = match self.get(address, METADATA_TYPES).await {
                Ok(reply) => return Metadata::read(&reply.body, issuer, address, self.allow_http_on_loopback),
                Err(error) => error,
            };
            match error {
                FetchError::Status { status, .. } if status.is_client_error() => missing = Some(error),
                source => return Err(KeySourceError::Fetch { address: address.to_string(), source }),
            }
        }
        let source = missing.unwrap_or_else(|| FetchError::status(StatusCode::NOT_FOUND));
        Err(KeySourceError::NoMetadata { addresses: addresses.iter().map(ToString::to_string).collect(), source })
    }

    async fn key_set(&self, from: Address) -> Result<Document, KeySourceError> {
        match self.get(&from, KEY_SET_TYPES).await {
            Ok(Reply { headers, body, .. }) => Ok(Document { from, body, max_age: max_age(&headers) }),
            Err(source) => Err(KeySourceError::Fetch { address: from.to_string(), source }),
        }
    }

    async fn get(&self, address: &Address, types: HeaderValue) -> Result<Reply, FetchError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = address.uri().clone();
        request.headers_mut().insert(ACCEPT, types);
        let reply = fetch::send(&self.client, request, self.limits).await?;
        if reply.status == StatusCode::OK { Ok(reply) } else { Err(FetchError::status(reply.status)) }
    }
}

const METADATA_TYPES: HeaderValue = HeaderValue::from_static("application/json");
const KEY_SET_TYPES: HeaderValue = HeaderValue::from_static("application/jwk-set+json, application/json");
const METADATA_MAX_AGE: Duration = Duration::from_secs(24 * 3600);
