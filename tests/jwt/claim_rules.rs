//! Promise: a token is accepted only if its claims have the form of RFC 7519 and are as configured.

use std::time::Duration;

use jsonwebtoken::Algorithm as Alg;
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, claims, claims_with, clock, hs256, sign_text, token, verifier};
use tower_logout::{
    clock::Timestamp,
    revocation::{KeyKind, RevocationKey},
    token::{TokenVerifier, VerifyError, jwt::InvalidToken},
};

use super::support::{builder, rejection, secret};

const DAY: u64 = 24 * 60 * 60;

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
fn an_empty_value_is_no_revocation_key() {
    let clock = clock();
    let empty = json!({ "jti": "", "sid": "", "sub": "", "client_id": "", "azp": "" });
    let text = hs256(&claims_with("", empty));
    let token = verifier(&clock).verify_now(&text).unwrap().unwrap();
    let own = RevocationKey::signing_input(text.rsplit_once('.').unwrap().0);
    assert_eq!(token.identity().keys(), [own, RevocationKey::everything(), RevocationKey::issuer(ISSUER)]);
    let strict = builder(&clock).require_jti().build().unwrap();
    assert_eq!(rejection(&strict, &text), Some(InvalidToken::NoTokenId));
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
        assert_eq!(rejection(&verifier, &hs256(&claims_with("one", change.clone()))), reason, "{change}");
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
        assert_eq!(rejection(&verifier, &token), reason, "{text}");
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
        assert_eq!(rejection(&strict, &null), rejection(&strict, &absent), "{name}");
        let [null, absent] = [null, absent].map(|token| any.verify_now(&token).unwrap().unwrap());
        assert_eq!(*null, *absent, "{name}");
        assert_eq!(null.identity().keys()[1..], absent.identity().keys()[1..], "{name}");
        assert_eq!(null.identity().issued_at(), absent.identity().issued_at(), "{name}");
    }
    assert_eq!(rejection(&any, &signed("exp", Some(Value::Null))), Some(InvalidToken::Claims));
}

#[test]
fn a_claim_that_is_not_checked_never_decides() {
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
fn claims_inside_an_applications_own_type_follow_the_same_rules() {
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
                    assert_eq!(rejection(&alone, &token), rejection(&among, &token), "{change}, {null:?}");
                }
                verdicts => panic!("{change}, {null:?}: {verdicts:?}"),
            }
        }
    }
}

#[test]
fn a_claims_type_without_fields_accepts_any_token() {
    #[derive(Debug, serde::Deserialize)]
    struct Nothing;
    let clock = clock();
    let unit = builder(&clock).issuer(ISSUER).claims::<()>().build().unwrap();
    let nothing = builder(&clock).issuer(ISSUER).claims::<Nothing>().build().unwrap();
    for change in [json!({}), json!({ "exp": NOW as f64 + 0.5 }), json!({ "any": { "thing": [1.5] } })] {
        let token = hs256(&claims_with("one", change.clone()));
        let verified = unit.verify_now(&token).unwrap().unwrap();
        assert_eq!(verified.identity().key(KeyKind::Subject), Some(RevocationKey::subject(ISSUER, "usr_123")));
        assert_eq!(rejection(&nothing, &token), None, "{change}");
    }
    let elsewhere = hs256(&claims_with("one", json!({ "iss": "https://other.example" })));
    assert_eq!(rejection(&unit, &elsewhere), Some(InvalidToken::Issuer));
}

#[test]
fn an_integer_subject_is_accepted_as_decimal_text_if_configured() {
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
        assert_eq!(rejection(&default, &token), Some(InvalidToken::IntegerSubject), "{sub}");
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
        assert_eq!(rejection(&allowing, &sign(sub)), Some(InvalidToken::Claims), "{sub}");
        assert_eq!(rejection(&default, &sign(sub)), Some(InvalidToken::Claims), "{sub}");
    }
    assert_eq!(allowing.verify_now(&sign("null")).unwrap().unwrap().identity().key(KeyKind::Subject), None);
}

