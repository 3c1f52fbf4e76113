//! Promise: however many tokens name unknown keys, the provider is asked at most twice a minute, and
//! tokens with known keys are answered meanwhile.

use tokio::time::Instant;
use tower_logout::{Logout, respond::Rejection};

use crate::provider::{Answer, IDP, JWKS, Provider, SigningKey, check, check_now, guard, pass, seconds};

/// Sends 10,000 tokens with random `kid`s within a minute, and one with a known key between each of
/// them. Fails if the provider is asked more often than twice a minute. Returns how often it is.
async fn flood(provider: &Provider, logout: &Logout, known: &SigningKey) -> usize {
    let good = known.token(IDP, "good");
    provider.take_requests();
    let began = Instant::now();
    for round in 0..100 {
        for number in 0..100 {
            let kid = format!("{round}-{number}-{}", fastrand::u64(..));
            let forged = known.token_with(IDP, "forged", &serde_json::json!({ "kid": kid }));
            assert_eq!(check_now(logout, &good), Ok(()));
            let result = check(logout, &forged).await;
            assert!(matches!(result, Err(Rejection::Invalid | Rejection::Unavailable)), "{result:?}");
        }
        tokio::time::advance(seconds(60) / 100).await;
    }
    // Checks that wait for the provider take time, too.
    let requests = provider.take_requests().len();
    let half_minutes = began.elapsed().as_secs_f64() / 30.0;
    assert!(requests as f64 <= half_minutes.ceil(), "{requests} requests in {half_minutes} half minutes");
    requests
}

async fn started(known: &SigningKey) -> (Provider, Logout) {
    let provider = Provider::with_keys([known]);
    let logout = guard(&provider.builder().start().await.unwrap());
    (provider, logout)
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_kids_asks_the_provider_twice_a_minute_at_most() {
    let known = SigningKey::new("known");
    let (provider, logout) = started(&known).await;
    assert!((1..=2).contains(&flood(&provider, &logout, &known).await));
    pass(seconds(30)).await;
    assert!((1..=2).contains(&flood(&provider, &logout, &known).await));
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_ask_more_often_if_the_key_set_is_empty() {
    let known = SigningKey::new("known");
    let (provider, logout) = started(&known).await;
    provider.publish(JWKS, Answer::ok(r#"{"keys":[]}"#));
    pass(seconds(30)).await;
    assert!((1..=2).contains(&flood(&provider, &logout, &known).await));
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_ask_more_often_if_the_provider_is_dead() {
    let known = SigningKey::new("known");
    let (provider, logout) = started(&known).await;
    for answer in [None, Some(Answer::status(500, "")), Some(Answer::never())] {
        provider.shut_down();
        if let Some(answer) = answer {
            provider.publish(JWKS, answer);
        }
        pass(seconds(30)).await;
        flood(&provider, &logout, &known).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_ask_more_often_before_the_first_keys() {
    let provider = Provider::default();
    let verifier = provider.builder().start_lazily().unwrap();
    let quiet = {
        pass(seconds(60)).await;
        provider.take_requests().len()
    };
    drop(verifier);
    let logout = guard(&provider.builder().start_lazily().unwrap());
    let token = SigningKey::new("any").token(IDP, "1");
    for _ in 0..10_000 {
        assert_eq!(check(&logout, &token).await, Err(Rejection::Unavailable));
        tokio::time::advance(seconds(60) / 10_000).await;
    }
    let flooded = provider.take_requests().len();
    assert!(flooded <= quiet + 1, "{flooded} requests instead of {quiet}");
}
