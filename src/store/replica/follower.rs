//! The tasks of a replica: one follows the log, one tells it again what it has lost, one keeps house.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, error::Elapsed, sleep, sleep_until, timeout},
};

use super::{Shared, knowledge::Witnesses, snapshot::SnapshotLoader};
use crate::{
    revocation::{Outcome, Revocation, RevocationKey},
    set::RevocationSet,
    store::{FollowError, RevocationLog, StoreError, StoreErrorKind},
    telemetry,
};

/// The tasks end when the set is dropped.
pub(super) fn spawn<L: RevocationLog>(shared: &Arc<Shared<L>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(follow(Arc::clone(shared)));
    tasks.spawn(reassert(Arc::clone(shared)));
    tasks.spawn(keep_house(Arc::clone(shared)));
    tasks
}

async fn follow<L: RevocationLog>(shared: Arc<Shared<L>>) {
    let mut trust = Trust::Given;
    let mut backoff = Backoff::new();
    loop {
        let cursor = load(&shared, &mut trust).await;
        let reason = follow_from(&shared, cursor, &mut trust).await;
        telemetry::cursor_lost(reason);
        *shared.cursor() = None;
        shared.log.reconnect();
        shared.knowledge.nothing_is_confirmed();
        match trust {
            Trust::Given => backoff = Backoff::new(),
            // It is lost again at once: a log that contradicts itself is not asked without a pause.
            Trust::From(_) => backoff.wait().await,
        }
        trust = Trust::From(Instant::now() + GRACE);
    }
}

/// Whether what the log shows is taken for all there is.
enum Trust {
    Given,
    /// From this time on, and once this node has told it what it had lost.
    From(Instant),
}

/// Takes a snapshot, as often as it takes.
async fn load<L: RevocationLog>(shared: &Shared<L>, trust: &mut Trust) -> L::Cursor {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        let mut snapshot = SnapshotLoader::new(&shared.knowledge, &shared.view);
        match shared.log.snapshot(&mut snapshot).await {
            Ok(cursor) => {
                snapshot.find_lost();
                shared.all_is_known(began, trust, &cursor);
                telemetry::replica_loaded(snapshot.loaded(), began.elapsed());
                return cursor;
            }
            Err(error) => shared.has_failed(error),
        }
        backoff.wait().await;
    }
}

impl<L: RevocationLog> Shared<L> {
    /// An attempt to read or follow the log has failed, and will be made again.
    fn has_failed(&self, error: StoreError) {
        telemetry::log_failed(error.operation(), &error, self.view.is_worth_an_event(&error));
        self.view.has_failed(error);
    }

    /// Everything that the log held at `through`, and has not lost, is known.
    fn all_is_known(&self, through: Instant, trust: &mut Trust, cursor: &L::Cursor) {
        if let Trust::From(from) = *trust {
            if through < from || !self.knowledge.nothing_is_owed() {
                return;
            }
            *trust = Trust::Given;
        }
        *self.cursor() = Some(cursor.clone());
        self.view.is_known_through(through);
    }
}

/// Follows until the log no longer reaches back, and says how that is known.
async fn follow_from<L: RevocationLog>(shared: &Shared<L>, mut cursor: L::Cursor, trust: &mut Trust) -> &'static str {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        let followed = timeout(shared.heartbeat + PATIENCE, shared.log.follow(&cursor, shared.heartbeat))
            .await
            .unwrap_or_else(|late| Err(too_late("follow", late).into()));
        match followed {
            Ok(followed) => {
                shared.knowledge.seen(&followed.revocations);
                // Before the view counts as fresh.
                shared.knowledge.fence(followed.purged_through, shared.clock.now());
                cursor = followed.cursor;
                if followed.complete {
                    shared.knowledge.complete_through(began);
                    shared.all_is_known(began, trust, &cursor);
                }
                telemetry::live_revocations(shared.knowledge.set().len());
                if followed.revocations.is_empty() {
                    // A log that does not wait is not asked without a pause.
                    sleep_until(began + SHORTEST_WAIT).await;
                }
                backoff = Backoff::new();
            }
            Err(FollowError::CursorLost(reason)) => return reason,
            Err(FollowError::Failed(error)) => {
                shared.has_failed(error);
                backoff.wait().await;
            }
        }
    }
}

