//! Tests of flights: who shares one, and what becomes of callers whose flight fails, is late or is
//! abandoned.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    Outcome::{Already, Newly},
    *,
};
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

#[tokio::test]
async fn callers_that_revoke_again_when_their_flight_has_landed_share_the_next_one() {
    let runway = Runway::new(1, 100);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let runway = Arc::clone(&runway);
        callers.spawn(async move {
            for _ in 0..3 {
                assert!(revoke(&runway, &[revocation(1)]).await.is_ok());
            }
        });
    }
    for _ in 0..4 {
        // Everybody has come as far as possible.
        for _ in 0..20 {
            yield_now().await;
        }
        runway.landings.add_permits(1);
    }
    runway.landings.add_permits(10);
    callers.join_all().await;
    assert_eq!(runway.sizes(), [1, 2, 3, 3]);
}
