//! [`Writer`]: the one thread that writes the file, and decides who was first.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    error::{FileError, RedbStoreError},
    file::{Load, RevocationFile, Times},
    group::is_grouped,
};
use crate::{
    clock::{Clock, Timestamp},
    revocation::{Outcome, Revocation, RevocationKey},
    set::RevocationSet,
    store::{StoreError, StoreErrorKind},
    telemetry,
};

/// One caller that waits.
pub(super) struct Request {
    pub(super) revocation: Revocation,
    pub(super) answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// Writes what is asked for in groups, and deletes what has expired in between.
pub(super) struct Writer {
    requests: Receiver<Request>,
    file: RevocationFile,
    set: Arc<RevocationSet>,
    clock: Arc<dyn Clock>,
    /// Keys with a row of their own that are gone from the set, and not yet from the file.
    dead: Vec<RevocationKey>,
    /// Whether a purge has stopped because there was enough to delete.
    more_is_dead: bool,
    /// How many requests there were in the last group.
    last_group: usize,
    /// Whether the file was at its path, and as it was left, when that was last looked at.
    in_place: bool,
}

impl Writer {
    pub(super) fn new(requests: Receiver<Request>, loaded: Loaded, file: RevocationFile) -> Self {
        let Loaded { set, clock, dead, .. } = loaded;
        Self { requests, file, set, clock, dead, more_is_dead: false, last_group: 0, in_place: true }
    }

    /// Runs until the last sender of requests is gone and all requests are answered. Then the file is closed.
    pub(super) fn run(mut self) {
        loop {
            let busy = self.file.is_open() && (self.more_is_dead || self.has_dead());
            match self.requests.recv_timeout(if busy { Duration::ZERO } else { TICK }) {
                Ok(first) => self.catching(|writer| writer.answer(first)),
                Err(RecvTimeoutError::Timeout) => self.catching(Self::tick),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.file.close();
    }

    /// A panic must not leave the callers to come without an answer.
    fn catching(&mut self, step: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| step(self))).is_err() {
            self.file.close();
        }
    }

    /// All that are in the queue, and those who were answered a moment ago, if they come again at once.
    ///
    /// Without the wait, many callers who each come again when they are answered end up in two groups that take turns.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let mut requests = vec![first];
        requests.extend(self.requests.try_iter().take(MOST_IN_A_GROUP - 1));
        let expected = (requests.len() + self.last_group).min(MOST_IN_A_GROUP);
        if expected > 2 {
            let begun = Instant::now();
            while requests.len() < expected && begun.elapsed() < MOST_GATHERING {
                let Ok(next) = self.requests.recv_timeout(QUIET) else { break };
                requests.push(next);
                requests.extend(self.requests.try_iter().take(MOST_IN_A_GROUP - requests.len()));
            }
        }
        self.last_group = requests.len();
        requests
    }

    fn answer(&mut self, first: Request) {
        let mut requests = self.gather(first);
        // A caller that has gone away is not begun with.
        requests.retain(|request| !request.answer.is_closed());
        if requests.is_empty() {
            return;
        }
        if let Err(error) = self.reopen_if_closed() {
            return self.answer_without_file(requests, &error);
        }
        if self.set.room_for(requests.len()).is_err() {
            // Before anything is decided: the set must not change while it is decided against.
            self.set.purge(self.clock.now(), |key| bury(&mut self.dead, key));
        }
        let mut group = Group::default();
        for request in requests {
            self.decide(&mut group, request);
        }
        match self.write(&group) {
            Ok(()) => group.answers.into_iter().for_each(|(answer, outcome)| drop(answer.send(Ok(outcome)))),
            Err(error) => refuse(group.answers.into_iter().map(|(answer, _)| answer), &error),
        }
        telemetry::live_revocations(self.set.len());
        self.purge(SHARDS_PER_GROUP);
    }

    /// What is known was written before the failure, and is not written again.
    fn answer_without_file(&mut self, requests: Vec<Request>, error: &RedbStoreError) {
        let (known, new): (Vec<_>, Vec<_>) =
            requests.into_iter().partition(|request| error.spares_what_is_written() && self.holds(&request.revocation));
        match self.check_place() {
            Ok(()) => known.into_iter().for_each(|request| drop(request.answer.send(Ok(Outcome::Already)))),
            Err(error) => refuse(known.into_iter().map(|request| request.answer), &error),
        }
        refuse(new.into_iter().map(|request| request.answer), error);
    }

