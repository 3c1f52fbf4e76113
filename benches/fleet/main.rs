//! The cost of being one of many nodes with shared revocations: each number is compared with the
//! minimum that any such solution needs, from the same run.
//!
//! `cargo bench --bench fleet --features redis,postgres`, with `-- check`, `spread`, `logouts`,
//! `instructions` or `snapshot` for one part, and `-- snapshot 10000000` for so many entries. The
//! benchmark starts its own servers and skips those that are not installed. The tables of the
//! output are those of `docs/performance.md`.
#![allow(missing_docs, clippy::unwrap_used)]

mod backend;
mod check;
mod instructions;
mod logouts;
mod machine;
mod on_postgres;
mod on_redis;
mod snapshot;
mod spread;
mod statistics;
mod table;

use std::{env, time::Duration};

use criterion::Criterion;
use tokio::runtime::Runtime;

use backend::Backend;
use on_postgres::OnPostgres;
use on_redis::OnRedis;
use table::Table;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |argument: &str| arguments.iter().any(|given| given == argument);
    if has("--list") {
        return;
    }
    let mut words = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let (part, entries) = (words.next(), words.next());
    // Criterion takes one word only, and has no part in the snapshots.
    if entries.is_none() {
        criterion = criterion.configure_from_args();
    }
    let run = Run {
        // `cargo test --benches`, and `--test` as in Criterion, only test that it runs.
        in_full: has("--bench") && !has("--test"),
        part: part.cloned(),
        entries: entries.map(|entries| entries.parse().unwrap()),
        runtime: Runtime::new().unwrap(),
    };
    let mut results = Results { machine: vec![machine::describe()], ..Results::default() };
    if run.wants("check") {
        let server = run.runtime.block_on(OnRedis::start(&run));
        results.describe(&run, &server);
        results.check = check::measure(&run, &mut criterion, &server);
    }
    if run.wants("instructions") {
        instructions::measure(&run, &mut results.instructions);
    }
    measure::<OnRedis>(&run, &mut results);
    measure::<OnPostgres>(&run, &mut results);
    criterion.final_summary();
    if run.in_full {
        results.print();
    }
}

fn measure<B: Backend>(run: &Run, results: &mut Results) {
    let start = || run.runtime.block_on(B::start(run));
    if run.wants("spread") || run.wants("logouts") {
        let backend = start();
        results.describe(run, &backend);
        if run.wants("spread") {
            spread::measure(run, &backend, &mut results.spread, &mut results.sight);
        }
        if run.wants("logouts") {
            logouts::measure(run, &backend, &mut results.logouts);
        }
    }
    if run.wants("snapshot") {
        let empty = start();
        results.describe(run, &empty);
        let Results { snapshot, meanwhile, memory, .. } = &mut *results;
        snapshot::measure(run, &empty, [snapshot, meanwhile, memory]);
    }
}

/// The requested parts.
struct Run {
    in_full: bool,
    part: Option<String>,
    /// The number of entries in the snapshot of a new node.
    entries: Option<u64>,
    runtime: Runtime,
}

impl Run {
    fn wants(&self, part: &str) -> bool {
        self.part.as_deref().is_none_or(|wanted| wanted == part)
    }

    /// The full number of repetitions, or a small one for a test run.
    fn choose<T>(&self, in_full: T, tried_out: T) -> T {
        if self.in_full { in_full } else { tried_out }
    }
}

#[derive(Default)]
struct Results {
    machine: Vec<String>,
    check: Vec<Table>,
    spread: Table,
    sight: Vec<String>,
    logouts: Table,
    instructions: Table,
    snapshot: Table,
    meanwhile: Table,
    memory: Table,
}

impl Results {
    fn describe(&mut self, run: &Run, backend: &impl Backend) {
        let server = run.runtime.block_on(backend.describe());
        if !self.machine.contains(&server) {
            self.machine.push(server);
        }
    }

    fn print(&self) {
        println!("\nMeasured on {}.", self.machine.join("; "));
        let section = |name: &str, tables: &[&Table]| {
            if tables.iter().any(|table| !table.is_empty()) {
                println!("\n## {name}");
                for table in tables {
                    print!("\n{table}");
                }
            }
        };
        section("A check", &self.check.iter().collect::<Vec<_>>());
        section("From a logout on one node to its rejection on another", &[&self.spread]);
        if !self.sight.is_empty() {
            println!("\n{}", self.sight.join("\n"));
        }
        section("Logouts a second", &[&self.logouts]);
        section("Instructions", &[&self.instructions]);
        section("A new node", &[&self.snapshot, &self.meanwhile, &self.memory]);
    }
}
