//! Promise: a dropped call leaves nothing half done: a check leaves nothing behind, a logout is
//! complete or has not begun, and no call takes longer than its timeout.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{Empty, Full, StreamBody};
use serde_json::json;
use test_support::{
    NOW, at, bearer, claims_with, clock, eventually,
    hand::{Act, HandStore},
    hs256, token, verifier,
};
use tokio::{runtime::Handle, task::yield_now, time::Instant};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    Claims, JwtVerifier, Logout, LogoutScope, LogoutService, VerifiedToken,
    clock::{Clock, ManualClock},
    middleware::RequestBody,
    revocation::Retention,
    token::{TokenVerifier, VerifyError},
};

#[tokio::test]
async fn a_guarded_request_dropped_at_any_poll_leaves_nothing_behind() {
    let (mut in_check, mut in_service) = (0, 0);
    for polls in 0.. {
        let store = HandStore::new().checks(Act::Polls(3));
        let logout = Logout::new(Slow::new(Wait::Polls(3)), store.clone());
        let (requests, services) = (Count::default(), Count::default());
        let counted = services.clone();
        let inner = service_fn(move |request: Request<RequestBody<Counted>>| {
            let service = counted.one();
            async move {
                for _ in 0..3 {
                    yield_now().await;
                }
                drop((request, service));
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let request = Request::builder().header("authorization", bearer(&token("dropped"))).body(requests.one());
        let mut response = Box::pin(logout.layer().layer(inner).oneshot(request.unwrap()));
        let done = poll_times(response.as_mut(), polls).await;
        in_check += usize::from(store.waiting() > 0);
        in_service += usize::from(services.get() > 0);
        drop(response);
        assert_eq!((requests.get(), services.get(), store.waiting()), (0, 0, 0), "after {polls} polls");
        if done {
            break;
        }
    }
    assert!(in_check > 1 && in_service > 1, "it was dropped in the midst of both: {in_check}, {in_service}");
}

#[tokio::test]
async fn a_logout_dropped_at_any_poll_is_complete_or_has_not_begun() {
    let plain = "";
    let refresh = json!({ "refresh_token": token("the refresh token") }).to_string();
    let table: [(&str, Choice, &str, usize); 5] = [
        ("token", |logout| logout.service(), plain, 1),
        ("session", |logout| logout.service().scope(LogoutScope::Session), plain, 2),
        ("everywhere", |logout| logout.service().scope(LogoutScope::Subject), plain, 2),
        ("refresh token", |logout| logout.refresh_tokens(verifier(&clock())).service(), &refresh, 2),
        (
            "all of it",
            |logout| logout.refresh_tokens(verifier(&clock())).service().scope(LogoutScope::Subject),
            &refresh,
            3,
        ),
    ];
    for (what, choice, body, whole) in table {
        let (mut not_begun, mut done) = (0, 0);
        for polls in 0..30 {
            let store = HandStore::new().checks(Act::Polls(3)).revokes(Act::Polls(3));
            let service = choice(Logout::new(Slow::new(Wait::Polls(2)), store.clone()));
            let mut response = Box::pin(service.oneshot(request(body)));
            poll_times(response.as_mut(), polls).await;
            drop(response);
            all_tasks_end().await;
            match store.revocations().len() {
                0 => not_begun += 1,
                stored if stored == whole => done += 1,
                half => panic!("{what}: {half} of {whole} revocations after {polls} polls"),
            }
        }
        assert!(not_begun > 1 && done > 10, "{what}: {not_begun} were not begun and {done} done");
    }
}

#[tokio::test]
async fn a_logout_that_has_begun_completes_without_further_polls() {
    let store = HandStore::new().revokes(Act::Gated);
    let logout = Logout::new(verifier(&clock()), store.clone());
    let mut response = Box::pin(logout.service().scope(LogoutScope::Session).oneshot(request("")));
    let mut polls = 0;
    while store.waiting() == 0 {
        assert!(!poll_times(response.as_mut(), 1).await);
        polls += 1;
        assert!(polls < 1000, "the logout never reaches the store");
    }
    drop(response);
    assert!(store.revocations().is_empty());
    store.open(2);
    all_tasks_end().await;
    assert_eq!(store.revocations().len(), 2);
}

#[tokio::test]
async fn a_store_that_panics_is_503_and_harms_no_other_logout() {
    let store = HandStore::new().revokes(Act::Panic);
    let logout = Logout::new(verifier(&clock()), store.clone());
    let service = logout.service().scope(LogoutScope::Subject);
    for _ in 0..2 {
        let response = service.clone().oneshot(request("")).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let _ = store.revokes(Act::Now);
    let service = logout.service();
    assert_eq!(service.oneshot(request("")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_caller_of_log_out_everywhere_may_leave_while_the_response_is_delayed() {
    let clock = clock();
    let store = HandStore::new();
    let logout = Logout::new(verifier(&clock), store.clone());
    let answer = tokio::spawn(logout.service().scope(LogoutScope::Subject).oneshot(request("")));
    eventually("the answer is kept", || clock.sleepers() > 0).await;
    answer.abort();
    eventually("the caller has gone", || clock.sleepers() == 0).await;
    assert_eq!(store.revocations().len(), 2);
    clock.set(at(NOW + 1));
    let again = logout.service().oneshot(request("")).await.unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_check_takes_250_ms_at_most() {
    let store = HandStore::new().checks(Act::Hang);
    let logout = Logout::new(verifier(&clock()), store);
    assert_eq!(timed(guarded(&logout)).await, (StatusCode::SERVICE_UNAVAILABLE, millis(250)));
    let logout = logout.check_timeout(millis(70));
    assert_eq!(timed(guarded(&logout)).await, (StatusCode::SERVICE_UNAVAILABLE, millis(70)));
}

#[tokio::test(start_paused = true)]
async fn verifier_and_store_share_the_time_of_one_check() {
    let hanging = |wait| Logout::new(Slow::new(wait), HandStore::new().checks(Act::Hang));
    let logout = hanging(Wait::For(millis(200)));
    assert_eq!(timed(guarded(&logout)).await, (StatusCode::SERVICE_UNAVAILABLE, millis(250)));
    let logout = hanging(Wait::Forever);
    assert_eq!(timed(guarded(&logout)).await, (StatusCode::SERVICE_UNAVAILABLE, millis(250)));
    let logout = Logout::new(Slow::new(Wait::For(millis(249))), HandStore::new().checks(Act::Polls(3)));
    assert_eq!(timed(guarded(&logout)).await, (StatusCode::OK, millis(249)));
}

#[tokio::test(start_paused = true)]
async fn a_logout_takes_5_s_at_most() {
    let store = HandStore::new().revokes(Act::Hang);
    let service = Logout::new(verifier(&clock()), store).service();
    let answer = timed(service.clone().oneshot(request(""))).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(5)));
    let answer = timed(service.timeout(millis(300)).oneshot(request(""))).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, millis(300)));
}

#[tokio::test(start_paused = true)]
async fn a_logout_waits_for_a_body_no_longer_than_for_the_store() {
    let store = HandStore::new();
    let logout = Logout::new(verifier(&clock()), store.clone()).refresh_tokens(verifier(&clock()));
    let service = logout.service();
    let endless = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let answer = timed(service.oneshot(request("").map(|_| endless))).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(5)));
    assert!(store.revocations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_timeout_is_no_timeout() {
    let store = HandStore::new().checks(Act::Polls(2)).revokes(Act::Polls(2));
    let logout = Logout::new(verifier(&clock()), store).check_timeout(Duration::MAX);
    assert_eq!(timed(guarded(&logout)).await.0, StatusCode::OK);
    let service = logout.service().timeout(Duration::MAX);
    assert_eq!(timed(service.oneshot(request(""))).await.0, StatusCode::OK);
}

type Choice = fn(Logout) -> LogoutService;

fn request(body: &str) -> Request<Full<Bytes>> {
    let token = hs256(&claims_with("the access token", json!({})));
    Request::post("/").header("authorization", bearer(&token)).body(Full::from(body.to_owned())).unwrap()
}

fn guarded(logout: &Logout) -> impl Future<Output = Result<Response<impl Sized>, Infallible>> {
    let inner = service_fn(async |_| Ok(Response::new(Empty::<Bytes>::new())));
    logout.layer().layer(inner).oneshot(request(""))
}

async fn timed<B>(response: impl Future<Output = Result<Response<B>, Infallible>>) -> (StatusCode, Duration) {
    let start = Instant::now();
    let status = response.await.unwrap().status();
    (status, start.elapsed())
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Polls a future up to this many times and lets all other tasks run in between.
async fn poll_times<F: Future>(mut future: Pin<&mut F>, polls: usize) -> bool {
    for _ in 0..polls {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        yield_now().await;
    }
    false
}

async fn all_tasks_end() {
    eventually("all tasks have ended", || Handle::current().metrics().num_alive_tasks() == 0).await;
}

/// The tests' verifier with a delay.
struct Slow {
    verifier: JwtVerifier,
    clock: ManualClock,
    wait: Wait,
}

#[derive(Clone, Copy)]
enum Wait {
    Polls(usize),
    For(Duration),
    Forever,
}

impl Slow {
    fn new(wait: Wait) -> Self {
        let clock = clock();
        Self { verifier: verifier(&clock), clock, wait }
    }
}

#[async_trait]
impl TokenVerifier for Slow {
    type Claims = Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        match self.wait {
            Wait::Polls(polls) => {
                for _ in 0..polls {
                    yield_now().await;
                }
            }
            Wait::For(duration) => tokio::time::sleep(duration).await,
            Wait::Forever => pending().await,
        }
        self.verifier.verify(token).await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn retention(&self) -> Retention {
        self.verifier.retention()
    }
}

/// Counts how many values exist.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

struct Counted(Count);

/// Counts a request by its body.
impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

impl Count {
    fn one(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
