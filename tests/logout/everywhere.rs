//! Promise: "log out everywhere" revokes all tokens of the subject and never affects a login after
//! its response.

use std::{sync::Arc, time::Duration};

use axum::Router;
use bytes::Bytes;
use http::{Request, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use serde_json::json;
use test_support::{
    NOW, at, bearer, claims_with, clock, eventually,
    hand::{Act, HandStore},
    hs256, token, verifier,
    wire::Server,
};
use tokio::{task::JoinHandle, time::Instant};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, LogoutScope, LogoutService, MemoryStore, RevocationStore,
    clock::{Clock, ManualClock, SystemClock, Timestamp},
    respond::{Rejection, RejectionContext},
    token::TokenVerifier,
};

fn logout(clock: &ManualClock) -> Logout {
    Logout::new(verifier(clock), MemoryStore::new().clock(clock.clone()))
}

async fn post(service: LogoutService, token: &str) -> StatusCode {
    let request = Request::post("/").header("authorization", bearer(token)).body(String::new()).unwrap();
    service.oneshot(request).await.unwrap().status()
}

async fn is_rejected(logout: &Logout, token: &str) -> bool {
    let token = logout.verifier().verify(token).await.unwrap();
    logout.store().is_revoked(token.identity()).await.unwrap()
}

fn issued(jti: &str, iat: u64) -> String {
    hs256(&claims_with(jti, json!({ "iat": iat })))
}

/// Starts a logout everywhere and waits until its response is being delayed.
async fn begin(logout: &Logout, clock: &ManualClock, token: &str) -> JoinHandle<StatusCode> {
    let (service, token) = (logout.service().scope(LogoutScope::Subject), token.to_owned());
    let answer = tokio::spawn(async move { post(service, &token).await });
    eventually("the answer is kept back", || clock.sleepers() == 1).await;
    assert!(!answer.is_finished());
    answer
}

#[tokio::test]
async fn all_tokens_of_the_subject_are_revoked_and_no_others() {
    let clock = clock();
    let logout = logout(&clock);
    let (one, two, other) = (token("one"), token("two"), hs256(&claims_with("other", json!({ "sub": "usr_9" }))));
    let answer = begin(&logout, &clock, &one).await;
    assert!(is_rejected(&logout, &one).await && is_rejected(&logout, &two).await, "before the answer, too");
    assert!(!is_rejected(&logout, &other).await);
    clock.advance(Duration::from_secs(1));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
    assert!(is_rejected(&logout, &one).await && is_rejected(&logout, &two).await);
    assert!(!is_rejected(&logout, &other).await);
}

