//! Re-sends revocations that the log has lost.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    PATIENCE, Shared,
    backoff::Backoff,
    knowledge::{KnownTo, Lost},
    too_late,
};
use crate::{revocation::RevocationKey, store::RevocationLog, telemetry};

/// Re-sends revocations that no other node may know at once, and the others after a random delay,
/// so that most nodes find that another node has already re-sent them.
pub(super) async fn resend_lost<L: RevocationLog>(shared: Arc<Shared<L>>) {
    loop {
        shared.knowledge.wait_for_loss().await;
        match shared.knowledge.lost_count() {
            0 => continue,
            entries => telemetry::log_lost(entries),
        }
        // New connections, because another server than the one that has acknowledged the
        // revocations may lack them.
        shared.log.reconnect();
        resend(&shared, KnownTo::ThisNode).await;
        sleep(SPREAD.mul_f64(fastrand::f64())).await;
        resend(&shared, KnownTo::AllNodes).await;
    }
}

/// Re-sends the lost revocations that are known to at most `known_to`.
async fn resend<L: RevocationLog>(shared: &Arc<Shared<L>>, known_to: KnownTo) {
    let mut backoff = Backoff::new();
    let mut position = random_key();
    loop {
        let mut sending = JoinSet::new();
        while sending.len() < CONCURRENT
            && let Some(lost) = shared.knowledge.next_lost(known_to, position, shared.clock.now())
        {
            position = lost.revocation.key();
            sending.spawn(resend_one(Arc::clone(shared), lost));
        }
        if sending.is_empty() {
            return;
        }
        if sending.join_all().await.contains(&false) {
            backoff.wait().await;
        } else {
            backoff = Backoff::new();
            if known_to == KnownTo::AllNodes {
                sleep(PACE).await;
            }
        }
    }
}

/// Returns whether the log has acknowledged the revocation.
async fn resend_one<L: RevocationLog>(shared: Arc<Shared<L>>, lost: Lost) -> bool {
    let sent = timeout(PATIENCE, shared.log.revoke(&lost.revocation)).await;
    let outcome = match sent.unwrap_or_else(|late| Err(too_late("revoke", late))) {
        Ok(outcome) => {
            telemetry::resent(lost.revocation.key().kind().name(), outcome.name());
            Some(outcome)
        }
        Err(error) => {
            telemetry::store_failed(error.operation(), &error);
            None
        }
    };
    shared.knowledge.resent(lost, outcome, Instant::now());
    outcome.is_some()
}

/// Returns a random position at which to begin, so that nodes share the work.
fn random_key() -> RevocationKey {
    let random = fastrand::u128(..).to_string();
    RevocationKey::token_id(None, &random)
}

/// Maximum random delay before a node re-sends revocations that all nodes know.
const SPREAD: Duration = Duration::from_secs(1);
/// How many revocations a node re-sends concurrently. It pauses for [`PACE`] between batches of
/// revocations that all nodes know, which makes a few thousand per second.
const CONCURRENT: usize = 16;
const PACE: Duration = Duration::from_millis(2);
