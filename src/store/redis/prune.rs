//! Removes expired revocations from the server, also while nothing is revoked.

use std::sync::Arc;

use super::{error::Result, parse::integer, scripts::PRUNE, shared::Shared};

impl Shared {
    /// Starts a task that removes expired revocations, if that is due. The task ignores errors,
    /// which the next call reports.
    pub(super) fn prune_in_background(self: &Arc<Self>) {
        if self.purge_schedule.is_due() {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                for _ in 0..MAX_ROUNDS {
                    match shared.within(shared.prune()).await {
                        Ok(ROUND_LEN..) => {}
                        _ => break,
                    }
                }
            });
        }
    }

    /// Removes a round of expired revocations. Returns the number of removed ones.
    async fn prune(&self) -> Result<u64> {
        // Not on the connection for checks: while writes are paused (`CLIENT PAUSE`), the server
        // delays all later commands on the same connection.
        let connection = self.writes.get().await?;
        let reply = connection.run(&PRUNE, &self.layout.names(), &[ROUND_LEN.to_string().as_bytes()]).await?;
        connection.invalidate_on_error(integer(reply))
    }
}

/// Maximum number of revocations that one script removes, which occupies the server for about a
/// millisecond.
const ROUND_LEN: u64 = 1000;
const MAX_ROUNDS: usize = 100;