/// Tells the log again what it has lost: at once what no other node may know, and the rest after a time that each node draws for
/// itself, so that most find that another has been there.
async fn reassert<L: RevocationLog>(shared: Arc<Shared<L>>) {
    loop {
        shared.knowledge.something_lost().await;
        match shared.knowledge.how_many_lost() {
            0 => continue,
            entries => telemetry::log_lost(entries),
        }
        // What is written to one server and not found on another is to be told to the other.
        shared.log.reconnect();
        tell(&shared, Witnesses::ThisNode).await;
        sleep(REASSERT_SPREAD.mul_f64(fastrand::f64())).await;
        tell(&shared, Witnesses::AllNodes).await;
    }
}

async fn tell<L: RevocationLog>(shared: &Arc<Shared<L>>, known_to: Witnesses) {
    let mut backoff = Backoff::new();
    let mut turn = random_key();
    loop {
        let mut telling = JoinSet::new();
        while telling.len() < TOLD_AT_ONCE
            && let Some(lost) = shared.knowledge.next_lost(known_to, turn, shared.clock.now())
        {
            turn = lost.1.key();
            telling.spawn(tell_one(Arc::clone(shared), lost));
        }
        if telling.is_empty() {
            return;
        }
        if telling.join_all().await.contains(&false) {
            backoff.wait().await;
        } else {
            backoff = Backoff::new();
            if known_to == Witnesses::AllNodes {
                sleep(REASSERT_PACE).await;
            }
        }
    }
}

async fn tell_one<L: RevocationLog>(shared: Arc<Shared<L>>, lost: (Witnesses, Revocation)) -> bool {
    let told = timeout(PATIENCE, shared.log.revoke(&lost.1)).await;
    let outcome = match told.unwrap_or_else(|late| Err(too_late("revoke", late))) {
        Ok(outcome) => {
            if outcome == Outcome::Newly {
                telemetry::resent();
            }
            Some(outcome)
        }
        Err(error) => {
            telemetry::store_failed(error.operation(), &error);
            None
        }
    };
    shared.knowledge.told(lost, outcome, Instant::now());
    outcome.is_some()
}

fn too_late(operation: &'static str, late: Elapsed) -> StoreError {
    StoreError::new(operation, late).with_kind(StoreErrorKind::Unavailable)
}

/// Where a node begins to tell.
fn random_key() -> RevocationKey {
    let random = fastrand::u128(..).to_string();
    RevocationKey::token_id(None, &random)
}

/// Says when the view has become too old, and forgets what has expired.
async fn keep_house<L: RevocationLog>(shared: Arc<Shared<L>>) {
    let mut told_stale_from = None;
    loop {
        let tick = Instant::now() + HOUSEKEEPING;
        let stale_from = shared.view.stale_from().filter(|&from| from > Instant::now());
        // A moment later: until then, `max_staleness` included, it is fresh.
        sleep_until(stale_from.map_or(tick, |from| tick.min(from + Duration::from_millis(1)))).await;
        shared.view.publish();
        let stale_from = shared.view.stale_from().filter(|&from| from < Instant::now());
        if stale_from > told_stale_from {
            told_stale_from = stale_from;
            // Whoever relied on the view must look again, once for each time that it became too old.
            shared.knowledge.set().signal_all();
        }
        if Instant::now() >= tick {
            let now = shared.clock.now();
            for _ in 0..RevocationSet::SHARDS / 8 {
                shared.knowledge.set().purge_next(now, |_| {});
            }
        }
    }
}

/// Waits longer after each failure, and never as long as another node.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Self {
        Self(Duration::from_millis(50))
    }

    async fn wait(&mut self) {
        sleep(self.0 / 2 + (self.0 / 2).mul_f64(fastrand::f64())).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(500));
    }
}

/// A log bounds its calls; one that does not is asked again.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Within this time all nodes begin to tell again what was lost.
const REASSERT_SPREAD: Duration = Duration::from_secs(1);
/// So long after a log was replaced it may lack what other nodes are about to tell it.
const GRACE: Duration = Duration::from_secs(2);
/// A node tells so many at once, and of what all know as many in this time at most: some thousand a second.
const TOLD_AT_ONCE: usize = 16;
const REASSERT_PACE: Duration = Duration::from_millis(2);
