//! Promise: a verifier starts with its keys or says why not, or starts without them by choice.

use std::time::Duration;

use test_support::clock;
use tower_logout::{
    JwtVerifier,
    respond::Rejection,
    token::jwt::{ConfigError, Issuer, KeyFetching, KeySourceError},
};

use crate::provider::{
    Answer, IDP, JWKS, METADATA, Provider, SigningKey, check, check_now, guard, key_set, metadata, pass, seconds,
};

#[tokio::test(start_paused = true)]
async fn a_verifier_starts_with_the_keys_of_all_its_issuers_or_names_the_one_that_failed() {
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    let start = || {
        let second = Issuer::jwks("https://second.example", "https://second.example/jwks");
        JwtVerifier::issuers([Issuer::jwks(IDP, JWKS), second]).fetch_with(provider.client()).clock(clock()).start()
    };
    let error = start().await.unwrap_err();
    assert!(matches!(&error, ConfigError::KeysNotFetched { issuer, .. } if issuer == "https://second.example"));
    let text = format!("{error:?}");
    for part in ["start_lazily", "https://second.example/jwks", "connection refused", "reachable"] {
        assert!(text.contains(part), "{text}");
    }
    provider.publish("https://second.example/jwks", Answer::ok(key_set([&key])));
    let logout = guard(&start().await.unwrap());
    for issuer in [IDP, "https://second.example"] {
        assert_eq!(check_now(&logout, &key.token(issuer, "1")), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn each_reason_why_keys_cannot_be_fetched_has_its_remedy() {
    let set = key_set([&SigningKey::new("one")]);
    for (answer, expected) in [
        (Answer::status(404, ""), "including its path and the trailing slash"),
        (Answer::status(301, "").header("location", JWKS), "redirects are not followed"),
        (Answer::status(401, ""), "check the credentials"),
        (Answer::status(503, ""), "the server has a problem"),
        (Answer::never(), "did not arrive within 5s"),
        (Answer::ok(""), "the text is empty"),
        (Answer::ok("<html>"), "is the text complete, and of this format"),
        (Answer::ok(r#"{"keys":[]}"#), "is this the set of the right issuer"),
        (Answer::ok(set.clone() + &" ".repeat(600_000)), "longer than 524288 bytes"),
        (Answer::ok(set).header("content-encoding", "br"), "use a client that decompresses"),
    ] {
        let provider = Provider::default();
        provider.publish(JWKS, answer.clone());
        let error = format!("{:?}", provider.builder().start().await.unwrap_err());
        assert!(error.contains(expected) && error.contains(JWKS), "{answer:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_may_come_up_before_its_provider() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    let verifier = provider.builder().start_lazily().unwrap();
    let logout = guard(&verifier);
    let token = key.token(IDP, "1");
    assert!(!verifier.health().is_ready());
    for _ in 0..10 {
        assert_eq!(check(&logout, &token).await, Err(Rejection::Unavailable));
        pass(seconds(1)).await;
    }
    assert!(provider.take_requests().len() >= 4, "the first attempts follow each other quickly");
    provider.publish_keys([&key]);
    pass(seconds(9)).await;
    assert_eq!(check_now(&logout, &token), Ok(()));
    let health = verifier.health();
    assert!(health.is_ready() && health.issuers[0].error.is_none() && health.issuers[0].keys == 1);
    assert!(health.issuers[0].age.unwrap() < seconds(9));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_running_issuer_is_answered_while_another_has_no_keys() {
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    let verifier = JwtVerifier::issuers([
        Issuer::jwks(IDP, JWKS),
        Issuer::jwks("https://dead.example", "https://dead.example/jwks"),
    ])
    .fetch_with(provider.client())
    .clock(clock())
    .start_lazily()
    .unwrap();
    let logout = guard(&verifier);
    assert_eq!(check(&logout, &key.token(IDP, "1")).await, Ok(()));
    assert_eq!(check(&logout, &key.token("https://dead.example", "1")).await, Err(Rejection::Unavailable));
    let ready: Vec<_> = verifier.health().issuers.iter().map(|issuer| issuer.is_ready).collect();
    assert_eq!(ready, [true, false]);
    assert!(!verifier.health().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_dropped_fetches_nothing_more() {
    let provider = Provider::default();
    provider.publish(JWKS, Answer::never());
    let start = tokio::time::timeout(seconds(1), provider.builder().start()).await;
    assert!(start.is_err());
    provider.take_requests();
    pass(seconds(600)).await;
    assert_eq!(provider.take_requests(), [""; 0]);
}

#[test]
fn settings_that_cannot_work_are_errors_with_their_remedy() {
    let provider = Provider::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(
        matches!(provider.builder().build(), Err(ConfigError::OfIssuer { reason, .. }) if matches!(*reason, ConfigError::NotStarted))
    );
    assert!(matches!(provider.builder().start_lazily(), Err(ConfigError::NoRuntime)));
    let _guard = runtime.enter();
    for (fetching, expected) in [
        (KeyFetching::new().cooldown(Duration::ZERO), "cooldown is zero"),
        (KeyFetching::new().timeout(Duration::ZERO), "timeout is zero"),
        (KeyFetching::new().max_stale(Duration::ZERO), "max_stale is zero"),
        (KeyFetching::new().refresh_between(Duration::ZERO, seconds(1)), "refresh_between is zero"),
        (KeyFetching::new().refresh_between(seconds(2), seconds(1)), "must not be longer"),
    ] {
        let error = provider.builder().key_fetching(fetching).start_lazily().unwrap_err();
        assert!(format!("{error:?}").contains(expected), "{error:?}");
    }
    // The longest durations are no error, and overflow nothing.
    let longest = KeyFetching::new()
        .cooldown(Duration::MAX)
        .timeout(Duration::MAX)
        .max_stale(Duration::MAX)
        .refresh_between(Duration::MAX, Duration::MAX);
    let key = SigningKey::new("one");
    provider.publish_keys([&key]);
    let verifier = runtime.block_on(provider.builder().key_fetching(longest).start()).unwrap();
    assert_eq!(check_now(&guard(&verifier), &key.token(IDP, "1")), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_short_form_verifies_tokens_of_a_discovered_provider() {
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    provider.publish(METADATA, Answer::ok(metadata(IDP, JWKS)));
    let verifier = JwtVerifier::discover(IDP).fetch_with(provider.client()).clock(clock()).start().await.unwrap();
    assert_eq!(check_now(&guard(&verifier), &key.token(IDP, "1")), Ok(()));
    let other = key.token("https://other.example", "1");
    assert_eq!(check_now(&guard(&verifier), &other), Err(Rejection::Invalid), "signed by the same key");
    let error = JwtVerifier::discover("https://idp.example/").fetch_with(provider.client()).start().await.unwrap_err();
    let ConfigError::KeysNotFetched { source, .. } = error else { panic!("{error}") };
    assert!(matches!(*source, KeySourceError::OtherIssuer { .. }), "{source}");
}
