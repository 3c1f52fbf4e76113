//! A log in this process that several replicas share, and that fails when a test wants it to.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use tower_logout::{
    RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, TokenIdentity},
    set::RevocationSet,
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError, StoreErrorKind},
};

/// Clones share the log.
#[derive(Clone, Debug)]
pub struct SharedLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Mutex<Log>,
    /// What the log does when it is asked; a change wakes whoever waits.
    mood: watch::Sender<Mood>,
    failing_snapshots: AtomicUsize,
    /// Why it does nothing at all, while there is a reason.
    down: Mutex<Option<(StoreErrorKind, &'static str)>>,
    pub snapshots: AtomicUsize,
    pub checks: AtomicUsize,
    pub writes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Log {
    epoch: u64,
    /// How many entries were trimmed away.
    trimmed: usize,
    feed: Vec<Revocation>,
    live: RevocationSet,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mood {
    entries: usize,
    feed: Feed,
    refuses_writes: bool,
    refuses_checks: bool,
    /// How many pages of a snapshot it hands out; all of them if `None`.
    pages: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Feed {
    #[default]
    Works,
    Hangs,
    Fails,
    /// Answers, but never with all there is.
    LagsBehind,
}

#[derive(Clone, Debug)]
pub struct Cursor {
    epoch: u64,
    next: usize,
}

impl SharedLog {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            log: Mutex::default(),
            mood: watch::Sender::new(Mood::default()),
            failing_snapshots: AtomicUsize::new(0),
            down: Mutex::new(None),
            snapshots: AtomicUsize::new(0),
            checks: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
        }))
    }

    /// Every call fails for this reason, until there is none.
    pub fn down(&self, reason: Option<(StoreErrorKind, &'static str)>) {
        *self.0.down.lock().unwrap() = reason;
        self.wake();
    }

    fn up(&self, operation: &'static str) -> Result<(), StoreError> {
        match *self.0.down.lock().unwrap() {
            Some((kind, why)) => Err(StoreError::new(operation, why).with_kind(kind)),
            None => Ok(()),
        }
    }

    pub fn feed(&self, feed: Feed) {
        self.0.mood.send_modify(|mood| mood.feed = feed);
    }

    pub fn refuse_writes(&self, refuses: bool) {
        self.0.mood.send_modify(|mood| mood.refuses_writes = refuses);
    }

    pub fn refuse_checks(&self, refuses: bool) {
        self.0.mood.send_modify(|mood| mood.refuses_checks = refuses);
    }

    /// Fails so many times, in the middle.
    pub fn fail_snapshots(&self, times: usize) {
        self.0.failing_snapshots.store(times, Ordering::SeqCst);
    }

    /// Hands out so many pages of a snapshot, of one entry each, and then waits.
    pub fn pages(&self, pages: Option<usize>) {
        self.0.mood.send_modify(|mood| mood.pages = pages);
    }

    /// Forgets everything, and is another log from then on.
    pub fn flush(&self) {
        *self.log() = Log { epoch: self.log_epoch() + 1, ..Log::default() };
        self.wake();
    }

    /// Forgets these, as a failover does to what was not replicated, and nobody can tell from the cursor.
    pub fn lose(&self, lost: &[Revocation]) {
        let mut log = self.log();
        let kept: Vec<_> = log.feed.iter().filter(|entry| !lost.contains(entry)).copied().collect();
        log.live = RevocationSet::new();
        for entry in &kept {
            log.live.join(entry).unwrap();
        }
        // The places of the lost are taken by what comes next.
        log.feed = kept;
        drop(log);
        self.wake();
    }

    /// Keeps what is live, and drops the feed.
    pub fn trim(&self) {
        let mut log = self.log();
        log.trimmed = log.feed.len();
        drop(log);
        self.wake();
    }

    /// Forgets, at this time, what was to be remembered for as long as this token.
    pub fn purge(&self, now: Timestamp, like: &TokenIdentity) {
        let log = self.log();
        log.live.join(&Revocation::of_token(like)).unwrap();
        log.live.purge(now, |_| {});
        drop(log);
        self.wake();
    }

    pub fn holds(&self, revocation: &Revocation) -> bool {
        self.log().live.knows(revocation)
    }

    pub fn len(&self) -> usize {
        self.log().live.len()
    }

    pub fn snapshots(&self) -> usize {
        self.0.snapshots.load(Ordering::SeqCst)
    }

    pub fn checks(&self) -> usize {
        self.0.checks.load(Ordering::SeqCst)
    }

    pub fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// How many handles there are: this one, and one for each replica and for each of its tasks' state.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    fn append(&self, revocation: &Revocation) -> Outcome {
        let mut log = self.log();
        let outcome = if log.live.knows(revocation) {
            Outcome::Already
        } else {
            log.feed.push(*revocation);
            log.live.join(revocation).unwrap()
        };
        drop(log);
        self.wake();
        outcome
    }

    fn wake(&self) {
        let entries = self.log().feed.len();
        self.0.mood.send_modify(|mood| mood.entries = entries);
    }

    fn log_epoch(&self) -> u64 {
        self.log().epoch
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap()
    }
}

