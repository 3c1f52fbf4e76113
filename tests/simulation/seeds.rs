//! Promise: whatever servers, networks, clocks and nodes do, a fleet of replicas refuses what was
//! revoked, loses nothing that a living node knows, and agrees again when the faults end.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::{
    run::{Failure, Report, run},
    world::Weakness,
};

/// The seeds of a run: one, or so many from the first.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let setting = |name| std::env::var(name).ok().map(|text: String| text.parse().expect("a number"));
    match setting("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("SIMULATION_SEEDS").unwrap_or(default),
    }
}

/// Runs seeds on all cores, and returns the first failure of each thread.
fn run_all(seeds: std::ops::Range<u64>, weakness: Option<Weakness>) -> (Vec<Report>, Vec<(u64, Failure)>) {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let (mut reports, mut failures) = (Vec::new(), Vec::new());
        while failures.is_empty() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            match run(seed, weakness) {
                Ok(report) => reports.push(report),
                Err(failure) => failures.push((seed, failure)),
            }
        }
        (reports, failures)
    };
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8);
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in running {
            let (done, failed) = thread.join().expect("no run panics");
            reports.extend(done);
            failures.extend(failed);
        }
    });
    failures.sort_by_key(|(seed, _)| *seed);
    (reports, failures)
}

#[test]
fn every_seed_holds() {
    let (reports, failures) = run_all(seeds(200), None);
    if let Some((seed, failure)) = failures.first() {
        panic!("{}\n\nseed {seed}: {}", failure.trace, failure.why);
    }
    let mut times: Vec<_> = reports.iter().map(|report| report.agreed_after).collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (nodes, logouts) =
        reports.iter().fold((0, 0), |(nodes, logouts), report| (nodes + report.nodes, logouts + report.logouts));
    println!(
        "{} seeds, {nodes} nodes, {logouts} logouts; agreed after {:.1?} (median), {:.1?} (99 %), {:.1?} (all)",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(100) <= Duration::from_secs(30), "they agree too late: {:?}", at(100));
}

/// Few seeds have another course in some of their runs, such as 178 in one of four: which part of a
/// set holds a revocation, and so when it is purged, is random in each process.
#[test]
fn a_seed_repeats_its_run() {
    for seed in 0..12 {
        let hash = || run(seed, None).map_or_else(|failure| panic!("{}", failure.why), |report| report.hash);
        assert_eq!(hash(), hash(), "seed {seed}");
    }
}

/// The simulation would find a log that lacks one of its protections.
#[test]
fn a_log_without_a_protection_is_found_out() {
    let mut unfound = Vec::new();
    for weakness in [
        Weakness::NoEntryIdentity,
        Weakness::NoEpoch,
        Weakness::CursorAfterSnapshot,
        Weakness::NoPurgeWatermark,
        Weakness::CompleteTooEarly,
    ] {
        let (_, failures) = run_all(0..500, Some(weakness));
        match failures.first() {
            Some((seed, failure)) => println!("| {weakness:?} | {seed} | {} |", failure.why),
            None => unfound.push(weakness),
        }
    }
    assert!(unfound.is_empty(), "not found: {unfound:?}");
}
