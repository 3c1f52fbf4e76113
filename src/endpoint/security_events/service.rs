//! [`SecurityEvents`]: a receiver of security events.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::{
    PollSource, SecurityEventPollerBuilder, SsfStreamBuilder, StreamHealth, authorization::Expected, push,
    receiver::Receiver, transmitter::Transmitter,
};
use crate::{endpoint::AnswerFuture, respond::AnswerBody};

/// A receiver of security events of one transmitter, and the service that they are pushed to (RFC
/// 8935).
///
/// [`Logout::security_events`](crate::Logout::security_events) configures it; the
/// [module](super) has the table of events and an example. Clones are the same receiver.
///
/// The service answers a `POST` with the media type `application/secevent+jwt`:
///
/// | case | status |
/// |---|---|
/// | the store has what the event reports, or it reports nothing that is to be revoked | 202 |
/// | the event was received before, by any node | 202, and nothing is changed |
/// | the token, its signature, its issuer, its audience, its date or the authorization is not as it must be | 400 with `err` and `description` (RFC 8935, section 2.4) |
/// | another method than `POST` | 405 |
/// | the store, the keys of the transmitter or the closure of [`resolve`](super::SecurityEventsBuilder::resolve) is unavailable, or the body does not arrive in time | 503 with `Retry-After` |
///
/// A body may be up to 64 KiB long. The answer 202 means that the revocation is durable, and is
/// never held until other nodes have it.
///
/// # Cancel safety
///
/// If the transmitter disconnects, what the event reports is either revoked or not; it can be
/// delivered again.
///
/// # Panics
///
/// When called outside a Tokio runtime with time enabled.
#[derive(Clone)]
#[must_use = "events are received once the service is mounted, or a poller is started"]
pub struct SecurityEvents {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) receiver: Arc<Receiver>,
    pub(super) transmitter: Arc<Transmitter>,
    pub(super) authorization: Option<Expected>,
    pub(super) timeout: Duration,
}

impl SecurityEvents {
    /// The default [timeout](super::SecurityEventsBuilder::timeout) of a delivery: 5 s.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The default [maximum age](super::SecurityEventsBuilder::max_age) of a security event token:
    /// 7 days.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// Fetches events from a transmitter that delivers by polling (RFC 8936): from the address that
    /// it has told, or from a [stream](super::SsfStream).
    pub fn poller(&self, source: impl Into<PollSource>) -> SecurityEventPollerBuilder {
        SecurityEventPollerBuilder::new(self.clone(), source.into())
    }

    /// Creates or finds a stream at the transmitter.
    pub fn stream(&self) -> SsfStreamBuilder {
        SsfStreamBuilder::new(self.clone())
    }

    /// Returns what this process has heard of the transmitter.
    #[must_use]
    pub fn health(&self) -> StreamHealth {
        self.shared.receiver.observed.health()
    }
}

impl<B> Service<Request<B>> for SecurityEvents
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> AnswerFuture {
        AnswerFuture::new(push::answer(self.clone(), request))
    }
}

impl fmt::Debug for SecurityEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receiver { issuer, audiences, max_age, .. } = &*self.shared.receiver;
        f.debug_struct("SecurityEvents")
            .field("issuer", issuer)
            .field("audiences", audiences)
            .field("max_age", max_age)
            .finish_non_exhaustive()
    }
}
