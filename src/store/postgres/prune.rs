//! Deletes what has expired, in the background.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::{Shared, error::PostgresError};
use crate::telemetry;

impl Shared {
    /// Prunes if it is time. Nobody waits for it, and nobody fails with it.
    pub(super) fn keep_house(self: &Arc<Self>) {
        if self.upkeep.is_due() {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = shared.prune().await {
                    telemetry::store_failed(error.operation(), &error);
                }
            });
        }
    }

    async fn prune(&self) -> Result<(), crate::store::StoreError> {
        for _ in 0..MOST_BATCHES {
            let deleted = self.bounded("prune", async {
                let (rows, _) = self.sessions.query(&self.ready().await?.prune, &[(&BATCH, Type::INT8)]).await?;
                let row = rows.first().ok_or(PostgresError::NoRow)?;
                Ok(row.try_get::<_, i64>(0)?)
            });
            if deleted.await? < BATCH {
                break;
            }
        }
        Ok(())
    }
}

/// So many rows are deleted at once, and locked meanwhile.
const BATCH: i64 = 1000;
/// The rest is left for the next time.
const MOST_BATCHES: usize = 1000;
