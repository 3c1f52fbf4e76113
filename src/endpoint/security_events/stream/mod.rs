//! Streams at the transmitter (Shared Signals Framework 1.0, section 8): [`SsfStream`].

mod builder;
mod configuration;
mod management;

use std::{fmt, sync::Arc, time::Duration};

pub use builder::SsfStreamBuilder;
pub use configuration::StreamConfiguration;

use super::{StreamStatus, TransmitterError, credentials::Credentials};
use crate::endpoint::deadline;
use management::Management;

/// A stream of security events at a transmitter, created or found by
/// [`SsfStreamBuilder::ensure`]. Clones are the same stream.
///
/// The stream goes on when this value is dropped.
///
/// # Errors
///
/// Every method returns [`TransmitterError`] if the transmitter does not answer or does not do what
/// is asked for. It is safe to retry.
///
/// # Cancel safety
///
/// If a future is dropped, the transmitter may have done what was asked for.
#[derive(Clone)]
pub struct SsfStream {
    management: Arc<Management>,
    id: Arc<str>,
    poll_address: Arc<str>,
}

impl SsfStream {
    /// Returns the identifier of the stream (`stream_id`).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the configuration that the stream has at the transmitter.
    pub async fn read(&self) -> Result<StreamConfiguration, TransmitterError> {
        self.management.read(&self.id).await
    }

    /// Changes the configuration of the stream to that of the builder, and leaves what the builder
    /// does not set (`PATCH`). Use it after [`authorization`](super::SecurityEventsBuilder::authorization)
    /// has changed.
    pub async fn update(&self) -> Result<StreamConfiguration, TransmitterError> {
        self.management.change(http::Method::PATCH, &self.id).await
    }

    /// Replaces the configuration of the stream by that of the builder (`PUT`).
    pub async fn replace(&self) -> Result<StreamConfiguration, TransmitterError> {
        self.management.change(http::Method::PUT, &self.id).await
    }

    /// Deletes the stream. No further events are delivered.
    pub async fn delete(self) -> Result<(), TransmitterError> {
        self.management.delete(&self.id).await
    }

    /// Returns the status of the stream.
    pub async fn status(&self) -> Result<StreamStatus, TransmitterError> {
        self.management.status(&self.id).await
    }

    /// Sets the status of the stream, and returns the one that it has then.
    pub async fn set_status(&self, status: StreamStatus) -> Result<StreamStatus, TransmitterError> {
        self.management.set_status(&self.id, status).await
    }

    /// Asks the transmitter for a verification event, and waits until it has arrived at any node of
    /// the fleet, for at most `timeout`. The service must be reachable, or the poller running.
    ///
    /// # Errors
    ///
    /// [`TransmitterError::NotVerified`] if it has not arrived in time, and the
    /// [errors](Self#errors) of all methods, such as [`TransmitterError::TooOften`].
    pub async fn verify(&self, timeout: Duration) -> Result<(), TransmitterError> {
        let deadline = deadline::after(timeout);
        let state = self.management.request_verification(&self.id).await?;
        let verifications = self.management.verifications();
        if verifications.wait(&state, deadline).await? { Ok(()) } else { Err(TransmitterError::NotVerified(timeout)) }
    }

    pub(super) fn poll_address(&self) -> &str {
        &self.poll_address
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.management.credentials
    }
}

impl fmt::Debug for SsfStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsfStream").field("id", &self.id).finish_non_exhaustive()
    }
}
