//! How long a new node takes until it answers, and how many bytes its server needs for the
//! revocations.

use std::time::Instant;

use tokio::runtime::Runtime;
use tower_logout::Replica;

use crate::{
    Run,
    backend::{Backend, Raw},
    statistics::Sorted,
    table::{Table, rounded, seconds},
};

pub(crate) fn measure<B: Backend>(run: &Run, backend: &B, table: &mut Table, memory: &mut Table) {
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
