//! Forgetting what has expired, also when nobody revokes anything.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Shared,
    reply::{Reply, integer},
    script::PRUNE,
};

#[derive(Default)]
pub(super) struct Upkeep {
    /// `None` until somebody has followed.
    due: Mutex<Option<Instant>>,
}

impl Upkeep {
    /// Whether it is to be done now, by whoever asks.
    fn is_due(&self) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = due.is_none_or(|due| due <= Instant::now());
        if is_due {
            // Many nodes do it, each at a time of its own.
            let spread = INTERVAL_MS / 2 + RandomState::new().hash_one(()) % INTERVAL_MS;
            *due = Some(Instant::now() + Duration::from_millis(spread));
        }
        is_due
    }
}

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
        let connection = self.commands.connection().await?;
        let names = [&*self.layout.live, &self.layout.through, &self.layout.meta];
        let reply = connection.run(&PRUNE, &names, &[PRUNED_AT_ONCE.to_string().as_bytes()]).await?;
        connection.judge(integer(reply))
    }
}

const INTERVAL_MS: u64 = 10_000;
/// The server does nothing else for about a millisecond.
const PRUNED_AT_ONCE: u64 = 1000;
const MOST_ROUNDS: usize = 100;
