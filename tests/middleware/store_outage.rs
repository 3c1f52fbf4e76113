//! Promise: while the store does not answer, no request passes and no logout succeeds: 503, never
//! 401 and never 200.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use test_support::{
    bearer, clock, eventually,
    hand::{Act, HandStore},
    token, verifier,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_logout::{
    Claims, Logout, LogoutScope, LogoutService, MemoryStore, RevocationStore, VerifiedToken,
    respond::Rejection,
    revocation::{Outcome, Revocation, TokenIdentity},
    store::StoreError,
    token::{TokenVerifier, VerifyError},
};

const OUTAGES: [Act; 3] = [Act::Fail, Act::Hang, Act::DoneButFail];

fn logout(store: &HandStore) -> Logout {
    Logout::new(verifier(&clock()), store.clone())
}

#[tokio::test(start_paused = true)]
async fn a_check_without_an_answer_is_503_with_a_time_to_retry() {
    for act in [Act::Fail, Act::Hang] {
        let logout = logout(&HandStore::new().checks(act));
        let response = logout.layer().layer(service_fn(hello)).oneshot(get("x")).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{act:?}");
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(!response.headers().contains_key("www-authenticate"), "clients delete their tokens on that");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_rejected_without_the_store_is_rejected_during_an_outage() {
    for act in [Act::Fail, Act::Hang, Act::Panic] {
        let logout = logout(&HandStore::new().checks(act));
        let forged = Request::builder().header("authorization", "Bearer a.b.c").body(Empty::new()).unwrap();
        assert_eq!(status(logout.layer().layer(service_fn(hello)), forged).await, StatusCode::UNAUTHORIZED, "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_but_not_too_late_counts() {
    let store = HandStore::new().checks(Act::Gated);
    let service = logout(&store).layer().layer(service_fn(hello));
    let passing = tokio::spawn(status(service.clone(), get("late")));
    eventually("the store was asked", || store.waiting() == 1).await;
    store.open(1);
    assert_eq!(passing.await.unwrap(), StatusCode::OK);
    let _ = logout(&store).revoker().everything().await.unwrap();
    let refused = tokio::spawn(status(service.clone(), get("late")));
    eventually("the store was asked", || store.waiting() == 1).await;
    store.open(1);
    assert_eq!(refused.await.unwrap(), StatusCode::UNAUTHORIZED);
    // An answer that is too late changes nothing.
    assert_eq!(status(service, get("late")).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(store.waiting(), 0, "the check was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_the_store_does_not_confirm_is_503() {
    for act in OUTAGES {
        let store = HandStore::new().revokes(act);
        assert_eq!(status(logout(&store).service(), post("x")).await, StatusCode::SERVICE_UNAVAILABLE, "{act:?}");
    }
}

#[tokio::test]
async fn a_reply_lost_after_the_write_is_503_and_the_retry_reports_token_revoked() {
    let store = HandStore::new().revokes(Act::DoneButFail);
    let logout = logout(&store);
    assert_eq!(status(logout.service(), post("lost")).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(store.revocations().len(), 1);
    let _ = store.revokes(Act::Now);
    assert_eq!(status(logout.layer().layer(service_fn(hello)), get("lost")).await, StatusCode::UNAUTHORIZED);
    let response = logout.service().oneshot(post("lost")).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Rejection::Revoked));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"description":"The token has been revoked.","error":"token_revoked"}"#);
}

#[tokio::test]
async fn a_logout_that_failed_before_the_write_can_be_retried() {
    for choice in [
        |service| service,
        |service: LogoutService| service.scope(LogoutScope::Session),
        |service: LogoutService| service.scope(LogoutScope::Subject),
    ] {
        let clock = clock();
        let store = HandStore::new().revokes(Act::Fail);
        let logout = Logout::new(verifier(&clock), store.clone());
        let service = choice(logout.service());
        assert_eq!(status(service.clone(), post("again")).await, StatusCode::SERVICE_UNAVAILABLE);
        let _ = store.revokes(Act::Now);
        let answer = tokio::spawn(status(service, post("again")));
        clock.advance(Duration::from_secs(1));
        eventually("the second is over", || {
            clock.advance(Duration::from_secs(1));
            answer.is_finished()
        })
        .await;
        assert_eq!(answer.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_logout_that_failed_halfway_can_be_retried_until_complete() {
    let refresh = token("refresh");
    let body = format!(r#"{{"refresh_token":"{refresh}"}}"#);
    let request = || post("access").map(|_| Full::<Bytes>::from(body.clone()));
    for failing in [1, 2] {
        let store = Flaky { failing: AtomicUsize::new(failing), memory: test_support::memory() };
        let logout = Logout::new(verifier(&clock()), store).refresh_tokens(verifier(&clock()));
        let service = logout.service();
        let response = service.clone().oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "call {failing} fails");
        let response = service.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "after call {failing} failed");
        for jti in ["access", "refresh"] {
            let guarded = logout.layer().layer(service_fn(hello));
            assert_eq!(status(guarded, get(jti)).await, StatusCode::UNAUTHORIZED, "{jti}, call {failing} failed");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn insecure_allow_on_store_failure_applies_to_checks_and_not_to_logouts() {
    for act in OUTAGES {
        let store = HandStore::new().checks(if act == Act::DoneButFail { Act::Hang } else { act }).revokes(act);
        let logout = logout(&store).insecure_allow_on_store_failure();
        let guarded = logout.layer().layer(service_fn(hello));
        assert_eq!(status(guarded.clone(), get("x")).await, StatusCode::OK, "{act:?}");
        assert_eq!(status(logout.service(), post("x")).await, StatusCode::SERVICE_UNAVAILABLE, "{act:?}");
        // It applies to nothing else.
        assert_eq!(status(guarded.clone(), Request::new(Empty::new())).await, StatusCode::UNAUTHORIZED);
        let _ = store.checks(Act::Now).revokes(Act::Now);
        let _ = logout.revoker().everything().await.unwrap();
        assert_eq!(status(guarded, get("x")).await, StatusCode::UNAUTHORIZED, "a store that answers is believed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_verifier_failure_is_503_even_then() {
    for outage in [Unable::Fails, Unable::Hangs] {
        let logout = Logout::new(outage, HandStore::new()).insecure_allow_on_store_failure();
        let guarded = logout.layer().layer(service_fn(hello));
        assert_eq!(status(guarded, get("x")).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(logout.service(), post("x")).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn a_check_that_panics_panics_and_lets_nothing_through() {
    let reached = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&reached);
    let inner = service_fn(move |request| {
        flag.store(true, Ordering::SeqCst);
        hello(request)
    });
    let store = HandStore::new().checks(Act::Panic);
    let guarded = logout(&store).insecure_allow_on_store_failure().layer().layer(inner);
    assert!(tokio::spawn(status(guarded.clone(), get("x"))).await.unwrap_err().is_panic());
    assert!(!reached.load(Ordering::SeqCst));
    // As with any service, the next request finds it intact.
    let _ = store.checks(Act::Now);
    assert_eq!(status(guarded, get("x")).await, StatusCode::OK);
}

#[tokio::test]
async fn a_store_at_capacity_rejects_logouts_and_still_checks() {
    let store = MemoryStore::new().capacity(1).clock(clock());
    let logout = Logout::new(verifier(&clock()), store);
    assert_eq!(status(logout.service(), post("first")).await, StatusCode::OK);
    assert_eq!(status(logout.service(), post("second")).await, StatusCode::SERVICE_UNAVAILABLE);
    let guarded = logout.layer().layer(service_fn(hello));
    assert_eq!(status(guarded.clone(), get("first")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(guarded, get("second")).await, StatusCode::OK);
}

#[tokio::test]
async fn an_outcome_of_already_from_the_store_is_trusted() {
    // Of two concurrent logouts on two nodes, the store decides which was first.
    let logout = Logout::new(verifier(&clock()), Elsewhere);
    let response = logout.service().oneshot(post("x")).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Rejection::Revoked));
    assert_eq!(status(logout.service().idempotent(), post("x")).await, StatusCode::OK);
}

fn get(jti: &str) -> Request<Empty<Bytes>> {
    Request::builder().header("authorization", bearer(&token(jti))).body(Empty::new()).unwrap()
}

fn post(jti: &str) -> Request<Empty<Bytes>> {
    let mut request = get(jti);
    *request.method_mut() = http::Method::POST;
    request
}

async fn hello<B>(_: Request<B>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

async fn status<S, B>(service: S, request: Request<Empty<Bytes>>) -> StatusCode
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap().status()
}

/// A verifier whose keys are unavailable.
enum Unable {
    Fails,
    Hangs,
}

#[async_trait]
impl TokenVerifier for Unable {
    type Claims = Claims;

    async fn verify(&self, _token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        match self {
            Self::Fails => Err(VerifyError::unavailable("the keys cannot be fetched")),
            Self::Hangs => std::future::pending().await,
        }
    }
}

/// A store in which another node's revocation came first.
struct Elsewhere;

#[async_trait]
impl RevocationStore for Elsewhere {
    async fn revoke(&self, _revocation: &Revocation) -> Result<Outcome, StoreError> {
        Ok(Outcome::Already)
    }

    async fn is_revoked(&self, _token: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// A store in which one call to revoke fails, counted from one.
struct Flaky {
    failing: AtomicUsize,
    memory: MemoryStore,
}

#[async_trait]
impl RevocationStore for Flaky {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        if self.failing.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(StoreError::new("revoke", "the connection was lost"));
        }
        self.memory.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.memory.is_revoked(token).await
    }
}
