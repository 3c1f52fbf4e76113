//! A log in this process that several replicas share, and that fails on demand.

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
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::RevocationSet,
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError, StoreErrorKind},
};

/// A log in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Mutex<Log>,
    /// How the log behaves; a change wakes its followers.
    mood: watch::Sender<Mood>,
    failing_snapshots: AtomicUsize,
    /// The reason why every call fails, if any.
    down: Mutex<Option<(StoreErrorKind, &'static str)>>,
    pub snapshots: AtomicUsize,
    pub checks: AtomicUsize,
    pub writes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Log {
    epoch: u64,
    /// The number of trimmed entries.
    trimmed: usize,
    /// The lengths to which it was rolled back.
    rollbacks: Vec<usize>,
    changes: Vec<Revocation>,
    live: RevocationSet,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mood {
    entries: usize,
    following: Following,
    rejects_writes: bool,
    rejects_checks: bool,
    /// The number of snapshot pages it hands out; all if `None`.
    pages: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Following {
    #[default]
    Works,
    Hangs,
    Fails,
    /// Answers, but never completely.
    LagsBehind,
}

#[derive(Clone, Debug)]
pub struct Cursor {
    epoch: u64,
    next: usize,
    /// How often the log had been rolled back.
    rollbacks: usize,
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

    /// Every call fails for this reason until [`Self::up`].
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

    pub fn following(&self, following: Following) {
        self.0.mood.send_modify(|mood| mood.following = following);
    }

    pub fn reject_writes(&self, refuses: bool) {
        self.0.mood.send_modify(|mood| mood.rejects_writes = refuses);
    }

    pub fn reject_checks(&self, refuses: bool) {
        self.0.mood.send_modify(|mood| mood.rejects_checks = refuses);
    }

    /// Fails this many snapshots in the middle.
    pub fn fail_snapshots(&self, times: usize) {
        self.0.failing_snapshots.store(times, Ordering::SeqCst);
    }

    /// Hands out this many pages of a snapshot, of one entry each, and then waits.
    pub fn pages(&self, pages: Option<usize>) {
        self.0.mood.send_modify(|mood| mood.pages = pages);
    }

    /// Loses everything and is another log from then on.
    pub fn flush(&self) {
        *self.log() = Log { epoch: self.log_epoch() + 1, ..Log::default() };
        self.wake();
    }

    /// Loses these entries, as a failover loses what was not replicated; the cursor does not reveal
    /// it.
    pub fn lose(&self, lost: &[Revocation]) {
        let mut log = self.log();
        let kept: Vec<_> = log.changes.iter().filter(|entry| !lost.contains(entry)).copied().collect();
        log.live = RevocationSet::new();
        for entry in &kept {
            log.live.join(entry).unwrap();
        }
        // Later entries take the positions of the lost ones.
        log.changes = kept;
        drop(log);
        self.wake();
    }

    /// Loses all entries from this one on. Cursors after it are lost.
    pub fn roll_back(&self, to: usize) {
        let mut log = self.log();
        log.changes.truncate(to);
        log.live = RevocationSet::new();
        for entry in &log.changes {
            log.live.join(entry).unwrap();
        }
        log.rollbacks.push(to);
        drop(log);
        self.wake();
    }

    /// Keeps the live revocations and drops the list of changes.
    pub fn trim(&self) {
        let mut log = self.log();
        log.trimmed = log.changes.len();
        drop(log);
        self.wake();
    }

    /// Purges, at this time, the entries with the retention of this token.
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

    /// The number of handles: this one, one for each replica and one for the state of each of its
    /// tasks.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    fn append(&self, revocation: &Revocation) -> Outcome {
        let mut log = self.log();
        let outcome = if log.live.knows(revocation) {
            Outcome::Already
        } else {
            log.changes.push(*revocation);
            log.live.join(revocation).unwrap()
        };
        drop(log);
        self.wake();
        outcome
    }

    fn wake(&self) {
        let entries = self.log().changes.len();
        self.0.mood.send_modify(|mood| mood.entries = entries);
    }

    fn log_epoch(&self) -> u64 {
        self.log().epoch
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap()
    }
}

impl Log {
    fn end(&self) -> Cursor {
        Cursor { epoch: self.epoch, next: self.changes.len(), rollbacks: self.rollbacks.len() }
    }
}

#[async_trait]
impl RevocationStore for SharedLog {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        self.up("revoke")?;
        if self.0.mood.borrow().rejects_writes {
            self.wake();
            return Err(StoreError::new("revoke", "the test wants it so"));
        }
        Ok(self.append(revocation))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.checks.fetch_add(1, Ordering::SeqCst);
        self.up("check")?;
        if self.0.mood.borrow().rejects_checks {
            return Err(StoreError::new("check", "the test wants it so"));
        }
        Ok(self.log().live.is_revoked(token))
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.0.checks.fetch_add(1, Ordering::SeqCst);
        self.up("find")?;
        if self.0.mood.borrow().rejects_checks {
            return Err(StoreError::new("find", "the test wants it so"));
        }
        Ok(self.log().live.revocation(key))
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
            let entries: Vec<_> = log.changes.iter().filter_map(|entry| log.live.revocation(entry.key())).collect();
            (log.end(), log.live.purged_through(), entries)
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
        let something = |mood: &Mood| match mood.following {
            Following::Works | Following::LagsBehind => mood.entries != cursor.next || self.log_epoch() != cursor.epoch,
            Following::Hangs => false,
            Following::Fails => true,
        };
        let waited = tokio::time::timeout(wait, mood.wait_for(something)).await.map(drop);
        let following = self.0.mood.borrow().following;
        match following {
            Following::Fails => return Err(StoreError::new("follow", "the test wants it so").into()),
            Following::Hangs => std::future::pending().await,
            Following::Works | Following::LagsBehind => {}
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
        if log.rollbacks[cursor.rollbacks..].iter().any(|&to| cursor.next > to) {
            return Err(FollowError::CursorLost("it has lost its end"));
        }
        let revocations = log.changes.get(cursor.next..).unwrap_or_default().to_vec();
        let purged_through = log.live.purged_through();
        Ok(Followed::new(revocations, purged_through, log.end(), following == Following::Works))
    }

    async fn check(&self, cursor: &Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        if self.log_epoch() != cursor.epoch {
            return Err(FollowError::CursorLost("it is another log"));
        }
        Ok(self.is_revoked(token).await?)
    }

    async fn look_up(&self, cursor: &Cursor, key: RevocationKey) -> Result<Option<Revocation>, FollowError> {
        if self.log_epoch() != cursor.epoch {
            return Err(FollowError::CursorLost("it is another log"));
        }
        Ok(self.find(key).await?)
    }
}
