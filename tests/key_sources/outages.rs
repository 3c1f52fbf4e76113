//! Promise: during an outage the last keys are used for a limited time, and a set without usable
//! keys counts as an outage.

use std::time::Duration;

use serde_json::json;
use test_support::events::Events;
use tower_logout::{
    JwtVerifier,
    respond::Rejection,
    token::jwt::{Algorithm, ConfigError, Key, KeySourceError},
};

use crate::provider::{Answer, IDP, JWKS, Provider, SigningKey, check, check_now, guard, key_set, pass, seconds};

const HOUR: Duration = seconds(3600);

#[tokio::test(start_paused = true)]
async fn the_last_keys_are_used_for_a_day_and_then_no_longer() {
    let events = Events::of_this_thread();
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    let verifier = provider.builder().start().await.unwrap();
    let logout = guard(&verifier);
    let token = key.token(IDP, "1");
    provider.shut_down();
    for _ in 0..23 {
        pass(HOUR).await;
        assert_eq!(check_now(&logout, &token), Ok(()));
    }
    let health = verifier.health();
    assert!(health.is_ready() && health.issuers[0].error.is_some());
    assert_eq!(health.issuers[0].age.unwrap().as_secs() / 3600, 23);
    assert!(events.named("keys not fetched: the last ones are still used").iter().all(|event| event.level == "WARN"));
    pass(HOUR).await;
    pass(seconds(1)).await;
    assert_eq!(check(&logout, &token).await, Err(Rejection::Unavailable), "a cached token, too");
    assert!(!verifier.health().is_ready());
    assert_eq!(events.named("keys stale").len(), 1);
    assert!(!events.named("keys not fetched: there are none").is_empty() || provider.take_requests().len() > 1);
    provider.publish_keys([&key]);
    pass(seconds(66)).await;
    assert_eq!(check_now(&logout, &token), Ok(()));
    assert!(verifier.health().is_ready() && verifier.health().issuers[0].error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_set_without_usable_keys_never_replaces_a_good_one() {
    let key = SigningKey::new("one");
    let too_many: Vec<_> = (0..101).map(|number| SigningKey::new(&number.to_string())).collect();
    let junk =
        json!({ "keys": [{ "kty": "AKP", "kid": "1" }, { "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" }] });
    let provider = Provider::with_keys([&key]);
    let verifier = provider.builder().start().await.unwrap();
    let logout = guard(&verifier);
    for body in [
        String::new(),
        "<html>Service Unavailable</html>".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        r#"{"keys":[]}"#.to_owned(),
        r#"{"keys":{}}"#.to_owned(),
        r#"{"keys":null}"#.to_owned(),
        r#"{"keys":[null,7,"x",{}]}"#.to_owned(),
        junk.to_string(),
        key.jwk().to_string(),
        key_set(&too_many),
        format!("{}{}", key_set([&SigningKey::new("two")]), "x"),
    ] {
        provider.publish(JWKS, Answer::ok(body.clone()));
        pass(seconds(700)).await;
        assert!(!provider.take_requests().is_empty());
        assert_eq!(check_now(&logout, &key.token(IDP, "1")), Ok(()), "{body}");
        let error = verifier.health().issuers[0].error.clone().unwrap();
        assert!(matches!(*error, KeySourceError::KeySet { .. } | KeySourceError::Unusable { .. }), "{body}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_unusable_entry_does_not_fail_the_set() {
    let key = SigningKey::new("good");
    let set = json!({ "keys": [
        { "kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AAAA" }, { "kty": "oct", "k": "AAAA" }, 7,
        { "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB" }, key.jwk(), { "kid": 5 },
    ] });
    let provider = Provider::default();
    provider.publish(JWKS, Answer::ok(set.to_string()));
    let verifier = provider.builder().start().await.unwrap();
    assert_eq!(check_now(&guard(&verifier), &key.token(IDP, "1")), Ok(()));
    let health = verifier.health();
    assert_eq!((health.issuers[0].keys, health.issuers[0].skipped), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn a_response_is_used_only_if_it_is_complete_and_as_expected() {
    let (key, other) = (SigningKey::new("one"), SigningKey::new("two"));
    let provider = Provider::with_keys([&key]);
    let logout = guard(&provider.builder().start().await.unwrap());
    let replaced = key_set([&other]);
    for answer in [
        Answer::status(500, replaced.clone()),
        Answer::status(404, replaced.clone()),
        Answer::status(201, replaced.clone()),
        Answer::status(302, replaced.clone()).header("location", "https://other.example/jwks"),
        Answer::ok(replaced.clone()).header("content-encoding", "gzip"),
        Answer::ok(format!("{replaced}{}", " ".repeat(512 * 1024))),
        Answer::ok(replaced).after(seconds(6)),
    ] {
        provider.publish(JWKS, answer.clone());
        pass(seconds(700)).await;
        let requests = provider.take_requests();
        assert!(!requests.is_empty() && requests.iter().all(|address| address == JWKS), "{requests:?}");
        assert_eq!(check(&logout, &key.token(IDP, "1")).await, Ok(()), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_purged_are_not_used_until_they_are_fetched_again() {
    let (bad, good) = (SigningKey::new("bad"), SigningKey::new("good"));
    let provider = Provider::with_keys([&bad, &good]);
    let verifier = provider.builder().start().await.unwrap();
    let logout = guard(&verifier);
    assert_eq!(check_now(&logout, &bad.token(IDP, "1")), Ok(()));
    provider.take_requests();
    // The removal of every usable key is no reason to keep a compromised one, if an operator says so.
    provider.publish(JWKS, Answer::ok(r#"{"keys":[]}"#));
    verifier.purge_keys_of(IDP).unwrap();
    assert_eq!(check(&logout, &bad.token(IDP, "1")).await, Err(Rejection::Unavailable), "the cooldown does not count");
    assert_eq!(provider.take_requests(), [JWKS]);
    assert!(!verifier.health().is_ready());
    provider.publish_keys([&good]);
    pass(seconds(5)).await;
    assert_eq!(check_now(&logout, &good.token(IDP, "2")), Ok(()));
    assert_eq!(check_now(&logout, &bad.token(IDP, "1")), Err(Rejection::Invalid));
    assert!(matches!(verifier.purge_keys_of("https://other.example"), Err(ConfigError::UnknownIssuer { .. })));
}

#[tokio::test(start_paused = true)]
async fn fetched_keys_are_not_replaced_by_hand_and_given_ones_not_purged() {
    let provider = Provider::with_keys([&SigningKey::new("one")]);
    let verifier = provider.builder().start().await.unwrap();
    let secret = || Key::secret(Algorithm::HS256, [7; 32]).unwrap();
    assert!(matches!(verifier.replace_keys(secret()), Err(ConfigError::KeysAreFetched)));
    assert!(matches!(verifier.replace_keys_of(IDP, secret()), Err(ConfigError::KeysAreFetched)));
    let given = JwtVerifier::with_keys(secret()).issuer(IDP).build().unwrap();
    assert!(matches!(given.purge_keys_of(IDP), Err(ConfigError::KeysAreNotFetched)));
}

#[test]
fn a_verifier_whose_runtime_has_ended_answers_503() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = SigningKey::new("one");
    let provider = Provider::with_keys([&key]);
    let starting = runtime();
    let verifier = starting.block_on(provider.builder().start()).unwrap();
    let logout = guard(&verifier);
    let token = key.token(IDP, "1");
    assert_eq!(check_now(&logout, &token), Ok(()));
    drop(starting);
    // Nobody would notice that the key is removed.
    let error = verifier.health().issuers[0].error.clone().unwrap();
    assert!(matches!(*error, KeySourceError::Ended), "{error:?}");
    assert_eq!(runtime().block_on(check(&logout, &token)), Err(Rejection::Unavailable));
}
