//! Promise: a token is accepted only if its form, header and signature follow RFC 7515 and RFC
//! 8725.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm as Alg;
use proptest::prelude::*;
use serde_json::json;
use test_support::{ISSUER, NOW, claims, claims_with, clock, hs256, sign, sign_text, token, verifier};
use tower_logout::{
    JwtVerifier,
    clock::{ManualClock, Timestamp},
    revocation::{KeyKind, RevocationKey},
    token::{
        TokenVerifier,
        jwt::{ConfigError, InvalidToken},
    },
};

use super::support::{builder, rejection, secret};

#[test]
fn a_good_token_yields_its_claims() {
    let token = verifier(&clock()).verify_now(&token("one")).unwrap().unwrap();
    assert_eq!((token.sub.as_deref(), token.jti.as_deref()), (Some("usr_123"), Some("one")));
    assert_eq!(token.identity().own_key(), RevocationKey::token_id(ISSUER, "one"));
    assert_eq!(token.identity().issued_at(), test_support::at(NOW));
}

#[test]
fn a_token_without_jti_is_known_by_what_is_signed() {
    let text = hs256(&claims_with("", json!({ "jti": null })));
    let token = verifier(&clock()).verify_now(&text).unwrap().unwrap();
    assert_eq!(token.identity().own_key(), RevocationKey::signing_input(text.rsplit_once('.').unwrap().0));
    assert_eq!(token.identity().own_key().kind(), KeyKind::SigningInput);
}

#[test]
fn a_text_that_is_no_jws_is_rejected() {
    let verifier = verifier(&clock());
    let good = token("one");
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let many = ".".repeat(1_000_000);
    let texts = [
        ("", InvalidToken::Parts),
        (".", InvalidToken::Parts),
        ("..", InvalidToken::Header),
        (&many, InvalidToken::Parts),
        (input, InvalidToken::Parts),
        (&format!("{good}."), InvalidToken::Parts),
        (&format!("{good}="), InvalidToken::Encoding),
        (&format!("{good}\n"), InvalidToken::Encoding),
        (&format!("{input}."), InvalidToken::Signature),
        (&format!(" {good}"), InvalidToken::Encoding),
        (&format!("{header}+.{payload}.{signature}"), InvalidToken::Encoding),
        (&format!("{header}.{payload}A.{signature}"), InvalidToken::Signature),
        (&format!("{input}.{}", &signature[1..]), InvalidToken::Encoding),
        (&format!("{input}.A{}", &signature[1..]), InvalidToken::Signature),
    ];
    for (text, reason) in texts {
        assert_eq!(rejection(&verifier, text), Some(reason), "{}", &text[..text.len().min(80)]);
    }
    assert_eq!(rejection(&verifier, &good), None);
}

#[test]
fn a_signature_encoded_with_trailing_bits_is_rejected() {
    let good = token("one");
    // 32 bytes are 43 characters, and the last character has two spare bits.
    let last = good.chars().next_back().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let respelled = format!("{}{next}", &good[..good.len() - 1]);
    assert_eq!(rejection(&verifier(&clock()), &respelled), Some(InvalidToken::Encoding));
}

