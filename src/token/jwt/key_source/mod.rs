//! The keys of an issuer that publishes them: where they are, when they are fetched, and what
//! happens if they cannot be.
//!
//! A task for each issuer fetches its keys. Requests only read what the task has published last; a
//! request whose token names an unknown key waits for an attempt of the task, if one may begin.

mod attempt;
mod error;
mod health;
mod location;
mod max_age;
mod metadata;
mod progress;
mod schedule;
mod settings;
mod task;

use std::sync::Arc;

use tokio::{runtime::Handle, task::JoinHandle};

pub use error::KeySourceError;
pub use health::{IssuerHealth, VerifierHealth};
pub use settings::KeyFetching;

pub(super) use location::Location;
#[cfg(feature = "receivers")]
pub(crate) use location::transmitter_metadata;
pub(super) use progress::Progress;
pub(super) use settings::FetchSettings;
pub(super) use task::Fetched;

use crate::token::jwt::ConfigError;
use attempt::Attempt;
use task::Task;

/// Fetches the keys of an issuer for as long as it exists.
#[derive(Debug)]
pub(super) struct KeySource {
    progress: Arc<Progress>,
    task: JoinHandle<()>,
}

impl KeySource {
    /// Begins to fetch the keys.
    ///
    /// # Errors
    ///
    /// If the settings are contradictory, or there is no client.
    pub(super) fn start(
        location: Location,
        settings: &FetchSettings,
        fetched: Fetched,
        runtime: &Handle,
    ) -> Result<Self, ConfigError> {
        let fetching = settings.fetching();
        fetching.validate()?;
        let attempt = Attempt::new(location, settings)?;
        let progress = Arc::new(Progress::new(fetching.cooldown));
        let task = Task::new(attempt, fetching, fetched, Arc::clone(&progress));
        Ok(Self { progress, task: runtime.spawn(task.run()) })
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }
}

impl Drop for KeySource {
    fn drop(&mut self) {
        self.task.abort();
    }
}
