//! [`Management`]: the requests that manage a stream (Shared Signals Framework 1.0, section 8.1).

use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    StreamConfiguration,
    configuration::{POLL, PUSH, Received, Wanted, WantedDelivery},
};
use crate::{
    endpoint::security_events::{
        SecurityEvents, StreamStatus, TransmitterError,
        credentials::Credentials,
        transmitter::{Call, MANAGEMENT, read},
        verification::Verifications,
    },
    fetch::{Address, Reply},
};

/// How events are delivered.
pub(super) enum Delivery {
    Push(String),
    Poll,
}

/// What a stream must be like.
pub(super) struct Settings {
    pub(super) delivery: Delivery,
    pub(super) events_requested: Vec<String>,
    pub(super) description: Option<String>,
}

/// Manages streams at a transmitter.
pub(super) struct Management {
    events: SecurityEvents,
    pub(super) credentials: Credentials,
    settings: Settings,
    configuration: Address,
    status: Option<Address>,
    verification: Option<Address>,
}

impl Management {
    /// Reads the metadata of the transmitter.
    pub(super) async fn new(
        events: SecurityEvents,
        credentials: Credentials,
        settings: Settings,
    ) -> Result<Self, TransmitterError> {
        let transmitter = &events.shared.transmitter;
        let metadata = transmitter.metadata().await?;
        let (methods, name) = match settings.delivery {
            Delivery::Push(_) => (PUSH, "push (RFC 8935)"),
            Delivery::Poll => (POLL, "polling (RFC 8936)"),
        };
        let offered = &metadata.delivery_methods_supported;
        if !offered.is_empty() && !offered.iter().any(|method| methods.contains(&method.as_str())) {
            return Err(TransmitterError::Delivery(name));
        }
        let address = |url: Option<String>| transmitter.address(&url?).ok();
        let configuration = address(metadata.configuration_endpoint);
        let configuration = configuration.ok_or(TransmitterError::NoEndpoint("configuration_endpoint"))?;
        let (status, verification) = (address(metadata.status_endpoint), address(metadata.verification_endpoint));
        Ok(Self { events, credentials, settings, configuration, status, verification })
    }

    pub(super) fn verifications(&self) -> &Verifications {
        &self.events.shared.receiver.verifications
    }

    /// Finds or creates the stream, enables it, and asks for its verification.
    pub(super) async fn ensure(&self) -> Result<StreamConfiguration, TransmitterError> {
        let stream = match self.find().await? {
            Some(found) if self.settings.events_requested.iter().all(|uri| found.events_requested.contains(uri)) => {
                found
            }
            Some(found) => self.change(Method::PATCH, &found.id).await?,
            None => self.create().await?,
        };
        self.check(&stream)?;
        if self.status.is_some() && self.status(&stream.id).await? != StreamStatus::Enabled {
            self.set_status(&stream.id, StreamStatus::Enabled).await?;
        }
        match self.request_verification(&stream.id).await {
            // Another node has just asked, or the transmitter verifies streams by itself.
            Ok(_) | Err(TransmitterError::TooOften { .. } | TransmitterError::NoEndpoint(_)) => Ok(stream),
            Err(error) => Err(error),
        }
    }

    /// Finds the stream that delivers in the same way.
    async fn find(&self) -> Result<Option<StreamConfiguration>, TransmitterError> {
        let operation = "list its streams";
        let reply = self.send(operation, Method::GET, &self.configuration, NOTHING).await?;
        if !reply.status.is_success() {
            return match reply.status {
                // There is none yet, or the transmitter does not list streams.
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST => Ok(None),
                status => Err(TransmitterError::status(operation, status)),
            };
        }
        // One that is of another form is not the one that is looked for.
        let streams = match serde_json::from_slice(&reply.body) {
            Ok(Value::Array(streams)) => streams,
            Ok(stream) => vec![stream],
            Err(_) => Vec::new(),
        };
        let streams = streams.into_iter().filter_map(|stream| serde_json::from_value::<Received>(stream).ok());
        Ok(streams.map(StreamConfiguration::from).find(|stream| self.is_ours(stream)))
    }

    fn is_ours(&self, stream: &StreamConfiguration) -> bool {
        match &self.settings.delivery {
            Delivery::Push(url) => !stream.is_polled && stream.endpoint.as_ref() == Some(url),
            Delivery::Poll => stream.is_polled,
        }
    }

    async fn create(&self) -> Result<StreamConfiguration, TransmitterError> {
        let operation = "create a stream";
        let reply = self.send(operation, Method::POST, &self.configuration, Some(&self.wanted(None))).await?;
        match reply.status {
            // Another node may have created it in the meantime.
            StatusCode::CONFLICT => self.find().await?.ok_or(TransmitterError::OtherStream),
            status if status.is_success() => Ok(read::<Received>(operation, &reply)?.into()),
            status => Err(TransmitterError::status(operation, status)),
        }
    }

    /// Checks that what the stream delivers is accepted here.
    fn check(&self, stream: &StreamConfiguration) -> Result<(), TransmitterError> {
        let receiver = &self.events.shared.receiver;
        if stream.issuer != *receiver.issuer {
            return Err(TransmitterError::OtherIssuer);
        }
        if !stream.audiences.iter().any(|audience| receiver.audiences.contains(audience)) {
            let (found, expected) = (stream.audiences.clone(), receiver.audiences.clone());
            return Err(TransmitterError::Audience { found, expected });
        }
        if !self.is_ours(stream) || stream.is_polled && stream.endpoint.is_none() {
            let reason = "the stream delivers otherwise than it was asked to, or has no address to poll";
            return Err(TransmitterError::Answer { operation: "create a stream", reason });
        }
        Ok(())
    }

