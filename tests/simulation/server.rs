//! [`Server`]: a server that holds a log, and what it can lose.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{sync::Notify, time::Instant};
use tower_logout::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
};

/// An entry of the log. Its identity is unique in its store; its number is that of a lost entry if
/// it was appended after a loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) id: u64,
    pub(crate) revocation: Revocation,
}

/// A position in the log, as `RedisStore` has it: nothing is missing if the store is the same and
/// the entry at the number is the one that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cursor {
    pub(crate) epoch: u64,
    pub(crate) incarnation: u64,
    pub(crate) number: u64,
    pub(crate) id: u64,
}

/// What a server stores.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    /// Zero if there is no store.
    pub(crate) epoch: u64,
    /// The entries that were not trimmed.
    pub(crate) feed: Vec<Entry>,
    pub(crate) seq: u64,
    pub(crate) last_id: u64,
    /// Distinguishes the entries of servers that were one before.
    pub(crate) generation: u64,
    pub(crate) live: BTreeMap<RevocationKey, Revocation>,
    pub(crate) purged_through: Timestamp,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Create { epoch: u64 },
    Join { revocation: Revocation },
    Purge { now: Timestamp },
    Trim,
    Flush,
}

pub(crate) struct Server {
    pub(crate) contents: Contents,
    /// The contents before `changes`, from which a replica that lags is made.
    base: Contents,
    changes: Vec<(Instant, Change)>,
    /// Connections of an earlier start are broken.
    pub(crate) boot: u64,
    /// Changes when the server or its data may be another one, as in PostgreSQL.
    pub(crate) incarnation: u64,
    pub(crate) is_up: bool,
    pub(crate) refuses_writes: bool,
    /// Milliseconds that its clock is ahead.
    pub(crate) clock: i64,
    /// Acknowledged revocations that it lacks.
    pub(crate) lacks: BTreeSet<usize>,
    pub(crate) changed: Arc<Notify>,
}

impl Contents {
    fn apply(&mut self, change: Change) -> Outcome {
        match change {
            Change::Create { epoch } => self.epoch = epoch,
            Change::Join { revocation } => return self.join(&revocation),
            Change::Purge { now } => self.purge(now),
            Change::Trim => self.feed.clear(),
            Change::Flush => *self = Self::default(),
        }
        Outcome::Already
    }

    /// Joins as `revoke.lua` does.
    fn join(&mut self, revocation: &Revocation) -> Outcome {
        if self.purged_through > Timestamp::MIN && revocation.retain_until() <= self.purged_through {
            return Outcome::Already;
        }
        let known = self.live.get(&revocation.key()).copied();
        let joined = known.and_then(|known| known.join(revocation)).unwrap_or(*revocation);
        if Some(joined) == known {
            return Outcome::Already;
        }
        let is_new = known.is_none_or(|known| revocation.issued_through() > known.issued_through());
        self.live.insert(revocation.key(), joined);
        self.seq += 1;
        self.last_id = self.seq * GENERATIONS + self.generation;
        self.feed.push(Entry { number: self.seq, id: self.last_id, revocation: joined });
        if is_new { Outcome::Newly } else { Outcome::Already }
    }

    fn purge(&mut self, now: Timestamp) {
        let expired = self.live.values().map(Revocation::retain_until).filter(|&until| until <= now).max();
        if let Some(last) = expired {
            self.live.retain(|_, revocation| revocation.retain_until() > now);
            self.purged_through = self.purged_through.max(last);
        }
    }

    pub(crate) fn covers(&self, token: &TokenIdentity) -> bool {
        let revokes = |key| self.live.get(key).is_some_and(|known| token.issued_at() <= known.issued_through());
        let is_purged = self.purged_through > Timestamp::MIN && token.retain_until() <= self.purged_through;
        is_purged || token.keys().iter().any(revokes)
    }
}

impl Server {
    pub(crate) fn new(contents: Contents, incarnation: u64) -> Self {
        Self {
            base: contents.clone(),
            contents,
            changes: Vec::new(),
            boot: 0,
            incarnation,
            is_up: true,
            refuses_writes: false,
            clock: 0,
            lacks: BTreeSet::new(),
            changed: Arc::default(),
        }
    }

    pub(crate) fn end(&self) -> Cursor {
        let Contents { epoch, seq, last_id, .. } = self.contents;
        Cursor { epoch, incarnation: self.incarnation, number: seq, id: last_id }
    }

    pub(crate) fn create(&mut self, epoch: u64) {
        self.change(Change::Create { epoch });
    }

    pub(crate) fn join(&mut self, revocation: &Revocation) -> Outcome {
        let seq = self.contents.seq;
        let outcome = self.change(Change::Join { revocation: *revocation });
        if self.contents.seq > seq {
            self.changed.notify_waiters();
        }
        outcome
    }

    pub(crate) fn purge(&mut self, now: Timestamp) {
        if self.contents.live.values().any(|revocation| revocation.retain_until() <= now) {
            self.change(Change::Purge { now });
        }
    }

    pub(crate) fn trim(&mut self) {
        self.change(Change::Trim);
    }

    /// Followers that wait are not woken, as with `XREAD BLOCK`.
    pub(crate) fn flush(&mut self) {
        self.change(Change::Flush);
    }

    fn change(&mut self, change: Change) -> Outcome {
        self.changes.push((Instant::now(), change));
        self.contents.apply(change)
    }

    /// What a server has that lacks the changes since `instant`.
    pub(crate) fn as_of(&self, instant: Instant, generation: u64) -> Contents {
        let mut contents = self.base.clone();
        for &(_, change) in self.changes.iter().take_while(|(at, _)| *at < instant) {
            contents.apply(change);
        }
        contents.generation = generation;
        contents
    }

    /// Starts again, with these contents if it has lost some.
    pub(crate) fn restart(&mut self, contents: Option<Contents>, incarnation: u64) {
        if let Some(contents) = contents {
            (self.base, self.contents) = (contents.clone(), contents);
            self.changes.clear();
        }
        self.boot += 1;
        self.incarnation = incarnation;
        self.changed.notify_waiters();
    }

    pub(crate) fn stop(&mut self) {
        self.is_up = false;
        self.boot += 1;
        self.changed.notify_waiters();
    }
}

/// More than the losses of a run.
const GENERATIONS: u64 = 10_000;
