//! [`Batches`]: concurrent revocations of a process travel to the server together.
//!
//! A caller that finds nobody on the way sends its own revocations, in its own future. Those that
//! come meanwhile wait, and the next flight takes all of them.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, task::yield_now, time::timeout};

use crate::{
    revocation::{Outcome, Revocation},
    store::{StoreError, StoreErrorKind},
};

pub(super) type Answer = Result<Vec<Outcome>, StoreError>;

/// Sends revocations to a server.
pub(super) trait Carrier: Send + Sync + 'static {
    fn batches(&self) -> &Batches;

    /// Sends all of them, within a time limit. Returns their outcomes in the same order.
    fn carry(self: Arc<Self>, revocations: Vec<Revocation>) -> impl Future<Output = Answer> + Send;

    /// Sends the revocations of several callers. Those without an outcome are known not to have
    /// been stored, possibly because of another one: each caller's are then carried separately.
    fn carry_together(
        self: Arc<Self>,
        revocations: Vec<Revocation>,
    ) -> impl Future<Output = Result<Vec<Option<Outcome>>, StoreError>> + Send {
        async move { self.carry(revocations).await.map(|outcomes| outcomes.into_iter().map(Some).collect()) }
    }
}

/// The callers that wait for the next flight.
#[derive(Debug)]
pub(super) struct Batches {
    limits: Limits,
    state: Mutex<State>,
}

/// How many flights may be on the way, and with how many revocations a flight takes no further
/// caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) flights: usize,
    pub(super) revocations: usize,
}

#[derive(Debug, Default)]
struct State {
    flights: usize,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    revocations: Vec<Revocation>,
    answer: oneshot::Sender<Answer>,
}

impl Batches {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Revokes, together with the callers that wait already. The caller limits the time that it waits;
/// if it goes away before its flight begins, its revocations are not sent.
pub(super) async fn revoke<C: Carrier>(carrier: &Arc<C>, revocations: &[Revocation]) -> Answer {
    let answer = {
        let batches = carrier.batches();
        let mut state = batches.lock();
        if state.flights < batches.limits.flights && state.waiting.is_empty() {
            state.flights += 1;
            None
        } else {
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(Waiting { revocations: revocations.to_vec(), answer: sender });
            Some(receiver)
        }
    };
    match answer {
        None => {
            let flight = Flight(Arc::clone(carrier));
            land(flight, || Arc::clone(carrier).carry(revocations.to_vec())).await.0
        }
        Some(answer) => answer.await.unwrap_or_else(|_| Err(abandoned())),
    }
}

/// Awaits what a flight carries. If it is late, as when a row is locked, it makes room for the next
/// one; otherwise it is returned, and does so when it is dropped.
async fn land<C: Carrier, F: Future>(flight: Flight<C>, carry: impl FnOnce() -> F) -> (F::Output, Option<Flight<C>>) {
    // Boxed, so that the future of a revocation stays small.
    let mut carried = Box::pin(carry());
    if let Ok(carried) = timeout(LATE, carried.as_mut()).await {
        return (carried, Some(flight));
    }
    drop(flight);
    (carried.await, None)
}

/// A flight on the way. When it ends, however it ends, or is late, the next one begins.
struct Flight<C: Carrier>(Arc<C>);

impl<C: Carrier> Flight<C> {
    fn next_batch(&self) -> Vec<Waiting> {
        let batches = self.0.batches();
        batches.lock().take_batch(batches.limits.revocations)
    }
}

impl<C: Carrier> Drop for Flight<C> {
    fn drop(&mut self) {
        let batches = self.0.batches();
        let mut state = batches.lock();
        let batch = state.take_batch(batches.limits.revocations);
        match Handle::try_current() {
            Ok(runtime) if !batch.is_empty() => {
                let flight = Flight(Arc::clone(&self.0));
                runtime.spawn(fly(flight, batch));
            }
            _ => state.flights -= 1,
        }
    }
}

/// Carries a batch, and then others as long as callers wait.
async fn fly<C: Carrier>(mut flight: Flight<C>, mut batch: Vec<Waiting>) {
    let carrier = Arc::clone(&flight.0);
    loop {
        let is_shared = batch.len() > 1;
        let Some(landed) = carry_batch(&carrier, flight, batch).await else { return };
        if is_shared {
            // The callers that have their answers and revoke again take part in the next flight,
            // which otherwise would take only the few that have come meanwhile.
            yield_now().await;
        }
        flight = landed;
        batch = flight.next_batch();
        if batch.is_empty() {
            return;
        }
    }
}

/// Returns the flight, unless it was late.
async fn carry_batch<C: Carrier>(carrier: &Arc<C>, flight: Flight<C>, batch: Vec<Waiting>) -> Option<Flight<C>> {
    let revocations = batch.iter().flat_map(|waiting| waiting.revocations.iter().copied()).collect();
    let (outcomes, flight) = if batch.len() == 1 {
        let (carried, flight) = land(flight, || Arc::clone(carrier).carry(revocations)).await;
        (carried.map(|outcomes| outcomes.into_iter().map(Some).collect()), flight)
    } else {
        land(flight, || Arc::clone(carrier).carry_together(revocations)).await
    };
    let mut outcomes = outcomes.map(Vec::into_iter);
    for waiting in batch {
        match &mut outcomes {
            Ok(outcomes) => {
                let own: Vec<_> = outcomes.by_ref().take(waiting.revocations.len()).collect();
                if own.contains(&None) {
                    tokio::spawn(fly_separately(Arc::clone(carrier), waiting, own));
                } else {
                    let _ = waiting.answer.send(Ok(own.into_iter().flatten().collect()));
                }
            }
            Err(error) => {
                let _ = waiting.answer.send(Err(error.clone()));
            }
        }
    }
    flight
}

/// Carries the revocations of one caller that a flight has not stored.
async fn fly_separately<C: Carrier>(carrier: Arc<C>, waiting: Waiting, outcomes: Vec<Option<Outcome>>) {
    let Waiting { revocations, answer } = waiting;
    if answer.is_closed() {
        return;
    }
    let missing = revocations.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none());
    let carried = carrier.carry(missing.map(|(revocation, _)| *revocation).collect()).await;
    let _ = answer.send(carried.map(|carried| {
        let mut carried = carried.into_iter();
        outcomes.into_iter().filter_map(|outcome| outcome.or_else(|| carried.next())).collect()
    }));
}

impl State {
    /// Takes the callers of the next flight, in the order in which they came. Those that have gone
    /// away are left out.
    fn take_batch(&mut self, limit: usize) -> Vec<Waiting> {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        let mut taken = 0;
        let fitting = self.waiting.iter().take_while(|waiting| {
            let fits = taken < limit;
            taken += waiting.revocations.len();
            fits
        });
        let count = fitting.count();
        self.waiting.drain(..count).collect()
    }
}

/// How long a flight keeps others on the ground.
const LATE: Duration = Duration::from_millis(100);

fn abandoned() -> StoreError {
    let cause = "the task that sent the revocations has ended early, because its runtime is shutting down or \
                 because it panicked; they may have been stored; revoke again";
    StoreError::new("revoke", cause).with_kind(StoreErrorKind::Unavailable)
}
