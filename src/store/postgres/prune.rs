//! Deletes expired revocations in the background.

use std::sync::Arc;

use super::{error::PostgresError, shared::Shared, value::Value};
use crate::{store::StoreError, telemetry};

impl Shared {
    /// Starts to delete expired revocations, if that is due. Errors are reported as events.
    pub(super) fn prune_if_due(self: &Arc<Self>) {
        if self.purge_schedule.is_due() {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = shared.prune().await {
                    telemetry::store_failed(error.operation(), &error);
                }
            });
        }
    }

    async fn prune(&self) -> Result<(), StoreError> {
        for _ in 0..MAX_BATCHES {
            let deleted = self.within_timeout("prune", async {
                let rows = self.sessions.query(&self.statements().await?.prune, &[Value::Number(BATCH)]).await?;
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

/// Maximum number of rows that one statement deletes, and locks meanwhile.
const BATCH: i64 = 1000;
/// Maximum number of statements in one run. The remaining rows are deleted by the next run.
const MAX_BATCHES: usize = 1000;