#[test]
fn the_issuer_is_the_configured_one() {
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
        assert_eq!(rejection(&one, &token), reason, "{iss}");
        assert_eq!(rejection(&any, &token), None, "{iss}");
    }
}

#[test]
fn a_token_for_another_audience_is_rejected() {
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
        assert_eq!(rejection(&none, &token), for_none, "{aud}");
        assert_eq!(rejection(&ours, &token), for_ours, "{aud}");
        assert_eq!(rejection(&any, &token), None, "{aud}");
    }
}

#[test]
fn required_claims_must_be_present() {
    let clock = clock();
    let verifier = builder(&clock).require_jti().require_iat().build().unwrap();
    let without = |claim: &str| hs256(&claims_with("one", json!({ claim: null })));
    assert_eq!(rejection(&verifier, &token("one")), None);
    assert_eq!(rejection(&verifier, &without("jti")), Some(InvalidToken::NoTokenId));
    assert_eq!(rejection(&verifier, &without("iat")), Some(InvalidToken::NoIssuedAt));
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
            assert_eq!(rejection(&verifier, &date(claim, latest)), None, "{claim}, {tolerance} s");
            assert_eq!(rejection(&verifier, &date(claim, latest + 0.001)), Some(reason), "{claim}, {tolerance} s");
        }
    }
}

#[test]
fn a_token_that_outlives_its_retention_is_rejected() {
    let clock = clock();
    let verifier = builder(&clock).max_lifetime(Duration::from_secs(DAY)).build().unwrap();
    let lives = |iat: Option<u64>, exp: u64| hs256(&claims_with("one", json!({ "iat": iat, "exp": exp })));
    assert_eq!(rejection(&verifier, &lives(Some(NOW), NOW + DAY)), None);
    assert_eq!(rejection(&verifier, &lives(Some(NOW), NOW + DAY + 1)), Some(InvalidToken::TooLongLived));
    assert_eq!(rejection(&verifier, &lives(Some(NOW - 10), NOW + DAY)), Some(InvalidToken::TooLongLived));
    assert_eq!(rejection(&verifier, &lives(None, NOW + DAY)), None);
    assert_eq!(rejection(&verifier, &lives(None, NOW + DAY + 1)), Some(InvalidToken::TooLongLived));
}

#[test]
fn a_revocable_claim_has_a_value_that_can_be_a_key() {
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
        assert_eq!(rejection(&verifier, &token), reason, "{tenant}");
    }
}

#[test]
fn claims_that_do_not_fit_the_applications_type_are_rejected() {
    #[derive(Debug, serde::Deserialize)]
    struct Mine {
        tenant: String,
    }
    let clock = clock();
    let verifier = builder(&clock).claims::<Mine>().build().unwrap();
    let good = hs256(&claims_with("one", json!({ "tenant": "t1" })));
    assert_eq!(verifier.verify_now(&good).unwrap().unwrap().tenant, "t1");
    assert_eq!(rejection(&verifier, &token("one")), Some(InvalidToken::OwnClaims));
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
    assert_eq!(rejection(&verifier, &aud(json!(["us", "we", "they"]))), Some(InvalidToken::OwnClaims));
    assert_eq!(rejection(&verifier, &aud(json!(["us"]))), Some(InvalidToken::OwnClaims));
}

#[test]
fn unlimited_bounds_do_not_overflow() {
    let clock = clock();
    let verifier =
        builder(&clock).leeway(Duration::MAX).clock_skew(Duration::MAX).max_lifetime(Duration::MAX).build().unwrap();
    let token = verifier.verify_now(&hs256(&claims_with("one", json!({ "exp": u64::MAX })))).unwrap().unwrap();
    assert_eq!(token.identity().retain_until(), Timestamp::MAX);
}
