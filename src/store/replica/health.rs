use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    store::{StoreError, StoreErrorKind},
    telemetry,
};

/// State of a [`Replica`](crate::Replica): how much it knows, how old that is, and what keeps it from knowing more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// The first snapshot is not in yet: every check is an error.
    #[non_exhaustive]
    Loading {
        /// How many entries have been read.
        loaded: u64,
        /// How many there are, if the log has said so.
        expected: Option<u64>,
        /// Why the last attempt has failed.
        last_error: Option<StoreError>,
    },
    /// Checks are answered from memory.
    #[non_exhaustive]
    Fresh {
        /// Everything that was revoked this long ago, or longer, is known.
        staleness: Duration,
    },
    /// What is known is older than `max_staleness`: checks ask the log or are errors, as configured.
    #[non_exhaustive]
    Stale {
        /// Everything that was revoked this long ago, or longer, is known.
        staleness: Duration,
        /// Why the last attempt to follow the log has failed, if the log has said so.
        last_error: Option<StoreError>,
    },
}

impl Health {
    /// Whether checks are answered from memory: what a readiness probe asks.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh { .. })
    }

    /// How long ago that was of which everything is known, or `None` while the first snapshot is being read.
    #[must_use]
    pub const fn staleness(&self) -> Option<Duration> {
        match *self {
            Self::Loading { .. } => None,
            Self::Fresh { staleness } | Self::Stale { staleness, .. } => Some(staleness),
        }
    }

    /// Why the log was not read or followed when that was last tried, with the remedy. `None` while it is.
    #[must_use]
    pub const fn last_error(&self) -> Option<&StoreError> {
        match self {
            Self::Loading { last_error, .. } | Self::Stale { last_error, .. } => last_error.as_ref(),
            Self::Fresh { .. } => None,
        }
    }

    /// The error that keeps the first snapshot from coming until somebody changes something.
    pub(super) fn obstacle(&self) -> Option<&StoreError> {
        match self {
            Self::Loading { last_error: Some(error), .. } if needs_somebody(error.kind()) => Some(error),
            _ => None,
        }
    }
}

/// Whether waiting is no remedy.
fn needs_somebody(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Misconfigured | StoreErrorKind::Damaged)
}

/// How far a replica's view reaches, and who is told.
pub(super) struct View {
    origin: Instant,
    max_staleness: Duration,
    /// Everything acknowledged before this is known: nanoseconds after `origin`, and one; zero before the first snapshot is in.
    known_through: AtomicU64,
    /// Why the log was not read or followed the last time.
    last_error: Mutex<Option<StoreError>>,
    failures: AtomicU64,
    /// The text of the last error that there was an event of, and when.
    reported: Mutex<Option<(Instant, String)>>,
    health: watch::Sender<Health>,
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

    /// To be called before the set is read: what was unknown at this moment must not be found fresh later.
    pub(super) fn freshness(&self) -> Freshness {
        match self.known_through.load(Ordering::Acquire) {
            0 => Freshness::Loading,
            known_through => {
                let staleness = Duration::from_nanos(self.after_origin(Instant::now()).saturating_sub(known_through));
                if staleness <= self.max_staleness { Freshness::Fresh(staleness) } else { Freshness::Stale(staleness) }
            }
        }
    }

    /// Everything that was acknowledged before `instant` is in the set now.
    pub(super) fn is_known_through(&self, instant: Instant) {
        *self.last_error() = None;
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.known_through.fetch_max(self.after_origin(instant), Ordering::AcqRel);
        self.publish();
    }

    /// Whether an error is to be reported: it is another one than before, or that was a while ago.
    pub(super) fn is_worth_an_event(&self, error: &StoreError) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let text = error.to_string();
        let is_known = reported.as_ref().is_some_and(|(at, before)| *before == text && at.elapsed() < REPORT_EVERY);
        if !is_known {
            *reported = Some((Instant::now(), text));
        }
        !is_known
    }

    /// The log could not be read or followed.
    pub(super) fn has_failed(&self, error: StoreError) {
        *self.last_error() = Some(error);
        self.failures.fetch_add(1, Ordering::AcqRel);
        if matches!(self.freshness(), Freshness::Loading) {
            self.loading(0, None);
        } else {
            self.publish();
        }
    }

    /// How many attempts to read or follow the log have failed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(super) fn last_error(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

    /// Tells whoever watches what the health is now.
    pub(super) fn publish(&self) {
        let now = self.health();
        let before = self.health.send_replace(now.clone());
        telemetry::replica_freshness(before.is_fresh(), now.is_fresh(), now.staleness());
    }

    /// When what is known now becomes too old.
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

pub(super) enum Freshness {
    Loading,
    Fresh(Duration),
    Stale(Duration),
}

/// How often an event repeats what is still wrong.
const REPORT_EVERY: Duration = Duration::from_secs(10);