#[async_trait]
impl RevocationStore for SharedLog {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        self.up("revoke")?;
        if self.0.mood.borrow().refuses_writes {
            self.wake();
            return Err(StoreError::new("revoke", "the test wants it so"));
        }
        Ok(self.append(revocation))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.checks.fetch_add(1, Ordering::SeqCst);
        self.up("check")?;
        if self.0.mood.borrow().refuses_checks {
            return Err(StoreError::new("check", "the test wants it so"));
        }
        Ok(self.log().live.is_revoked(token))
    }
}

#[async_trait]
impl RevocationLog for SharedLog {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        self.0.snapshots.fetch_add(1, Ordering::SeqCst);
        self.up("snapshot")?;
        let (cursor, purged_through, entries) = {
            let log = self.log();
            let entries: Vec<_> = log.feed.iter().filter_map(|entry| log.live.revocation(entry.key())).collect();
            (Cursor { epoch: log.epoch, next: log.feed.len() }, log.live.purged_through(), entries)
        };
        into.purged_through(purged_through);
        into.expect(entries.len() as u64);
        let failing = |left: usize| left.checked_sub(1);
        if self.0.failing_snapshots.fetch_update(Ordering::SeqCst, Ordering::SeqCst, failing).is_ok() {
            return Err(StoreError::new("snapshot", "the test wants it so"));
        }
        let mut mood = self.0.mood.subscribe();
        for (page, entry) in entries.iter().enumerate() {
            let _ = mood.wait_for(|mood| mood.pages.is_none_or(|pages| page < pages)).await;
            into.take(std::slice::from_ref(entry));
        }
        let _ = mood.wait_for(|mood| mood.pages.is_none_or(|pages| entries.len() < pages)).await;
        Ok(cursor)
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        let mut mood = self.0.mood.subscribe();
        let something = |mood: &Mood| match mood.feed {
            Feed::Works | Feed::LagsBehind => mood.entries != cursor.next || self.log_epoch() != cursor.epoch,
            Feed::Hangs => false,
            Feed::Fails => true,
        };
        let waited = tokio::time::timeout(wait, mood.wait_for(something)).await.map(drop);
        let feed = self.0.mood.borrow().feed;
        match feed {
            Feed::Fails => return Err(StoreError::new("follow", "the test wants it so").into()),
            Feed::Hangs => std::future::pending().await,
            Feed::Works | Feed::LagsBehind => {}
        }
        drop(waited);
        self.up("follow")?;
        let log = self.log();
        if log.epoch != cursor.epoch {
            return Err(FollowError::CursorLost("it is another log"));
        }
        if cursor.next < log.trimmed {
            return Err(FollowError::CursorLost("it was trimmed"));
        }
        let revocations = log.feed.get(cursor.next..).unwrap_or_default().to_vec();
        let cursor = Cursor { epoch: log.epoch, next: log.feed.len() };
        Ok(Followed::new(revocations, log.live.purged_through(), cursor, feed == Feed::Works))
    }

    async fn check(&self, cursor: &Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        if self.log_epoch() != cursor.epoch {
            return Err(FollowError::CursorLost("it is another log"));
        }
        Ok(self.is_revoked(token).await?)
    }
}
