//! Logouts a second with 1, 16 and 64 callers: in memory, in `RedbStore`'s file, and in a plain preallocated file that is
//! synced once for all callers of a group, which no store can beat.
//!
//! `cargo bench --bench logout --features redb`. The file is made in the target directory: put that on the disk that you mean.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs::File,
    hint::black_box,
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinSet};
use tower_logout::{
    MemoryStore, Outcome, RedbStore, Revocation, RevocationKey, RevocationStore, StoreError, Timestamp, TokenIdentity,
};

const CALLERS: [u64; 3] = [1, 16, 64];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let mut rates = Rates::default();
    measure(&mut criterion, &mut rates, "memory", |_| MemoryStore::new());
    measure(&mut criterion, &mut rates, "redb", |path| RedbStore::open(path).unwrap());
    measure(&mut criterion, &mut rates, "file", PlainFile::create);
    criterion.final_summary();
    rates.print();
}

fn measure<S: RevocationStore>(
    criterion: &mut Criterion,
    rates: &mut Rates,
    name: &'static str,
    store: impl Fn(PathBuf) -> S,
) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("logout");
    group.throughput(Throughput::Elements(1));
    for callers in CALLERS {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Arc::new(store(directory.path().join("revocations")));
        let numbers = Arc::new(AtomicU64::new(0));
        group.bench_function(BenchmarkId::new(name, callers), |bencher| {
            bencher.iter_custom(|logouts| {
                let elapsed = runtime.block_on(log_out(&store, &numbers, callers, logouts));
                rates.note(name, callers, logouts, elapsed);
                elapsed
            });
        });
    }
    group.finish();
}

/// So many callers share so many logouts; each makes its next one when its last is answered.
async fn log_out<S: RevocationStore>(store: &Arc<S>, numbers: &Arc<AtomicU64>, callers: u64, logouts: u64) -> Duration {
    let left = Arc::new(AtomicU64::new(logouts));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (store, numbers, left) = (Arc::clone(store), Arc::clone(numbers), Arc::clone(&left));
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let number = numbers.fetch_add(1, Ordering::Relaxed).to_string();
                let key = RevocationKey::token_id("https://issuer.example", &number);
                let revocation = Revocation::new(key, Timestamp::MAX, Timestamp::MAX);
                assert_eq!(store.revoke(black_box(&revocation)).await.unwrap(), Outcome::Newly);
            }
        });
    }
    tasks.join_all().await;
    start.elapsed()
}

/// The floor: the callers of a group are appended to a file that is long enough already, and then it is synced.
struct PlainFile(mpsc::Sender<(Revocation, oneshot::Sender<()>)>);

impl PlainFile {
    #[expect(clippy::needless_pass_by_value, reason = "as the others")]
    fn create(path: PathBuf) -> Self {
        let mut file = File::create(path).unwrap();
        for _ in 0..FILE_LEN / (1 << 20) {
            file.write_all(&[0; 1 << 20]).unwrap();
        }
        file.sync_all().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let (requests, queue) = mpsc::channel::<(Revocation, oneshot::Sender<()>)>();
        thread::spawn(move || {
            let mut written = 0;
            while let Ok(first) = queue.recv() {
                let group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
                let rows: Vec<u8> = group.iter().flat_map(|(revocation, _)| row(revocation)).collect();
                written += rows.len();
                if written > FILE_LEN {
                    file.seek(SeekFrom::Start(0)).unwrap();
                    written = rows.len();
                }
                file.write_all(&rows).unwrap();
                file.sync_data().unwrap();
                for (_, answer) in group {
                    let _ = answer.send(());
                }
            }
        });
        Self(requests)
    }
}

fn row(revocation: &Revocation) -> impl Iterator<Item = u8> {
    let times = [revocation.issued_through(), revocation.retain_until()];
    let key = *revocation.key().as_bytes();
    key.into_iter().chain(times.into_iter().flat_map(|time| time.as_unix_millis().to_le_bytes()))
}

const FILE_LEN: usize = 64 << 20;

#[async_trait]
impl RevocationStore for PlainFile {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.send((*revocation, answer)).unwrap();
        answered.await.unwrap();
        Ok(Outcome::Newly)
    }

    async fn is_revoked(&self, _: &TokenIdentity) -> Result<bool, StoreError> {
        Err(StoreError::new("check", "it only writes"))
    }
}

/// What was measured, by store and number of callers: logouts a second.
#[derive(Default)]
struct Rates(Mutex<BTreeMap<(&'static str, u64), Vec<f64>>>);

impl Rates {
    #[expect(clippy::cast_precision_loss, reason = "so many are not made")]
    fn note(&self, name: &'static str, callers: u64, logouts: u64, elapsed: Duration) {
        // What is too short says nothing.
        if elapsed > Duration::from_millis(20) {
            let rate = logouts as f64 / elapsed.as_secs_f64();
            self.0.lock().unwrap().entry((name, callers)).or_default().push(rate);
        }
    }

    fn print(&self) {
        let mut rates = self.0.lock().unwrap();
        let mut median = |name, callers| {
            let rates = rates.entry((name, callers)).or_default();
            rates.sort_by(f64::total_cmp);
            rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
        };
        println!("\nlogouts a second, medians");
        for name in ["memory", "redb", "file"] {
            let [one, some, many] = CALLERS.map(|callers| median(name, callers));
            println!("{name:>8}: {one:>10.0} with 1 caller, {some:>10.0} with 16, {many:>10.0} with 64");
        }
        let (one, many) = (median("redb", 1), median("redb", 64));
        println!("redb with 64 callers beside itself with 1: {:.1} times (goal: 8)", many / one);
        println!("redb with 64 callers beside the file with 64: {:.2} (goal: 0.25)", many / median("file", 64));
    }
}
