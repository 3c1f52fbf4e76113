//! Shared code of tests of `RedbStore`: revocations by number, and a storage that fails on demand.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tower_logout::{
    RedbStore, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{RedbStoreOptions, Storage, StoreError},
};

pub const ISSUER: &str = "https://issuer.example";

/// A directory that is deleted at the end of the test, and the path of a file in it that does not
/// exist yet.
pub fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("revocations.redb");
    (directory, path)
}

/// The token of this number, which expires in the far future.
pub fn token(number: u64) -> TokenIdentity {
    token_until(number, Timestamp::from_unix_seconds(40_000_000_000))
}

pub fn token_until(number: u64, expires_at: Timestamp) -> TokenIdentity {
    let key = RevocationKey::token_id(ISSUER, &number.to_string());
    TokenIdentity::new(key, Timestamp::from_unix_seconds(1), expires_at, &Retention::default())
}

pub fn revocation(number: u64) -> Revocation {
    Revocation::of_token(&token(number))
}

pub fn is_revoked(store: &RedbStore, number: u64) -> bool {
    store.is_revoked_now(&token(number)).unwrap().unwrap()
}

/// Revokes and waits, from a thread without a runtime.
pub fn revoke(store: &RedbStore, number: u64) -> Result<Outcome, StoreError> {
    block_on(store.revoke(&revocation(number)))
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The texts of an error and its sources.
pub fn chain(error: &StoreError) -> String {
    format!("{error:?}")
}

/// Controls and observes the storage of a store. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    calls: AtomicU64,
    syncs: AtomicU64,
    failed: AtomicU64,
    plan: Mutex<Plan>,
    /// While true, syncs wait.
    held: Mutex<bool>,
    released: Condvar,
    waiting: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Calls from this number on fail, counted from zero.
    pub first: Option<u64>,
    /// How many of them fail.
    pub count: u64,
    pub how: How,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum How {
    /// The call does nothing and fails.
    #[default]
    Refuse,
    /// Half of the data is written, then the call fails. Other calls do their work and report a
    /// failure.
    Half,
    /// Writes and growth fail with ENOSPC, and nothing else does.
    Full,
    /// Only syncs fail.
    Sync,
    /// The call panics, like a bug in the database.
    Panic,
}

impl Faults {
    pub fn fail(&self, plan: Plan) {
        *self.0.plan.lock().unwrap() = plan;
    }

    pub fn heal(&self) {
        self.fail(Plan::default());
    }

    /// Makes all calls fail in this way from now on.
    pub fn fail_all(&self, how: How) {
        self.fail(Plan { first: Some(0), count: u64::MAX, how });
    }

    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub fn syncs(&self) -> u64 {
        self.0.syncs.load(Ordering::SeqCst)
    }

    /// How many calls have failed.
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::SeqCst)
    }

    /// Syncs wait from now on.
    pub fn hold_syncs(&self) {
        *self.0.held.lock().unwrap() = true;
    }

    pub fn release_syncs(&self) {
        *self.0.held.lock().unwrap() = false;
        self.0.released.notify_all();
    }

    /// Blocks until a sync waits; fails after a minute.
    pub fn until_sync_waits(&self) {
        let began = Instant::now();
        while !self.sync_waits() {
            assert!(began.elapsed() < Duration::from_secs(60), "no sync waits");
            std::thread::yield_now();
        }
    }

    /// Whether a sync waits.
    pub fn sync_waits(&self) -> bool {
        self.0.waiting.load(Ordering::SeqCst)
    }

    pub fn options(&self) -> RedbStoreOptions {
        let faults = self.clone();
        RedbStore::options().storage(move |inner| Box::new(FaultyStorage { inner, faults }))
    }

    pub fn open(&self, path: &Path) -> Result<RedbStore, StoreError> {
        self.options().open(path)
    }

    /// Whether this call fails, and how.
    fn next(&self, can_be_full: bool, is_sync: bool) -> Option<How> {
        let call = self.0.calls.fetch_add(1, Ordering::SeqCst);
        let plan = *self.0.plan.lock().unwrap();
        let concerned = match plan.how {
            How::Refuse | How::Half | How::Panic => true,
            How::Full => can_be_full,
            How::Sync => is_sync,
        };
        let fails = concerned && plan.first.is_some_and(|first| call >= first && call - first < plan.count);
        if fails {
            self.0.failed.fetch_add(1, Ordering::SeqCst);
            assert_ne!(plan.how, How::Panic, "injected");
        }
        fails.then_some(plan.how)
    }
}

fn error(how: How) -> io::Error {
    match how {
        How::Full => io::Error::from(io::ErrorKind::StorageFull),
        How::Refuse | How::Half | How::Sync | How::Panic => io::Error::other("injected"),
    }
}

#[derive(Debug)]
struct FaultyStorage {
    inner: Box<dyn Storage>,
    faults: Faults,
}

impl Storage for FaultyStorage {
    fn size(&self) -> io::Result<u64> {
        match self.faults.next(false, false) {
            Some(how) => Err(error(how)),
            None => self.inner.size(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.faults.next(false, false) {
            Some(how) => Err(error(how)),
            None => self.inner.read(offset, out),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let Some(how) = self.faults.next(true, false) else { return self.inner.write(offset, data) };
        if how == How::Half {
            self.inner.write(offset, &data[..data.len() / 2])?;
        }
        Err(error(how))
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let grows = self.inner.size()? < size;
        let Some(how) = self.faults.next(grows, false) else { return self.inner.set_size(size) };
        if how == How::Half {
            self.inner.set_size(size)?;
        }
        Err(error(how))
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.0.waiting.store(true, Ordering::SeqCst);
        drop(self.faults.0.released.wait_while(self.faults.0.held.lock().unwrap(), |held| *held).unwrap());
        self.faults.0.waiting.store(false, Ordering::SeqCst);
        self.faults.0.syncs.fetch_add(1, Ordering::SeqCst);
        let Some(how) = self.faults.next(false, true) else { return self.inner.sync() };
        if how == How::Half {
            self.inner.sync()?;
        }
        Err(error(how))
    }
}
