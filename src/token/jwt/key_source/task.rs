//! [`Task`]: fetches the keys of an issuer again and again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::{
    clock::Clock,
    telemetry,
    token::jwt::{
        KeyError, KeyFetching, KeySet, KeySourceError,
        issuer_keys::IssuerKeys,
        key_source::{attempt::Attempt, attempt::Document, progress::Progress, schedule::Schedule},
        policy::Policy,
        verification_keys::VerificationKeys,
    },
};

/// Where fetched keys go.
pub(in crate::token::jwt) struct Fetched {
    pub(in crate::token::jwt) keys: Arc<IssuerKeys>,
    pub(in crate::token::jwt) policy: Arc<Policy>,
    pub(in crate::token::jwt) clock: Arc<dyn Clock>,
    /// The issuer in metrics.
    pub(in crate::token::jwt) label: Arc<str>,
}

/// Fetches the keys of an issuer until it is dropped.
pub(super) struct Task {
    attempt: Attempt,
    schedule: Schedule,
    max_stale: Duration,
    fetched: Fetched,
    progress: Arc<Progress>,
    /// The text of the key set that is in use.
    in_use: Option<Bytes>,
    /// From when the keys in use are too old.
    stale_at: Option<Instant>,
}

/// A key set that is in use.
struct Adopted {
    max_age: Option<Duration>,
    /// The numbers of usable and of skipped keys, if they are other keys than before.
    changed: Option<(usize, usize)>,
}

impl Task {
    pub(super) fn new(attempt: Attempt, fetching: KeyFetching, fetched: Fetched, progress: Arc<Progress>) -> Self {
        let schedule = Schedule::new(fetching);
        Self { attempt, schedule, max_stale: fetching.max_stale, fetched, progress, in_use: None, stale_at: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.progress.begin();
            let result = self.attempt.fetch().await.and_then(|document| self.adopt(document));
            let next = Instant::now() + self.conclude(result);
            self.wait(next).await;
        }
    }

    /// Puts a key set into use, unless it already is.
    fn adopt(&mut self, Document { from, body, max_age }: Document) -> Result<Adopted, KeySourceError> {
        // Before the keys, so that no message is verified without them.
        if let Some(members) = self.attempt.critical_subject_members() {
            self.progress.set_critical_members(members);
        }
        if self.in_use.as_ref() == Some(&body) && self.fetched.keys.are_known() {
            return Ok(Adopted { max_age, changed: None });
        }
        let unusable = |source| KeySourceError::KeySet { address: from.to_string(), source };
        let text = str::from_utf8(&body)
            .map_err(|error| unusable(KeyError::Malformed { expected: "a JSON Web Key Set", source: error.into() }))?;
        let set = KeySet::jwks(text).map_err(unusable)?;
        let counts = (set.len(), set.skipped().len());
        let keys = VerificationKeys::new(set, &self.fetched.policy)
            .map_err(|reason| KeySourceError::Unusable { address: from.to_string(), source: Box::new(reason) })?;
        self.fetched.keys.replace(keys);
        self.in_use = Some(body);
        Ok(Adopted { max_age, changed: Some(counts) })
    }

    /// Records the result of an attempt, and returns the time to the next one.
    fn conclude(&mut self, result: Result<Adopted, KeySourceError>) -> Duration {
        let Fetched { keys, clock, label, .. } = &self.fetched;
        match result {
            Ok(Adopted { max_age, changed }) => {
                let now = Instant::now();
                self.stale_at = Some(now + self.max_stale);
                telemetry::keys_fetched(label, changed, clock.now());
                self.progress.end(|state| {
                    state.fetched_at = Some(now);
                    state.error = None;
                    if let Some((keys, skipped)) = changed {
                        (state.keys, state.skipped) = (keys, skipped);
                    }
                });
                self.schedule.after_success(max_age)
            }
            Err(error) => {
                let has_keys = keys.are_known();
                telemetry::keys_not_fetched(label, error.code(), &error, has_keys);
                self.progress.end(|state| state.error = Some(Arc::new(error)));
                self.schedule.after_failure(has_keys)
            }
        }
    }

    /// Waits until the next attempt begins: when it is due, or when a request asks for it. Keys that
    /// become too old in the meantime are withdrawn.
    async fn wait(&mut self, next: Instant) {
        let progress = Arc::clone(&self.progress);
        while let Err(_elapsed) =
            timeout_at(self.stale_at.map_or(next, |stale_at| stale_at.min(next)), progress.demanded()).await
        {
            if self.stale_at.is_some_and(|stale_at| stale_at <= Instant::now()) {
                self.stale_at = None;
                self.fetched.keys.withdraw();
                telemetry::keys_stale(&self.fetched.label, self.max_stale);
            }
            if Instant::now() >= next {
                return;
            }
        }
    }
}

/// Without the task, nobody would notice that a key was removed.
impl Drop for Task {
    fn drop(&mut self) {
        self.fetched.keys.withdraw();
        self.progress.end_all();
    }
}
