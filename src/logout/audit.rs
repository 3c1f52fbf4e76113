//! The application's hook for revocations.

use super::Logout;
use crate::revoker::{Hook, MAX_QUEUED, Revoked};

impl<C: Send + Sync + 'static> Logout<C> {
    /// The maximum number of revocations that wait for the function of
    /// [`on_revoked`](Self::on_revoked): 1,024.
    pub const MAX_QUEUED_REVOCATIONS: usize = MAX_QUEUED;

    /// Sets a function that is called after each revocation that the store has accepted, by the
    /// endpoints and by the [`revoker`](Self::revoker) of this `Logout`: to write an audit log, to
    /// notify the user, or to end what the application keeps for the session.
    ///
    /// Revocations by other processes are not reported, nor are messages that were received before,
    /// because they revoke nothing.
    ///
    /// The function never delays a response: at most
    /// [`MAX_QUEUED_REVOCATIONS`](Self::MAX_QUEUED_REVOCATIONS) wait in a queue, and a task calls the
    /// function for one after the other. If the queue is full, the event `revocation hook skipped` and a metric
    /// report it; the revocation itself is in force. When the process ends, those in the queue are
    /// lost: an audit log that must be complete is made from the event `revoked` of
    /// [`telemetry`](crate::telemetry), which is emitted before the response.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "aws-lc-rs")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_logout::{JwtVerifier, Logout, MemoryStore, revoker::Revoked};
    ///
    /// # let verifier = JwtVerifier::hs256([7; 32]).build()?;
    /// let logout = Logout::new(verifier, MemoryStore::new()).on_revoked(async |revoked: Revoked| {
    ///     println!("{} by {:?}", revoked.revocation().key(), revoked.actor());
    /// });
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "aws-lc-rs"))]
    /// # fn main() {}
    /// ```
    pub fn on_revoked<F, Done>(self, hook: F) -> Self
    where
        F: Fn(Revoked) -> Done + Send + Sync + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        Self { hook: Some(Hook::new(hook)), ..self }
    }
}
