//! A prototype: a node that holds filters of the revoked keys, and asks the log if one matches.
//!
//! `cargo bench -p tower-logout-filters` prints the numbers of `docs/filters.md`: for fifty million
//! keys, the memory, the time to build, the time of a search for a key that is not revoked, and the
//! share of such keys that match nevertheless. It takes some minutes and 7 GB of memory.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use fastbloom::AtomicBloomFilter;
use foldhash::fast::FixedState;
use tower_logout::{
    clock::Timestamp,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    set::RevocationSet,
};
use xorf::{BinaryFuse8, BinaryFuse16, Filter};

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return; // only tested or listed
    }
    println!("| for {KEYS} keys | bytes a key | built in | a search | false matches |");
    println!("|---|---|---|---|---|");
    set();
    for bits in [8, 12, 16, 20] {
        bloom(bits);
    }
    let keys: Vec<_> = (0..KEYS).map(word).collect();
    fuse("binary fuse filter, 8 bits", &keys, 1, |keys| BinaryFuse8::try_from(keys).unwrap());
    fuse("binary fuse filter, 16 bits", &keys, 2, |keys| BinaryFuse16::try_from(keys).unwrap());
}

/// What a node holds today.
fn set() {
    let began = Instant::now();
    let set = RevocationSet::new();
    for n in 0..KEYS {
        set.join(&Revocation::new(key(n), Timestamp::MAX, Timestamp::MAX)).unwrap();
    }
    let built = began.elapsed();
    let retention = Retention::default();
    let tokens: Vec<_> =
        others().map(|n| TokenIdentity::new(key(n), Timestamp::MIN, Timestamp::MAX, &retention)).collect();
    let (time, hits) = search(&tokens, |token| set.is_revoked(token));
    row("the set of revocations", BYTES_IN_SET, built, time, hits);
}

/// A Bloom filter, to which keys can be added while it is read.
fn bloom(bits: usize) {
    let began = Instant::now();
    let filter = AtomicBloomFilter::with_num_bits(bits * KEYS).hasher(FixedState::default()).expected_items(KEYS);
    for n in 0..KEYS {
        filter.insert(&word(n));
    }
    let built = began.elapsed();
    let (time, hits) = search(&others().map(word).collect::<Vec<_>>(), |word| filter.contains(word));
    let bytes = filter.num_bits() as f64 / 8.0 / KEYS as f64;
    row(&format!("Bloom filter, {bits} bits"), bytes, built, time, hits);
}

/// A filter that is built of all keys at once.
fn fuse<F: Filter<u64>>(name: &str, keys: &[u64], bytes: usize, build: impl FnOnce(&[u64]) -> F) {
    let began = Instant::now();
    let filter = build(keys);
    let built = began.elapsed();
    let (time, hits) = search(&others().map(word).collect::<Vec<_>>(), |word| filter.contains(word));
    row(name, (filter.len() * bytes) as f64 / KEYS as f64, built, time, hits);
}

/// The median time of a search over several turns, in ns, and the share of searches that match.
fn search<T>(tokens: &[T], matches: impl Fn(&T) -> bool) -> (f64, f64) {
    let mut hits = 0;
    let mut turns: Vec<_> = (0..TURNS)
        .map(|_| {
            let began = Instant::now();
            hits = tokens.iter().filter(|token| black_box(matches(token))).count();
            began.elapsed().as_secs_f64() * 1e9 / tokens.len() as f64
        })
        .collect();
    turns.sort_by(f64::total_cmp);
    (turns[TURNS / 2], hits as f64 / tokens.len() as f64)
}

fn row(name: &str, bytes: f64, built: Duration, time: f64, hits: f64) {
    println!("| {name} | {bytes:.2} | {built:.1?} | {time:.0} ns | {:.4} % |", hits * 100.0);
}

/// Numbers of keys that are not revoked.
fn others() -> impl Iterator<Item = usize> {
    KEYS..KEYS + SEARCHES
}

/// The part of a key that the filters take. Like a hash, it is different for each number, and in no
/// order.
fn word(n: usize) -> u64 {
    let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

fn key(n: usize) -> RevocationKey {
    let mut bytes = [0; RevocationKey::LEN];
    bytes[0] = 1;
    bytes[1..9].copy_from_slice(&word(n).to_be_bytes());
    RevocationKey::from_bytes(bytes).unwrap()
}

const KEYS: usize = 50_000_000;
const SEARCHES: usize = 5_000_000;
const TURNS: usize = 5;
/// Measured by `cargo bench --bench set -- large`.
const BYTES_IN_SET: f64 = 42.4;
