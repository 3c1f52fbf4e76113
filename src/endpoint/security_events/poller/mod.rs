//! Poll delivery of security event tokens (RFC 8936): [`SecurityEventPoller`].

mod builder;
mod health;
mod pace;
mod task;
mod wire;

use std::{fmt, sync::Arc};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinHandle},
};

pub use builder::{PollSource, SecurityEventPollerBuilder};
pub use health::PollerHealth;

/// Fetches security events from a transmitter for as long as it exists.
///
/// An event is acknowledged only after the store has what it reports, in the next request; what
/// could not be taken is neither acknowledged nor refused, and comes again. An event that came
/// before is acknowledged again. Several nodes may poll one stream, and any of them may end.
///
/// When it is dropped, it stops at once, and events that were not acknowledged come again.
/// [`stop`](Self::stop) acknowledges them first.
///
/// # How often it asks
///
/// It asks for long polls: the transmitter answers when there is an event. Transmitters that answer
/// at once, as Keycloak does, are asked again after two seconds, and after twice as long each time
/// there is no event, up to 16 seconds; see
/// [`interval`](SecurityEventPollerBuilder::interval). After an error, it asks again after two
/// seconds, and after twice as long each time, up to a minute, or when `Retry-After` says so, within
/// five minutes.
///
/// # Examples
///
/// ```no_run
/// # use tower_logout::{Logout, endpoint::security_events::SecurityEventPoller, token::jwt::Issuer};
/// # fn poll(logout: &Logout, token: String) -> Result<SecurityEventPoller, Box<dyn std::error::Error>> {
/// let transmitter = Issuer::transmitter("https://idp.example").audience("https://api.example");
/// let poller = logout
///     .security_events(transmitter)
///     .build()?
///     .poller("https://idp.example/ssf/poll/4f2a")
///     .authorization(format!("Bearer {token}"))
///     .start()?;
/// # Ok(poller)
/// # }
/// ```
#[must_use = "the poller stops when it is dropped"]
pub struct SecurityEventPoller {
    observed: Arc<health::Observed>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    abort: AbortHandle,
}

impl SecurityEventPoller {
    fn new(observed: Arc<health::Observed>, stop: watch::Sender<bool>, task: JoinHandle<()>) -> Self {
        let abort = task.abort_handle();
        Self { observed, stop, task: Some(task), abort }
    }

    /// Returns its state, for a health endpoint.
    #[must_use]
    pub fn health(&self) -> PollerHealth {
        self.observed.health(!self.abort.is_finished())
    }

    /// Stops after the events that are being taken, and acknowledges them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the poller stops at once.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take() {
            // It panics only if the application's closures do, which the log says.
            let _ = task.await;
        }
    }
}

impl Drop for SecurityEventPoller {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl fmt::Debug for SecurityEventPoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityEventPoller").field("health", &self.health()).finish_non_exhaustive()
    }
}
