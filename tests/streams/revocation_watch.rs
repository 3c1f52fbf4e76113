//! Promise: a watch reports when what was opened with a token must end, and why, with any store.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use serde_json::json;
use test_support::{
    ISSUER, NOW, SECRET, at, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256, token, verifier,
};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    Claims, JwtVerifier, Logout, MemoryStore, RevocationStore, RevocationWatch, VerifiedToken,
    clock::{Clock, ManualClock, Timestamp},
    guard::EndReason,
    middleware::RequestBody,
    respond::Rejection,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    set::{RevocationSet, RevocationSignal},
    store::StoreError,
    token::TokenVerifier,
};

const INTERVAL: Duration = Duration::from_secs(5);

async fn watch(logout: &Logout, jti: &str) -> RevocationWatch {
    logout.watch(&verified(logout, jti).await)
}

async fn verified(logout: &Logout, jti: &str) -> VerifiedToken<Claims> {
    logout.verifier().verify(&token(jti)).await.unwrap()
}

async fn revoke(logout: &Logout, jti: &str) {
    let token = verified(logout, jti).await;
    logout.store().revoke(&Revocation::of_token(token.identity())).await.unwrap();
}

/// A future that never resolves fails the test. With a paused clock the timeout takes no time.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("the future resolves")
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn on_memory(clock: &ManualClock) -> Logout {
    Logout::new(verifier(clock), MemoryStore::new().clock(clock.clone()))
}

#[tokio::test]
async fn it_resolves_when_the_token_is_revoked_and_stays_so() {
    let logout = on_memory(&clock());
    let mut watch = watch(&logout, "one").await;
    let clone = watch.clone();
    assert!(poll_once(Pin::new(&mut watch)).is_pending());
    revoke(&logout, "other").await;
    assert!(poll_once(Pin::new(&mut watch)).is_pending());
    revoke(&logout, "one").await;
    for _ in 0..3 {
        assert_eq!(poll_once(Pin::new(&mut watch)), Poll::Ready(EndReason::Revoked));
    }
    assert_eq!(within(clone).await, EndReason::Revoked);
}

#[tokio::test]
async fn what_was_revoked_before_the_first_poll_is_not_missed() {
    let logout = on_memory(&clock());
    let watch = watch(&logout, "one").await;
    revoke(&logout, "one").await;
    assert_eq!(poll_once(pin!(watch)), Poll::Ready(EndReason::Revoked));
}

#[tokio::test]
async fn every_key_that_a_token_carries_ends_it() {
    let parent = RevocationKey::token_id(ISSUER, "parent");
    for key in [parent, RevocationKey::signing_input("header.payload"), RevocationKey::claim(ISSUER, "tenant", "blue")]
    {
        let set = RevocationSet::new();
        let mut signal = set.watch(&test_support::identity("child", at(NOW + 900)).carries(key));
        let mut other = set.watch(&test_support::identity("other", at(NOW + 900)));
        set.join(&Revocation::new(key, at(NOW), at(NOW + 900))).unwrap();
        within(signal.raised()).await;
        assert!(poll_once(pin!(other.raised())).is_pending());
        drop((signal, other));
        assert_eq!(set.watched(), 0);
    }
}

#[tokio::test]
async fn it_resolves_at_the_expiry_also_after_the_clock_has_stepped_back() {
    let clock = clock();
    let logout = on_memory(&clock);
    let mut watch = watch(&logout, "one").await;
    assert!(poll_once(Pin::new(&mut watch)).is_pending());
    clock.set(at(NOW + 900));
    clock.set(at(NOW));
    assert!(poll_once(Pin::new(&mut watch)).is_pending());
    clock.set(at(NOW + 899));
    assert!(poll_once(Pin::new(&mut watch)).is_pending());
    clock.set(at(NOW + 900));
    assert_eq!(within(watch).await, EndReason::Expired);
}

