//! The number of checks of several threads, in alternating turns.

use std::{
    hint::black_box,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tower_logout::{clock::Timestamp, revocation::TokenIdentity, set::RevocationSet};

use crate::{FEW_TOKENS, MANY_TOKENS, join, median, search};

pub(crate) fn by_size(sets: &[(usize, RevocationSet)], fresh: &[TokenIdentity]) {
    for tokens in [FEW_TOKENS, MANY_TOKENS] {
        let fresh = &fresh[..tokens];
        let turns = (0..TURNS).map(|_| sets.iter().map(|(_, set)| checks(set, fresh, 1)).collect::<Vec<_>>());
        let turns: Vec<_> = turns.collect();
        for (index, (size, _)) in sets.iter().enumerate() {
            let nanos = median(turns.iter().map(|turn| 1e9 / turn[index]).collect());
            let ratio = median(turns.iter().map(|turn| turn[1] / turn[index]).collect());
            println!(
                "{tokens} tokens, not revoked, {size} entries: {nanos:.1} ns, {ratio:.2} times that at 1 thousand"
            );
        }
    }
}

pub(crate) fn by_threads(sets: &[(usize, RevocationSet)], fresh: &[TokenIdentity]) {
    for (size, set) in &sets[1..] {
        for tokens in [FEW_TOKENS, MANY_TOKENS] {
            let fresh = &fresh[..tokens];
            let ratios = (0..TURNS).map(|_| checks(set, fresh, 2) / checks(set, fresh, 1)).collect();
            println!("{tokens} tokens, {size} entries: two threads make {:.2} times the checks of one", median(ratios));
        }
    }
}

pub(crate) fn with_a_writer(sets: &[(usize, RevocationSet)], fresh: &[TokenIdentity]) {
    let mut next = 100_000_000;
    for (size, set) in &sets[1..] {
        let ratios = (0..TURNS).map(|_| {
            let stop = AtomicBool::new(false);
            let with = thread::scope(|scope| {
                scope.spawn(|| revoke_at_a_rate(set, &mut next, &stop));
                let with = checks(set, &fresh[..FEW_TOKENS], 1);
                stop.store(true, Ordering::Relaxed);
                with
            });
            with / checks(set, &fresh[..FEW_TOKENS], 1)
        });
        let ratio = median(ratios.collect());
        println!("{size} entries: with one writer revoking 10,000 a second, {ratio:.2} of the checks");
    }
}

fn revoke_at_a_rate(set: &RevocationSet, next: &mut usize, stop: &AtomicBool) {
    let (begun, first) = (Instant::now(), *next);
    while !stop.load(Ordering::Relaxed) {
        while ((*next - first) as f64) < begun.elapsed().as_secs_f64() * 10_000.0 {
            join(set, *next, Timestamp::MAX);
            *next += 1;
        }
        thread::sleep(Duration::from_micros(100));
    }
}

/// Checks per second of this many threads together. Each begins with another token.
fn checks(set: &RevocationSet, tokens: &[TokenIdentity], threads: usize) -> f64 {
    let (barrier, stop) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let check = |first: usize| {
        let elsewhere = RevocationSet::new();
        let mut tokens = tokens.iter().cycle().skip(first);
        barrier.wait();
        let (begun, mut checks) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            for token in tokens.by_ref().take(256) {
                black_box(search(set, &elsewhere, token));
            }
            checks += 256;
        }
        f64::from(checks) / begun.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let start = |thread| {
            scope.spawn({
                let check = &check;
                move || check(thread * tokens.len() / threads)
            })
        };
        let running: Vec<_> = (0..threads).map(start).collect();
        barrier.wait();
        thread::sleep(TURN);
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

const TURNS: usize = 21;
const TURN: Duration = Duration::from_millis(50);
