//! The time from a logout on one node until another rejects the token.
//!
//! Logouts are scheduled at a fixed rate, independent of earlier ones, and their time counts from
//! when they were due. One thread schedules them and asks the other node in a loop, yielding to
//! other threads after each check. A measured time is therefore too long by at most the time since
//! the previous check, which is measured as well.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};
use tower_logout::{
    Replica, RevocationStore,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::RevocationLog,
};

use crate::{
    Run,
    backend::{Backend, PATIENCE, Raw, new_token},
    statistics::Sorted,
    table::{Table, rounded, seconds},
};

pub(crate) fn measure<B: Backend>(run: &Run, backend: &B, table: &mut Table, sight: &mut Vec<String>) {
    table.begin(&["", "logouts a second", "p50", "p99", "longest", "its round trip, p50", "p50 in round trips"]);
    let [a, b] = [(); 2].map(|()| Node::start(backend));
    let raw = a.runtime.block_on(backend.raw());
    let rates = [100, 1000].map(|rate| (rate, run.choose(rate * 4, rate / 20)));
    let mut seen = rates.map(|_| Seen::default());
    // The first round warms up.
    for round in 0..run.choose(4, 1) {
        for ((rate, logouts), seen) in rates.into_iter().zip(&mut seen) {
            let logouts = if round == 0 { logouts / 4 } else { logouts };
            let new = watch(&a, &b, &raw, Duration::from_secs(1) / rate, logouts as usize);
            if round > 0 || !run.in_full {
                seen.add(new);
            }
        }
    }
    for ((rate, _), seen) in rates.into_iter().zip(seen) {
        let [times, round_trips, blind] = [&*seen.times, &seen.round_trips, &seen.blind].map(Sorted::of_times);
        let (p50, p99) = (times.median(), times.per_mille(990));
        let round_trip = round_trips.median();
        table.row([
            B::NAME.to_owned(),
            rate.to_string(),
            seconds(p50),
            seconds(p99),
            seconds(times.longest()),
            format!("{} {}", B::ROUND_TRIP, seconds(round_trip)),
            rounded(p50 / round_trip),
        ]);
        sight.push(format!(
            "* {}, {rate} a second: {} logouts; the look before was {} earlier in the median, {} at p99, {} at most. {} at p99: {}.",
            B::NAME,
            seen.times.len(),
            seconds(blind.median()),
            seconds(blind.per_mille(990)),
            seconds(blind.longest()),
            B::ROUND_TRIP,
            seconds(round_trips.per_mille(990)),
        ));
    }
}

/// A replica with its own thread, as if in another process.
struct Node<L: RevocationLog> {
    replica: Arc<Replica<L>>,
    runtime: Runtime,
}

impl<L: RevocationLog> Node<L> {
    fn start<B: Backend<Log = L>>(backend: &B) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let replica = runtime.block_on(async {
            let replica = Replica::start(backend.store().await);
            replica.ready().await.unwrap();
            Arc::new(replica)
        });
        Self { replica, runtime }
    }

    fn log_out(&self, token: &TokenIdentity) {
        let (replica, revocation) = (Arc::clone(&self.replica), Revocation::of_token(token));
        self.runtime.spawn(async move {
            assert_eq!(replica.revoke(&revocation).await.unwrap(), Outcome::Newly);
        });
    }
}

#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    round_trips: Vec<Duration>,
    /// For each time, how long before its end the last check was.
    blind: Vec<Duration>,
}

impl Seen {
    fn add(&mut self, new: Self) {
        self.times.extend(new.times);
        self.round_trips.extend(new.round_trips);
        self.blind.extend(new.blind);
    }
}

/// Logs tokens out on `a`, one each `period`, until `b` has rejected all of them. The server's
/// round trip is measured half a period later.
fn watch<L: RevocationLog, R: Raw>(a: &Node<L>, b: &Node<L>, raw: &R, period: Duration, logouts: usize) -> Seen {
    let tokens: Vec<_> = (0..logouts).map(|_| new_token()).collect();
    let begin = Instant::now() + period;
    let due = |n: usize| begin + period * u32::try_from(n).unwrap();
    let (answer, answers) = mpsc::channel();
    let (mut issued, mut asked) = (0, 0);
    let (mut pending, mut seen) = (Vec::new(), Seen::default());
    let mut last_look = Instant::now();
    while seen.times.len() < logouts || asked < logouts {
        if issued < logouts && Instant::now() >= due(issued) {
            a.log_out(&tokens[issued]);
            pending.push(issued);
            issued += 1;
        }
        if asked < logouts && Instant::now() >= due(asked) + period / 2 {
            let (raw, answer) = (raw.clone(), answer.clone());
            a.runtime.spawn(async move {
                let start = Instant::now();
                raw.round_trip().await;
                let _ = answer.send(start.elapsed());
            });
            asked += 1;
        }
        pending.retain(|&n| {
            let is_rejected = matches!(b.replica.is_revoked_now(&tokens[n]), Some(Ok(true)));
            if is_rejected {
                seen.times.push(due(n).elapsed());
                seen.blind.push(last_look.elapsed());
            }
            assert!(due(n).elapsed() < PATIENCE, "a logout never came");
            !is_rejected
        });
        last_look = Instant::now();
        thread::yield_now();
    }
    drop(answer);
    seen.round_trips.extend(answers);
    seen
}
