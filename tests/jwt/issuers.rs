//! Promise: a key belongs to an issuer (RFC 8725, section 3.8): a token verifies if and only if its
//! issuer's own key has signed it.

use std::{convert::Infallible, time::Duration};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use jsonwebtoken::{Algorithm as Alg, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::{NOW, at, bearer, claims_with, clock, sign, sign_text};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    JwtVerifier, Logout, LogoutScope,
    clock::ManualClock,
    respond::Rejection,
    token::{
        TokenVerifier, VerifyError,
        jwt::{Algorithm, ConfigError, InvalidToken, Issuer, Key, KeySet},
    },
};

const A: &str = "https://a.example";
const B: &str = "https://b.example/";

fn key(seed: u8) -> Key {
    Key::secret(Algorithm::HS256, [seed; 32]).unwrap()
}

/// A token of this issuer, or of none, signed with the key of this seed.
fn token(iss: Option<&str>, kid: Option<&str>, seed: u8) -> String {
    token_with(seed, kid, &json!({ "iss": iss }))
}

fn token_with(seed: u8, kid: Option<&str>, changes: &Value) -> String {
    let mut header = json!({ "alg": "HS256" });
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    let claims = claims_with("one", changes.clone());
    sign(&header, &claims, Alg::HS256, &EncodingKey::from_secret(&[seed; 32]).unwrap())
}

/// A verifier of `A` with the key of seed 1, and `B` with the key of seed 2.
fn two(clock: &ManualClock) -> JwtVerifier {
    JwtVerifier::issuers([Issuer::keys(A, key(1)), Issuer::keys(B, key(2))]).clock(clock.clone()).build().unwrap()
}

/// Why the token is rejected, or `None`.
fn rejection(verifier: &JwtVerifier, token: &str) -> Option<InvalidToken> {
    match verifier.verify_now(token).unwrap() {
        Ok(_) => None,
        Err(VerifyError::Invalid(reason)) => Some(*reason.downcast_ref().unwrap()),
        Err(other) => panic!("{other}"),
    }
}

fn check(logout: &Logout, token: &str) -> Result<(), Rejection> {
    let request = Request::get("/").header(AUTHORIZATION, bearer(token)).body(()).unwrap();
    logout.check((&request).into()).now_or_never().expect("nothing waits").map(drop)
}

#[test]
fn a_token_is_verified_with_the_keys_of_its_issuer_only() {
    let verifier = two(&clock());
    assert_eq!(rejection(&verifier, &token(Some(A), None, 1)), None);
    assert_eq!(rejection(&verifier, &token(Some(B), None, 2)), None);
    // Both headers are cached by now.
    assert_eq!(rejection(&verifier, &token(Some(B), None, 1)), Some(InvalidToken::Signature));
    assert_eq!(rejection(&verifier, &token(Some(A), None, 2)), Some(InvalidToken::Signature));
    assert_eq!(rejection(&verifier, &token(Some(A), None, 3)), Some(InvalidToken::Signature));
}

#[test]
fn the_same_kid_in_two_issuers_is_two_keys() {
    let verifier = JwtVerifier::issuers([Issuer::keys(A, key(1).with_kid("k")), Issuer::keys(B, key(2).with_kid("k"))])
        .clock(clock())
        .build()
        .unwrap();
    for (iss, seed, reason) in
        [(A, 1, None), (B, 2, None), (A, 2, Some(InvalidToken::Signature)), (B, 1, Some(InvalidToken::Signature))]
    {
        assert_eq!(rejection(&verifier, &token(Some(iss), Some("k"), seed)), reason, "{iss} {seed}");
        // Without a `kid`, all keys of this issuer are tried.
        assert_eq!(rejection(&verifier, &token(Some(iss), None, seed)), reason, "{iss} {seed}");
        assert_eq!(rejection(&verifier, &token(Some(iss), Some("other"), seed)), Some(InvalidToken::UnknownKey));
    }
}

#[test]
fn two_issuers_may_share_a_key() {
    let shared = [Issuer::keys(A, key(1)), Issuer::keys(B, key(1))];
    let verifier = JwtVerifier::issuers(shared).clock(clock()).build().unwrap();
    for iss in [A, B] {
        assert_eq!(rejection(&verifier, &token(Some(iss), None, 1)), None);
    }
}

