//! Promise: a lookup that takes longer than a request may wait continues without the request, once
//! for all callers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt, future::join_all};
use test_support::{at, bearer, eventually};
use tokio::sync::Semaphore;
use tower_logout::{
    Logout, VerifiedToken,
    respond::Rejection,
    revocation::{Retention, RevocationKey, TokenIdentity},
    token::{FlightError, SingleFlight, TokenVerifier, VerifyError},
};

/// A server for token introspection. It answers when a permit is available, and after a delay.
#[derive(Debug)]
struct Server {
    asked: AtomicUsize,
    permits: Semaphore,
    takes: Duration,
}

impl Server {
    fn new(permits: usize, takes: Duration) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), permits: Semaphore::new(permits), takes })
    }

    async fn introspect(&self, token: &str) -> Result<TokenIdentity, Arc<str>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        tokio::time::sleep(self.takes).await;
        match token {
            "panics" => panic!("a lookup that panics"),
            "fails" => Err("the server is on fire".into()),
            token => {
                let key = RevocationKey::signing_input(token);
                Ok(TokenIdentity::new(key, at(0), at(u64::MAX), &Retention::default()))
            }
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Asks the server once for all callers, and caches the answer.
struct Introspection {
    server: Arc<Server>,
    known: Arc<Mutex<HashMap<String, TokenIdentity>>>,
    lookups: SingleFlight<String, Result<TokenIdentity, Arc<str>>>,
}

impl Introspection {
    fn of(server: &Arc<Server>) -> Self {
        let lookups = SingleFlight::new(16, Duration::from_secs(10));
        Self { server: Arc::clone(server), known: Arc::default(), lookups }
    }
}

#[async_trait]
impl TokenVerifier for Introspection {
    type Claims = ();

    async fn verify(&self, token: &str) -> Result<VerifiedToken<()>, VerifyError> {
        let known = self.known.lock().unwrap().get(token).cloned();
        if let Some(identity) = known {
            return Ok(VerifiedToken::new(identity, ()));
        }
        let (server, known, text) = (Arc::clone(&self.server), Arc::clone(&self.known), token.to_owned());
        let lookup = self.lookups.run(token.to_owned(), move || async move {
            let identity = server.introspect(&text).await?;
            known.lock().unwrap().insert(text, identity.clone());
            Ok(identity)
        });
        let identity = lookup.await?.map_err(|error| VerifyError::unavailable(&*error))?;
        Ok(VerifiedToken::new(identity, ()))
    }
}

async fn check(logout: &Logout<()>, token: &str) -> Result<(), Rejection> {
    let request = http::Request::builder().header("authorization", bearer(token)).body(()).unwrap();
    logout.check((&request).into()).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_lookup_of_400_ms_with_a_timeout_of_250_ms_recovers_by_itself() {
    let server = Server::new(usize::MAX >> 4, Duration::from_millis(400));
    let logout =
        Logout::new(Introspection::of(&server), test_support::memory()).check_timeout(Duration::from_millis(250));
    assert_eq!(check(&logout, "one").await, Err(Rejection::Unavailable), "nobody waits longer than they may");
    assert_eq!(check(&logout, "one").await, Ok(()), "within the next 150 ms the answer is there");
    // A client that sends single requests, far apart.
    assert_eq!(check(&logout, "two").await, Err(Rejection::Unavailable));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(check(&logout, "two").await, Ok(()));
    assert_eq!(server.asked(), 2, "once for each token");
}

#[tokio::test]
async fn a_thousand_concurrent_callers_make_one_lookup() {
    let server = Server::new(0, Duration::ZERO);
    let verifier = Arc::new(Introspection::of(&server));
    let logout = Logout::new(Arc::clone(&verifier), test_support::memory()).check_timeout(Duration::from_secs(60));
    let callers = join_all((0..1000).map(|_| check(&logout, "one")));
    let opens = async {
        eventually("the server is asked", || server.asked() == 1).await;
        server.permits.add_permits(1);
    };
    let (answers, ()) = tokio::join!(callers, opens);
    assert_eq!(answers, vec![Ok(()); 1000]);
    assert_eq!((server.asked(), verifier.lookups.under_way()), (1, 0));
}

#[tokio::test]
async fn a_lookup_continues_when_all_callers_have_gone() {
    let server = Server::new(0, Duration::ZERO);
    let verifier = Arc::new(Introspection::of(&server));
    let logout = Logout::new(Arc::clone(&verifier), test_support::memory()).check_timeout(Duration::from_secs(60));
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let logout = logout.clone();
            tokio::spawn(async move { check(&logout, "one").await })
        })
        .collect();
    eventually("the server is asked", || server.asked() == 1).await;
    for caller in callers {
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    server.permits.add_permits(1);
    eventually("the lookup has ended", || verifier.lookups.under_way() == 0).await;
    assert_eq!(check(&logout, "one").await, Ok(()));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_lookup_that_panics_or_fails_is_an_error_for_all_and_the_next_begins_anew() {
    let server = Server::new(0, Duration::ZERO);
    let verifier = Arc::new(Introspection::of(&server));
    let logout = Logout::new(Arc::clone(&verifier), test_support::memory()).check_timeout(Duration::from_secs(60));
    for (round, token) in ["panics", "fails", "panics"].into_iter().enumerate() {
        let callers = join_all((0..10).map(|_| check(&logout, token)));
        let opens = async {
            eventually("the server is asked", || server.asked() == round + 1).await;
            server.permits.add_permits(1);
        };
        let (answers, ()) = tokio::join!(callers, opens);
        assert_eq!(answers, vec![Err(Rejection::Unavailable); 10], "{token}");
        assert_eq!(verifier.lookups.under_way(), 0, "{token}");
    }
}

#[tokio::test]
async fn each_key_has_its_own_lookup_and_their_number_is_limited() {
    let flights = SingleFlight::new(2, Duration::from_secs(60));
    let gate = Arc::new(Semaphore::new(0));
    let lookup = |key: u8| {
        let gate = Arc::clone(&gate);
        flights.run(key, move || async move {
            gate.acquire().await.unwrap().forget();
            key
        })
    };
    let (mut one, mut two) = (Box::pin(lookup(1)), Box::pin(lookup(2)));
    assert!((&mut one).now_or_never().is_none() && (&mut two).now_or_never().is_none());
    assert_eq!(lookup(3).await, Err(FlightError::Full));
    let mut joined = Box::pin(lookup(1));
    assert!((&mut joined).now_or_never().is_none(), "who joins needs no room");
    gate.add_permits(2);
    assert_eq!((one.await, two.await, joined.await), (Ok(1), Ok(2), Ok(1)));
    gate.add_permits(1);
    assert_eq!(lookup(3).await, Ok(3));
    assert_eq!(SingleFlight::new(0, Duration::MAX).run((), || async {}).await, Err(FlightError::Full));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_never_ends_is_dropped_in_time() {
    let flights = SingleFlight::new(1, Duration::from_secs(10));
    for _ in 0..2 {
        let never = flights.run("key", std::future::pending::<()>);
        let joined = flights.run("key", std::future::pending::<()>);
        assert_eq!(tokio::join!(never, joined), (Err(FlightError::TimedOut), Err(FlightError::TimedOut)));
        assert_eq!(flights.under_way(), 0);
    }
    assert_eq!(flights.run("key", || async {}).await, Ok(()));
}

#[test]
fn without_a_runtime_and_after_its_end_there_is_an_error_and_no_panic() {
    let flights = SingleFlight::new(1, Duration::from_secs(10));
    let outside = flights.run("key", || async {}).now_or_never();
    assert_eq!(outside, Some(Err(FlightError::NoRuntime)));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut waiting = Box::pin(flights.run("key", std::future::pending::<()>));
    runtime.block_on(async { assert!((&mut waiting).now_or_never().is_none()) });
    runtime.shutdown_timeout(Duration::from_secs(60));
    assert_eq!(waiting.now_or_never(), Some(Err(FlightError::Failed)));
    assert_eq!(flights.under_way(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_has_a_result_gets_a_later_one_from_the_next_call() {
    let flights = Arc::new(SingleFlight::new(1, Duration::from_secs(60)));
    let begun = Arc::new(AtomicUsize::new(0));
    let callers = (0..4).map(|_| {
        let (flights, begun) = (Arc::clone(&flights), Arc::clone(&begun));
        tokio::spawn(async move {
            let mut last = 0;
            for _ in 0..20_000 {
                let begun = Arc::clone(&begun);
                let number = flights.run((), move || async move { begun.fetch_add(1, Ordering::SeqCst) + 1 }).await;
                assert!(number.unwrap() > last, "the lookup had ended");
                last = number.unwrap();
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
}