#[tokio::test]
async fn it_resolves_at_the_expiry_by_the_clock_of_the_system() {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build().unwrap();
    let token = hs256(&claims_with("brief", json!({ "iat": now, "exp": now + 2 })));
    let logout = Logout::new(verifier, test_support::memory());
    let token = logout.verifier().verify(&token).await.unwrap();
    assert_eq!(within(logout.watch(&token)).await, EndReason::Expired);
    assert_eq!(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs(), now + 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_with_signals_is_asked_once() {
    let clock = clock();
    let store = Telling::default();
    let logout = Logout::new(verifier(&clock), store.clone());
    let mut watch = watch(&logout, "one").await;
    let hour = tokio::time::sleep(Duration::from_secs(3600));
    tokio::select! {
        reason = &mut watch => panic!("{reason:?}"),
        () = hour => {}
    }
    assert_eq!(store.looks(), 1);
    revoke(&logout, "one").await;
    assert_eq!(within(watch).await, EndReason::Revoked);
    assert_eq!(store.looks(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_signals_is_asked_once_in_each_interval_and_not_by_all_at_once() {
    let store = Remote::default();
    let logout = Arc::new(Logout::new(verifier(&clock()), store.clone()));
    let began = Instant::now();
    for _ in 0..1000 {
        tokio::spawn(watch(&logout, "one").await);
    }
    tokio::time::sleep(INTERVAL * 4).await;
    let mut at_once = BTreeMap::<u128, usize>::new();
    let mut rounds = [0; 4];
    for asked in store.asked() {
        let after = asked.duration_since(began);
        *at_once.entry(after.as_millis() / 100).or_default() += 1;
        rounds[(after.as_millis() / INTERVAL.as_millis()).min(3) as usize] += 1;
    }
    // One more or less, at the boundary.
    assert!(rounds.iter().all(|round| (980..=1020).contains(round)), "{rounds:?}");
    // Twenty on average.
    assert!(at_once.values().all(|asked| *asked < 60), "{at_once:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_without_signals_ends_a_stream_within_the_interval() {
    let store = Remote::default();
    let logout = Logout::new(verifier(&clock()), store.clone()).recheck_interval(Duration::from_secs(60));
    for _ in 0..20 {
        let mut watch = watch(&logout, "one").await;
        assert!(poll_once(Pin::new(&mut watch)).is_pending());
        store.answers(Answer::Revoked);
        let began = Instant::now();
        assert_eq!(within(watch).await, EndReason::Revoked);
        assert!(began.elapsed() <= Duration::from_secs(61), "{:?}", began.elapsed());
        store.answers(Answer::Good);
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_at_the_configured_interval() {
    for interval in [Duration::from_secs(1), Duration::from_secs(60)] {
        let store = Remote::default();
        let logout = Logout::new(verifier(&clock()), store.clone()).recheck_interval(interval);
        let watch = watch(&logout, "one").await;
        assert!(tokio::time::timeout(interval * 20, watch).await.is_err());
        assert!((19..=21).contains(&store.asked().len()), "{}", store.asked().len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_answer_ends_a_stream_as_unavailable() {
    for answer in [Answer::Fails, Answer::Hangs] {
        let store = Remote::default();
        let logout = Logout::new(verifier(&clock()), store.clone());
        let mut watch = watch(&logout, "one").await;
        assert!(poll_once(Pin::new(&mut watch)).is_pending());
        store.answers(answer);
        let began = Instant::now();
        assert_eq!(within(watch).await, EndReason::Unavailable);
        assert!(began.elapsed() <= INTERVAL + Duration::from_millis(300), "{:?}", began.elapsed());
    }
    // The same at once, if the store knows at once that it cannot answer.
    let logout = Logout::new(verifier(&clock()), HandStore::new().checks(Act::Fail));
    assert_eq!(within(watch(&logout, "one").await).await, EndReason::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_an_outage_if_configured_and_ends_after_it() {
    for answer in [Answer::Fails, Answer::Hangs] {
        let store = Remote::default();
        store.answers(answer);
        let logout = Logout::new(verifier(&clock()), store.clone()).insecure_allow_on_store_failure();
        let mut watch = watch(&logout, "one").await;
        tokio::select! {
            reason = &mut watch => panic!("{reason:?}"),
            () = tokio::time::sleep(Duration::from_secs(600)) => {}
        }
        let asked = store.asked().len();
        assert!((100..=121).contains(&asked), "{asked}");
        store.answers(Answer::Revoked);
        assert_eq!(within(watch).await, EndReason::Revoked);
    }
}

/// A clock that stands still and wakes its sleepers each millisecond.
#[derive(Debug)]
struct Restless;

impl Clock for Restless {
    fn now(&self) -> Timestamp {
        at(NOW)
    }

    fn sleep_until(&self, _: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(Duration::from_millis(1)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_in_between_neither_delays_a_check_nor_repeats_one() {
    const WATCHES: usize = 20;
    let (store, interval) = (Remote::default(), Duration::from_secs(1));
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(Restless).build().unwrap();
    let logout = Logout::new(verifier, store.clone()).recheck_interval(interval).check_timeout(Duration::MAX);
    store.answers(Answer::Hangs);
    for _ in 0..WATCHES {
        tokio::spawn(watch(&logout, "one").await);
    }
    for _ in 0..5 {
        tokio::time::sleep(interval + Duration::from_millis(10)).await;
        assert_eq!(store.asked().len(), WATCHES);
    }
}

#[tokio::test(start_paused = true)]
async fn a_zero_interval_does_not_spin() {
    let store = Remote::default();
    let logout = Logout::new(verifier(&clock()), store.clone()).recheck_interval(Duration::ZERO);
    let watch = watch(&logout, "one").await;
    let _ = tokio::time::timeout(Duration::from_secs(1), watch).await;
    assert!((100..=1000).contains(&store.asked().len()), "{}", store.asked().len());
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_interval_is_no_panic() {
    let logout = Logout::new(verifier(&clock()), Remote::default()).recheck_interval(Duration::MAX);
    let watch = watch(&logout, "one").await;
    assert!(tokio::time::timeout(Duration::from_secs(1), watch).await.is_err());
}

#[tokio::test]
async fn the_handler_gets_the_watch_of_the_innermost_token_that_was_verified() {
    let clock = clock();
    let logout = Logout::new(verifier(&clock), test_support::memory()).allow_anonymous();
    let taken = Arc::new(Mutex::new(None));
    let handler = {
        let taken = Arc::clone(&taken);
        service_fn(move |mut request: Request<RequestBody<Empty<Bytes>>>| {
            *taken.lock().unwrap() = request.extensions_mut().remove::<RevocationWatch>();
            async { Ok::<_, std::io::Error>(Response::new(String::new())) }
        })
    };
    let foreign = watch(&logout, "foreign").await;
    let service = logout.layer().layer(handler);

    let own = Request::get("/").header("authorization", bearer(&token("own"))).extension(foreign.clone());
    drop(service.clone().oneshot(own.body(Empty::new()).unwrap()).await.unwrap());
    let watch = taken.lock().unwrap().take().unwrap();
    revoke(&logout, "foreign").await;
    revoke(&logout, "own").await;
    assert_eq!(within(watch).await, EndReason::Revoked);

    let anonymous = Request::get("/").extension(foreign);
    drop(service.clone().oneshot(anonymous.body(Empty::new()).unwrap()).await.unwrap());
    // The watch of an outer layer stays if this one has found no token.
    let outer = taken.lock().unwrap().take().unwrap();
    assert_eq!(within(outer).await, EndReason::Revoked);
    drop(service.oneshot(Request::get("/").body(Empty::new()).unwrap()).await.unwrap());
    assert!(taken.lock().unwrap().is_none());
}

#[test]
fn a_reason_has_the_text_of_a_rejection_and_fits_into_a_close_frame() {
    /// RFC 6455, section 5.5: 125 bytes, two of which are the code.
    const LONGEST: usize = 123;
    for (reason, rejection, code) in [
        (EndReason::Revoked, Rejection::Revoked, 1008),
        (EndReason::Expired, Rejection::Expired, 1008),
        (EndReason::Unavailable, Rejection::Unavailable, 1013),
    ] {
        assert_eq!(Rejection::from(reason), rejection);
        assert_eq!((reason.code(), reason.description()), (rejection.code(), rejection.description()));
        assert_eq!(reason.close_code(), code);
        assert!(reason.description().len() <= LONGEST);
    }
    // A shutdown has its own reason, and requests are told to try again.
    let shutdown = EndReason::ShuttingDown;
    assert_eq!((shutdown.code(), shutdown.description()), ("shutting_down", "The service is shutting down."));
    assert_eq!((shutdown.close_code(), Rejection::from(shutdown)), (1001, Rejection::Unavailable));
    assert!(shutdown.description().len() <= LONGEST);
}

/// A store on another machine: it answers after a while and sends no signals.
#[derive(Clone, Default)]
struct Remote(Arc<Mutex<(Answer, Vec<Instant>)>>);

#[derive(Clone, Copy, Default)]
enum Answer {
    #[default]
    Good,
    Revoked,
    Fails,
    Hangs,
}

impl Remote {
    fn answers(&self, answer: Answer) {
        self.0.lock().unwrap().0 = answer;
    }

    fn asked(&self) -> Vec<Instant> {
        self.0.lock().unwrap().1.clone()
    }
}

#[async_trait]
impl RevocationStore for Remote {
    async fn revoke(&self, _revocation: &Revocation) -> Result<Outcome, StoreError> {
        Ok(Outcome::Newly)
    }

    async fn is_revoked(&self, _token: &TokenIdentity) -> Result<bool, StoreError> {
        let answer = {
            let mut inner = self.0.lock().unwrap();
            inner.1.push(Instant::now());
            inner.0
        };
        tokio::time::sleep(Duration::from_millis(1)).await;
        match answer {
            Answer::Good => Ok(false),
            Answer::Revoked => Ok(true),
            Answer::Fails => Err(StoreError::new("check", "the server is down")),
            Answer::Hangs => std::future::pending().await,
        }
    }
}

/// A store of this process that counts how often it is asked.
#[derive(Clone, Default)]
struct Telling(Arc<(RevocationSet, AtomicUsize)>);

impl Telling {
    fn looks(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl RevocationStore for Telling {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.0.join(revocation).map_err(|full| StoreError::new("revoke", full))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(self.0.0.is_revoked(token))
    }

    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        Some(Ok(self.0.0.is_revoked(token)))
    }

    fn watch(&self, token: &TokenIdentity) -> Option<RevocationSignal> {
        Some(self.0.0.watch(token))
    }
}

/// A watch in each of its possible states, of one token.
async fn in_every_state(logout: &Logout, jti: &str) -> Vec<(&'static str, RevocationWatch)> {
    let unpolled = watch(logout, jti).await;
    let mut polled = unpolled.clone();
    assert!(poll_once(Pin::new(&mut polled)).is_pending());
    vec![
        ("a clone of one unpolled", unpolled.clone()),
        ("a clone", polled.clone()),
        ("unpolled", unpolled),
        ("polled", polled),
    ]
}

#[tokio::test]
async fn it_reports_at_once_whether_the_token_has_ended_and_why() {
    let clock = clock();
    let logout = on_memory(&clock);
    let (revoked, expires) = (in_every_state(&logout, "revoked").await, in_every_state(&logout, "expires").await);
    for (state, watch) in revoked.iter().chain(&expires) {
        assert_eq!(watch.ended(), None, "{state}");
    }
    revoke(&logout, "revoked").await;
    for (state, mut watch) in revoked {
        assert_eq!(watch.ended(), Some(EndReason::Revoked), "{state}");
        // Asking is no poll: the future still resolves, and both keep reporting the reason.
        assert_eq!(within(&mut watch).await, EndReason::Revoked, "{state}");
        assert_eq!(watch.ended(), Some(EndReason::Revoked), "{state}");
        assert_eq!(watch.clone().ended(), Some(EndReason::Revoked), "{state}");
    }
    clock.set(at(NOW + 900 - 1));
    assert!(expires.iter().all(|(_, watch)| watch.ended().is_none()));
    clock.set(at(NOW + 900));
    for (state, watch) in expires {
        assert_eq!(watch.ended(), Some(EndReason::Expired), "{state}");
        assert_eq!(within(watch).await, EndReason::Expired, "{state}");
    }
}

#[test]
fn it_reports_the_end_without_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let logout = on_memory(&clock());
    let watch = runtime.block_on(watch(&logout, "one"));
    assert_eq!(watch.ended(), None);
    runtime.block_on(revoke(&logout, "one"));
    drop(runtime);
    assert_eq!(watch.ended(), Some(EndReason::Revoked));
}

#[tokio::test(start_paused = true)]
async fn with_a_remote_store_only_the_expiry_and_earlier_polls_are_known_at_once() {
    let clock = clock();
    let store = Remote::default();
    let logout = Logout::new(verifier(&clock), store.clone());
    let mut states = in_every_state(&logout, "one").await;
    store.answers(Answer::Revoked);
    for (state, watch) in &states {
        assert_eq!(watch.ended(), None, "nobody has asked: {state}");
    }
    assert!(store.asked().is_empty(), "to ask the watch asks no server");
    let (_, mut polled) = states.pop().unwrap();
    assert_eq!(within(&mut polled).await, EndReason::Revoked);
    assert_eq!(polled.ended(), Some(EndReason::Revoked), "what has resolved stays so");
    clock.set(at(NOW + 900));
    for (state, watch) in &states {
        assert_eq!(watch.ended(), Some(EndReason::Expired), "{state}");
    }
    assert_eq!(polled.ended(), Some(EndReason::Revoked), "whatever comes later");
}

#[tokio::test]
async fn a_store_that_fails_at_once_is_unavailable_for_as_long_as_it_fails() {
    let store = HandStore::new();
    let strict = Logout::new(verifier(&clock()), store.clone());
    let lenient = strict.clone().insecure_allow_on_store_failure();
    let (watch, allowed) = (watch(&strict, "one").await, watch(&lenient, "one").await);
    let _ = store.clone().checks(Act::Fail);
    assert_eq!((watch.ended(), allowed.ended()), (Some(EndReason::Unavailable), None));
    let _ = store.clone().checks(Act::Now);
    assert_eq!((watch.ended(), allowed.ended()), (None, None));
    let _ = store.checks(Act::Hang);
    assert_eq!(watch.ended(), None, "this one must be waited for");
}
