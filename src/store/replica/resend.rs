//! Re-sends revocations that the log has lost.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    PATIENCE, Shared,
    backoff::Backoff,
    knowledge::{KnownTo, Lost},
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
        pause(&shared, HEAD_START + SPREAD.mul_f64(fastrand::f64())).await;
        resend(&shared, KnownTo::AllNodes).await;
    }
}

/// Re-sends the lost revocations that are known to at most `known_to`, many with each call.
///
/// What all nodes know, they re-send together: the log reports what others have re-sent meanwhile,
/// and the more that is, the longer a node pauses. All nodes together then have about
/// [`CONCURRENT`] calls under way.
async fn resend<L: RevocationLog>(shared: &Arc<Shared<L>>, known_to: KnownTo) {
    let mut backoff = Backoff::new();
    let mut position = random_key();
    let mut count = if known_to == KnownTo::AllNodes { FIRST } else { MOST };
    loop {
        let lost = shared.knowledge.next_lost(known_to, position, shared.clock.now(), count);
        let Some(last) = lost.last() else { return };
        position = last.revocation.key();
        let began = Instant::now();
        if resend_all(shared, &lost).await {
            backoff = Backoff::new();
            count = (count * 2).min(MOST);
        } else {
            // With fewer, a slow log answers in time, and one revocation that it rejects does not
            // hold up the others.
            backoff.wait().await;
            count = (count / 4).max(1);
        }
        if known_to == KnownTo::AllNodes {
            let others = shared.knowledge.take_resent_by_others().div_ceil(lost.len() * CONCURRENT);
            let times = u32::try_from(others).unwrap_or(u32::MAX).max(1);
            pause(shared, (began.elapsed() + PACE).saturating_mul(times).min(LONGEST_PAUSE)).await;
        }
    }
}

/// Pauses. What no other node may know is re-sent meanwhile, when it is found to be lost.
async fn pause<L: RevocationLog>(shared: &Arc<Shared<L>>, pause: Duration) {
    let until = Instant::now() + pause;
    while timeout_at(until, shared.knowledge.wait_for_loss()).await.is_ok() {
        Box::pin(resend(shared, KnownTo::ThisNode)).await;
    }
}

/// Returns whether the log has acknowledged the revocations.
async fn resend_all<L: RevocationLog>(shared: &Shared<L>, lost: &[Lost]) -> bool {
    let revocations: Vec<_> = lost.iter().map(|lost| lost.revocation).collect();
    let sent_at = Instant::now();
    let outcomes = match shared.within(PATIENCE, "revoke", shared.log.revoke_all(&revocations)).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            telemetry::store_failed(error.operation(), &error);
            Vec::new()
        }
    };
    for (position, lost) in lost.iter().enumerate() {
        let outcome = outcomes.get(position).copied();
        if let Some(outcome) = outcome {
            telemetry::resent(lost.revocation.key().kind().name(), outcome.name());
        }
        shared.knowledge.resent(*lost, outcome, sent_at);
    }
    outcomes.len() >= lost.len()
}

/// Returns a random position at which to begin, so that nodes share the work.
fn random_key() -> RevocationKey {
    let random = fastrand::u128(..).to_string();
    RevocationKey::token_id(None, &random)
}

/// For this long, what nodes have written themselves is re-sent and read back by the others.
const HEAD_START: Duration = Duration::from_millis(500);
/// Maximum random delay after that, before a node re-sends revocations that all nodes know.
const SPREAD: Duration = Duration::from_secs(1);
/// The most revocations of a call, which occupy a server for some milliseconds.
const MOST: usize = 256;
/// The number of revocations of the first call, of those that all nodes know. Many nodes may begin
/// before any of them knows of the others.
const FIRST: usize = 16;
/// About how many calls all nodes together have under way.
const CONCURRENT: usize = 4;
/// A node pauses for this long after a call, plus the time that the call took.
const PACE: Duration = Duration::from_millis(5);
/// A node pauses no longer, since the others may have stopped.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
