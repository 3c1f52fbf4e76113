//! Determines the outcomes of revocations and writes them.

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

type Answer = oneshot::Sender<Result<Vec<Outcome>, StoreError>>;

/// Requests that are written together.
#[derive(Default)]
struct Batch {
    changes: HashMap<RevocationKey, Revocation>,
    /// The number of changes whose key is not in the set.
    new: usize,
    answers: Vec<(Answer, Vec<Outcome>)>,
}

impl Writer {
    pub(super) fn answer(&mut self, mut requests: Vec<Request>) {
        // Nothing is written for callers that were dropped.
        requests.retain(|request| !request.answer.is_closed());
        if requests.is_empty() {
            return;
        }
        if let Err(error) = self.reopen_if_closed() {
            return self.answer_without_file(requests, &error);
        }
        let revocations = requests.iter().map(|request| request.revocations.len()).sum();
        if self.set.room_for(revocations).is_err() {
            // Before any outcome is determined, because the set must not change until the batch is
            // written.
            self.purge_all();
        }
        let mut batch = Batch::default();
        for Request { revocations, answer } in requests {
            match revocations.iter().map(|revocation| self.decide(&mut batch, revocation)).collect() {
                Ok(outcomes) => batch.answers.push((answer, outcomes)),
                Err(full) => drop(answer.send(Err(full))),
            }
        }
        match self.write(&batch) {
            Ok(()) => batch.answers.into_iter().for_each(|(answer, outcomes)| drop(answer.send(Ok(outcomes)))),
            Err(error) => fail(batch.answers.into_iter().map(|(answer, _)| answer), &error),
        }
        telemetry::live_revocations(self.set.len());
        self.purge(SHARDS_PER_BATCH);
    }

    /// Determines the outcome of a revocation from the set and the batch, and adds it to the batch.
    fn decide(&self, batch: &mut Batch, revocation: &Revocation) -> Result<Outcome, StoreError> {
        if self.set.knows(revocation) {
            self.set.notify(revocation, Outcome::Already);
            return Ok(Outcome::Already);
        }
        let known = batch.changes.get(&revocation.key()).copied().or_else(|| self.set.revocation(revocation.key()));
        let Some(known) = known else {
            let full = |full| StoreError::new("revoke", full).with_kind(StoreErrorKind::Full);
            self.set.room_for(batch.new + 1).map_err(full)?;
            batch.new += 1;
            batch.changes.insert(revocation.key(), *revocation);
            return Ok(Outcome::Newly);
        };
        let is_new = known.issued_through() < revocation.issued_through();
        let outcome = if is_new { Outcome::Newly } else { Outcome::Already };
        match known.join(revocation) {
            Some(joined) if joined != known => drop(batch.changes.insert(joined.key(), joined)),
            _ => {}
        }
        Ok(outcome)
    }

    /// Writes a batch to the file, and then to the set.
    ///
    /// The file is checked before writing, so that nothing is written to a removed file, and again
    /// afterwards, because it may have been removed meanwhile.
    fn write(&mut self, batch: &Batch) -> Result<(), RedbStoreError> {
        self.check_file()?;
        // A revocation covered only by the purge watermark is answered once the watermark is in the
        // file.
        if batch.changes.is_empty() && !self.file.is_behind(self.set.purged_through()) {
            return Ok(());
        }
        // More deletions than insertions, so that the file does not grow; not many more, so that
        // callers do not wait for them.
        self.commit(batch.changes.values(), (2 * batch.changes.len()).max(MIN_DELETIONS_PER_BATCH))?;
        for revocation in batch.changes.values() {
            // The set has room, because only the writer adds to it.
            let _ = self.set.join(revocation);
        }
        self.check_file()
    }

    /// Answers while the file cannot be opened. Known revocations were written before the failure
    /// and are not written again.
    fn answer_without_file(&mut self, requests: Vec<Request>, error: &RedbStoreError) {
        let is_written = |request: &Request| {
            error.keeps_written_revocations() && request.revocations.iter().all(|known| self.has_written(known))
        };
        let (known, new): (Vec<_>, Vec<_>) = requests.into_iter().partition(is_written);
        match self.check_file() {
            Ok(()) => {
                for Request { revocations, answer } in known {
                    let _ = answer.send(Ok(vec![Outcome::Already; revocations.len()]));
                }
            }
            Err(error) => fail(known.into_iter().map(|request| request.answer), &error),
        }
        fail(new.into_iter().map(|request| request.answer), error);
    }

    /// Whether the file contains the revocation or a stronger one. The purge watermark does not
    /// count, because the file may lack it.
    fn has_written(&self, revocation: &Revocation) -> bool {
        self.set.revocation(revocation.key()).is_some_and(|known| known.join(revocation) == Some(known))
    }
}

fn fail(answers: impl Iterator<Item = Answer>, error: &RedbStoreError) {
    for answer in answers {
        let _ = answer.send(Err(error.clone().of("revoke")));
    }
}

const MIN_DELETIONS_PER_BATCH: usize = 16;

const SHARDS_PER_BATCH: usize = 64;
