//! [`Writer`]: the thread that writes the file.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    database::Changes,
    error::RedbStoreError,
    expired::ExpiredRows,
    file::RevocationFile,
    load::{LoadAll, LoadMissing},
};
use crate::{
    clock::Clock,
    revocation::{Outcome, Revocation},
    set::RevocationSet,
    store::StoreError,
    telemetry,
};

/// The request of a caller that waits for its revocation.
pub(super) struct Request {
    pub(super) revocations: Vec<Revocation>,
    pub(super) answer: oneshot::Sender<Result<Vec<Outcome>, StoreError>>,
}

/// Writes requests in batches, and deletes expired rows in between.
pub(super) struct Writer {
    requests: Receiver<Request>,
    pub(super) file: RevocationFile,
    pub(super) set: Arc<RevocationSet>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) expired: ExpiredRows,
    /// Whether the last purge stopped early because there were enough rows to delete.
    pub(super) has_more_to_purge: bool,
    /// The number of requests in the last batch.
    last_batch: usize,
    /// Whether the last check found the file at its path and unchanged.
    was_intact: bool,
}

impl Writer {
    pub(super) fn new(requests: Receiver<Request>, loaded: LoadAll, file: RevocationFile) -> Self {
        let LoadAll { set, clock, expired, .. } = loaded;
        Self { requests, file, set, clock, expired, has_more_to_purge: false, last_batch: 0, was_intact: true }
    }

    /// Runs until all senders are dropped and all requests are answered. Then closes the file.
    pub(super) fn run(mut self) {
        loop {
            let is_busy = self.file.is_open() && (self.has_more_to_purge || self.has_expired());
            match self.requests.recv_timeout(if is_busy { Duration::ZERO } else { TICK }) {
                Ok(first) => self.catching_panics(|writer| {
                    let requests = writer.gather(first);
                    writer.answer(requests);
                }),
                Err(RecvTimeoutError::Timeout) => self.catching_panics(Self::tick),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.file.close();
    }

    /// Catches a panic, so that later callers are answered.
    fn catching_panics(&mut self, step: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| step(self))).is_err() {
            self.file.close();
        }
    }

    /// Takes all queued requests, and waits a moment for callers of the last batch that send again.
    ///
    /// Without that wait, callers that each send again once they are answered end up in two
    /// alternating batches.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let mut requests = vec![first];
        requests.extend(self.requests.try_iter().take(MAX_BATCH - 1));
        let expected = (requests.len() + self.last_batch).min(MAX_BATCH);
        if expected > 2 {
            let began = Instant::now();
            while requests.len() < expected && began.elapsed() < MAX_GATHERING {
                let Ok(next) = self.requests.recv_timeout(QUIET) else { break };
                requests.push(next);
                requests.extend(self.requests.try_iter().take(MAX_BATCH - requests.len()));
            }
        }
        self.last_batch = requests.len();
        requests
    }

    /// Runs once a second while there are no requests.
    fn tick(&mut self) {
        if self.reopen_if_closed().is_err() || self.check_file().is_err() {
            return;
        }
        if self.expired.is_empty() {
            self.purge(usize::MAX);
            telemetry::live_revocations(self.set.len());
        }
        if self.has_expired() {
            // An error closes the file. The next revocation reports why it cannot be opened again.
            let _ = self.commit([], usize::MAX);
        }
    }

    /// Writes revocations, and deletes at most `deletions` expired rows and as many groups.
    pub(super) fn commit<'a>(
        &mut self,
        live: impl IntoIterator<Item = &'a Revocation>,
        deletions: usize,
    ) -> Result<(), RedbStoreError> {
        let deletions = deletions.min(MAX_DELETIONS);
        let expired = self.expired.next(deletions);
        let (now, purged_through) = (self.clock.now(), self.set.purged_through());
        self.file.commit(Changes { live, expired, max_groups: deletions, now, purged_through })?;
        self.expired.remove(deletions);
        Ok(())
    }

    /// Checks that the file is at its path and unchanged. Emits an event when the result changes.
    pub(super) fn check_file(&mut self) -> Result<(), RedbStoreError> {
        let checked = self.file.check();
        match &checked {
            Ok(()) if !self.was_intact => telemetry::revocation_file_back(self.file.path()),
            Err(error) if self.was_intact => telemetry::revocation_file_lost(error),
            _ => {}
        }
        self.was_intact = checked.is_ok();
        checked
    }

    pub(super) fn reopen_if_closed(&mut self) -> Result<(), RedbStoreError> {
        if self.file.is_open() {
            return Ok(());
        }
        self.expired.clear();
        let mut missing = LoadMissing::new(Arc::clone(&self.set), Arc::clone(&self.clock));
        self.file.reopen(&mut missing)?;
        self.expired = missing.finish();
        Ok(())
    }
}

/// How often an idle writer purges, checks the file, and tries to open a file that has failed.
const TICK: Duration = Duration::from_secs(1);

const MAX_BATCH: usize = 4096;

/// A small part of the duration of a commit. With it, 64 callers make 1.3 times as many logouts as
/// without waiting, and 16 callers 1.2 times; waiting two or four times as long gains nothing.
const MAX_GATHERING: Duration = Duration::from_micros(500);
const QUIET: Duration = Duration::from_micros(50);

/// Deleting a row writes a page or more. This many deletions take about as long as a sync of the
/// disk.
pub(super) const MAX_DELETIONS: usize = 1024;