#[test]
fn a_header_must_not_require_unknown_extensions() {
    let verifier = verifier(&clock());
    let headers = [
        (json!({ "alg": "HS256" }), None),
        (json!({ "alg": "HS256", "typ": "JWT" }), None),
        (json!({ "alg": "HS256", "typ": "jwt", "cty": "text", "extra": [1] }), None),
        (json!({ "alg": "HS256", "typ": "at+jwt" }), None),
        (json!({ "alg": "HS256", "typ": "application/AT+JWT" }), None),
        (json!({ "alg": "HS256", "kid": "any" }), None),
        (json!({ "alg": "HS256", "typ": null, "kid": null }), None),
        (json!({ "alg": "HS256", "jku": "https://evil.example/keys", "jwk": { "kty": "oct", "k": "AAAA" } }), None),
        (json!({ "alg": "HS256", "b64": true }), None),
        (json!({ "alg": "HS256", "typ": "logout+jwt" }), Some(InvalidToken::Type)),
        (json!({ "alg": "HS256", "typ": "" }), Some(InvalidToken::Type)),
        (json!({ "alg": "HS256", "crit": ["exp"] }), Some(InvalidToken::Critical)),
        (json!({ "alg": "HS256", "crit": [] }), Some(InvalidToken::Critical)),
        (json!({ "alg": "HS256", "crit": null }), Some(InvalidToken::Critical)),
        (json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), Some(InvalidToken::Critical)),
        (json!({ "alg": "HS256", "b64": false }), Some(InvalidToken::Critical)),
        (json!({ "alg": "HS256", "b64": null }), Some(InvalidToken::Header)),
        (json!({ "alg": "none" }), Some(InvalidToken::Algorithm)),
        (json!({ "alg": "None" }), Some(InvalidToken::Algorithm)),
        (json!({ "alg": "hs256" }), Some(InvalidToken::Algorithm)),
        (json!({ "alg": "HS384" }), Some(InvalidToken::Signature)),
        (json!({ "alg": "RS256" }), Some(InvalidToken::Signature)),
        (json!({ "alg": "ES256" }), Some(InvalidToken::Signature)),
        (json!({ "alg": ["HS256"] }), Some(InvalidToken::Header)),
        (json!({ "alg": null }), Some(InvalidToken::Header)),
        (json!({}), Some(InvalidToken::Header)),
        (json!({ "alg": "HS256", "typ": 1 }), Some(InvalidToken::Header)),
        (json!({ "alg": "HS256", "kid": 1 }), Some(InvalidToken::Header)),
        (json!(["HS256", "JWT"]), Some(InvalidToken::Header)),
        (json!("HS256"), Some(InvalidToken::Header)),
        (json!(null), Some(InvalidToken::Header)),
    ];
    for (header, reason) in headers {
        let token = sign(&header, &claims("one"), Alg::HS256, &secret());
        assert_eq!(rejection(&verifier, &token), reason, "{header}");
    }
    let twice = sign_text(r#"{"alg":"none","alg":"HS256"}"#, &claims("one").to_string(), Alg::HS256, &secret());
    assert_eq!(rejection(&verifier, &twice), Some(InvalidToken::Header));
}

#[test]
fn an_unsigned_token_is_rejected() {
    let parts = [json!({ "alg": "none" }), claims("one")].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let verifier = verifier(&clock());
    assert_eq!(rejection(&verifier, &format!("{}.{}.", parts[0], parts[1])), Some(InvalidToken::Algorithm));
}

#[test]
fn only_the_configured_types_are_accepted() {
    let clock = clock();
    let verifier = builder(&clock).typ("at+jwt").build().unwrap();
    for (header, reason) in [
        (json!({ "alg": "HS256", "typ": "at+jwt" }), None),
        (json!({ "alg": "HS256", "typ": "application/at+jwt" }), None),
        (json!({ "alg": "HS256", "typ": "JWT" }), Some(InvalidToken::Type)),
        (json!({ "alg": "HS256" }), Some(InvalidToken::Type)),
        (json!({ "alg": "HS256", "typ": null }), Some(InvalidToken::Type)),
    ] {
        let token = sign(&header, &claims("one"), Alg::HS256, &secret());
        assert_eq!(rejection(&verifier, &token), reason, "{header}");
    }
}

