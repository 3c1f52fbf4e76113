//! Removal of expired revocations from the server, also while nothing is revoked.

use std::sync::Arc;

use super::{error::Result, parse::integer, scripts::PRUNE, shared::Shared};

impl Shared {
    /// Now and then, starts a task that removes expired revocations. It ignores errors: the next
    /// call reports them.
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

    /// Returns how many revocations were removed.
    async fn prune(&self) -> Result<u64> {
        // Not on the connection of checks: a server that is paused for writers delays whatever
        // follows on the same one.
        let connection = self.writes.get().await?;
        let reply = connection.run(&PRUNE, &self.layout.names(), &[ROUND_LEN.to_string().as_bytes()]).await?;
        connection.invalidate_on_error(integer(reply))
    }
}

/// So many revocations are removed by one script, which occupies the server for about a
/// millisecond.
const ROUND_LEN: u64 = 1000;
const MAX_ROUNDS: usize = 100;
