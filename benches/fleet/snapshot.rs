//! How long a new node takes until it answers, how long others wait for checks meanwhile, and how
//! many bytes its server needs for the revocations.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};
use tower_logout::{Replica, RevocationStore};

use crate::{
    Run,
    backend::{Backend, Raw, new_token},
    statistics::Sorted,
    table::{Table, rounded, seconds},
};

pub(crate) fn measure<B: Backend>(run: &Run, backend: &B, [table, checks, memory]: [&mut Table; 3]) {
    table.begin(&["", "entries", "ready after", "the least that reads all", "ratio"]);
    memory.begin(&["", "entries", "bytes an entry"]);
    let (some, all) = run.choose((100_000, run.entries.unwrap_or(1_000_000)), (1000, 2000));
    let nothing = run.runtime.block_on(backend.bytes());

    run.runtime.block_on(backend.revoke_each(some));
    let with_some = run.runtime.block_on(backend.bytes());
    new_nodes(run, backend, table, some);
    memory.row([
        B::NAME.to_owned(),
        format!("{some}, each revoked by itself, all of them a moment ago"),
        per_entry(with_some - nothing, some),
    ]);

    run.runtime.block_on(backend.fill(all - some));
    let with_all = run.runtime.block_on(backend.bytes());
    new_nodes(run, backend, table, all);
    checks_meanwhile(run, backend, checks, all);
    memory.row([
        B::NAME.to_owned(),
        format!("{} more that came long ago", all - some),
        per_entry(with_all - with_some, all - some),
    ]);
}

fn new_nodes<B: Backend>(run: &Run, backend: &B, table: &mut Table, entries: u64) {
    let mut times = Vec::new();
    for _ in 0..run.choose(5, 1) {
        let ready = new_node(backend, entries);
        let raw = run.runtime.block_on(async {
            let start = Instant::now();
            backend.raw().await.read_all().await;
            start.elapsed().as_secs_f64()
        });
        times.push((ready, raw));
    }
    let of = |what: fn(&(f64, f64)) -> f64| Sorted::new(times.iter().map(what)).median();
    table.row([
        B::NAME.to_owned(),
        entries.to_string(),
        seconds(of(|(ready, _)| *ready)),
        format!("{} {}", B::READ_ALL, seconds(of(|(_, raw)| *raw))),
        rounded(of(|(ready, raw)| ready / raw)),
    ]);
}

/// Checks on two other nodes, once a millisecond, first alone and then while new nodes load.
fn checks_meanwhile<B: Backend>(run: &Run, backend: &B, table: &mut Table, entries: u64) {
    table.begin(&["", "a check on another node", "meanwhile", "checks", "p50", "p99.9", "longest"]);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (replica, store) = runtime.block_on(async {
        let replica = Replica::start(backend.store().await);
        replica.ready().await.unwrap();
        (replica, backend.store().await)
    });
    for (name, loads) in [("nothing", 0), ("new nodes load", run.choose(3, 1))] {
        let is_over = AtomicBool::new(false);
        let (mut by_replica, mut by_store) = (Vec::new(), Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..loads {
                    new_node(backend, entries);
                }
                is_over.store(true, Ordering::Relaxed);
            });
            runtime.block_on(async {
                while !is_over.load(Ordering::Relaxed) || by_replica.len() < run.choose(3000, 10) {
                    let token = new_token();
                    by_replica.push(time(async || assert!(!replica.is_revoked(&token).await.unwrap())).await);
                    by_store.push(time(async || assert!(!store.is_revoked(&token).await.unwrap())).await);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        });
        for (node, times) in [("with a replica", by_replica), ("asks the server each time", by_store)] {
            let checks = times.len();
            let times = Sorted::new(times);
            table.row([
                B::NAME.to_owned(),
                node.to_owned(),
                name.to_owned(),
                checks.to_string(),
                seconds(times.median()),
                seconds(times.per_mille(999)),
                seconds(times.longest()),
            ]);
        }
    }
}

/// The duration of a call, in seconds.
async fn time(call: impl AsyncFnOnce()) -> f64 {
    let start = Instant::now();
    call().await;
    start.elapsed().as_secs_f64()
}

/// The time to connect and to load everything, in seconds.
fn new_node<B: Backend>(backend: &B, entries: u64) -> f64 {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let replica = Replica::start(backend.store().await);
        replica.ready().await.unwrap();
        let ready = start.elapsed().as_secs_f64();
        assert_eq!(u64::try_from(replica.len()).unwrap(), entries);
        ready
    })
}

#[expect(clippy::cast_precision_loss, reason = "no server has so much memory")]
fn per_entry(bytes: u64, entries: u64) -> String {
    rounded(bytes as f64 / entries as f64)
}
