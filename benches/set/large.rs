//! Fifty million revocations in a replica: memory, loading, and the longest check while a tenth of
//! them expires.
//!
//! `cargo bench --bench set -- large` takes about a minute and 3 GB of memory.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::runtime::Runtime;
use tower_logout::{
    Replica, RevocationStore,
    clock::{ManualClock, Timestamp},
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Followed, ReplicaOptions, RevocationLog, SnapshotSink, StoreError},
};

use crate::{resident::resident, stops::Stops, tokens};

pub(crate) fn is_asked_for() -> bool {
    std::env::args().any(|arg| arg == "large")
}

pub(crate) fn measure() {
    let fresh = tokens("fresh", 1_000_000);
    let before = resident().unwrap_or(0);
    let clock = ManualClock::at(Timestamp::from_unix_seconds(1));
    let runtime = Runtime::new().unwrap();
    let began = Instant::now();
    let replica = runtime.block_on(async {
        let replica = ReplicaOptions::new().clock(clock.clone()).start(Given);
        replica.ready().await.unwrap();
        replica
    });
    println!("{ENTRIES} entries from a log in this process: ready after {:.1?}", began.elapsed());
    assert_eq!(replica.len(), ENTRIES);
    println!("resident: {:.1} bytes an entry", per_entry(before, ENTRIES));

    watch("nothing happens", &replica, &fresh, || thread::sleep(Duration::from_secs(5)));
    watch("5 million expire", &replica, &fresh, || {
        clock.set(EXPIRY.saturating_add(Duration::from_secs(60)));
        while replica.len() > ENTRIES - ENTRIES / 10 {
            thread::sleep(Duration::from_millis(1));
        }
    });
    println!("resident: {:.1} bytes for each that is left", per_entry(before, replica.len()));
}

/// Times checks on this thread while `work` runs on another.
fn watch(what: &str, replica: &Replica<Given>, fresh: &[TokenIdentity], work: impl FnOnce() + Send) {
    let done = AtomicBool::new(false);
    let mut stops = Stops::default();
    let took = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let began = Instant::now();
            work();
            done.store(true, Ordering::Release);
            began.elapsed()
        });
        let mut tokens = fresh.iter().cycle();
        while !done.load(Ordering::Acquire) {
            let token = tokens.next().unwrap();
            stops.time(|| matches!(black_box(replica.is_revoked_now(token)), Some(Ok(false))));
        }
        worker.join().unwrap()
    });
    println!("{what}, {took:.0?}: {}", stops.summary());
}

#[expect(clippy::cast_precision_loss, reason = "no process has so much memory")]
fn per_entry(before: usize, entries: usize) -> f64 {
    (resident().unwrap_or(before) - before) as f64 / entries as f64
}

/// A log with [`ENTRIES`] revocations, a tenth of which expire early. Nothing is appended.
struct Given;

#[async_trait]
impl RevocationStore for Given {
    async fn revoke(&self, _: &Revocation) -> Result<Outcome, StoreError> {
        Err(StoreError::new("revoke", "the log does not change"))
    }

    async fn is_revoked(&self, _: &TokenIdentity) -> Result<bool, StoreError> {
        Err(StoreError::new("check", "the replica answers"))
    }
}

#[async_trait]
impl RevocationLog for Given {
    type Cursor = ();

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<(), StoreError> {
        into.expect(ENTRIES as u64);
        let all: Vec<_> = (0..ENTRIES).collect();
        for page in all.chunks(1000) {
            into.take(&page.iter().map(|&n| revocation(n)).collect::<Vec<_>>());
        }
        Ok(())
    }

    async fn follow(&self, (): &(), wait: Duration) -> Result<Followed<()>, FollowError> {
        tokio::time::sleep(wait).await;
        Ok(Followed::new(Vec::new(), Timestamp::MIN, (), true))
    }
}

/// The keys are those of single tokens, but not hashed, which would take longer than loading them.
fn revocation(n: usize) -> Revocation {
    let mut bytes = [0; RevocationKey::LEN];
    bytes[0] = 1;
    let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[1..9].copy_from_slice(&mixed.to_be_bytes());
    let until = if n.is_multiple_of(10) { EXPIRY } else { Timestamp::MAX };
    Revocation::new(RevocationKey::from_bytes(bytes).unwrap(), Timestamp::MAX, until)
}

const ENTRIES: usize = 50_000_000;
const EXPIRY: Timestamp = Timestamp::from_unix_seconds(100);