    /// Whether all that the revocation says is written. What is only fenced is not: the fence may not be in the file yet.
    fn holds(&self, revocation: &Revocation) -> bool {
        self.set.revocation(revocation.key()).is_some_and(|known| known.join(revocation) == Some(known))
    }

    /// In the order of the queue, against what is written and what is to be.
    fn decide(&self, group: &mut Group, Request { revocation, answer }: Request) {
        if self.set.knows(&revocation) {
            self.set.notify(&revocation, Outcome::Already);
            group.answers.push((answer, Outcome::Already));
            return;
        }
        let known = group.changes.get(&revocation.key()).copied().or_else(|| self.set.revocation(revocation.key()));
        let Some(known) = known else {
            match self.set.room_for(group.new + 1) {
                Ok(()) => {
                    group.new += 1;
                    group.changes.insert(revocation.key(), revocation);
                    group.answers.push((answer, Outcome::Newly));
                }
                Err(full) => {
                    let full = StoreError::new("revoke", full).with_kind(StoreErrorKind::Full);
                    drop(answer.send(Err(full)));
                }
            }
            return;
        };
        let newly = known.issued_through() < revocation.issued_through();
        let outcome = if newly { Outcome::Newly } else { Outcome::Already };
        match known.join(&revocation) {
            Some(joined) if joined != known => drop(group.changes.insert(joined.key(), joined)),
            _ => {}
        }
        group.answers.push((answer, outcome));
    }

    /// Into the file, and only then into the set. The file is looked for before, so that nothing is written to one that is
    /// gone, and afterwards, as it may have gone meanwhile.
    fn write(&mut self, group: &Group) -> Result<(), RedbStoreError> {
        self.check_place()?;
        // What is known because it is fenced is answered when the fence is in the file.
        if group.changes.is_empty() && !self.file.is_behind(self.set.purged_through()) {
            return Ok(());
        }
        // More than come in, so that the file does not grow; not many more, so that nobody waits for them.
        let deletions = (2 * group.changes.len()).max(LEAST_DELETED_WITH_A_GROUP);
        self.commit(group.changes.values(), deletions)?;
        for revocation in group.changes.values() {
            // There is room: nobody else adds to the set.
            let _ = self.set.join(revocation);
        }
        self.check_place()
    }

    /// Whether the file is at its path and as it was left. Says so when that changes.
    fn check_place(&mut self) -> Result<(), RedbStoreError> {
        let place = self.file.check_place();
        match &place {
            Ok(()) if !self.in_place => telemetry::revocation_file_back(self.file.path()),
            Err(error) if self.in_place => telemetry::revocation_file_lost(error),
            _ => {}
        }
        self.in_place = place.is_ok();
        place
    }

    fn commit<'a>(
        &mut self,
        live: impl IntoIterator<Item = &'a Revocation>,
        deletions: usize,
    ) -> Result<(), RedbStoreError> {
        let deletions = deletions.min(MOST_DELETED_AT_ONCE);
        let kept = self.dead.len().saturating_sub(deletions);
        let times = Times { now: self.clock.now(), purged_through: self.set.purged_through() };
        self.file.commit(live, &self.dead[kept..], deletions, times)?;
        self.dead.truncate(kept);
        self.dead.shrink_to(2 * kept);
        Ok(())
    }

    /// While nobody asks for anything.
    fn tick(&mut self) {
        if self.reopen_if_closed().is_err() || self.check_place().is_err() {
            return;
        }
        if self.dead.is_empty() {
            self.purge(usize::MAX);
            telemetry::live_revocations(self.set.len());
        }
        if self.has_dead() {
            // An error closes the file; the next revocation reports why it cannot be opened again.
            let _ = self.commit([], MOST_DELETED_AT_ONCE);
        }
    }

    /// Whether the file has something to delete, or has yet to be told how far the set was purged.
    fn has_dead(&self) -> bool {
        !self.dead.is_empty() || self.file.is_behind(self.set.purged_through())
    }

    /// Removes from the set what has expired, until there is enough to delete from the file.
    fn purge(&mut self, shards: usize) {
        let now = self.clock.now();
        for _ in 0..shards.min(RevocationSet::SHARDS) {
            self.more_is_dead = self.dead.len() >= MOST_DELETED_AT_ONCE;
            if self.more_is_dead {
                return;
            }
            self.set.purge_next(now, |key| bury(&mut self.dead, key));
        }
    }

    fn reopen_if_closed(&mut self) -> Result<(), RedbStoreError> {
        if self.file.is_open() {
            return Ok(());
        }
        self.dead.clear();
        let loaded = Loaded::new(Arc::clone(&self.set), Arc::clone(&self.clock));
        let mut missing = Missing { loaded, rows: Vec::new() };
        self.file.reopen(&mut missing)?;
        for row in &missing.rows {
            // Written although it was reported as an error. There is room: it was made before it was written.
            let _ = self.set.join(row);
        }
        self.dead = missing.loaded.dead;
        Ok(())
    }
}