    pub(super) async fn read(&self, id: &str) -> Result<StreamConfiguration, TransmitterError> {
        let operation = "read the stream";
        let address = self.of_stream(&self.configuration, id)?;
        let reply = self.send(operation, Method::GET, &address, NOTHING).await?;
        Ok(read::<Received>(operation, &successful(operation, reply)?)?.into())
    }

    pub(super) async fn change(&self, method: Method, id: &str) -> Result<StreamConfiguration, TransmitterError> {
        let operation = "change the stream";
        let mut wanted = self.wanted(Some(id));
        if method == Method::PATCH && matches!(self.settings.delivery, Delivery::Poll) {
            // The address to poll is the transmitter's, and stays.
            wanted.delivery = None;
        }
        let reply = self.send(operation, method, &self.configuration, Some(&wanted)).await?;
        Ok(read::<Received>(operation, &successful(operation, reply)?)?.into())
    }

    pub(super) async fn delete(&self, id: &str) -> Result<(), TransmitterError> {
        let operation = "delete the stream";
        let address = self.of_stream(&self.configuration, id)?;
        let reply = self.send(operation, Method::DELETE, &address, NOTHING).await?;
        successful(operation, reply).map(drop)
    }

    pub(super) async fn status(&self, id: &str) -> Result<StreamStatus, TransmitterError> {
        let operation = "read the status of the stream";
        let address = self.of_stream(self.status_address()?, id)?;
        let reply = self.send(operation, Method::GET, &address, NOTHING).await?;
        status_of(operation, reply)
    }

    pub(super) async fn set_status(&self, id: &str, status: StreamStatus) -> Result<StreamStatus, TransmitterError> {
        let operation = "set the status of the stream";
        let body = json!({ "stream_id": id, "status": status.name() });
        let reply = self.send(operation, Method::POST, self.status_address()?, Some(&body)).await?;
        status_of(operation, reply)
    }

    /// Asks for a verification event, and returns its `state`.
    pub(super) async fn request_verification(&self, id: &str) -> Result<String, TransmitterError> {
        let operation = "verify the stream";
        let address = self.verification.as_ref().ok_or(TransmitterError::NoEndpoint("verification_endpoint"))?;
        let state = self.verifications().request().await?;
        let body = json!({ "stream_id": id, "state": state });
        let reply = self.send(operation, Method::POST, address, Some(&body)).await?;
        successful(operation, reply).map(|_| state)
    }

    fn status_address(&self) -> Result<&Address, TransmitterError> {
        self.status.as_ref().ok_or(TransmitterError::NoEndpoint("status_endpoint"))
    }

    fn wanted<'a>(&'a self, stream_id: Option<&'a str>) -> Wanted<'a> {
        let Settings { delivery, events_requested, description } = &self.settings;
        let authorization = self.events.shared.authorization.as_ref();
        let delivery = match delivery {
            Delivery::Push(url) => WantedDelivery {
                method: PUSH[0],
                endpoint_url: Some(url),
                authorization_header: authorization.and_then(|expected| expected.header.to_str().ok()),
            },
            Delivery::Poll => WantedDelivery { method: POLL[0], endpoint_url: None, authorization_header: None },
        };
        Wanted { stream_id, delivery: Some(delivery), events_requested, description: description.as_deref() }
    }

    /// Adds the stream to the query of an endpoint.
    fn of_stream(&self, endpoint: &Address, id: &str) -> Result<Address, TransmitterError> {
        let uri = endpoint.uri().to_string();
        let separator = if endpoint.uri().query().is_some() { '&' } else { '?' };
        let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let address = self.events.shared.transmitter.address(&format!("{uri}{separator}stream_id={id}"));
        address.map_err(|source| TransmitterError::Fetch { operation: "find the stream", source })
    }

    async fn send(
        &self,
        operation: &'static str,
        method: Method,
        address: &Address,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Reply, TransmitterError> {
        let unusable = |_| TransmitterError::Answer { operation, reason: "the request cannot be written" };
        let body = body.map(serde_json::to_string).transpose().map_err(unusable)?;
        let (credentials, headers, limits) = (&self.credentials, HeaderMap::new(), MANAGEMENT);
        let call = Call { operation, method, address, credentials, body, headers, limits };
        self.events.shared.transmitter.send(call).await
    }
}

fn successful(operation: &'static str, reply: Reply) -> Result<Reply, TransmitterError> {
    if reply.status.is_success() { Ok(reply) } else { Err(TransmitterError::status(operation, reply.status)) }
}

fn status_of(operation: &'static str, reply: Reply) -> Result<StreamStatus, TransmitterError> {
    #[derive(Deserialize)]
    struct Document {
        status: String,
    }
    let Document { status } = read(operation, &successful(operation, reply)?)?;
    StreamStatus::of_name(&status).ok_or(TransmitterError::Answer { operation, reason: "it has an unknown `status`" })
}

const NOTHING: Option<&()> = None;
