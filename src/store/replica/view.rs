//! [`View`]: the age of the knowledge of a replica, and the channel that reports it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::Health;
use crate::{store::StoreError, telemetry};

/// The age of a replica's view, and the error of the last attempt to renew it.
pub(super) struct View {
    origin: Instant,
    max_staleness: Duration,
    /// All revocations acknowledged before this instant are known: nanoseconds after `origin`, plus
    /// one. Zero before the first snapshot is loaded.
    known_through: AtomicU64,
    /// The error of the last attempt to read or follow the log, if it has failed.
    last_error: Mutex<Option<StoreError>>,
    failures: AtomicU64,
    /// The time and the text of the last event about a failure.
    reported: Mutex<Option<(Instant, String)>>,
    health: watch::Sender<Health>,
}

/// Whether checks can be answered from memory.
pub(super) enum Freshness {
    Loading,
    Fresh(Duration),
    Stale(Duration),
}

impl View {
    pub(super) fn new(max_staleness: Duration) -> Self {
        Self {
            origin: Instant::now(),
            max_staleness,
            known_through: AtomicU64::new(0),
            last_error: Mutex::new(None),
            failures: AtomicU64::new(0),
            reported: Mutex::new(None),
            health: watch::Sender::new(Health::Loading { loaded: 0, expected: None, last_error: None }),
        }
    }

    /// Called before the set is read, so that a view that was too old at that moment does not count
    /// as fresh.
    pub(super) fn freshness(&self) -> Freshness {
        match self.known_through.load(Ordering::Acquire) {
            0 => Freshness::Loading,
            known_through => {
                let staleness = Duration::from_nanos(self.after_origin(Instant::now()).saturating_sub(known_through));
                if staleness <= self.max_staleness { Freshness::Fresh(staleness) } else { Freshness::Stale(staleness) }
            }
        }
    }

    /// Records that all revocations acknowledged before `instant` are in the set.
    pub(super) fn mark_known_through(&self, instant: Instant) {
        *self.last_error() = None;
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.known_through.fetch_max(self.after_origin(instant), Ordering::AcqRel);
        self.publish();
    }

    /// Whether to emit an event about an error: it differs from the last one, or that was some time
    /// ago.
    pub(super) fn should_report(&self, error: &StoreError) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let text = error.to_string();
        let is_repeated = reported.as_ref().is_some_and(|(at, before)| *before == text && at.elapsed() < REPORT_EVERY);
        if !is_repeated {
            *reported = Some((Instant::now(), text));
        }
        !is_repeated
    }

    /// Records that the log could not be read or followed.
    pub(super) fn record_failure(&self, error: StoreError) {
        *self.last_error() = Some(error);
        self.failures.fetch_add(1, Ordering::AcqRel);
        if matches!(self.freshness(), Freshness::Loading) {
            self.loading(0, None);
        } else {
            self.publish();
        }
    }

    /// The number of failed attempts to read or follow the log.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(super) fn last_error(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the progress of the first snapshot.
    pub(super) fn loading(&self, loaded: u64, expected: Option<u64>) {
        if matches!(self.freshness(), Freshness::Loading) {
            let last_error = self.last_error().clone();
            self.health.send_replace(Health::Loading { loaded, expected, last_error });
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.freshness() {
            Freshness::Loading => self.health.borrow().clone(),
            Freshness::Fresh(staleness) => Health::Fresh { staleness },
            Freshness::Stale(staleness) => Health::Stale { staleness, last_error: self.last_error().clone() },
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Sends the current health to the receivers of the channel.
    pub(super) fn publish(&self) {
        let now = self.health();
        let before = self.health.send_replace(now.clone());
        telemetry::replica_freshness(before.is_fresh(), now.is_fresh(), now.staleness());
    }

    /// The instant at which the current view becomes too old.
    pub(super) fn stale_from(&self) -> Option<Instant> {
        match self.known_through.load(Ordering::Acquire) {
            0 => None,
            known_through => {
                self.origin.checked_add(Duration::from_nanos(known_through))?.checked_add(self.max_staleness)
            }
        }
    }

    fn after_origin(&self, instant: Instant) -> u64 {
        let nanos = instant.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// Reports that the replica and its tasks have ended.
impl Drop for View {
    fn drop(&mut self) {
        self.health.send_replace(Health::Stopped);
    }
}

/// The interval at which a persistent error is reported again.
const REPORT_EVERY: Duration = Duration::from_secs(10);
