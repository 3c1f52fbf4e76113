//! Logouts per second with 1, 16 and 64 callers: in memory, in `RedbStore`'s file, and in a plain
//! preallocated file that is synced once for all callers of a group, which is the upper limit for
//! any store. Also the time to open a file with a million revocations.
//!
//! `cargo bench --bench logout --features redb`. The file is in the target directory, which must be
//! on the disk to be measured.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    fs::File,
    hint::black_box,
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{
        Arc,
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
    MemoryStore, RedbStore, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::RevocationSet,
    store::StoreError,
};

const CALLERS: [u64; 3] = [1, 16, 64];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    measure(&mut criterion, "memory", |_| MemoryStore::new().capacity(usize::MAX));
    measure(&mut criterion, "redb", |path| RedbStore::open(path).unwrap());
    measure(&mut criterion, "file", PlainFile::create);
    criterion.final_summary();
    // `cargo test --benches` only tests that it runs.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    compare(if measuring { 30 } else { 1 });
    open(if measuring { 1_000_000 } else { 1000 });
}

fn measure<S: RevocationStore>(criterion: &mut Criterion, name: &str, store: impl Fn(PathBuf) -> S) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("logout");
    group.throughput(Throughput::Elements(1));
    for callers in CALLERS {
        let subject = Subject::new(callers, &store);
        group.bench_function(BenchmarkId::new(name, callers), |bencher| {
            bencher.iter_custom(|logouts| subject.run(&runtime, logouts));
        });
    }
    group.finish();
}

/// This many callers share the logouts; each starts its next one when its last is answered.
async fn log_out<S: RevocationStore>(store: &Arc<S>, numbers: &Arc<AtomicU64>, callers: u64, logouts: u64) -> Duration {
    let left = Arc::new(AtomicU64::new(logouts));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (store, numbers, left) = (Arc::clone(store), Arc::clone(numbers), Arc::clone(&left));
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let revocation = revocation(numbers.fetch_add(1, Ordering::Relaxed));
                assert_eq!(store.revoke(black_box(&revocation)).await.unwrap(), Outcome::Newly);
            }
        });
    }
    tasks.join_all().await;
    start.elapsed()
}

fn revocation(number: u64) -> Revocation {
    let key = RevocationKey::token_id("https://issuer.example", &number.to_string());
    Revocation::new(key, Timestamp::MAX, Timestamp::MAX)
}

/// The floor: the callers of a group are appended to a preallocated file, which is then synced.
struct PlainFile(mpsc::Sender<(Revocation, oneshot::Sender<()>)>);

impl PlainFile {
    fn create(path: PathBuf) -> Self {
        let mut file = File::create(path).unwrap();
        file.write_all(&vec![0; FILE_LEN]).unwrap();
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

/// A store under test, with its directory and a counter that makes its revocations differ.
struct Subject<S> {
    store: Arc<S>,
    numbers: Arc<AtomicU64>,
    callers: u64,
    /// The number of logouts that takes about [`TURN`].
    logouts: u64,
    _directory: TempDir,
}

impl<S: RevocationStore> Subject<S> {
    fn new(callers: u64, store: impl Fn(PathBuf) -> S) -> Self {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Arc::new(store(directory.path().join("revocations")));
        Self { store, numbers: Arc::default(), callers, logouts: 16, _directory: directory }
    }

    fn run(&self, runtime: &Runtime, logouts: u64) -> Duration {
        runtime.block_on(log_out(&self.store, &self.numbers, self.callers, logouts))
    }

    /// Logouts per second.
    #[expect(clippy::cast_precision_loss, reason = "so many are not made")]
    fn turn(&mut self, runtime: &Runtime) -> f64 {
        let elapsed = self.run(runtime, self.logouts);
        let rate = self.logouts as f64 / elapsed.as_secs_f64();
        let factor = (TURN.as_micros() / elapsed.as_micros().max(1)).clamp(0, 4);
        self.logouts = (self.logouts * u64::try_from(factor).unwrap_or(1)).max(self.logouts / 2).max(16);
        rate
    }
}

/// The same in alternation, so that slow phases of the disk affect all of them.
fn compare(rounds: usize) {
    let runtime = Runtime::new().unwrap();
    let redb = |path: PathBuf| RedbStore::open(path).unwrap();
    let [mut one, mut some, mut many] = CALLERS.map(|callers| Subject::new(callers, redb));
    let [mut file_one, mut file_some, mut file_many] = CALLERS.map(|callers| Subject::new(callers, PlainFile::create));
    let mut turns = || {
        let redb = [one.turn(&runtime), some.turn(&runtime), many.turn(&runtime)];
        (redb, [file_one.turn(&runtime), file_some.turn(&runtime), file_many.turn(&runtime)])
    };
    // The first turns determine the number of logouts per turn.
    for _ in 0..8 {
        turns();
    }
    let rates: Vec<_> = (0..rounds).map(|_| turns()).collect();
    println!(
        "\nIn {rounds} rounds of turns of about {TURN:?}; the median, and where the middle half of the rounds is:"
    );
    for (index, callers) in CALLERS.into_iter().enumerate() {
        let redb = spread(rates.iter().map(|(redb, _)| redb[index]));
        let file = spread(rates.iter().map(|(_, file)| file[index]));
        println!("{callers:>3} callers: redb {redb:.0?} logouts a second, file {file:.0?}");
    }
    let scale = spread(rates.iter().map(|(redb, _)| redb[2] / redb[0]));
    let share = spread(rates.iter().map(|(redb, file)| redb[2] / file[2]));
    println!("redb with 64 callers beside itself with 1: {scale:.1?} times");
    println!("redb with 64 callers beside the file with 64: {share:.2?}");
}

/// Opening a file reads all of it. Compared with the minimum for any store: inserting the entries
/// into a set.
fn open(entries: u64) {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("revocations");
    let store = Arc::new(RedbStore::open(&path).unwrap());
    Runtime::new().unwrap().block_on(log_out(&store, &Arc::default(), entries.min(4096), entries));
    drop(store);
    let rows: Vec<_> = (0..entries).map(revocation).collect();
    let turn = || {
        let begun = Instant::now();
        let store = RedbStore::open(&path).unwrap();
        let open = begun.elapsed();
        assert_eq!(store.len() as u64, entries);
        drop(store);
        let (begun, set) = (Instant::now(), RevocationSet::new());
        for row in &rows {
            set.join(row).unwrap();
        }
        (open.as_secs_f64(), begun.elapsed().as_secs_f64())
    };
    let turns: Vec<_> = (0..9).map(|_| turn()).collect();
    let open = spread(turns.iter().map(|(open, _)| *open));
    let set = spread(turns.iter().map(|(_, set)| *set));
    println!("opening a file with {entries} revocations: {open:.2?} s, of which the set takes {set:.2?}");
}

/// The lower quartile, the median and the upper quartile.
fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

const TURN: Duration = Duration::from_millis(200);
