//! Promise: a token is accepted only if everything about it is as RFC 7515, 7519 and 8725 say and as configured.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Alg, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET, claims, claims_with, clock, hs256, sign, sign_text, token, verifier};
use tower_logout::{
    JwtVerifier,
    clock::{ManualClock, Timestamp},
    revocation::{KeyKind, RevocationKey},
    token::{
        TokenVerifier, VerifyError,
        jwt::{ConfigError, InvalidToken, JwtVerifierBuilder},
    },
};

const DAY: u64 = 24 * 60 * 60;

fn secret() -> EncodingKey {
    EncodingKey::from_secret(SECRET).unwrap()
}

fn builder(clock: &ManualClock) -> JwtVerifierBuilder {
    JwtVerifier::hs256(SECRET).clock(clock.clone())
}

/// Why a token is refused, `None` if it is not.
fn refusal(verifier: &impl TokenVerifier, token: &str) -> Option<InvalidToken> {
    match verifier.verify_now(token).unwrap() {
        Ok(_) => None,
        Err(VerifyError::Invalid(reason)) => Some(*reason.downcast_ref().unwrap()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_good_token_yields_its_claims() {
    let token = verifier(&clock()).verify_now(&token("one")).unwrap().unwrap();
    assert_eq!((token.sub.as_deref(), token.jti.as_deref()), (Some("usr_123"), Some("one")));
    assert_eq!(token.identity().own_key(), RevocationKey::token_id(ISSUER, "one"));
    assert_eq!(token.identity().issued_at(), test_support::at(NOW));
}

#[test]
fn a_token_carries_the_keys_of_all_it_belongs_to() {
    let claims =
        claims_with("one", json!({ "client_id": "app", "azp": "other", "tenant": "t1", "roles": ["a", 7, true] }));
    let verifier = builder(&clock()).revocable_claim("tenant").revocable_claim("roles").revocable_claim("absent");
    let token = verifier.build().unwrap().verify_now(&hs256(&claims)).unwrap().unwrap();
    let expected = [
        RevocationKey::token_id(ISSUER, "one"),
        RevocationKey::everything(),
        RevocationKey::issuer(ISSUER),
        RevocationKey::session(ISSUER, "ses_1"),
        RevocationKey::subject(ISSUER, "usr_123"),
        RevocationKey::client(ISSUER, "app"),
        RevocationKey::client(ISSUER, "other"),
        RevocationKey::claim(ISSUER, "tenant", "t1"),
        RevocationKey::claim(ISSUER, "roles", "a"),
        RevocationKey::claim(ISSUER, "roles", "7"),
        RevocationKey::claim(ISSUER, "roles", "true"),
    ];
    assert_eq!(token.identity().keys(), expected);
}

#[test]
fn a_token_without_jti_is_known_by_what_is_signed() {
    let text = hs256(&claims_with("", json!({ "jti": null })));
    let token = verifier(&clock()).verify_now(&text).unwrap().unwrap();
    assert_eq!(token.identity().own_key(), RevocationKey::signing_input(text.rsplit_once('.').unwrap().0));
    assert_eq!(token.identity().own_key().kind(), KeyKind::SigningInput);
}

#[test]
fn an_empty_name_ties_no_tokens_together() {
    let clock = clock();
    let empty = json!({ "jti": "", "sid": "", "sub": "", "client_id": "", "azp": "" });
    let text = hs256(&claims_with("", empty));
    let token = verifier(&clock).verify_now(&text).unwrap().unwrap();
    let own = RevocationKey::signing_input(text.rsplit_once('.').unwrap().0);
    assert_eq!(token.identity().keys(), [own, RevocationKey::everything(), RevocationKey::issuer(ISSUER)]);
    let strict = builder(&clock).require_jti().build().unwrap();
    assert_eq!(refusal(&strict, &text), Some(InvalidToken::NoTokenId));
}

#[test]
fn a_text_that_is_no_jws_is_refused() {
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
        assert_eq!(refusal(&verifier, text), Some(reason), "{}", &text[..text.len().min(80)]);
    }
    assert_eq!(refusal(&verifier, &good), None);
}

#[test]
fn a_signature_spelled_with_trailing_bits_is_refused() {
    let good = token("one");
    // 32 bytes are 43 characters, of which the last has two bits to spare.
    let last = good.chars().next_back().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let respelled = format!("{}{next}", &good[..good.len() - 1]);
    assert_eq!(refusal(&verifier(&clock()), &respelled), Some(InvalidToken::Encoding));
}

#[test]
fn a_header_may_ask_for_nothing_unknown() {
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
        assert_eq!(refusal(&verifier, &token), reason, "{header}");
    }
    let twice = sign_text(r#"{"alg":"none","alg":"HS256"}"#, &claims("one").to_string(), Alg::HS256, &secret());
    assert_eq!(refusal(&verifier, &twice), Some(InvalidToken::Header));
}

#[test]
fn an_unsigned_token_is_refused() {
    let parts = [json!({ "alg": "none" }), claims("one")].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let verifier = verifier(&clock());
    assert_eq!(refusal(&verifier, &format!("{}.{}.", parts[0], parts[1])), Some(InvalidToken::Algorithm));
}

#[test]
fn only_the_types_that_are_named_are_accepted() {
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
        assert_eq!(refusal(&verifier, &token), reason, "{header}");
    }
}

#[test]
fn claims_have_the_form_of_rfc_7519() {
    let verifier = verifier(&clock());
    let changes = [
        (json!({}), None),
        (json!({ "exp": NOW as f64 + 900.25 }), None),
        (json!({ "exp": null }), Some(InvalidToken::Claims)),
        (json!({ "exp": "1458872196" }), Some(InvalidToken::Claims)),
        (json!({ "exp": -1 }), Some(InvalidToken::Claims)),
        (json!({ "exp": -0.5 }), Some(InvalidToken::Claims)),
        (json!({ "exp": [NOW] }), Some(InvalidToken::Claims)),
        (json!({ "exp": true }), Some(InvalidToken::Claims)),
        (json!({ "exp": u64::MAX }), Some(InvalidToken::TooLongLived)),
        (json!({ "exp": 1e300 }), Some(InvalidToken::TooLongLived)),
        (json!({ "iat": "now" }), Some(InvalidToken::Claims)),
        (json!({ "iat": -1 }), Some(InvalidToken::Claims)),
        (json!({ "nbf": "now" }), Some(InvalidToken::Claims)),
        (json!({ "sub": 7 }), Some(InvalidToken::IntegerSubject)),
        (json!({ "sub": 7.5 }), Some(InvalidToken::Claims)),
        (json!({ "sub": [] }), Some(InvalidToken::Claims)),
        (json!({ "jti": 7 }), Some(InvalidToken::Claims)),
        (json!({ "sid": {} }), Some(InvalidToken::Claims)),
        (json!({ "client_id": [] }), Some(InvalidToken::Claims)),
        (json!({ "iss": ["evil", ISSUER] }), Some(InvalidToken::Claims)),
        (json!({ "iss": 7 }), Some(InvalidToken::Claims)),
        (json!({ "aud": 123 }), Some(InvalidToken::Claims)),
        (json!({ "aud": [1] }), Some(InvalidToken::Claims)),
    ];
    for (change, reason) in changes {
        assert_eq!(refusal(&verifier, &hs256(&claims_with("one", change.clone()))), reason, "{change}");
    }
    let good = claims("one").to_string();
    for (text, reason) in [
        (format!("  {good}"), None),
        ("[]".to_owned(), Some(InvalidToken::Claims)),
        (format!(r#"["{ISSUER}","usr",null,{}]"#, NOW + 900), Some(InvalidToken::Claims)),
        ("{}".to_owned(), Some(InvalidToken::Claims)),
        (String::new(), Some(InvalidToken::Claims)),
        (format!("{good}{good}"), Some(InvalidToken::Claims)),
        (good.replacen('{', r#"{"sub":"other","#, 1), Some(InvalidToken::Claims)),
        (good.replacen('{', r#"{"sub":null,"#, 1), Some(InvalidToken::Claims)),
        (good.replacen('{', r#"{"aud":null,"aud":null,"#, 1), Some(InvalidToken::Claims)),
        (good.replacen('{', r#"{"aud":null,"#, 1), None),
        (token("nested"), Some(InvalidToken::Claims)),
    ] {
        let token = sign_text(r#"{"alg":"HS256"}"#, &text, Alg::HS256, &secret());
        assert_eq!(refusal(&verifier, &token), reason, "{text}");
    }
}

#[test]
fn a_registered_claim_that_is_null_counts_as_absent() {
    let clock = clock();
    let (any, strict) = (builder(&clock), builder(&clock).issuer(ISSUER).require_jti().require_iat());
    let (any, strict) = (any.revocable_claim("tenant").build().unwrap(), strict.audience("us").build().unwrap());
    let signed = |name: &str, value: Option<Value>| {
        let mut claims = claims_with("one", json!({ "nbf": NOW, "client_id": "c", "azp": "a", "tenant": "t" }));
        match value {
            None => drop(claims.as_object_mut().unwrap().remove(name)),
            Some(value) => claims[name] = value,
        }
        hs256(&claims)
    };
    let names = ["iss", "sub", "aud", "nbf", "iat", "jti", "sid", "client_id", "azp", "cnf", "tenant", "scope"];
    for name in names {
        let (null, absent) = (signed(name, Some(Value::Null)), signed(name, None));
        assert_eq!(refusal(&strict, &null), refusal(&strict, &absent), "{name}");
        let [null, absent] = [null, absent].map(|token| any.verify_now(&token).unwrap().unwrap());
        assert_eq!(*null, *absent, "{name}");
        assert_eq!(null.identity().keys()[1..], absent.identity().keys()[1..], "{name}");
        assert_eq!(null.identity().issued_at(), absent.identity().issued_at(), "{name}");
    }
    assert_eq!(refusal(&any, &signed("exp", Some(Value::Null))), Some(InvalidToken::Claims));
}

#[test]
fn a_claim_that_is_not_judged_never_decides() {
    let verifier = verifier(&clock());
    for (scope, shown) in [
        (json!("read write"), Some("read write")),
        (json!(["read", "write"]), Some("read write")),
        (json!([]), Some("")),
        (json!(""), Some("")),
        (json!(["read", 1]), None),
        (json!(["read", null]), None),
        (json!([["read"]]), None),
        (json!({ "read": true }), None),
        (json!(7), None),
        (json!(-1.5), None),
        (json!(true), None),
        (Value::Null, None),
    ] {
        let mut claims = claims("one");
        claims["scope"] = scope.clone();
        for name in ["name", "roles", "auth_time", "email_verified", "acr", "act", "realm_access"] {
            claims[name] = scope.clone();
        }
        let token = verifier.verify_now(&hs256(&claims)).unwrap().unwrap_or_else(|error| panic!("{scope}: {error:?}"));
        assert_eq!(token.scope.as_deref(), shown, "{scope}");
    }
}

#[test]
fn claims_among_an_applications_own_take_what_they_take_alone() {
    #[derive(Debug, serde::Deserialize)]
    struct Mine {
        #[serde(flatten)]
        claims: tower_logout::Claims,
        #[serde(flatten)]
        rest: std::collections::HashMap<String, Value>,
    }
    let clock = clock();
    let builder = || builder(&clock).allow_any_audience().allow_integer_subject().allow_unverified_binding();
    let (alone, among) = (builder().build().unwrap(), builder().claims::<Mine>().build().unwrap());
    for change in [
        json!({}),
        json!({ "exp": NOW as f64 + 900.0 }),
        json!({ "exp": NOW as f64 + 900.25, "iat": NOW as f64 - 0.5, "nbf": NOW as f64 }),
        json!({ "exp": 1.458_786e9 + 1.0 }),
        json!({ "exp": u64::MAX }),
        json!({ "exp": -1 }),
        json!({ "exp": "soon" }),
        json!({ "aud": "us" }),
        json!({ "aud": ["us", "we"] }),
        json!({ "aud": [] }),
        json!({ "aud": [1] }),
        json!({ "sub": 7 }),
        json!({ "sub": -7 }),
        json!({ "sub": u64::MAX }),
        json!({ "sub": 7.5 }),
        json!({ "sid": 7 }),
        json!({ "scope": ["read", "write"] }),
        json!({ "scope": { "a": 1.5 } }),
        json!({ "cnf": { "jkt": "thumbprint" } }),
        json!({ "other": 1.5, "more": u64::MAX, "list": [1, -1, null] }),
    ] {
        let signed = |name: Option<&str>| {
            let mut claims = claims_with("one", change.clone());
            if let Some(name) = name {
                claims[name] = Value::Null;
            }
            hs256(&claims)
        };
        let nulls = ["iss", "aud", "nbf", "iat", "jti", "sid", "client_id", "azp", "scope", "sub", "cnf", "other"];
        for null in [None].into_iter().chain(nulls.map(Some)) {
            let token = signed(null);
            match (alone.verify_now(&token).unwrap(), among.verify_now(&token).unwrap()) {
                (Ok(alone), Ok(among)) => {
                    assert_eq!(*alone, among.claims, "{change}, {null:?}");
                    assert!(!among.rest.contains_key("exp"), "{change}, {null:?}");
                }
                (Err(VerifyError::Invalid(_)), Err(VerifyError::Invalid(_))) => {
                    assert_eq!(refusal(&alone, &token), refusal(&among, &token), "{change}, {null:?}");
                }
                verdicts => panic!("{change}, {null:?}: {verdicts:?}"),
            }
        }
    }
}

#[test]
fn a_type_without_claims_takes_any_token() {
    #[derive(Debug, serde::Deserialize)]
    struct Nothing;
    let clock = clock();
    let unit = builder(&clock).issuer(ISSUER).claims::<()>().build().unwrap();
    let nothing = builder(&clock).issuer(ISSUER).claims::<Nothing>().build().unwrap();
    for change in [json!({}), json!({ "exp": NOW as f64 + 0.5 }), json!({ "any": { "thing": [1.5] } })] {
        let token = hs256(&claims_with("one", change.clone()));
        let verified = unit.verify_now(&token).unwrap().unwrap();
        assert_eq!(verified.identity().key(KeyKind::Subject), Some(RevocationKey::subject(ISSUER, "usr_123")));
        assert_eq!(refusal(&nothing, &token), None, "{change}");
    }
    let elsewhere = hs256(&claims_with("one", json!({ "iss": "https://other.example" })));
    assert_eq!(refusal(&unit, &elsewhere), Some(InvalidToken::Issuer));
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
            assert_eq!(refusal(&default, &token), bound, "{cnf}");
            assert_eq!(refusal(&own, &token), bound, "{cnf}");
            assert_eq!(refusal(&none, &token), bound, "{cnf}");
            assert_eq!(behind_proxy.verify_now(&token).unwrap().unwrap().sub, "usr_123", "{cnf}");
        }
    }
    let text = claims("one").to_string();
    let sign = |text: String| sign_text(r#"{"alg":"HS256"}"#, &text, Alg::HS256, &secret());
    assert_eq!(refusal(&own, &sign(text.replacen('{', r#"{"cnf":null,"#, 1))), None);
    let spelled = sign(text.replacen('{', r#"{"c\u006ef":{"jkt":"k"},"#, 1));
    assert_eq!(refusal(&own, &spelled), Some(InvalidToken::UnverifiedBinding));
    let twice = sign(text.replacen('{', r#"{"cnf":{"jkt":"k"},"cnf":null,"#, 1));
    assert_eq!(refusal(&behind_proxy, &twice), Some(InvalidToken::Claims));
}

#[test]
fn a_subject_that_is_an_integer_is_accepted_by_choice_as_its_decimal_text() {
    #[derive(Debug, serde::Deserialize)]
    struct Mine {
        sub: i128,
    }
    let clock = clock();
    let default = builder(&clock).build().unwrap();
    let allowing = builder(&clock).allow_integer_subject().build().unwrap();
    let own = builder(&clock).allow_integer_subject().claims::<Mine>().build().unwrap();
    let sign = |sub: &str| {
        let text = claims("one").to_string().replace(r#""usr_123""#, sub);
        sign_text(r#"{"alg":"HS256"}"#, &text, Alg::HS256, &secret())
    };
    for sub in ["123", "0", "-7", "18446744073709551615", "-9223372036854775808"] {
        let token = sign(sub);
        assert_eq!(refusal(&default, &token), Some(InvalidToken::IntegerSubject), "{sub}");
        let verified = allowing.verify_now(&token).unwrap().unwrap();
        assert_eq!(verified.sub.as_deref(), Some(sub));
        let key = Some(RevocationKey::subject(ISSUER, sub));
        assert_eq!(verified.identity().key(KeyKind::Subject), key, "{sub}");
        let quoted = allowing.verify_now(&sign(&format!("\"{sub}\""))).unwrap().unwrap();
        assert_eq!(quoted.identity().key(KeyKind::Subject), key, "{sub}");
        assert_eq!(own.verify_now(&token).unwrap().unwrap().sub.to_string(), sub);
    }
    for sub in ["7.0", "7.5", "1e3", "-0", "18446744073709551616", "-9223372036854775809", "1e400", "[7]", "{}", "true"]
    {
        assert_eq!(refusal(&allowing, &sign(sub)), Some(InvalidToken::Claims), "{sub}");
        assert_eq!(refusal(&default, &sign(sub)), Some(InvalidToken::Claims), "{sub}");
    }
    assert_eq!(allowing.verify_now(&sign("null")).unwrap().unwrap().identity().key(KeyKind::Subject), None);
}

#[test]
fn the_issuer_is_the_one_that_is_named() {
    let clock = clock();
    let one = builder(&clock).issuer(ISSUER).build().unwrap();
    let any = builder(&clock).build().unwrap();
    for (iss, reason) in [
        (json!(ISSUER), None),
        (json!("https://second.example"), Some(InvalidToken::Issuer)),
        (json!("https://issuer.example/"), Some(InvalidToken::Issuer)),
        (json!(""), Some(InvalidToken::Issuer)),
        (Value::Null, Some(InvalidToken::Issuer)),
    ] {
        let token = hs256(&claims_with("one", json!({ "iss": iss })));
        assert_eq!(refusal(&one, &token), reason, "{iss}");
        assert_eq!(refusal(&any, &token), None, "{iss}");
    }
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let clock = clock();
    let none = builder(&clock).build().unwrap();
    let ours = builder(&clock).audience("us").audience("we").build().unwrap();
    let any = builder(&clock).allow_any_audience().build().unwrap();
    let wrong = Some(InvalidToken::Audience);
    for (aud, for_none, for_ours) in [
        (Value::Null, None, wrong),
        (json!("us"), wrong, None),
        (json!(["them", "we"]), wrong, None),
        (json!("them"), wrong, wrong),
        (json!(["them"]), wrong, wrong),
        (json!([]), wrong, wrong),
        (json!(""), wrong, wrong),
    ] {
        let token = hs256(&claims_with("one", json!({ "aud": aud })));
        assert_eq!(refusal(&none, &token), for_none, "{aud}");
        assert_eq!(refusal(&ours, &token), for_ours, "{aud}");
        assert_eq!(refusal(&any, &token), None, "{aud}");
    }
}

#[test]
fn what_is_required_must_be_there() {
    let clock = clock();
    let verifier = builder(&clock).require_jti().require_iat().build().unwrap();
    let without = |claim: &str| hs256(&claims_with("one", json!({ claim: null })));
    assert_eq!(refusal(&verifier, &token("one")), None);
    assert_eq!(refusal(&verifier, &without("jti")), Some(InvalidToken::NoTokenId));
    assert_eq!(refusal(&verifier, &without("iat")), Some(InvalidToken::NoIssuedAt));
}

#[test]
fn clock_skew_and_leeway_are_the_tolerance_of_nbf_and_iat_alike() {
    let clock = clock();
    let tolerant = |leeway: u64, clock_skew: u64| {
        let builder = builder(&clock).leeway(Duration::from_secs(leeway));
        builder.clock_skew(Duration::from_secs(clock_skew)).build().unwrap()
    };
    let verifiers = [
        (builder(&clock).build().unwrap(), 30.0),
        (tolerant(0, 0), 0.0),
        (tolerant(0, 5), 5.0),
        (tolerant(10, 0), 10.0),
        (tolerant(10, 5), 15.0),
    ];
    let date = |claim: &str, date: f64| hs256(&claims_with("one", json!({ claim: date })));
    for (verifier, tolerance) in verifiers {
        let latest = NOW as f64 + tolerance;
        for (claim, reason) in [("nbf", InvalidToken::NotYetValid), ("iat", InvalidToken::IssuedInFuture)] {
            assert_eq!(refusal(&verifier, &date(claim, latest)), None, "{claim}, {tolerance} s");
            assert_eq!(refusal(&verifier, &date(claim, latest + 0.001)), Some(reason), "{claim}, {tolerance} s");
        }
    }
}

#[test]
fn a_token_that_outlives_the_memory_of_it_is_refused() {
    let clock = clock();
    let verifier = builder(&clock).max_lifetime(Duration::from_secs(DAY)).build().unwrap();
    let lives = |iat: Option<u64>, exp: u64| hs256(&claims_with("one", json!({ "iat": iat, "exp": exp })));
    assert_eq!(refusal(&verifier, &lives(Some(NOW), NOW + DAY)), None);
    assert_eq!(refusal(&verifier, &lives(Some(NOW), NOW + DAY + 1)), Some(InvalidToken::TooLongLived));
    assert_eq!(refusal(&verifier, &lives(Some(NOW - 10), NOW + DAY)), Some(InvalidToken::TooLongLived));
    assert_eq!(refusal(&verifier, &lives(None, NOW + DAY)), None);
    assert_eq!(refusal(&verifier, &lives(None, NOW + DAY + 1)), Some(InvalidToken::TooLongLived));
}

#[test]
fn a_revocable_claim_has_a_value_that_can_be_named() {
    let clock = clock();
    let verifier = builder(&clock).revocable_claim("tenant").build().unwrap();
    for (tenant, reason) in [
        (json!("t"), None),
        (json!(-7), None),
        (json!([]), None),
        (json!(""), None),
        (json!(1.5), Some(InvalidToken::RevocableClaim)),
        (json!({}), Some(InvalidToken::RevocableClaim)),
        (json!([["t"]]), Some(InvalidToken::RevocableClaim)),
        (json!([null]), Some(InvalidToken::RevocableClaim)),
    ] {
        let token = hs256(&claims_with("one", json!({ "tenant": tenant })));
        assert_eq!(refusal(&verifier, &token), reason, "{tenant}");
    }
}

#[test]
fn claims_that_do_not_fit_the_applications_type_are_refused() {
    #[derive(Debug, serde::Deserialize)]
    struct Mine {
        tenant: String,
    }
    let clock = clock();
    let verifier = builder(&clock).claims::<Mine>().build().unwrap();
    let good = hs256(&claims_with("one", json!({ "tenant": "t1" })));
    assert_eq!(verifier.verify_now(&good).unwrap().unwrap().tenant, "t1");
    assert_eq!(refusal(&verifier, &token("one")), Some(InvalidToken::OwnClaims));
}

#[test]
fn a_list_longer_than_the_applications_type_does_not_fit_it() {
    #[derive(Debug, serde::Deserialize)]
    struct Mine {
        aud: (String, String),
    }
    let verifier = builder(&clock()).allow_any_audience().claims::<Mine>().build().unwrap();
    let aud = |aud: Value| hs256(&claims_with("one", json!({ "aud": aud })));
    let token = verifier.verify_now(&aud(json!(["us", "we"]))).unwrap().unwrap();
    assert_eq!(token.aud, ("us".to_owned(), "we".to_owned()));
    assert_eq!(refusal(&verifier, &aud(json!(["us", "we", "they"]))), Some(InvalidToken::OwnClaims));
    assert_eq!(refusal(&verifier, &aud(json!(["us"]))), Some(InvalidToken::OwnClaims));
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

#[test]
fn bounds_without_end_do_not_overflow() {
    let clock = clock();
    let verifier =
        builder(&clock).leeway(Duration::MAX).clock_skew(Duration::MAX).max_lifetime(Duration::MAX).build().unwrap();
    let token = verifier.verify_now(&hs256(&claims_with("one", json!({ "exp": u64::MAX })))).unwrap().unwrap();
    assert_eq!(token.identity().retain_until(), Timestamp::MAX);
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
