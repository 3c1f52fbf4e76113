//! Decides the outcome of revocations and writes them.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::{
    error::RedbStoreError,
    writer::{Request, Writer},
};
use crate::{
    revocation::{Outcome, Revocation, RevocationKey},
    store::{StoreError, StoreErrorKind},
    telemetry,
};

type Answer = oneshot::Sender<Result<Outcome, StoreError>>;

/// Requests that are written together.
#[derive(Default)]
struct Batch {
    changes: HashMap<RevocationKey, Revocation>,
    /// How many of the changes have a key that the set lacks.
    new: usize,
    answers: Vec<(Answer, Outcome)>,
}

impl Writer {
    pub(super) fn answer(&mut self, mut requests: Vec<Request>) {
        // A caller that has gone away is not begun with.
        requests.retain(|request| !request.answer.is_closed());
        if requests.is_empty() {
            return;
        }
        if let Err(error) = self.reopen_if_closed() {
            return self.answer_without_file(requests, &error);
        }
        if self.set.room_for(requests.len()).is_err() {
            // Before anything is decided: the set must not change while outcomes depend on it.
            self.purge_all();
        }
        let mut batch = Batch::default();
        for request in requests {
            self.decide(&mut batch, request);
        }
        match self.write(&batch) {
            Ok(()) => batch.answers.into_iter().for_each(|(answer, outcome)| drop(answer.send(Ok(outcome)))),
            Err(error) => fail(batch.answers.into_iter().map(|(answer, _)| answer), &error),
        }
        telemetry::live_revocations(self.set.len());
        self.purge(SHARDS_PER_BATCH);
    }

    /// Decides the outcome of a request, given what is written and what the batch is about to
    /// write.
    fn decide(&self, batch: &mut Batch, Request { revocation, answer }: Request) {
        if self.set.knows(&revocation) {
            self.set.notify(&revocation, Outcome::Already);
            batch.answers.push((answer, Outcome::Already));
            return;
        }
        let known = batch.changes.get(&revocation.key()).copied().or_else(|| self.set.revocation(revocation.key()));
        let Some(known) = known else {
            match self.set.room_for(batch.new + 1) {
                Ok(()) => {
                    batch.new += 1;
                    batch.changes.insert(revocation.key(), revocation);
                    batch.answers.push((answer, Outcome::Newly));
                }
                Err(full) => {
                    let full = StoreError::new("revoke", full).with_kind(StoreErrorKind::Full);
                    drop(answer.send(Err(full)));
                }
            }
            return;
        };
        let is_new = known.issued_through() < revocation.issued_through();
        let outcome = if is_new { Outcome::Newly } else { Outcome::Already };
        match known.join(&revocation) {
            Some(joined) if joined != known => drop(batch.changes.insert(joined.key(), joined)),
            _ => {}
        }
        batch.answers.push((answer, outcome));
    }

    /// Writes a batch to the file, and then to the set.
    ///
    /// The file is checked before, so that nothing is written to one that is gone, and afterwards,
    /// because it may have gone meanwhile.
    fn write(&mut self, batch: &Batch) -> Result<(), RedbStoreError> {
        self.check_file()?;
        // What is only covered by the purge watermark is answered once the file has the watermark.
        if batch.changes.is_empty() && !self.file.is_behind(self.set.purged_through()) {
            return Ok(());
        }
        // More deletions than insertions, so that the file does not grow; not many more, so that
        // callers do not wait for them.
        self.commit(batch.changes.values(), (2 * batch.changes.len()).max(LEAST_DELETED_PER_BATCH))?;
        for revocation in batch.changes.values() {
            // There is room: nothing else adds to the set.
            let _ = self.set.join(revocation);
        }
        self.check_file()
    }

    /// Answers while the file cannot be opened. What is known was written before the failure, and
    /// is not written again.
    fn answer_without_file(&mut self, requests: Vec<Request>, error: &RedbStoreError) {
        let is_written = |request: &Request| error.spares_what_is_written() && self.has_written(&request.revocation);
        let (known, new): (Vec<_>, Vec<_>) = requests.into_iter().partition(is_written);
        match self.check_file() {
            Ok(()) => known.into_iter().for_each(|request| drop(request.answer.send(Ok(Outcome::Already)))),
            Err(error) => fail(known.into_iter().map(|request| request.answer), &error),
        }
        fail(new.into_iter().map(|request| request.answer), error);
    }

    /// Whether all that the revocation says is in the file. What is only covered by the purge
    /// watermark does not count: the file may lack the watermark.
    fn has_written(&self, revocation: &Revocation) -> bool {
        self.set.revocation(revocation.key()).is_some_and(|known| known.join(revocation) == Some(known))
    }
}

fn fail(answers: impl Iterator<Item = Answer>, error: &RedbStoreError) {
    for answer in answers {
        let _ = answer.send(Err(error.clone().of("revoke")));
    }
}

const LEAST_DELETED_PER_BATCH: usize = 16;

const SHARDS_PER_BATCH: usize = 64;
