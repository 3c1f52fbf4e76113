//! Promise: an answer counts for as long as configured, from when the server was asked, and never
//! beyond the token's expiry; rejections are kept briefly and apart.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use test_support::{NOW, at, clock, eventually};
use tower_logout::{
    Logout,
    clock::Clock,
    respond::Rejection,
    token::{Caching, TokenVerifier, jwt::InvalidToken},
};

use super::support::{Said, Server, active, active_with, check, inactive, knows, says};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
/// A millisecond less.
fn just_before(duration: Duration) -> Duration {
    duration.saturating_sub(MS)
}

const INACTIVE: Said = Said::Invalid(InvalidToken::Inactive);

#[tokio::test]
async fn an_active_token_is_asked_about_again_after_the_caching_time() {
    for (cache_for, exp, expected) in [
        (None, 900, 15 * SECOND),
        (Some(60), 900, 60 * SECOND),
        (Some(60), 10, 10 * SECOND),
        (Some(0), 900, Duration::ZERO),
    ] {
        let (clock, server) = (clock(), Server::always(&active_with(json!({ "exp": NOW + exp }))));
        let builder = server.builder(&clock);
        let builder = match cache_for {
            Some(seconds) => builder.cache_for(Duration::from_secs(seconds)),
            None => builder,
        };
        let verifier = builder.build().unwrap();
        assert_eq!(says(&verifier, "opaque").await, Said::Accepted);
        if expected.is_zero() {
            assert_eq!(knows(&verifier, "opaque"), None);
            continue;
        }
        clock.advance(just_before(expected));
        assert_eq!(knows(&verifier, "opaque"), Some(Said::Accepted));
        assert_eq!((says(&verifier, "opaque").await, server.asked()), (Said::Accepted, 1));
        clock.advance(MS);
        assert_eq!(knows(&verifier, "opaque"), None);
        server.always_says(&inactive());
        assert_eq!((says(&verifier, "opaque").await, server.asked()), (INACTIVE, 2));
    }
}

#[tokio::test]
async fn the_guard_caches_no_token_for_longer() {
    let (clock, server) = (clock(), Server::always(&active()));
    let logout = server.logout(&clock);
    // The guard finds it when 10 of 15 seconds are over.
    let verifier = logout.verifier();
    assert_eq!(says(verifier, "opaque").await, Said::Accepted);
    assert_eq!(verifier.caching(), Caching::UntilExpiry);
    clock.advance(10 * SECOND);
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    server.always_says(&inactive());
    clock.advance(just_before(5 * SECOND));
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    clock.advance(MS);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Invalid));
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn the_caching_time_counts_from_when_the_server_was_asked() {
    let (clock, server) = (clock(), Server::always(&active()));
    let late = clock.clone();
    // The answer was true when the request arrived, and takes four seconds.
    server.says(move |_| {
        late.advance(4 * SECOND);
        super::support::ok(&active())
    });
    let logout = server.logout(&clock);
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    server.always_says(&inactive());
    clock.advance(just_before(11 * SECOND));
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    clock.advance(MS);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Invalid));
}

#[tokio::test]
async fn an_answer_that_arrives_too_late_is_used_once_and_not_kept() {
    let (clock, server) = (clock(), Server::always(&active()));
    let late = clock.clone();
    server.says(move |_| {
        late.advance(16 * SECOND);
        super::support::ok(&active())
    });
    let logout = server.logout(&clock);
    for asked in 1..=2 {
        assert_eq!(check(&logout, "opaque").await, Ok(()));
        assert_eq!(server.asked(), asked);
    }
}

#[tokio::test]
async fn who_joins_a_lookup_gets_no_answer_that_is_too_old_for_them() {
    for cache_for in [Duration::ZERO, 15 * SECOND] {
        let (clock, server) = (clock(), Server::always(&active()));
        let verifier = server.builder(&clock).cache_for(cache_for).build().unwrap();
        server.close();
        let mut first = Box::pin(says(&verifier, "opaque"));
        assert!((&mut first).now_or_never().is_none());
        eventually("the server is asked", || server.asked() == 1).await;
        clock.advance(cache_for + MS);
        let mut joins = Box::pin(says(&verifier, "opaque"));
        assert!((&mut joins).now_or_never().is_none());
        server.open(1);
        assert_eq!(first.await, Said::Accepted);
        server.always_says(&inactive());
        assert_eq!((joins.await, server.asked()), (INACTIVE, 2));
    }
}

