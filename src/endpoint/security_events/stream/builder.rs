use std::{fmt, sync::Arc};

use tower::BoxError;

use super::{
    SsfStream,
    management::{Delivery, Management, Settings},
};
use crate::endpoint::security_events::{EventKind, SecurityEvents, TransmitterError, credentials::Credentials};

/// Builder of an [`SsfStream`], from [`SecurityEvents::stream`].
#[must_use = "a builder does nothing until `ensure` is called"]
pub struct SsfStreamBuilder {
    events: SecurityEvents,
    credentials: Credentials,
    delivery: Option<Delivery>,
    kinds: Vec<EventKind>,
    description: Option<String>,
}

impl SsfStreamBuilder {
    pub(in crate::endpoint::security_events) fn new(events: SecurityEvents) -> Self {
        let (credentials, kinds) = (Credentials::None, EventKind::ACTED_ON.to_vec());
        Self { events, credentials, delivery: None, kinds, description: None }
    }

    /// Authenticates to the transmitter with this value of the header `Authorization`, including its
    /// scheme, such as `Bearer 6mVZ…`.
    pub fn authorization(self, value: impl Into<String>) -> Self {
        Self { credentials: Credentials::Fixed(value.into()), ..self }
    }

    /// Authenticates to the transmitter with the value of the header `Authorization` that this
    /// closure returns, which is called for each request. It should keep a token until shortly
    /// before it expires, for example one of a client credentials grant (RFC 6749, section 4.4).
    pub fn authorization_by<F, Asking, E>(self, current: F) -> Self
    where
        F: Fn() -> Asking + Send + Sync + 'static,
        Asking: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self { credentials: Credentials::by(current), ..self }
    }

    /// Has events pushed to this address: the public URL at which the [`SecurityEvents`] service is
    /// mounted. The transmitter is told to send its
    /// [`authorization`](crate::endpoint::security_events::SecurityEventsBuilder::authorization).
    pub fn push_to(self, url: impl Into<String>) -> Self {
        Self { delivery: Some(Delivery::Push(url.into())), ..self }
    }

    /// Has events kept until a [poller](SecurityEvents::poller) fetches them.
    pub fn by_polling(self) -> Self {
        Self { delivery: Some(Delivery::Poll), ..self }
    }

    /// Asks for events of these types. Default: those that end tokens by
    /// [default](crate::endpoint::security_events::SecurityEvent::default_decision).
    pub fn events(self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        Self { kinds: kinds.into_iter().collect(), ..self }
    }

    /// Describes the stream for the people who manage the transmitter.
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Ensures that the transmitter has such a stream, and that it is enabled: finds it, or creates
    /// it, and asks for a verification event. It can be called at each start, by each node.
    ///
    /// A stream that is found has the same delivery; its events are changed to those asked for. The
    /// verification event arrives later: [`SsfStream::verify`] waits for one. Some transmitters
    /// send events only about subjects that were added to the stream, which is done at the
    /// transmitter.
    ///
    /// # Errors
    ///
    /// [`TransmitterError`], which names the remedy: for example if the stream is for another
    /// audience than the configured one.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stream may have been created. Calling it again finds it.
    pub async fn ensure(self) -> Result<SsfStream, TransmitterError> {
        let Self { events, credentials, delivery, kinds, description } = self;
        let delivery = delivery.ok_or(TransmitterError::NoDelivery)?;
        let events_requested = kinds.into_iter().filter_map(EventKind::uri).collect();
        let settings = Settings { delivery, events_requested, description };
        let management = Arc::new(Management::new(events, credentials, settings).await?);
        let configuration = management.ensure().await?;
        let poll_address = configuration.endpoint.as_deref().unwrap_or_default().into();
        Ok(SsfStream { management, id: configuration.id.into(), poll_address })
    }
}

impl fmt::Debug for SsfStreamBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsfStreamBuilder")
            .field("credentials", &self.credentials)
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}
