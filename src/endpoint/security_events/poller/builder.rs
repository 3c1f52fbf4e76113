use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch};
use tower::BoxError;

use super::{
    SecurityEventPoller,
    health::Observed,
    pace::Pace,
    task::{Polling, Task},
};
use crate::endpoint::security_events::{SecurityEvents, SecurityEventsError, SsfStream, credentials::Credentials};

/// Where events are polled from: the address that the transmitter has told, or a
/// [stream](SsfStream).
#[derive(Clone, Debug)]
pub struct PollSource {
    pub(super) address: String,
    pub(super) credentials: Credentials,
}

/// Builder of a [`SecurityEventPoller`], from [`SecurityEvents::poller`].
#[must_use = "a builder does nothing until `start` is called"]
pub struct SecurityEventPollerBuilder {
    events: SecurityEvents,
    source: PollSource,
    min_interval: Duration,
    max_interval: Duration,
    long_poll: Duration,
    max_events: usize,
    max_response: usize,
}

impl SecurityEventPollerBuilder {
    pub(in crate::endpoint::security_events) fn new(events: SecurityEvents, source: PollSource) -> Self {
        Self {
            events,
            source,
            min_interval: Duration::from_secs(2),
            max_interval: Duration::from_secs(16),
            long_poll: Duration::from_secs(60),
            max_events: 32,
            max_response: 4 * 1024 * 1024,
        }
    }

    /// Sends this value of the header `Authorization`, including its scheme, such as `Bearer 6mVZ…`.
    /// Default: that of the stream, if there is one, or none.
    pub fn authorization(mut self, value: impl Into<String>) -> Self {
        self.source.credentials = Credentials::Fixed(value.into());
        self
    }

    /// Sends the value of the header `Authorization` that this closure returns, which is called for
    /// each request. It should keep a token until shortly before it expires, for example one of a
    /// client credentials grant (RFC 6749, section 4.4).
    pub fn authorization_by<F, Asking, E>(mut self, current: F) -> Self
    where
        F: Fn() -> Asking + Send + Sync + 'static,
        Asking: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.source.credentials = Credentials::by(current);
        self
    }

    /// Sets the time between the beginnings of two requests, if the transmitter answers at once: the
    /// shortest, and the longest if there is no event. Default: 2 and 16 seconds.
    ///
    /// The longest is how late a logout can take effect if the transmitter does not support long
    /// polls.
    pub fn interval(self, min: Duration, max: Duration) -> Self {
        Self { min_interval: min, max_interval: max, ..self }
    }

    /// Sets how long a request waits for an event. Default: 60 seconds. That there is none by then is
    /// not an error.
    pub fn long_poll(self, duration: Duration) -> Self {
        Self { long_poll: duration, ..self }
    }

    /// Sets how many events are asked for at a time. Default: 32. If the response is longer than
    /// [`max_response`](Self::max_response), fewer are asked for.
    pub fn max_events(self, max_events: usize) -> Self {
        Self { max_events, ..self }
    }

    /// Sets how long a response may be, in bytes. Default: 4 MiB.
    pub fn max_response(self, bytes: usize) -> Self {
        Self { max_response: bytes, ..self }
    }

    /// Validates the configuration and begins to poll, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`SecurityEventsError`], which names the remedy.
    pub fn start(self) -> Result<SecurityEventPoller, SecurityEventsError> {
        let Self { events, source, min_interval, max_interval, long_poll, max_events, max_response } = self;
        for (what, is_zero) in [
            ("the shortest interval", min_interval.is_zero()),
            ("long_poll", long_poll.is_zero()),
            ("max_events", max_events == 0),
            ("max_response", max_response == 0),
        ] {
            if is_zero {
                return Err(SecurityEventsError::Zero(what));
            }
        }
        if min_interval > max_interval {
            return Err(SecurityEventsError::Interval { min: min_interval, max: max_interval });
        }
        let transmitter = Arc::clone(&events.shared.transmitter);
        if transmitter.client.is_none() {
            return Err(SecurityEventsError::NoClient);
        }
        let address = transmitter.address(&source.address).map_err(SecurityEventsError::Address)?;
        let runtime = Handle::try_current().map_err(|_| SecurityEventsError::NoRuntime)?;
        let (stop, stopped) = watch::channel(false);
        let observed = Arc::new(Observed::default());
        let polling = Polling {
            receiver: Arc::clone(&events.shared.receiver),
            transmitter,
            address,
            credentials: source.credentials,
            long_poll,
            max_response,
            timeout: events.shared.timeout,
        };
        let pace = Pace::new(min_interval, max_interval);
        let task = Task::new(polling, max_events, pace, Arc::clone(&observed), stopped);
        Ok(SecurityEventPoller::new(observed, stop, runtime.spawn(task.run())))
    }
}

impl From<&str> for PollSource {
    fn from(address: &str) -> Self {
        address.to_owned().into()
    }
}

impl From<String> for PollSource {
    fn from(address: String) -> Self {
        Self { address, credentials: Credentials::None }
    }
}

impl From<&SsfStream> for PollSource {
    fn from(stream: &SsfStream) -> Self {
        Self { address: stream.poll_address().to_owned(), credentials: stream.credentials().clone() }
    }
}

impl fmt::Debug for SecurityEventPollerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityEventPollerBuilder")
            .field("min_interval", &self.min_interval)
            .field("max_interval", &self.max_interval)
            .field("long_poll", &self.long_poll)
            .field("max_events", &self.max_events)
            .finish_non_exhaustive()
    }
}
