//! [`Batches`]: concurrent revocations of a process travel to the server together.
//!
//! A caller that finds nobody on the way sends its own revocations, in its own future. Those that
//! come meanwhile wait, and the next flight takes all of them.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, time::timeout};

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
            land(flight, Arc::clone(carrier).carry(revocations.to_vec())).await
        }
        Some(answer) => answer.await.unwrap_or_else(|_| Err(abandoned())),
    }
}

/// Awaits what a flight carries. If it is late, as when a row is locked, it makes room for the next
/// one.
async fn land<C: Carrier, T>(flight: Flight<C>, carried: impl Future<Output = T>) -> T {
    let mut carried = pin!(carried);
    match timeout(LATE, carried.as_mut()).await {
        Ok(carried) => carried,
        Err(_) => {
            drop(flight);
            carried.await
        }
    }
}

/// A flight on the way. When it ends, however it ends, or is late, the next one begins.
struct Flight<C: Carrier>(Arc<C>);

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

async fn fly<C: Carrier>(flight: Flight<C>, batch: Vec<Waiting>) {
    let revocations = batch.iter().flat_map(|waiting| waiting.revocations.iter().copied()).collect();
    let carrier = Arc::clone(&flight.0);
    let outcomes = if batch.len() == 1 {
        let carried = land(flight, Arc::clone(&carrier).carry(revocations)).await;
        carried.map(|outcomes| outcomes.into_iter().map(Some).collect())
    } else {
        land(flight, Arc::clone(&carrier).carry_together(revocations)).await
    };
    let mut outcomes = outcomes.map(Vec::into_iter);
    for waiting in batch {
        match &mut outcomes {
            Ok(outcomes) => {
                let own: Vec<_> = outcomes.by_ref().take(waiting.revocations.len()).collect();
                if own.contains(&None) {
                    tokio::spawn(fly_separately(Arc::clone(&carrier), waiting, own));
                } else {
                    let _ = waiting.answer.send(Ok(own.into_iter().flatten().collect()));
                }
            }
            Err(error) => {
                let _ = waiting.answer.send(Err(error.clone()));
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::Pin,
        sync::atomic::{AtomicUsize, Ordering},
        task::Poll,
        time::Duration,
    };

    use tokio::sync::Semaphore;

    use super::*;
    use crate::{clock::Timestamp, revocation::RevocationKey};

    /// Records the size of each flight, which lands once the test allows it.
    struct Runway {
        batches: Batches,
        sizes: Mutex<Vec<usize>>,
        landings: Semaphore,
        fails: AtomicUsize,
        panics: AtomicUsize,
    }

    impl Runway {
        fn new(flights: usize, revocations: usize) -> Arc<Self> {
            Arc::new(Self {
                batches: Batches::new(Limits { flights, revocations }),
                sizes: Mutex::default(),
                landings: Semaphore::new(0),
                fails: AtomicUsize::new(0),
                panics: AtomicUsize::new(0),
            })
        }

        fn sizes(&self) -> Vec<usize> {
            self.sizes.lock().expect("no test panics while it holds it").clone()
        }
    }

    impl Carrier for Runway {
        fn batches(&self) -> &Batches {
            &self.batches
        }

        async fn carry(self: Arc<Self>, revocations: Vec<Revocation>) -> Answer {
            self.sizes.lock().expect("no test panics while it holds it").push(revocations.len());
            self.landings.acquire().await.expect("it is not closed").forget();
            assert_eq!(self.panics.load(Ordering::Relaxed), 0, "the flight has crashed");
            if self.fails.load(Ordering::Relaxed) > 0 {
                return Err(StoreError::new("revoke", "the flight was lost"));
            }
            // The outcome shows which revocation it belongs to.
            let newly = |revocation: &Revocation| revocation.issued_through() > Timestamp::from_unix_seconds(0);
            Ok(revocations.iter().map(|one| if newly(one) { Outcome::Newly } else { Outcome::Already }).collect())
        }
    }

    fn revocation(through: u64) -> Revocation {
        let at = Timestamp::from_unix_seconds;
        Revocation::new(RevocationKey::subject("i", "s"), at(through), at(100))
    }

    /// Polls once, so that the caller has begun.
    async fn begin<T>(mut caller: Pin<&mut impl Future<Output = T>>) {
        let is_pending = poll_fn(|cx| Poll::Ready(caller.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending, "the flight has not landed");
    }

    #[tokio::test]
    async fn callers_that_come_during_a_flight_share_the_next_one() {
        let runway = Runway::new(1, 100);
        let given = [vec![revocation(1)], vec![revocation(0), revocation(1)], vec![revocation(1), revocation(0)]];
        let mut first = pin!(revoke(&runway, &given[0]));
        let mut second = pin!(revoke(&runway, &given[1]));
        let mut third = pin!(revoke(&runway, &given[2]));
        begin(first.as_mut()).await;
        begin(second.as_mut()).await;
        begin(third.as_mut()).await;
        assert_eq!(runway.sizes(), [1]);
        runway.landings.add_permits(2);
        use Outcome::{Already, Newly};
        assert_eq!(first.await.expect("it landed"), [Newly]);
        assert_eq!(second.await.expect("it landed"), [Already, Newly]);
        assert_eq!(third.await.expect("it landed"), [Newly, Already]);
        assert_eq!(runway.sizes(), [1, 4]);
    }

    #[tokio::test]
    async fn a_flight_is_limited_in_size_and_in_number() {
        let runway = Runway::new(2, 3);
        let given = [revocation(1), revocation(1)];
        let mut callers: Vec<_> = (0..5).map(|_| Box::pin(revoke(&runway, &given))).collect();
        for caller in &mut callers {
            begin(caller.as_mut()).await;
        }
        assert_eq!(runway.sizes(), [2, 2], "two are on the way");
        runway.landings.add_permits(4);
        for caller in callers {
            assert_eq!(caller.await.expect("it landed").len(), 2);
        }
        assert_eq!(runway.sizes(), [2, 2, 4, 2], "the third does not fit into a batch that is full");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_that_is_late_keeps_no_other_one_waiting() {
        let runway = Runway::new(1, 100);
        let given = [revocation(1)];
        let mut callers: Vec<_> = (0..4).map(|_| Box::pin(revoke(&runway, &given))).collect();
        for caller in &mut callers {
            begin(caller.as_mut()).await;
        }
        assert_eq!(runway.sizes(), [1]);
        tokio::time::sleep(LATE * 2).await;
        begin(callers[0].as_mut()).await;
        tokio::time::sleep(LATE * 2).await;
        assert_eq!(runway.sizes(), [1, 3]);
        begin(callers[1].as_mut()).await;
        // The late ones land, and the number of flights is as before.
        let mut next = pin!(revoke(&runway, &given));
        begin(next.as_mut()).await;
        let mut after = pin!(revoke(&runway, &given));
        begin(after.as_mut()).await;
        assert_eq!(runway.sizes(), [1, 3, 1]);
        runway.landings.add_permits(10);
        for caller in callers {
            assert!(caller.await.is_ok());
        }
        assert!(next.await.is_ok() && after.await.is_ok());
        assert_eq!(runway.sizes(), [1, 3, 1, 1]);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_before_its_flight_sends_nothing() {
        let runway = Runway::new(1, 100);
        let given = [revocation(1)];
        let mut first = pin!(revoke(&runway, &given));
        begin(first.as_mut()).await;
        let mut third = pin!(revoke(&runway, &given));
        {
            let mut second = pin!(revoke(&runway, &given));
            begin(second.as_mut()).await;
            begin(third.as_mut()).await;
        }
        runway.landings.add_permits(2);
        assert!(first.await.is_ok() && third.await.is_ok());
        assert_eq!(runway.sizes(), [1, 1]);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_during_its_own_flight_does_not_keep_others_waiting() {
        let runway = Runway::new(1, 100);
        let given = [revocation(1)];
        let mut second = pin!(revoke(&runway, &given));
        {
            let mut first = pin!(revoke(&runway, &given));
            begin(first.as_mut()).await;
            begin(second.as_mut()).await;
        }
        runway.landings.add_permits(1);
        assert!(second.await.is_ok());
        assert_eq!(runway.sizes(), [1, 1]);
    }

    #[tokio::test]
    async fn a_panic_in_a_flight_is_an_error_of_its_callers_and_the_next_one_flies() {
        let runway = Runway::new(1, 2);
        let given = [revocation(1)];
        let mut first = pin!(revoke(&runway, &given));
        begin(first.as_mut()).await;
        // Two flights, of two callers each.
        let mut others: Vec<_> = (0..4).map(|_| Box::pin(revoke(&runway, &given))).collect();
        for other in &mut others {
            begin(other.as_mut()).await;
        }
        runway.landings.add_permits(1);
        assert!(first.await.is_ok());
        runway.panics.store(1, Ordering::Relaxed);
        runway.landings.add_permits(1);
        for other in others.drain(..2) {
            let error = other.await.expect_err("it has crashed");
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        }
        runway.panics.store(0, Ordering::Relaxed);
        runway.landings.add_permits(1);
        for other in others {
            assert!(other.await.is_ok());
        }
        assert_eq!(runway.sizes(), [1, 2, 2]);
    }

    #[tokio::test]
    async fn a_panic_in_the_own_flight_of_a_caller_does_not_keep_others_waiting() {
        let runway = Runway::new(1, 100);
        let crashing = {
            let runway = Arc::clone(&runway);
            tokio::spawn(async move { revoke(&runway, &[revocation(1)]).await })
        };
        tokio::task::yield_now().await;
        let given = [revocation(1)];
        let mut second = pin!(revoke(&runway, &given));
        begin(second.as_mut()).await;
        runway.panics.store(1, Ordering::Relaxed);
        runway.landings.add_permits(1);
        assert!(crashing.await.is_err());
        runway.panics.store(0, Ordering::Relaxed);
        runway.landings.add_permits(1);
        assert!(second.await.is_ok());
    }

    /// Callers with a time limit end in time, also if the flight before theirs never lands.
    #[tokio::test(start_paused = true)]
    async fn a_flight_that_never_lands_does_not_hold_callers_beyond_their_time() {
        let runway = Runway::new(1, 100);
        let given = [revocation(1)];
        let mut stuck = Box::pin(revoke(&runway, &given));
        begin(stuck.as_mut()).await;
        for _ in 0..3 {
            let limited = tokio::time::timeout(Duration::from_secs(1), revoke(&runway, &given));
            assert!(limited.await.is_err());
        }
        // Those that have gone are not sent.
        drop(stuck);
        runway.landings.add_permits(1);
        assert!(revoke(&runway, &given).await.is_ok());
        assert_eq!(runway.sizes(), [1, 1]);
    }

    /// Callers of many threads: each revocation is sent exactly once, and its caller gets its
    /// outcome.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn each_revocation_is_sent_once_and_answered_to_its_caller() {
        let runway = Runway::new(2, 7);
        runway.landings.add_permits(Semaphore::MAX_PERMITS);
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..16_u64 {
            let runway = Arc::clone(&runway);
            callers.spawn(async move {
                for round in 0..500 {
                    let through = (caller + round) % 2;
                    let outcomes = revoke(&runway, &[revocation(through), revocation(1)]).await.expect("it landed");
                    let expected = if through == 1 { Outcome::Newly } else { Outcome::Already };
                    assert_eq!(outcomes, [expected, Outcome::Newly]);
                }
            });
        }
        let all = tokio::time::timeout(Duration::from_secs(60), callers.join_all()).await;
        assert!(all.is_ok(), "a caller waits for ever");
        assert_eq!(runway.sizes().iter().sum::<usize>(), 16 * 500 * 2);
    }

    #[tokio::test]
    async fn the_error_of_a_flight_is_that_of_all_its_callers_and_of_no_other() {
        let runway = Runway::new(1, 100);
        let given = [revocation(1)];
        let mut first = pin!(revoke(&runway, &given));
        begin(first.as_mut()).await;
        let mut others: Vec<_> = (0..3).map(|_| Box::pin(revoke(&runway, &given))).collect();
        for other in &mut others {
            begin(other.as_mut()).await;
        }
        runway.landings.add_permits(1);
        assert!(first.await.is_ok());
        runway.fails.store(1, Ordering::Relaxed);
        runway.landings.add_permits(1);
        for other in others {
            assert!(other.await.is_err());
        }
        runway.fails.store(0, Ordering::Relaxed);
        runway.landings.add_permits(1);
        assert!(revoke(&runway, &given).await.is_ok(), "the next one flies");
    }
}
