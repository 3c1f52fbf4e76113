//! Promise: keys are found by the metadata of the issuer itself, at any of the three places, and
//! followed when they move.

use test_support::clock;
use tower_logout::{
    JwtVerifier,
    respond::Rejection,
    token::jwt::{ConfigError, Issuer, JwtVerifierBuilder, KeySourceError},
};

use crate::provider::{
    Answer, IDP, JWKS, METADATA, Provider, SigningKey, check, check_now, guard, key_set, metadata, pass, seconds,
};

fn discover(provider: &Provider, issuer: &str) -> JwtVerifierBuilder {
    JwtVerifier::issuers([Issuer::discover(issuer)]).fetch_with(provider.client()).clock(clock())
}

#[tokio::test(start_paused = true)]
async fn metadata_is_found_at_each_of_the_three_places() {
    let key = SigningKey::new("one");
    let issuer = "https://idp.example/realms/a";
    let places = [
        "https://idp.example/realms/a/.well-known/openid-configuration",
        "https://idp.example/.well-known/openid-configuration/realms/a",
        "https://idp.example/.well-known/oauth-authorization-server/realms/a",
    ];
    for (index, place) in places.iter().enumerate() {
        let provider = Provider::with_keys([&key]);
        for place in places {
            provider.publish(place, Answer::status(404, ""));
        }
        provider.publish(place, Answer::ok(metadata(issuer, JWKS)));
        let logout = guard(&discover(&provider, issuer).start().await.unwrap());
        assert_eq!(check_now(&logout, &key.token(issuer, "1")), Ok(()));
        let mut expected = places[..=index].to_vec();
        expected.push(JWKS);
        assert_eq!(provider.take_requests(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_place_is_an_error_and_not_the_next_place() {
    // Whoever can make the first place fail must not choose another document.
    for answer in [None, Some(Answer::status(500, "")), Some(Answer::status(302, "")), Some(Answer::ok("<html>"))] {
        let provider = Provider::with_keys([&SigningKey::new("one")]);
        if let Some(answer) = answer.clone() {
            provider.publish(METADATA, answer);
        }
        let oauth = "https://idp.example/.well-known/oauth-authorization-server";
        provider.publish(oauth, Answer::ok(metadata(IDP, JWKS)));
        let error = discover(&provider, IDP).start().await.unwrap_err();
        assert!(matches!(error, ConfigError::KeysNotFetched { .. }), "{answer:?}: {error:?}");
        assert_eq!(provider.take_requests(), [METADATA]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_without_metadata_is_an_error_that_names_all_places() {
    let provider = Provider::default();
    for place in [METADATA, "https://idp.example/.well-known/oauth-authorization-server"] {
        provider.publish(place, Answer::status(404, ""));
    }
    let error = discover(&provider, IDP).start().await.unwrap_err();
    let text = format!("{error:?}");
    for part in [METADATA, "oauth-authorization-server", "Issuer::jwks", "404"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_is_not_used() {
    for found in ["https://idp.example/", "https://IDP.example", "https://evil.example", "http://idp.example", ""] {
        let provider = Provider::with_keys([&SigningKey::new("one")]);
        provider.publish(METADATA, Answer::ok(metadata(found, JWKS)));
        let error = discover(&provider, IDP).start().await.unwrap_err();
        let ConfigError::KeysNotFetched { source, .. } = error else { panic!("{error}") };
        assert!(matches!(&*source, KeySourceError::OtherIssuer { .. }), "{source:?}");
        assert_eq!(provider.take_requests(), [METADATA], "its keys are not even fetched");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_on_another_host_but_not_without_tls() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    provider.publish("https://keys.example/v3/certs", Answer::ok(key_set([&key])));
    provider.publish(METADATA, Answer::ok(metadata(IDP, "https://keys.example/v3/certs")));
    let logout = guard(&discover(&provider, IDP).start().await.unwrap());
    assert_eq!(check_now(&logout, &key.token(IDP, "1")), Ok(()));
    for address in ["http://keys.example/v3/certs", "file:///etc/passwd", "http://169.254.169.254/", "/jwks"] {
        provider.publish(METADATA, Answer::ok(metadata(IDP, address)));
        provider.take_requests();
        let error = discover(&provider, IDP).start().await.unwrap_err();
        let ConfigError::KeysNotFetched { source, .. } = error else { panic!("{error}") };
        assert!(matches!(&*source, KeySourceError::KeySetAddress { .. }), "{source:?}");
        assert_eq!(provider.take_requests(), [METADATA]);
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_is_read_once_a_day() {
    let provider = Provider::with_keys([&SigningKey::new("one")]);
    provider.publish(METADATA, Answer::ok(metadata(IDP, JWKS)));
    let _verifier = discover(&provider, IDP).start().await.unwrap();
    for _ in 0..47 {
        pass(seconds(1800)).await;
    }
    let requests = provider.take_requests();
    assert_eq!(requests.iter().filter(|address| *address == METADATA).count(), 1);
    assert!(requests.iter().filter(|address| *address == JWKS).count() > 100);
    pass(seconds(3600)).await;
    assert_eq!(provider.take_requests().iter().filter(|address| *address == METADATA).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_have_moved_are_found_again_with_the_same_attempt() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    for status in [404, 410] {
        let provider = Provider::with_keys([&old]);
        provider.publish(METADATA, Answer::ok(metadata(IDP, JWKS)));
        let logout = guard(&discover(&provider, IDP).start().await.unwrap());
        provider.publish(JWKS, Answer::status(status, ""));
        provider.publish("https://idp.example/v2/jwks", Answer::ok(key_set([&new])));
        provider.publish(METADATA, Answer::ok(metadata(IDP, "https://idp.example/v2/jwks")));
        pass(seconds(31)).await;
        provider.take_requests();
        assert_eq!(check(&logout, &new.token(IDP, "1")).await, Ok(()));
        assert_eq!(provider.take_requests(), [JWKS, METADATA, "https://idp.example/v2/jwks"]);
        assert_eq!(check_now(&logout, &old.token(IDP, "1")), Err(Rejection::Invalid));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_metadata_alone_does_not_stop_the_refresh() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old]);
    provider.publish(METADATA, Answer::ok(metadata(IDP, JWKS)));
    let logout = guard(&discover(&provider, IDP).start().await.unwrap());
    provider.publish(METADATA, Answer::status(500, ""));
    pass(seconds(25 * 3600)).await;
    provider.publish_keys([&new]);
    pass(seconds(700)).await;
    assert_eq!(check_now(&logout, &new.token(IDP, "1")), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_becomes_another_issuer_is_no_longer_followed() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let provider = Provider::with_keys([&old]);
    provider.publish(METADATA, Answer::ok(metadata(IDP, JWKS)));
    let verifier = discover(&provider, IDP).start().await.unwrap();
    provider.publish(METADATA, Answer::ok(metadata("https://evil.example", "https://evil.example/jwks")));
    provider.publish("https://evil.example/jwks", Answer::ok(key_set([&new])));
    provider.publish(JWKS, Answer::status(404, ""));
    pass(seconds(700)).await;
    assert_eq!(check_now(&guard(&verifier), &old.token(IDP, "1")), Ok(()), "the last keys, for a day");
    assert_eq!(check(&guard(&verifier), &new.token(IDP, "1")).await, Err(Rejection::Invalid));
    let error = verifier.health().issuers[0].error.clone().unwrap();
    assert!(matches!(*error, KeySourceError::OtherIssuer { .. }), "{error:?}");
}
