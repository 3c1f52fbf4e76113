//! Promise: keys are fetched from the configured addresses only, and only with TLS.

use serde_json::json;
use test_support::clock;
use tower_logout::{
    JwtVerifier,
    respond::Rejection,
    token::jwt::{ConfigError, Issuer},
};

use crate::provider::{Answer, IDP, JWKS, Provider, SigningKey, check, guard, key_set, pass, seconds};

#[tokio::test(start_paused = true)]
async fn addresses_in_the_header_of_a_token_are_never_asked() {
    let (known, attacker) = (SigningKey::new("known"), SigningKey::new("attacker"));
    let provider = Provider::with_keys([&known]);
    let evil = "https://evil.example/jwks";
    provider.publish(evil, Answer::ok(key_set([&attacker])));
    let logout = guard(&provider.builder().start().await.unwrap());
    for name in ["jku", "x5u", "jwk", "x5c", "iss", "kid"] {
        pass(seconds(31)).await;
        let value = if name == "jwk" { attacker.jwk() } else { json!(evil) };
        let token = attacker.token_with(IDP, "1", &json!({ name: value }));
        assert_eq!(check(&logout, &token).await, Err(Rejection::Invalid), "{name}");
    }
    assert!(provider.take_requests().iter().all(|address| address == JWKS));
}

#[tokio::test(start_paused = true)]
async fn an_address_without_tls_is_an_error_except_on_this_machine_by_choice() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    for (address, on_this_machine) in [
        ("http://idp.example/jwks", false),
        ("http://127.0.0.1:9/jwks", true),
        ("http://localhost:9/jwks", true),
        ("http://[::1]:9/jwks", true),
        ("http://127.0.0.1.example/jwks", false),
        ("http://10.0.0.1/jwks", false),
        ("file:///etc/passwd", false),
        ("https://user:password@idp.example/jwks", false),
        ("not an address", false),
        ("", false),
    ] {
        provider.publish(address, Answer::ok(key_set([&key])));
        for (allowed, of_issuer) in [(false, false), (true, false), (true, true)] {
            let mut issuer = Issuer::jwks(IDP, address).fetch_with(provider.client());
            if allowed && of_issuer {
                issuer = issuer.allow_http_on_loopback();
            }
            let mut builder = JwtVerifier::issuers([issuer]).clock(clock());
            if allowed && !of_issuer {
                builder = builder.allow_http_on_loopback();
            }
            let started = builder.start().await;
            assert_eq!(started.is_ok(), on_this_machine && allowed, "{address}");
            if let Err(error) = started {
                let text = format!("{error:?}");
                assert!(matches!(error, ConfigError::OfIssuer { .. }) && !text.contains("password"), "{text}");
            }
        }
    }
}
