//! Promise: keys are fetched again by themselves, and a key that was removed ends cached tokens.

use test_support::events::Events;
use tower_logout::{respond::Rejection, token::TokenVerifier, token::jwt::KeyFetching};

use crate::provider::{Answer, IDP, JWKS, Provider, SigningKey, check, check_now, guard, key_set, pass, seconds};

/// The number of requests within this time.
async fn requests_within(provider: &Provider, secs: u64) -> usize {
    provider.take_requests();
    for _ in 0..secs {
        pass(seconds(1)).await;
    }
    provider.take_requests().len()
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_after_their_max_age_within_bounds() {
    let key = SigningKey::new("one");
    for (cache_control, at_least, at_most) in
        [("max-age=300", 540, 660), ("max-age=0", 120, 121), ("no-store", 120, 121), ("public", 1080, 1320)]
    {
        let provider = Provider::default();
        provider.publish(JWKS, Answer::ok(key_set([&key])).header("cache-control", cache_control));
        let _verifier = provider.builder().start().await.unwrap();
        assert_eq!(requests_within(&provider, at_least / 2 - 1).await, 0, "{cache_control}");
        assert_eq!(requests_within(&provider, at_most / 2 - at_least / 2 + 2).await, 1, "{cache_control}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_within_an_hour_whatever_their_max_age() {
    let provider = Provider::default();
    let key = SigningKey::new("one");
    provider.publish(JWKS, Answer::ok(key_set([&key])).header("cache-control", "max-age=99999999999999999999"));
    let _verifier = provider.builder().start().await.unwrap();
    assert_eq!(requests_within(&provider, 3601).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_removed_key_ends_cached_tokens_at_that_moment() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old, &new]);
    let logout = guard(&provider.builder().start().await.unwrap());
    let (of_old, of_new) = (old.token(IDP, "1"), new.token(IDP, "2"));
    for _ in 0..3 {
        assert_eq!([check_now(&logout, &of_old), check_now(&logout, &of_new)], [Ok(()), Ok(())]);
    }
    provider.publish_keys([&new]);
    pass(seconds(661)).await;
    assert_eq!(check(&logout, &of_old).await, Err(Rejection::Invalid));
    assert_eq!(check_now(&logout, &of_new), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_same_keys_again_keep_cached_tokens() {
    let events = Events::of_this_thread();
    let (one, two) = (SigningKey::new("one"), SigningKey::new("two"));
    let provider = Provider::with_keys([&one]);
    let verifier = provider.builder().start().await.unwrap();
    let revision = verifier.revision();
    pass(seconds(2000)).await;
    assert!(provider.take_requests().len() >= 3);
    assert_eq!(verifier.revision(), revision);
    assert_eq!(events.named("keys fetched").len(), 1);
    provider.publish_keys([&one, &two]);
    pass(seconds(661)).await;
    assert_ne!(verifier.revision(), revision);
    let fetched = events.named("keys fetched");
    assert_eq!(fetched.iter().map(|event| &*event.fields["keys"]).collect::<Vec<_>>(), ["1", "2"]);
    assert!(fetched.iter().all(|event| event.level == "INFO" && event.fields["issuer"] == IDP));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_after_the_verifier_is_dropped() {
    let provider = Provider::with_keys([&SigningKey::new("one")]);
    let fetching = KeyFetching::new().refresh_between(seconds(1), seconds(1));
    let verifier = provider.builder().key_fetching(fetching).start().await.unwrap();
    let clone = verifier.clone();
    drop(verifier);
    assert!(requests_within(&provider, 10).await >= 9);
    drop(clone);
    pass(seconds(1)).await;
    assert_eq!(requests_within(&provider, 10).await, 0);
}
