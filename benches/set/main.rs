//! The cost of a check by the size of the set, and the effect of concurrent writes on checks.
//!
//! `cargo bench --bench set` takes about three minutes. After Criterion's times it prints a table:
//! ratios and rates are medians of alternating turns within one run, and the longest pauses are
//! compared with those of a set without writes. `-- large` measures fifty million entries instead.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

mod large;
mod rates;
mod resident;
mod stops;

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion};
use tower_logout::{
    clock::Timestamp,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    set::RevocationSet,
};

const ISSUER: &str = "https://issuer.example";
const SIZES: [usize; 4] = [0, 1000, 1_000_000, 10_000_000];
const FEW_TOKENS: usize = 1024;
const MANY_TOKENS: usize = 1_000_000;

fn main() {
    if resident::is_asked_for() {
        return resident::measure();
    }
    if large::is_asked_for() {
        return large::measure();
    }
    // Skipped if the benchmarks are only tested or listed.
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let sizes = if measuring { &SIZES[..] } else { &SIZES[..2] };
    let sets: Vec<_> = sizes.iter().map(|size| (*size, set_of(*size))).collect();
    let fresh = tokens("fresh", MANY_TOKENS);
    times(&mut criterion, &sets, &fresh);
    criterion.final_summary();
    if measuring {
        println!();
        rates::by_size(&sets, &fresh);
        rates::by_threads(&sets, &fresh);
        rates::with_a_writer(&sets, &fresh);
        drop(sets);
        stops::measure(&fresh);
        resident::in_a_process_of_its_own();
    }
}

fn times(criterion: &mut Criterion, sets: &[(usize, RevocationSet)], fresh: &[TokenIdentity]) {
    let elsewhere = RevocationSet::new();
    for tokens in [FEW_TOKENS, MANY_TOKENS] {
        let mut group = criterion.benchmark_group(format!("not revoked, {tokens} tokens, entries"));
        for (size, set) in sets {
            let mut tokens = fresh[..tokens].iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| search(set, &elsewhere, tokens.next().unwrap()));
            });
        }
        group.finish();
    }
    for tokens in [FEW_TOKENS, MANY_TOKENS] {
        let mut group = criterion.benchmark_group(format!("revoked, {tokens} tokens, entries"));
        for (size, set) in sets.iter().filter(|(size, _)| *size >= tokens) {
            let revoked: Vec<_> = (0..tokens).map(|n| token("other", n * (size / tokens))).collect();
            let mut tokens = revoked.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| assert!(set.is_revoked(black_box(tokens.next().unwrap()))));
            });
        }
        group.finish();
    }
}

/// Whether a set reports that a token is revoked, after a search. A set that has found a token not
/// revoked only searches again after a revocation, unless another set was asked in between:
/// `elsewhere`, which is empty.
fn search(set: &RevocationSet, elsewhere: &RevocationSet, token: &TokenIdentity) -> bool {
    elsewhere.is_revoked(token) | set.is_revoked(token)
}

fn set_of(entries: usize) -> RevocationSet {
    let set = RevocationSet::new();
    (0..entries).for_each(|n| join(&set, n, Timestamp::MAX));
    set
}

fn join(set: &RevocationSet, n: usize, until: Timestamp) {
    set.join(&Revocation::new(key("other", n), Timestamp::MAX, until)).unwrap();
}

/// Tokens are ordered by their numbers; their places in a set are random.
fn tokens(name: &str, count: usize) -> Vec<TokenIdentity> {
    (0..count).map(|n| token(name, n)).collect()
}

fn token(name: &str, n: usize) -> TokenIdentity {
    TokenIdentity::new(key(name, n), Timestamp::MIN, Timestamp::MAX, &Retention::default())
}

fn key(name: &str, n: usize) -> RevocationKey {
    RevocationKey::token_id(ISSUER, &format!("{name}-{n:012}"))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
