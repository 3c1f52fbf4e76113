//! Forgetting what has expired, also when nobody revokes anything.

use std::sync::Arc;

use super::{
    Shared,
    reply::{Reply, integer},
    script::PRUNE,
};

impl Shared {
    /// Has the server forget what has expired, now and then, and without anybody waiting for it. A failure is that of the next who asks something.
    pub(super) fn keep_up(self: &Arc<Self>) {
        if self.upkeep.is_due() {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                for _ in 0..MOST_ROUNDS {
                    match shared.within(shared.prune()).await {
                        Ok(PRUNED_AT_ONCE..) => {}
                        _ => break,
                    }
                }
            });
        }
    }

    async fn prune(&self) -> Reply<u64> {
        // A server that is paused for writers holds up what comes after it on the same connection.
        let connection = self.writes.connection().await?;
        let reply = connection.run(&PRUNE, &self.layout.names(), &[PRUNED_AT_ONCE.to_string().as_bytes()]).await?;
        connection.judge(integer(reply))
    }
}

/// The server does nothing else for about a millisecond.
const PRUNED_AT_ONCE: u64 = 1000;
const MOST_ROUNDS: usize = 100;
