//! Deletes what has expired, in the background.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::time::Instant;
use tokio_postgres::types::Type;

use super::{Shared, error::PostgresError};
use crate::observe;

/// When a store prunes again.
#[derive(Debug)]
pub(super) struct Pruning {
    origin: Instant,
    /// Milliseconds after `origin`.
    next: AtomicU64,
}

impl Pruning {
    pub(super) fn new() -> Self {
        Self { origin: Instant::now(), next: AtomicU64::new(0) }
    }

    /// Whether it is time, and the caller is the one to do it.
    fn is_due(&self) -> bool {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        // The nodes of a fleet take turns.
        let pause = INTERVAL_MILLIS / 2 + RandomState::new().hash_one(()) % INTERVAL_MILLIS;
        let later = now.saturating_add(pause);
        now >= next && self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Shared {
    /// Prunes if it is time. Nobody waits for it, and nobody fails with it.
    pub(super) fn keep_house(self: &Arc<Self>) {
        if self.pruning.is_due() {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = shared.prune().await {
                    observe::store_failed(error.operation(), &error);
                }
            });
        }
    }

    async fn prune(&self) -> Result<(), crate::store::StoreError> {
        for _ in 0..MOST_BATCHES {
            let deleted = self.bounded("prune", async {
                let (rows, _) = self.sessions.query(&self.statements.prune, &[(&BATCH, Type::INT8)]).await?;
                let row = rows.first().ok_or(PostgresError::Damaged("a count without a row"))?;
                Ok(row.try_get::<_, i64>(0)?)
            });
            if deleted.await? < BATCH {
                break;
            }
        }
        Ok(())
    }
}

const INTERVAL_MILLIS: u64 = 10_000;
/// So many rows are deleted at once, and locked meanwhile.
const BATCH: i64 = 1000;
/// The rest is left for the next time.
const MOST_BATCHES: usize = 1000;