#[tokio::test(start_paused = true)]
async fn the_response_is_sent_when_the_second_is_over() {
    for offset in [0, 1, 500, 999] {
        let clock = ManualClock::at(Timestamp::from_unix_millis(NOW * 1000 + offset));
        let logout = logout(&clock);
        let answer = begin(&logout, &clock, &token("one")).await;
        assert!(is_rejected(&logout, &issued("same second", NOW)).await, "a tie counts as revoked");
        clock.set(Timestamp::from_unix_millis(NOW * 1000 + 999));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!answer.is_finished(), "at {offset} ms the second is not over");
        clock.set(at(NOW + 1));
        assert_eq!(answer.await.unwrap(), StatusCode::OK);
        assert!(!is_rejected(&logout, &issued("login after the answer", NOW + 1)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_from_a_clock_that_runs_ahead_counts_with_its_own_time() {
    let clock = clock();
    let logout = logout(&clock);
    let ahead = issued("ahead", NOW + 5);
    let answer = begin(&logout, &clock, &ahead).await;
    assert!(is_rejected(&logout, &ahead).await);
    assert!(is_rejected(&logout, &issued("sibling", NOW + 5)).await);
    clock.set(at(NOW + 6));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
    assert!(!is_rejected(&logout, &issued("later", NOW + 6)).await);
}

#[tokio::test(start_paused = true)]
async fn the_margin_for_such_a_clock_can_be_widened() {
    let clock = clock();
    let logout = logout(&clock).issuer_clock_ahead(Duration::from_secs(3));
    let service = logout.service().scope(LogoutScope::Subject);
    let token = token("one");
    let answer = tokio::spawn(async move { post(service, &token).await });
    eventually("the answer is kept back", || clock.sleepers() == 1).await;
    assert!(is_rejected(&logout, &issued("sibling", NOW + 3)).await);
    clock.set(at(NOW + 4));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
    assert!(!is_rejected(&logout, &issued("later", NOW + 4)).await);
}

#[tokio::test]
async fn a_token_without_a_subject_is_rejected_with_the_reason() {
    type Choice = fn(Logout) -> LogoutService;
    let choices: [Choice; 3] = [
        |logout| logout.service(),
        |logout| logout.service().idempotent(),
        |logout| logout.refresh_tokens(verifier(&clock())).service(),
    ];
    for choose in choices {
        let clock = clock();
        let store = Arc::new(MemoryStore::new().clock(clock.clone()));
        let logout = Logout::new(verifier(&clock), Arc::clone(&store));
        for sub in [json!(null), json!("")] {
            let nobody = hs256(&claims_with("nobody", json!({ "sub": sub })));
            let answer = logging_out(choose(logout.clone()).scope(LogoutScope::Subject), &nobody).await.unwrap();
            let body = r#"{"description":"The access token has no subject (sub), so it cannot log out everywhere.","error":"invalid_request"}"#;
            assert_eq!(answer, (StatusCode::BAD_REQUEST, body.to_owned(), None));
            assert!(!is_rejected(&logout, &nobody).await && store.is_empty(), "nothing ends");
        }
    }
}

#[tokio::test]
async fn a_responder_receives_the_missing_subject() {
    let respond = |context: &RejectionContext| {
        assert_eq!(context.reason, Rejection::NoSubject);
        http::Response::builder().status(StatusCode::UNPROCESSABLE_ENTITY).body(Bytes::new()).unwrap()
    };
    let logout = logout(&clock()).respond(respond);
    let nobody = hs256(&claims_with("nobody", json!({ "sub": null })));
    let request = Request::post("/").header("authorization", bearer(&nobody)).body(String::new()).unwrap();
    let response = logout.service().scope(LogoutScope::Subject).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(response.extensions().get(), Some(&Rejection::NoSubject));
}

#[tokio::test]
async fn a_repeated_logout_is_rejected_even_if_repeating_is_a_success() {
    let clock = clock();
    let logout = logout(&clock);
    let one = token("one");
    let answer = begin(&logout, &clock, &one).await;
    assert_eq!(post(logout.service().scope(LogoutScope::Subject), &one).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(logout.service().scope(LogoutScope::Subject).idempotent(), &one).await, StatusCode::UNAUTHORIZED);
    clock.set(at(NOW + 1));
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn the_revokers_receipt_reports_when_it_has_settled() {
    let clock = ManualClock::at(Timestamp::from_unix_millis(NOW * 1000 + 250));
    let logout = logout(&clock);
    let receipt = logout.revoker().subject(test_support::ISSUER, "usr_123").await.unwrap();
    assert_eq!(receipt.revocation().issued_through(), clock.now());
    assert_eq!(receipt.settles_at(), Some(at(NOW + 1)));
}

/// What a client receives: the status, the body, and the seconds after which a login is safe.
type Told = (StatusCode, String, Option<String>);

const LOGGED_OUT: &str = r#"{"message":"Successfully logged out"}"#;

fn safe_in(seconds: &str) -> Told {
    (StatusCode::OK, LOGGED_OUT.to_owned(), Some(seconds.to_owned()))
}

fn safe_now() -> Told {
    (StatusCode::OK, LOGGED_OUT.to_owned(), None)
}

/// Starts a logout with this token, and with a body that contains the refresh token to revoke.
fn logging_out(service: LogoutService, token: &str) -> JoinHandle<Told> {
    let body = json!({ "refresh_token": token }).to_string();
    let request = Request::post("/").header("authorization", bearer(token)).body(body).unwrap();
    tokio::spawn(async move {
        let answer = tokio::time::timeout(Duration::from_secs(30), service.oneshot(request)).await;
        let response = answer.expect("an answer in time").unwrap();
        let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap(), retry_after)
    })
}

#[tokio::test(start_paused = true)]
async fn the_response_is_delayed_by_two_seconds_at_most_and_reports_when_a_login_is_safe() {
    type Choice = fn(Logout) -> LogoutService;
    let choices: [(&str, Choice, u64, Told); 6] = [
        ("25 s behind the issuer", |logout| logout.service(), 25, safe_in("24")),
        ("when repeating it is a success", |logout| logout.service().idempotent(), 25, safe_in("24")),
        ("with refresh tokens", |logout| logout.refresh_tokens(verifier(&clock())).service(), 25, safe_in("24")),
        (
            "the issuer may be ahead",
            |logout| logout.issuer_clock_ahead(Duration::from_secs(10)).service(),
            0,
            safe_in("9"),
        ),
        ("2 s behind the issuer", |logout| logout.service(), 2, safe_in("1")),
        ("1 s behind the issuer", |logout| logout.service(), 1, safe_now()),
    ];
    for (case, choose, ahead, expected) in choices {
        let clock = clock();
        let logout = logout(&clock);
        let token = issued("ahead", NOW + ahead);
        let answer = logging_out(choose(logout.clone()).scope(LogoutScope::Subject), &token);
        eventually("the answer is delayed", || clock.sleepers() == 1).await;
        assert!(is_rejected(&logout, &token).await, "{case}: before the answer, too");
        clock.advance(Duration::from_millis(1999));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!answer.is_finished(), "{case}");
        clock.advance(Duration::from_millis(1));
        assert_eq!(answer.await.unwrap(), expected, "{case}");
    }
}

/// The clock that determines when a login is safe may stand still or step back. The delay of the
/// response is measured in real time.
#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_back_delays_the_answer_no_further() {
    // `Retry-After` is in whole seconds. Rounding up keeps a login from being too early.
    for (back, expected) in [(0, "1"), (1, "2"), (1000, "2"), (3_600_000, "3601")] {
        let clock = clock();
        let started = Instant::now();
        let answer = logging_out(logout(&clock).service().scope(LogoutScope::Subject), &token("one"));
        eventually("the answer is delayed", || clock.sleepers() == 1).await;
        clock.set(Timestamp::from_unix_millis(NOW * 1000 - back));
        assert_eq!(answer.await.unwrap(), safe_in(expected));
        assert_eq!(started.elapsed().as_millis() / 100, 20, "2 s, and the timer's millisecond");
    }
}

#[tokio::test(start_paused = true)]
async fn the_delay_ends_with_the_timeout_of_the_endpoint() {
    let clock = clock();
    let store = HandStore::new().revokes(Act::Gated);
    let logout = Logout::new(verifier(&clock), store.clone());
    let started = Instant::now();
    let service = logout.service().scope(LogoutScope::Subject).timeout(Duration::from_millis(500));
    let answer = logging_out(service, &token("one"));
    eventually("the store is asked", || store.waiting() == 1).await;
    tokio::time::advance(Duration::from_millis(400)).await;
    store.open(2);
    assert_eq!(answer.await.unwrap(), safe_in("1"));
    assert_eq!(started.elapsed().as_millis() / 10, 50, "what the store took counts");
}

#[tokio::test(start_paused = true)]
async fn of_parallel_logouts_each_is_delayed_by_two_seconds_at_most() {
    let clock = clock();
    let store = HandStore::new().revokes(Act::Gated);
    let logout = Logout::new(verifier(&clock), store.clone());
    let token = issued("ahead", NOW + 25);
    let answers = [(); 3].map(|()| logging_out(logout.service().scope(LogoutScope::Subject).idempotent(), &token));
    eventually("all have passed the check", || store.waiting() == 3).await;
    store.open(6);
    eventually("all are delayed", || clock.sleepers() == 3).await;
    clock.advance(Duration::from_secs(2));
    for answer in answers {
        assert_eq!(answer.await.unwrap(), safe_in("24"));
    }
}

/// Other tokens of a session are revoked as well, but without a delay: a new login is a new
/// session.
#[tokio::test(start_paused = true)]
async fn ending_a_token_or_a_session_delays_nothing() {
    type Choice = fn(LogoutService) -> LogoutService;
    let choices: [Choice; 3] =
        [|service| service, |service| service.scope(LogoutScope::Session), LogoutService::idempotent];
    for choose in choices {
        let clock = clock();
        let started = Instant::now();
        let answer = logging_out(choose(logout(&clock).service()), &issued("ahead", NOW + 25));
        assert_eq!((answer.await.unwrap(), started.elapsed()), (safe_now(), Duration::ZERO));
    }
}

/// With real servers, clients and seconds.
#[tokio::test]
async fn over_http_1_and_2_the_answer_comes_in_time_and_has_the_header() {
    let verifier = || JwtVerifier::hs256(test_support::SECRET).build().unwrap();
    let logout = Logout::new(verifier(), MemoryStore::new());
    let app = Router::new().route_service("/logout", logout.service().scope(LogoutScope::Subject));
    let server = Server::axum(app).await;
    let issued = |sub: &str| {
        let seconds = SystemClock.now().as_unix_millis() / 1000 + 25;
        bearer(&hs256(&json!({ "sub": sub, "jti": sub, "iat": seconds, "exp": seconds + 900 })))
    };
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for (sub, client, content_type) in [
        ("http1", reqwest::Client::new(), "application/json"),
        ("http2", http2.clone(), "application/json"),
        ("grpc", http2, "application/grpc"),
    ] {
        let request = client.post(server.url("/logout")).header("content-type", content_type);
        let request = request.header("authorization", issued(sub)).timeout(Duration::from_secs(20));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{sub}");
        let seconds: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        // At most two of the 26 seconds are waited for.
        assert!((1..=25).contains(&seconds), "{sub}: {seconds}");
        assert_eq!(answer.text().await.unwrap(), LOGGED_OUT, "{sub}");
    }
}

#[tokio::test]
async fn a_real_second_is_waited_for() {
    let verifier = JwtVerifier::hs256(test_support::SECRET).build().unwrap();
    let logout = Logout::new(verifier, MemoryStore::new());
    let now = SystemClock.now();
    let seconds = now.as_unix_millis() / 1000;
    let token = hs256(&json!({ "sub": "usr_123", "jti": "one", "iat": seconds, "exp": seconds + 900 }));
    assert_eq!(post(logout.service().scope(LogoutScope::Subject), &token).await, StatusCode::OK);
    assert!(SystemClock.now() >= now.next_second());
}