/// Requests that are written together.
#[derive(Default)]
struct Group {
    changes: HashMap<RevocationKey, Revocation>,
    /// How many of the changes have a key that the set does not have.
    new: usize,
    answers: Vec<(oneshot::Sender<Result<Outcome, StoreError>>, Outcome)>,
}

fn refuse(answers: impl Iterator<Item = oneshot::Sender<Result<Outcome, StoreError>>>, error: &RedbStoreError) {
    for answer in answers {
        let _ = answer.send(Err(error.clone().of("revoke")));
    }
}

/// Notes a key whose row is to be deleted. A group is deleted by its age, whatever is in it.
fn bury(dead: &mut Vec<RevocationKey>, key: RevocationKey) {
    if !is_grouped(key) {
        dead.push(key);
    }
}

/// Takes a file into an empty set as it is read.
pub(super) struct Loaded {
    pub(super) set: Arc<RevocationSet>,
    pub(super) clock: Arc<dyn Clock>,
    /// Keys with a row of their own that have expired.
    pub(super) dead: Vec<RevocationKey>,
    expired_through: Timestamp,
}

impl Loaded {
    pub(super) fn new(set: Arc<RevocationSet>, clock: Arc<dyn Clock>) -> Self {
        let expired_through = clock.now();
        Self { set, clock, dead: Vec::new(), expired_through }
    }

    /// Whether the row has expired. Then it, or its group when all of that has, is only to be deleted.
    fn buries(&mut self, row: &Revocation) -> bool {
        let expired = row.retain_until() <= self.expired_through;
        if expired {
            self.set.raise_purged_through(row.retain_until());
            bury(&mut self.dead, row.key());
        }
        expired
    }
}

impl Load for Loaded {
    fn purged_through(&mut self, through: Timestamp) {
        self.set.raise_purged_through(through);
        self.expired_through = self.expired_through.max(self.set.purged_through());
    }

    fn row(&mut self, row: Revocation) -> Result<(), FileError> {
        if !self.buries(&row) {
            self.set.join(&row).map_err(FileError::OverCapacity)?;
        }
        Ok(())
    }
}

/// Finds what a file has and the set has not; it goes in when the file has turned out to be sound.
struct Missing {
    loaded: Loaded,
    rows: Vec<Revocation>,
}

impl Load for Missing {
    fn purged_through(&mut self, through: Timestamp) {
        self.loaded.purged_through(through);
    }

    fn row(&mut self, row: Revocation) -> Result<(), FileError> {
        let wanted = match self.loaded.set.revocation(row.key()) {
            Some(known) => known.join(&row) != Some(known),
            None => !self.loaded.buries(&row),
        };
        if wanted {
            self.rows.push(row);
        }
        Ok(())
    }
}

/// How often an idle writer looks for what has expired, and tries to open a file that has failed.
const TICK: Duration = Duration::from_secs(1);

const MOST_IN_A_GROUP: usize = 4096;

/// A small part of what a commit takes. So, 64 callers make 1.3 times the logouts that they make when nobody is waited for, and 16 callers 1.2 times; they make
/// no more when others are waited for twice or four times as long.
const MOST_GATHERING: Duration = Duration::from_micros(500);
const QUIET: Duration = Duration::from_micros(50);

/// A deletion writes a page or more. So many take about as long as a sync of the disk.
const MOST_DELETED_AT_ONCE: usize = 1024;
const LEAST_DELETED_WITH_A_GROUP: usize = 16;

const SHARDS_PER_GROUP: usize = 64;