#[test]
fn names_of_issuers_are_compared_as_they_are() {
    let verifier = two(&clock());
    for iss in
        ["https://a.example/", "https://A.example", "HTTPS://a.example", " https://a.example", "https://b.example", ""]
    {
        for seed in [1, 2] {
            assert_eq!(rejection(&verifier, &token(Some(iss), None, seed)), Some(InvalidToken::Issuer), "{iss}");
        }
    }
    let sign_claims = |claims: &str| {
        sign_text(r#"{"alg":"HS256"}"#, claims, Alg::HS256, &EncodingKey::from_secret(&[1; 32]).unwrap())
    };
    let escaped = format!(r#"{{"iss":"https:\/\/a.example","exp":{}}}"#, NOW + 9);
    assert_eq!(rejection(&verifier, &sign_claims(&escaped)), None, "it is the same text, written otherwise");
}

#[test]
fn a_token_must_name_its_issuer_once_if_issuers_are_configured() {
    let clock = clock();
    let (one, several) = (JwtVerifier::with_keys(key(1)).issuer(A).clock(clock.clone()).build().unwrap(), two(&clock));
    let sign_claims = |claims: &str| {
        sign_text(r#"{"alg":"HS256"}"#, claims, Alg::HS256, &EncodingKey::from_secret(&[1; 32]).unwrap())
    };
    for verifier in [&one, &several] {
        assert_eq!(rejection(verifier, &token(None, None, 1)), Some(InvalidToken::Issuer));
        let exp = NOW + 9;
        for (claims, reason) in [
            (format!(r#"{{"iss":null,"exp":{exp}}}"#), InvalidToken::Issuer),
            (format!(r#"{{"iss":"{A}","iss":"{B}","exp":{exp}}}"#), InvalidToken::Claims),
            (format!(r#"{{"iss":"{B}","iss":"{A}","exp":{exp}}}"#), InvalidToken::Claims),
            (format!(r#"{{"iss":["{A}"],"exp":{exp}}}"#), InvalidToken::Claims),
            (format!(r#"["{A}"]"#), InvalidToken::Claims),
            (r#"{"iss":"#.to_owned(), InvalidToken::Claims),
            (String::new(), InvalidToken::Claims),
        ] {
            assert_eq!(rejection(verifier, &sign_claims(&claims)), Some(reason), "{claims}");
        }
    }
    let any = JwtVerifier::with_keys(key(1)).clock(clock).build().unwrap();
    for iss in [None, Some(A), Some(B)] {
        assert_eq!(rejection(&any, &token(iss, None, 1)), None, "without an issuer the pool signs for any");
    }
}

#[test]
fn keys_are_replaced_for_one_issuer_alone() {
    let verifier = two(&clock());
    let logout = Logout::new(verifier.clone(), test_support::memory());
    let (of_a, of_b, new) = (token(Some(A), None, 1), token(Some(B), None, 2), token(Some(A), None, 3));
    for token in [&of_a, &of_b] {
        assert_eq!(rejection(&verifier, token), None);
        assert_eq!(check(&logout, token), Ok(()));
    }
    verifier.replace_keys_of(A, key(3)).unwrap();
    assert_eq!(rejection(&verifier, &of_a), Some(InvalidToken::Signature));
    assert_eq!(check(&logout, &of_a), Err(Rejection::Invalid), "a cached token ends with its key");
    assert_eq!(check(&logout, &of_b), Ok(()));
    assert_eq!(rejection(&verifier, &new), None);
    assert_eq!(rejection(&verifier, &of_b), None);
    assert_eq!(rejection(&verifier, &token(Some(B), None, 3)), Some(InvalidToken::Signature));

    for error in [
        verifier.replace_keys(key(4)).unwrap_err(),
        verifier.replace_keys_of("https://a.example/", key(4)).unwrap_err(),
        verifier.replace_keys_of(A, KeySet::default()).unwrap_err(),
    ] {
        assert!(!error.to_string().is_empty());
        assert_eq!(rejection(&verifier, &new), None, "a replacement that fails changes nothing: {error}");
    }
    let sole = JwtVerifier::with_keys(key(1)).issuer(A).clock(clock()).build().unwrap();
    sole.replace_keys_of(A, key(2)).unwrap();
    assert_eq!(rejection(&sole, &token(Some(A), None, 2)), None);
    assert!(matches!(sole.replace_keys_of(B, key(2)), Err(ConfigError::UnknownIssuer { .. })));
    let any = JwtVerifier::with_keys(key(1)).clock(clock()).build().unwrap();
    assert!(matches!(any.replace_keys_of(A, key(2)), Err(ConfigError::UnknownIssuer { .. })));
}

#[test]
fn each_issuer_has_its_own_rules() {
    let clock = clock();
    let verifier = JwtVerifier::issuers([
        Issuer::keys(A, key(1))
            .audience("shop")
            .leeway(Duration::from_secs(60))
            .max_lifetime(Duration::from_secs(7200)),
        Issuer::keys(B, key(2)).typ("at+jwt").require_jti(),
    ])
    .audience("office")
    .max_lifetime(Duration::from_secs(3600))
    .clock(clock.clone())
    .build()
    .unwrap();
    let b = |changes: &Value| {
        let mut claims = claims_with("one", json!({ "iss": B, "aud": "office" }));
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let key = EncodingKey::from_secret(&[2; 32]).unwrap();
        sign(&json!({ "alg": "HS256", "typ": "at+jwt" }), &claims, Alg::HS256, &key)
    };
    for (token, reason) in [
        (token_with(1, None, &json!({ "iss": A, "aud": "shop" })), None),
        (token_with(1, None, &json!({ "iss": A, "aud": "office" })), Some(InvalidToken::Audience)),
        (token_with(1, None, &json!({ "iss": A, "aud": "shop", "jti": null })), None),
        (token_with(1, None, &json!({ "iss": A, "aud": "shop", "exp": NOW + 7200 })), None),
        (token_with(1, None, &json!({ "iss": A, "aud": "shop", "exp": NOW + 7201 })), Some(InvalidToken::TooLongLived)),
        (b(&json!({})), None),
        (b(&json!({ "aud": "shop" })), Some(InvalidToken::Audience)),
        (b(&json!({ "jti": "" })), Some(InvalidToken::NoTokenId)),
        (b(&json!({ "exp": NOW + 3601 })), Some(InvalidToken::TooLongLived)),
        (token_with(2, None, &json!({ "iss": B, "aud": "office" })), Some(InvalidToken::Type)),
    ] {
        assert_eq!(rejection(&verifier, &token), reason);
    }
    let retention = verifier.retention();
    assert_eq!(retention.accepted_until(at(NOW)), at(NOW + 60), "the longest of all");
    assert!(retention.accepts_lifetime(at(NOW), at(NOW + 7200)));
}

#[test]
fn the_leeway_of_one_issuer_is_not_that_of_another() {
    let clock = clock();
    let lenient = Issuer::keys(A, key(1)).leeway(Duration::from_secs(60));
    let verifier = JwtVerifier::issuers([lenient, Issuer::keys(B, key(2))]).clock(clock.clone()).build().unwrap();
    let logout = Logout::new(verifier.clone(), test_support::memory());
    let [of_a, of_b] = [token(Some(A), None, 1), token(Some(B), None, 2)];
    for (token, accepted_until) in [(&of_a, NOW + 960), (&of_b, NOW + 900)] {
        assert_eq!(check(&logout, token), Ok(()));
        assert_eq!(verifier.verify_now(token).unwrap().unwrap().identity().accepted_until(), at(accepted_until));
    }
    clock.advance(Duration::from_secs(900));
    // Both are in the cache.
    assert_eq!((check(&logout, &of_a), check(&logout, &of_b)), (Ok(()), Err(Rejection::Expired)));
    assert!(matches!(verifier.verify_now(&of_b).unwrap(), Err(VerifyError::Expired)));
    assert!(verifier.verify_now(&of_a).unwrap().is_ok());
}

#[tokio::test]
async fn a_logout_with_a_key_of_another_issuer_revokes_nothing() {
    let logout = Logout::new(two(&clock()), test_support::memory());
    let everywhere = logout.service().scope(LogoutScope::Subject);
    let service = logout.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))));
    let request =
        |token: &str| Request::post("/").header(AUTHORIZATION, bearer(token)).body(Empty::<&[u8]>::new()).unwrap();
    let forged = everywhere.oneshot(request(&token(Some(B), None, 1))).await.unwrap();
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    let used = service.oneshot(request(&token(Some(B), None, 2))).await.unwrap();
    assert_eq!(used.status(), StatusCode::OK);
}

#[test]
fn a_configuration_that_does_not_bind_keys_to_issuers_is_an_error_with_a_remedy() {
    let pool = || JwtVerifier::with_keys(KeySet::from_iter([key(1), key(2)]));
    let many = |keys| (0..keys).map(|seed| key(seed).with_kid(seed.to_string())).collect::<KeySet>();
    let errors: [(ConfigError, &str); 12] = [
        (pool().issuer(A).issuer(B).build().unwrap_err(), "JwtVerifier::issuers([Issuer::keys("),
        (pool().issuer(A).issuer(A).build().unwrap_err(), "JwtVerifier::issuers"),
        (JwtVerifier::issuers([Issuer::keys(A, key(1))]).issuer(B).build().unwrap_err(), "its own keys"),
        (JwtVerifier::issuers([]).build().unwrap_err(), "at least one"),
        (JwtVerifier::issuers([Issuer::keys(A, key(1)), Issuer::keys(A, key(2))]).build().unwrap_err(), "list it once"),
        (JwtVerifier::issuers([Issuer::keys("", key(1))]).build().unwrap_err(), "environment variable"),
        (JwtVerifier::issuers([Issuer::keys(A, KeySet::default())]).build().unwrap_err(), A),
        (JwtVerifier::issuers([Issuer::keys(A, key(1)).audience("")]).build().unwrap_err(), "environment variable"),
        (
            JwtVerifier::issuers([Issuer::keys(A, key(1)).audience("x").allow_any_audience()]).build().unwrap_err(),
            "keep the one",
        ),
        (JwtVerifier::issuers([Issuer::keys(A, many(101))]).build().unwrap_err(), "raise max_keys"),
        (JwtVerifier::with_keys(many(101)).build().unwrap_err(), "raise max_keys"),
        (two(&clock()).replace_keys(key(1)).unwrap_err(), "replace_keys_of"),
    ];
    for (error, remedy) in errors {
        assert!(error.to_string().contains(remedy), "{error}");
    }
    assert!(JwtVerifier::with_keys(many(100)).build().is_ok());
    assert!(JwtVerifier::with_keys(many(101)).max_keys(101).build().is_ok());
    let raised = JwtVerifier::issuers([Issuer::keys(A, many(101)).max_keys(101)]).max_keys(1).build().unwrap();
    assert!(matches!(raised.replace_keys(many(102)), Err(ConfigError::TooManyKeys { keys: 102, max_keys: 101 })));
}

#[test]
fn a_thousand_issuers_have_a_key_each() {
    let name = |index: usize| format!("https://{index}.example");
    let secret = |index: usize| -> Vec<u8> { index.to_be_bytes().repeat(4) };
    let issuers = (0..1000)
        .map(|index| Issuer::keys(name(index), Key::secret(Algorithm::HS256, secret(index)).unwrap().with_kid("k")));
    let verifier = JwtVerifier::issuers(issuers).clock(clock()).build().unwrap();
    for index in (0..1000).step_by(37) {
        for signer in [index, (index + 1) % 1000] {
            let claims = claims_with("one", json!({ "iss": name(index) }));
            let key = EncodingKey::from_secret(&secret(signer)).unwrap();
            let token = sign(&json!({ "alg": "HS256", "kid": "k" }), &claims, Alg::HS256, &key);
            assert_eq!(verifier.verify_now(&token).unwrap().is_ok(), signer == index);
        }
    }
}

proptest! {
    #[test]
    fn a_token_verifies_if_and_only_if_its_issuers_own_key_has_signed_it(
        // The keys of four issuers and their `kid`; then tokens: issuer, signer, `kid`.
        owned in proptest::collection::vec(proptest::collection::btree_map(0_u8..6, proptest::option::of(0_u8..3), 1..4), 1..5),
        tokens in proptest::collection::vec((0_usize..6, 0_u8..6, proptest::option::of(0_u8..3)), 1..40),
    ) {
        let name = |index: usize| format!("https://issuer.example/{index}");
        let issuers = owned.iter().enumerate().map(|(index, keys)| {
            let keys = keys.iter().map(|(seed, kid)| match kid {
                Some(kid) => key(*seed).with_kid(kid.to_string()),
                None => key(*seed),
            });
            Issuer::keys(name(index), keys.collect::<KeySet>())
        });
        let verifier = JwtVerifier::issuers(issuers).clock(clock()).build().unwrap();
        for (issuer, signer, kid) in tokens {
            let text = token(Some(&name(issuer)), kid.map(|kid| kid.to_string()).as_deref(), signer);
            let expected = owned.get(issuer).and_then(|keys| keys.get(&signer)).is_some_and(|own| match (own, kid) {
                (Some(own), Some(kid)) => *own == kid,
                _ => true,
            });
            prop_assert_eq!(verifier.verify_now(&text).unwrap().is_ok(), expected);
        }
    }
}
