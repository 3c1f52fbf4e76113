//! Logouts per second with a replica, compared with the smallest write to the same server.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower_logout::{Replica, RevocationStore, revocation::Outcome, store::RevocationLog};

use crate::{
    Run,
    backend::{Backend, Raw, new_revocation},
    statistics::Sorted,
    table::{Table, rounded},
};

const CALLERS: [u64; 3] = [1, 16, 64];

pub(crate) fn measure<B: Backend>(run: &Run, backend: &B, table: &mut Table) {
    table.begin(&["", "callers", "logouts through `Replica`", "the least that writes", "ratio"]);
    let (replica, raw) = run.runtime.block_on(async {
        let replica = Replica::start(backend.store().await);
        replica.ready().await.unwrap();
        (ThroughReplica(Arc::new(replica)), Least(backend.raw().await))
    });
    let mut subjects = CALLERS.map(|callers| (Subject::new(&replica, callers), Subject::new(&raw, callers)));
    let mut turns = || subjects.each_mut().map(|(replica, raw)| (replica.turn(run), raw.turn(run)));
    // The first turns determine the number of logouts per turn.
    for _ in 0..run.choose(6, 0) {
        turns();
    }
    let rates: Vec<_> = (0..run.choose(21, 1)).map(|_| turns()).collect();
    for (index, callers) in CALLERS.into_iter().enumerate() {
        let of = |what: fn((f64, f64)) -> f64| Sorted::new(rates.iter().map(|turn| what(turn[index]))).median();
        table.row([
            B::NAME.to_owned(),
            callers.to_string(),
            rounded(of(|(replica, _)| replica)),
            format!("{} {}", B::LEAST_WRITE, rounded(of(|(_, raw)| raw))),
            rounded(of(|(replica, raw)| replica / raw)),
        ]);
    }
}

trait Write: Clone + Send + 'static {
    fn write(&self) -> impl Future<Output = ()> + Send;
}

struct ThroughReplica<L: RevocationLog>(Arc<Replica<L>>);

impl<L: RevocationLog> Clone for ThroughReplica<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: RevocationLog> Write for ThroughReplica<L> {
    async fn write(&self) {
        assert_eq!(self.0.revoke(&new_revocation()).await.unwrap(), Outcome::Newly);
    }
}

#[derive(Clone)]
struct Least<R>(R);

impl<R: Raw> Write for Least<R> {
    async fn write(&self) {
        self.0.write(new_revocation().key()).await;
    }
}

struct Subject<W> {
    writer: W,
    callers: u64,
    /// The number of logouts that takes about [`TURN`].
    writes: u64,
}

impl<W: Write> Subject<W> {
    fn new(writer: &W, callers: u64) -> Self {
        Self { writer: writer.clone(), callers, writes: callers.max(16) }
    }

    /// The number per second.
    #[expect(clippy::cast_precision_loss, reason = "so many are not made")]
    fn turn(&mut self, run: &Run) -> f64 {
        let elapsed = run.runtime.block_on(self.write_all());
        let rate = self.writes as f64 / elapsed.as_secs_f64();
        let factor = (TURN.as_micros() / elapsed.as_micros().max(1)).clamp(0, 4);
        self.writes = (self.writes * u64::try_from(factor).unwrap_or(1)).max(self.writes / 2).max(16);
        rate
    }

    /// This many callers share the writes; each starts its next one when its last is answered.
    async fn write_all(&self) -> Duration {
        let left = Arc::new(AtomicU64::new(self.writes));
        let start = Instant::now();
        let mut callers = JoinSet::new();
        for _ in 0..self.callers {
            let (writer, left) = (self.writer.clone(), Arc::clone(&left));
            callers.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    writer.write().await;
                }
            });
        }
        callers.join_all().await;
        start.elapsed()
    }
}

const TURN: Duration = Duration::from_millis(200);