#[tokio::test]
async fn a_rejection_is_asked_about_again_after_its_own_time() {
    let other = active_with(json!({ "aud": "web" }));
    let expired = active_with(json!({ "iat": NOW - 9, "exp": NOW }));
    for (answer, expected) in
        [(inactive(), INACTIVE), (other, Said::Invalid(InvalidToken::Audience)), (expired, Said::Expired)]
    {
        for (configured, kept) in
            [(None, 5 * SECOND), (Some(20 * SECOND), 20 * SECOND), (Some(Duration::ZERO), Duration::ZERO)]
        {
            let (clock, server) = (clock(), Server::always(&answer));
            let builder = server.builder(&clock);
            let builder = match configured {
                Some(duration) => builder.cache_rejections_for(duration),
                None => builder,
            };
            let verifier = builder.build().unwrap();
            assert_eq!(says(&verifier, "opaque").await, expected);
            server.always_says(&active());
            if !kept.is_zero() {
                clock.advance(just_before(kept));
                assert_eq!(says(&verifier, "opaque").await, expected);
                assert_eq!(server.asked(), 1);
                clock.advance(MS);
            }
            // Such as a token whose `nbf` was ahead of the server's clock.
            assert_eq!(says(&verifier, "opaque").await, Said::Accepted);
        }
    }
}

#[tokio::test]
async fn garbage_displaces_no_accepted_token() {
    let (clock, server) = (
        clock(),
        Server::new(|token| super::support::ok(&if token.starts_with("good") { active() } else { inactive() })),
    );
    let verifier = server.builder(&clock).cache_size(100).build().unwrap();
    for n in 0..50 {
        assert_eq!(says(&verifier, &format!("good-{n}")).await, Said::Accepted);
    }
    for n in 0..40_000 {
        assert_eq!(says(&verifier, &format!("garbage-{n}")).await, INACTIVE);
    }
    for n in 0..50 {
        assert_eq!(knows(&verifier, &format!("good-{n}")), Some(Said::Accepted), "{n}");
    }
    let kept = (0..40_000).filter(|n| knows(&verifier, &format!("garbage-{n}")).is_some()).count();
    assert!((1..=16 * 1024 + 1024).contains(&kept), "{kept}");
}

#[tokio::test]
async fn the_number_of_accepted_tokens_is_limited() {
    let (clock, server) = (clock(), Server::always(&active()));
    for (size, most) in [(0, 0), (1, 1), (100, 128)] {
        let verifier = server.builder(&clock).cache_size(size).build().unwrap();
        for n in 0..1000 {
            assert_eq!(says(&verifier, &format!("good-{n}")).await, Said::Accepted);
        }
        let kept = (0..1000).filter(|n| knows(&verifier, &format!("good-{n}")).is_some()).count();
        assert!(kept <= most && (kept > 0) == (size > 0), "{size}: {kept}");
    }
}

#[tokio::test]
async fn after_a_clock_step_back_the_server_is_asked_again() {
    let (clock, server) = (clock(), Server::always(&active()));
    let verifier = server.verifier(&clock);
    assert_eq!(says(&verifier, "opaque").await, Said::Accepted);
    clock.set(at(NOW - 1));
    assert_eq!(knows(&verifier, "opaque"), None);
    assert_eq!((says(&verifier, "opaque").await, server.asked()), (Said::Accepted, 2));
}

#[tokio::test]
async fn a_clock_that_goes_back_while_the_server_is_asked_does_not_make_requests_without_end() {
    let (clock, server) = (clock(), Server::always(&active()));
    let back = clock.clone();
    server.says(move |_| {
        back.set(at(back.now().as_unix_millis() / 1000 - 100));
        super::support::ok(&active())
    });
    let verifier = server.builder(&clock).cache_for(SECOND).build().unwrap();
    server.close();
    let mut joins = [(); 2].map(|()| Box::pin(verifier.verify("opaque")));
    assert!(joins.iter_mut().all(|caller| caller.now_or_never().is_none()));
    clock.set(at(NOW + 50));
    server.open(1);
    for caller in joins {
        let _ = caller.await;
    }
    assert!(server.asked() <= 8, "{}", server.asked());
}

#[tokio::test]
async fn clones_share_what_is_cached_and_others_do_not() {
    let (clock, server) = (clock(), Server::always(&active()));
    let verifier = server.verifier(&clock);
    assert_eq!(says(&verifier.clone(), "opaque").await, Said::Accepted);
    assert_eq!(knows(&verifier, "opaque"), Some(Said::Accepted));
    assert_eq!(knows(&verifier, "opaque2"), None);
    assert_eq!(knows(&server.verifier(&clock), "opaque"), None);
    let logouts = [(); 2].map(|()| Logout::new(verifier.clone(), test_support::memory()));
    for logout in &logouts {
        assert_eq!(check(logout, "opaque").await, Ok(()));
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn an_outage_is_not_cached_and_leaves_the_cached_answer_until_its_time() {
    let (clock, server) = (clock(), Server::always(&active()));
    let logout = server.logout(&clock);
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    server.has_no_answer();
    clock.advance(just_before(15 * SECOND));
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    assert_eq!(check(&logout, "unknown").await, Err(Rejection::Unavailable));
    clock.advance(MS);
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Unavailable), "neither accepted nor 401");
    server.always_says(&active());
    assert_eq!(check(&logout, "opaque").await, Ok(()));
    assert_eq!(check(&logout, "unknown").await, Ok(()));
}
