use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::observe;

/// How much a [`Replica`](crate::Replica) knows, and since when it knows no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Health {
    /// The first snapshot is not in yet: every check is an error.
    Loading {
        /// How many entries have been read.
        loaded: u64,
        /// How many there are, if the log has said so.
        expected: Option<u64>,
    },
    /// Checks are answered from memory.
    Fresh {
        /// Everything that was revoked this long ago, or longer, is known.
        staleness: Duration,
    },
    /// What is known is older than `max_staleness`: checks ask the log or are errors, as configured.
    Stale {
        /// Everything that was revoked this long ago, or longer, is known.
        staleness: Duration,
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
            Self::Fresh { staleness } | Self::Stale { staleness } => Some(staleness),
        }
    }
}

/// How far a replica's view reaches, and who is told.
pub(super) struct View {
    origin: Instant,
    max_staleness: Duration,
    /// Everything acknowledged before this is known: nanoseconds after `origin`, and one; zero before the first snapshot is in.
    known_through: AtomicU64,
    health: watch::Sender<Health>,
}

impl View {
    pub(super) fn new(max_staleness: Duration) -> Self {
        Self {
            origin: Instant::now(),
            max_staleness,
            known_through: AtomicU64::new(0),
            health: watch::Sender::new(Health::Loading { loaded: 0, expected: None }),
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
        self.known_through.fetch_max(self.after_origin(instant), Ordering::AcqRel);
        self.publish();
    }

    pub(super) fn loading(&self, loaded: u64, expected: Option<u64>) {
        if matches!(self.freshness(), Freshness::Loading) {
            self.health.send_replace(Health::Loading { loaded, expected });
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.freshness() {
            Freshness::Loading => *self.health.borrow(),
            Freshness::Fresh(staleness) => Health::Fresh { staleness },
            Freshness::Stale(staleness) => Health::Stale { staleness },
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Tells whoever watches what the health is now.
    pub(super) fn publish(&self) {
        let now = self.health();
        let before = self.health.send_replace(now);
        observe::replica_health(&before, &now);
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
