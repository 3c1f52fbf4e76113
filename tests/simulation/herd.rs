//! Promise: when a log loses revocations, what its nodes send and read is bounded by what was lost,
//! not by the number of nodes times what the log holds.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep},
};
use tower_logout::{
    RevocationStore,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

use crate::{
    events,
    fleet::{Fleet, ISSUER},
    plan::Plan,
    traffic::Count,
    world::{Service, World, lock},
};

/// What happens to the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Loss {
    /// Nothing, for ten seconds.
    None,
    /// `FLUSHALL`.
    Everything,
    /// A failover to a replica that lags by a second.
    LastSecond,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    nodes: usize,
    /// Revocations that the log holds, and that are older than half a minute.
    live: usize,
    /// Logouts a second in the whole fleet, until the loss.
    logouts: usize,
}

/// What the nodes sent and read after a loss.
#[derive(Debug)]
struct Herd {
    snapshots: Count,
    pages: Count,
    writes: Count,
    follows: Count,
    peaks: [Count; 4],
    /// Revocations that the log lacked right after the loss.
    lost: usize,
    /// Until the log had everything again, and until all nodes were fresh as well.
    complete_after: Duration,
    fresh_after: Duration,
}

impl Size {
    /// The default, or one that the environment sets.
    fn of(nodes: usize, live: usize, logouts: usize) -> Self {
        let setting =
            |name, default| std::env::var(name).map_or(default, |text: String| text.parse().expect("a number"));
        Self {
            nodes: setting("SIMULATION_NODES", nodes),
            live: setting("SIMULATION_LIVE", live),
            logouts: setting("SIMULATION_LOGOUTS", logouts),
        }
    }

    fn after(self, loss: Loss) -> Herd {
        fastrand::seed(1);
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let herd = runtime.block_on(self.play(loss));
        println!(
            "{self:?} {loss:?}: lost {}, whole after {:?}, all fresh after {:?}",
            herd.lost, herd.complete_after, herd.fresh_after
        );
        println!(
            "| call | calls | of these in the busiest second | entries | of these in the busiest second | bytes |"
        );
        let names = ["snapshot", "page", "revoke", "follow"];
        let totals = [herd.snapshots, herd.pages, herd.writes, herd.follows];
        for ((name, total), peak) in names.iter().zip(totals).zip(herd.peaks) {
            println!(
                "| {name} | {} | {} | {} | {} | {} |",
                total.calls, peak.calls, total.entries, peak.entries, total.bytes
            );
        }
        herd
    }

    async fn play(self, loss: Loss) -> Herd {
        let plan = Plan::calm(self.nodes);
        let world = Arc::new(Mutex::new(World::new(1, Rng::with_seed(1), plan, None)));
        for old in 0..self.live {
            lock(&world).join(0, &revocation(&format!("old {old}")));
        }
        let fleet = Fleet::start(Arc::clone(&world));
        while !fleet.nodes.iter().all(|node| node.replica.health().is_fresh()) {
            sleep(Duration::from_millis(50)).await;
        }
        let micros = Duration::from_micros;
        lock(&world).service = Some(Service { call: micros(20), read: micros(1), write: micros(5) });
        let mut requests = JoinSet::new();
        let step = Duration::from_millis(20);
        let mut count = 0;
        for second in 0..5 {
            for _ in 0..50 {
                for _ in 0..self.logouts / 50 {
                    let node = lock(&world).rng.usize(..self.nodes);
                    let replica = Arc::clone(&fleet.nodes[node].replica);
                    count += 1;
                    let one = revocation(&format!("new {second} {count}"));
                    requests.spawn(async move { replica.revoke(&one).await });
                }
                sleep(step).await;
            }
        }
        while let Some(done) = requests.join_next().await {
            done.unwrap().expect("nothing fails");
        }
        let all = self.live + count;
        lock(&world).traffic.clear();
        let began = Instant::now();
        {
            let mut world = lock(&world);
            match loss {
                Loss::None => {}
                Loss::Everything => world.servers[0].flush(),
                Loss::LastSecond => events::fail_over(&mut world, Duration::from_secs(1), Duration::ZERO),
            }
        }
        let holds = || {
            let world = lock(&world);
            world.servers[world.primary].contents.live.len()
        };
        let lost = all - holds();
        let (mut complete_after, mut last_unfresh) = (None, Duration::ZERO);
        // Fresh nodes become stale later, so all of it is watched for a while.
        loop {
            if holds() == all {
                complete_after.get_or_insert(began.elapsed());
            }
            if !fleet.nodes.iter().all(|node| node.replica.health().is_fresh()) {
                last_unfresh = began.elapsed();
            }
            let is_over = complete_after.is_some_and(|at| began.elapsed() > at + Duration::from_secs(10));
            if is_over && began.elapsed() > last_unfresh + Duration::from_secs(5) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(600), "the log is never whole: {} of {all}", holds());
            sleep(Duration::from_millis(20)).await;
        }
        let traffic = &lock(&world).traffic;
        Herd {
            snapshots: traffic.total("snapshot"),
            pages: traffic.total("page"),
            writes: traffic.total("revoke"),
            follows: traffic.total("follow"),
            peaks: ["snapshot", "page", "revoke", "follow"].map(|kind| traffic.peak(kind)),
            lost,
            complete_after: complete_after.unwrap_or_default(),
            fresh_after: last_unfresh,
        }
    }
}

fn revocation(name: &str) -> Revocation {
    Revocation::new(RevocationKey::token_id(ISSUER, name), Timestamp::MAX, Timestamp::from_unix_seconds(4_000_000_000))
}

#[test]
fn what_is_lost_in_a_failover_is_re_sent_and_no_snapshot_is_read() {
    let size = Size::of(100, 1000, 100);
    let herd = size.after(Loss::LastSecond);
    assert_eq!(herd.snapshots.calls, 0, "each node continues from an earlier cursor");
    assert!(herd.lost > 0);
    let most = 2 * herd.lost as u64 + 16 * 100;
    assert!(herd.writes.entries <= most, "{} were lost, and {} were re-sent", herd.lost, herd.writes.entries);
    assert_eq!(herd.fresh_after, Duration::ZERO, "no node becomes stale");
}

#[test]
fn what_is_lost_when_a_log_is_emptied_is_re_sent_by_one_node_or_another() {
    let size = Size::of(100, 1000, 100);
    let herd = size.after(Loss::Everything);
    assert_eq!(herd.lost, size.live + 5 * size.logouts);
    assert!(herd.snapshots.calls <= 2 * size.nodes as u64, "{} snapshots", herd.snapshots.calls);
    let most = 2 * herd.lost as u64 + 32 * size.nodes as u64;
    assert!(herd.writes.entries <= most, "{} were lost, and {} were re-sent", herd.lost, herd.writes.entries);
    assert!(herd.peaks[2].calls <= 4 * size.nodes as u64 + 2000, "{} calls in a second", herd.peaks[2].calls);
}

#[test]
fn a_fleet_at_rest_asks_once_a_second() {
    let size = Size::of(100, 1000, 0);
    let herd = size.after(Loss::None);
    assert!(herd.peaks[3].calls <= size.nodes as u64 + 1, "{} calls in a second", herd.peaks[3].calls);
    assert_eq!((herd.snapshots.calls, herd.writes.calls), (0, 0));
}
