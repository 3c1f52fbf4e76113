//! Promise: a known key neither waits nor causes a request, and a new key is found by the first
//! token that names it.

use std::time::Duration;

use futures_util::future::join_all;
use test_support::memory;
use tower_logout::{
    Logout,
    respond::Rejection,
    token::{TokenVerifier, VerifyError, jwt::InvalidToken},
};

use crate::provider::{
    Answer, IDP, JWKS, Provider, SigningKey, check, check_now, guard, key_set, pass, seconds, settle,
};

#[tokio::test(start_paused = true)]
async fn a_known_key_neither_waits_nor_causes_a_request() {
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    let verifier = provider.builder().start().await.unwrap();
    assert_eq!(provider.take_requests(), [JWKS]);
    for number in 0..1000 {
        let token = key.token(IDP, &number.to_string());
        assert!(matches!(verifier.verify_now(&token), Some(Ok(_))));
    }
    let forged = format!("{}A", &key.token(IDP, "forged")[..200]);
    assert!(matches!(verifier.verify_now(&forged), Some(Err(VerifyError::Invalid(_)))));
    pass(seconds(40)).await;
    // After the cooldown, too: a bad signature under a known `kid` never causes a request.
    let other = SigningKey::new("one");
    let error = verifier.verify_now(&other.token(IDP, "forged")).unwrap().unwrap_err();
    assert!(
        matches!(error, VerifyError::Invalid(reason) if *reason.downcast_ref::<InvalidToken>().unwrap() == InvalidToken::Signature)
    );
    settle().await;
    assert_eq!(provider.take_requests(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_once_for_all_requests_that_need_it() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old]);
    let logout = guard(&provider.builder().start().await.unwrap());
    provider.publish(JWKS, Answer::ok(key_set([&new, &old])).after(Duration::from_millis(100)));
    pass(seconds(31)).await;
    provider.take_requests();
    let tokens: Vec<_> = (0..1000).map(|number| new.token(IDP, &number.to_string())).collect();
    let results = join_all(tokens.iter().map(|token| check(&logout, token))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(provider.take_requests(), [JWKS]);
    assert_eq!(check_now(&logout, &old.token(IDP, "old")), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_cooldown_is_counted_from_the_attempt_and_answers_at_once() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old]);
    let logout = guard(&provider.builder().start().await.unwrap());
    provider.publish_keys([&new, &old]);
    provider.take_requests();
    pass(seconds(29)).await;
    assert_eq!(check_now(&logout, &new.token(IDP, "1")), Err(Rejection::Invalid));
    assert_eq!(provider.take_requests(), [""; 0]);
    pass(seconds(1)).await;
    assert_eq!(check(&logout, &new.token(IDP, "1")).await, Ok(()));
    assert_eq!(provider.take_requests(), [JWKS]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_on_when_no_request_waits_for_it() {
    // Longer than the check's timeout of 250 ms: every single request gives up.
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old]);
    let logout = guard(&provider.builder().start().await.unwrap());
    provider.publish(JWKS, Answer::ok(key_set([&new])).after(Duration::from_millis(400)));
    pass(seconds(31)).await;
    provider.take_requests();
    assert_eq!(check(&logout, &new.token(IDP, "1")).await, Err(Rejection::Unavailable));
    assert_eq!(check_now(&logout, &old.token(IDP, "1")), Ok(()), "known keys go on");
    assert_eq!(check(&logout, &new.token(IDP, "1")).await, Ok(()), "the second request joins the attempt");
    assert_eq!(provider.take_requests(), [JWKS]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_at_the_start_is_recovered_from() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    provider.publish(JWKS, Answer::ok(key_set([&key])).after(Duration::from_millis(400)));
    let logout = guard(&provider.builder().start_lazily().unwrap());
    let token = key.token(IDP, "1");
    assert_eq!(check(&logout, &token).await, Err(Rejection::Unavailable));
    assert_eq!(check(&logout, &token).await, Ok(()));
    assert_eq!(provider.take_requests(), [JWKS]);
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_longer_than_two_seconds_for_keys() {
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    let verifier = provider.builder().start().await.unwrap();
    let logout = Logout::new(verifier, memory()).check_timeout(seconds(3600));
    provider.publish(JWKS, Answer::never());
    pass(seconds(31)).await;
    let began = tokio::time::Instant::now();
    let unknown = SigningKey::new("unknown").token(IDP, "1");
    assert_eq!(
        check(&logout, &unknown).await,
        Err(Rejection::Invalid),
        "the key was judged with the set that is there"
    );
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_request_is_told_to_come_back() {
    let provider = Provider::default();
    provider.publish(JWKS, Answer::never());
    let verifier = provider.builder().start_lazily().unwrap();
    let logout = Logout::new(verifier, memory()).check_timeout(seconds(3600));
    let token = SigningKey::new("one").token(IDP, "1");
    assert_eq!(check(&logout, &token).await, Err(Rejection::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_rotates_keys_without_kids_is_followed() {
    let (old, new) = (SigningKey::without_kid(), SigningKey::without_kid());
    let provider = Provider::with_keys([&old]);
    let logout = guard(&provider.builder().start().await.unwrap());
    assert_eq!(check_now(&logout, &old.token(IDP, "1")), Ok(()));
    provider.publish_keys([&new]);
    pass(seconds(31)).await;
    assert_eq!(check(&logout, &new.token(IDP, "2")).await, Ok(()));
    assert_eq!(check_now(&logout, &old.token(IDP, "1")), Err(Rejection::Invalid));
}
