//! Promise: concurrent requests with one token make one request to the server, which goes on when
//! they no longer wait; the number of requests is bounded, and known tokens never wait.

use std::time::Duration;

use futures_util::{FutureExt, future::join_all};
use test_support::{clock, eventually};
use tower_logout::{Logout, respond::Rejection, token::TokenVerifier};

use super::support::{Said, Server, active, check, inactive, knows, ok, says};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_thousand_callers_with_one_token_make_one_request() {
    let server = Server::always(&active());
    server.close();
    let logout = server.logout(&clock()).check_timeout(MINUTE);
    let callers = join_all((0..1000).map(|_| check(&logout, "opaque")));
    let opens = async {
        eventually("the server is asked", || server.asked() == 1).await;
        server.open(1000);
    };
    let (answers, ()) = tokio::join!(callers, opens);
    assert_eq!(answers, vec![Ok(()); 1000]);
    assert_eq!(server.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_on_several_threads_make_one_request_for_each_token() {
    let server = Server::always(&active());
    let logout = server.logout(&clock()).check_timeout(MINUTE);
    for round in 0..100 {
        let token = format!("opaque-{round}");
        let callers = (0..16).map(|_| {
            let (logout, token) = (logout.clone(), token.clone());
            tokio::spawn(async move { check(&logout, &token).await })
        });
        for answer in join_all(callers).await {
            assert_eq!(answer.unwrap(), Ok(()));
        }
        assert_eq!(server.asked(), round + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_400_ms_is_recovered_from_with_a_timeout_of_250_ms() {
    let server = Server::always(&active());
    let slow = {
        let server = server.clone();
        move |request| {
            let server = server.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(400)).await;
                server.answer(request).await
            }
        }
    };
    let verifier = server.builder(&clock()).fetch_with(slow).build().unwrap();
    let logout = Logout::new(verifier.clone(), test_support::memory()).check_timeout(Duration::from_millis(250));
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Unavailable), "nobody waits longer than they may");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(knows(&verifier, "opaque"), Some(Said::Accepted));
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_request_goes_on_when_all_callers_have_gone() {
    let server = Server::always(&inactive());
    server.close();
    let verifier = server.verifier(&clock());
    let mut caller = Box::pin(says(&verifier, "opaque"));
    assert!((&mut caller).now_or_never().is_none());
    eventually("the server is asked", || server.asked() == 1).await;
    drop(caller);
    server.open(1);
    eventually("the answer is there", || knows(&verifier, "opaque").is_some()).await;
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_tokens_is_bounded_and_known_ones_are_answered_meanwhile() {
    let server = Server::new(|token| ok(&if token == "good" { active() } else { inactive() }));
    let verifier = server.builder(&clock()).max_concurrent(4).timeout(MINUTE).build().unwrap();
    let logout = Logout::new(verifier.clone(), test_support::memory()).check_timeout(MINUTE);
    assert_eq!(check(&logout, "good").await, Ok(()));
    server.close();
    let flood: Vec<_> = (0..10_000)
        .map(|n| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(&format!("garbage-{n}")).await.is_err() })
        })
        .collect();
    eventually("as many as may are asked about", || server.asked() == 5).await;
    for _ in 0..100 {
        assert_eq!(check(&logout, "good").now_or_never(), Some(Ok(())), "without waiting");
        tokio::task::yield_now().await;
    }
    assert_eq!((server.running(), server.asked()), ((4, 4), 5));
    // Those that had no room were told so at once, the others wait for their turn.
    eventually("all others are rejected", || flood.iter().filter(|task| task.is_finished()).count() == 10_000 - 64)
        .await;
    server.open(10_000);
    for task in flood {
        assert!(task.await.unwrap());
    }
    assert_eq!((server.running(), server.asked()), ((0, 4), 65));
    assert_eq!(check(&logout, "new").await, Err(Rejection::Invalid), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_too_long_for_its_turn_is_an_outage() {
    let server = Server::always(&active());
    server.close();
    let verifier = server.builder(&clock()).max_concurrent(1).timeout(Duration::from_secs(2)).build().unwrap();
    let first = says(&verifier, "first");
    let second = says(&verifier, "second");
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first, Said::Unavailable("fetch"));
    // Its turn comes at the moment at which it gives up.
    assert!(matches!(second, Said::Unavailable("busy" | "fetch")), "{second:?}");
    server.open(2);
    assert_eq!(says(&verifier, "first").await, Said::Accepted, "its turn was returned");
}

#[test]
fn outside_a_runtime_and_after_its_end_there_is_an_error_and_no_panic() {
    let server = Server::always(&active());
    let verifier = server.verifier(&clock());
    let outside = verifier.verify("opaque").now_or_never().unwrap().unwrap_err();
    assert!(format!("{outside:?}").contains("Tokio runtime"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { assert_eq!(says(&verifier, "opaque").await, Said::Accepted) });
    drop(runtime);
    assert_eq!(knows(&verifier, "opaque"), Some(Said::Accepted));
    assert!(verifier.verify("other").now_or_never().unwrap().is_err());
}