#[test]
fn a_token_bound_to_a_key_is_no_bearer_token() {
    #[derive(Debug, serde::Deserialize)]
    struct Mine {
        sub: String,
    }
    let clock = clock();
    let default = builder(&clock).build().unwrap();
    let own = builder(&clock).claims::<Mine>().build().unwrap();
    let none = builder(&clock).claims::<()>().build().unwrap();
    let behind_proxy = builder(&clock).allow_unverified_binding().claims::<Mine>().build().unwrap();
    for cnf in [
        json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }),
        json!({ "jwk": { "kty": "oct" } }),
        json!({ "kid": "k" }),
        json!({}),
        json!([]),
        json!("key"),
        json!(""),
        json!(7),
        json!(1.5),
        json!(-1),
        json!(false),
    ] {
        for exp in [json!(NOW + 900), json!(NOW as f64 + 900.5)] {
            let token = hs256(&claims_with("one", json!({ "cnf": cnf, "exp": exp })));
            let bound = Some(InvalidToken::UnverifiedBinding);
            assert_eq!(rejection(&default, &token), bound, "{cnf}");
            assert_eq!(rejection(&own, &token), bound, "{cnf}");
            assert_eq!(rejection(&none, &token), bound, "{cnf}");
            assert_eq!(behind_proxy.verify_now(&token).unwrap().unwrap().sub, "usr_123", "{cnf}");
        }
    }
    let text = claims("one").to_string();
    let sign = |text: String| sign_text(r#"{"alg":"HS256"}"#, &text, Alg::HS256, &secret());
    assert_eq!(rejection(&own, &sign(text.replacen('{', r#"{"cnf":null,"#, 1))), None);
    let spelled = sign(text.replacen('{', r#"{"c\u006ef":{"jkt":"k"},"#, 1));
    assert_eq!(rejection(&own, &spelled), Some(InvalidToken::UnverifiedBinding));
    let twice = sign(text.replacen('{', r#"{"cnf":{"jkt":"k"},"cnf":null,"#, 1));
    assert_eq!(rejection(&behind_proxy, &twice), Some(InvalidToken::Claims));
}

#[test]
fn misconfiguration_is_an_error_with_a_remedy() {
    let clock = clock();
    let errors: [(ConfigError, &str); 8] = [
        (JwtVerifier::hs256("short").build().unwrap_err(), "openssl rand"),
        (JwtVerifier::with_keys(tower_logout::token::jwt::KeySet::default()).build().unwrap_err(), "not empty"),
        (builder(&clock).issuer("").build().unwrap_err(), "environment variable"),
        (builder(&clock).audience("").build().unwrap_err(), "environment variable"),
        (builder(&clock).typ("").build().unwrap_err(), "environment variable"),
        (builder(&clock).audience("us").allow_any_audience().build().unwrap_err(), "keep the one"),
        (builder(&clock).max_lifetime(Duration::ZERO).build().unwrap_err(), "longest life"),
        (builder(&clock).revocable_claim("sub").build().unwrap_err(), "application-defined claim"),
    ];
    for (error, remedy) in errors {
        assert!(error.to_string().contains(remedy), "{error}");
    }
}

proptest! {
    #[test]
    fn no_date_makes_it_panic(exp in any::<u64>(), iat in any::<u64>(), nbf in any::<f64>(), now in any::<u64>()) {
        let clock = ManualClock::at(Timestamp::from_unix_millis(now));
        let verifier = builder(&clock).build().unwrap();
        let claims = format!(r#"{{"exp":{exp},"iat":{iat},"nbf":{nbf:e}}}"#);
        let token = sign_text(r#"{"alg":"HS256"}"#, &claims, Alg::HS256, &secret());
        if let Ok(token) = verifier.verify_now(&token).unwrap() {
            prop_assert!(token.identity().expires_at() > tower_logout::clock::Clock::now(&clock));
            prop_assert!(token.identity().retain_until() > token.identity().expires_at());
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", parts in proptest::collection::vec("[A-Za-z0-9_=-]{0,40}", 0..5)) {
        let verifier = verifier(&clock());
        prop_assert!(verifier.verify_now(&text).unwrap().is_err());
        prop_assert!(verifier.verify_now(&parts.join(".")).unwrap().is_err());
    }

    #[test]
    fn no_signed_text_makes_it_panic(header in "\\PC{0,40}", payload in "\\PC{0,40}") {
        let token = sign_text(&header, &payload, Alg::HS256, &secret());
        prop_assert!(verifier(&clock()).verify_now(&token).unwrap().is_err());
        let token = sign_text(r#"{"alg":"HS256"}"#, &payload, Alg::HS256, &secret());
        prop_assert!(verifier(&clock()).verify_now(&token).unwrap().is_err());
    }
}
