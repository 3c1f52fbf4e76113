//! Promise: tokens that only the configuration rejects are reported with the reason and the remedy,
//! once a minute, and tokens that are merely bad are not.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, header::AUTHORIZATION};
use http_body_util::{Empty, Full};
use metrics_util::debugging::DebuggingRecorder;
use serde_json::{Value, json};
use test_support::{
    ISSUER, NOW, SECRET, bearer, claims_with, clock, events::Events, hand::HandStore, hs256, sign, token, verifier,
};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, VerifiedToken,
    respond::Rejection,
    token::{
        TokenSource, TokenVerifier, VerifyError,
        jwt::{Algorithm, Issuer, JwtVerifierBuilder, Key, KeySet},
    },
};

use super::support::{guarded, metrics_of};

/// A token of the issuer that the configuration rejects, and the event that reports it.
struct Rejected {
    verifier: JwtVerifierBuilder,
    claims: Value,
    reason: &'static str,
    error: &'static str,
    remedy: &'static str,
}

fn rejected_by_configuration() -> Vec<Rejected> {
    let any = || JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock());
    let profile = || any().audience("me").rfc9068();
    let case = |verifier, claims, reason, error, remedy| Rejected { verifier, claims, reason, error, remedy };
    vec![
        case(any(), json!({ "aud": "hunter2" }), "audience", "audience (`aud`)", "audience()"),
        case(any().audience("me"), json!({ "aud": "hunter2" }), "audience", "audience (`aud`)", "audience()"),
        case(any().audience("me"), json!({}), "audience", "audience (`aud`)", "audience()"),
        case(any(), json!({ "iss": "https://hunter2" }), "issuer", "issuer (`iss`)", "issuer()"),
        case(any().typ("jwt"), json!({}), "type", "type (`typ`)", "typ()"),
        case(any(), json!({ "exp": "hunter2" }), "claims", "invalid type: string, expected", "RFC 7519"),
        case(any(), json!({ "exp": null }), "claims", "missing field `exp`", "`exp`"),
        case(any(), json!({ "sub": 77_777 }), "integer_subject", "integer", "allow_integer_subject()"),
        case(any(), json!({ "cnf": { "jkt": "hunter2" } }), "unverified_binding", "cnf", "allow_unverified_binding()"),
        case(any(), json!({ "nbf": NOW + 77 }), "not_yet_valid", "`nbf`", "clock_skew()"),
        case(any(), json!({ "iat": NOW + 77 }), "issued_in_future", "`iat`", "clock_skew()"),
        case(any().require_iat(), json!({ "iat": null }), "no_iat", "`iat`", "require_iat()"),
        case(any().require_jti(), json!({ "jti": null }), "no_jti", "`jti`", "require_jti()"),
        case(profile(), json!({ "sub": null, "aud": "me", "client_id": "app" }), "no_sub", "`sub`", "rfc9068()"),
        case(profile(), json!({ "client_id": "", "aud": "me" }), "no_client_id", "`client_id`", "rfc9068()"),
        case(any().session_claim("s"), json!({ "s": ["hunter2"] }), "session_claim", "session", "session_claim()"),
        case(any().subject_claim("o"), json!({ "o": 77 }), "subject_claim", "subject", "allow_integer_subject()"),
        case(any().max_lifetime(MINUTE), json!({}), "too_long_lived", "max_lifetime", "max_lifetime()"),
        case(
            any().revocable_claim("tenant"),
            json!({ "tenant": { "hunter2": 1 } }),
            "revocable_claim",
            "revocable",
            "revocable_claim()",
        ),
    ]
}

const MINUTE: Duration = Duration::from_secs(60);

const REJECTED: &str = "token rejected by the configuration";

/// Asserts that no event contains the value of a claim.
fn assert_quiet(events: &Events) {
    for event in events.all() {
        let text = format!("{event:?}");
        for secret in ["hunter2", "77", "usr_123", "ses_1"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_only_the_configuration_rejects_is_reported_with_the_reason_and_the_remedy() {
    let events = Events::of_this_thread();
    for (index, Rejected { verifier, claims, reason, error, remedy }) in
        rejected_by_configuration().into_iter().enumerate()
    {
        let recorder = DebuggingRecorder::new();
        let _metrics = metrics::set_default_local_recorder(&recorder);
        let logout = Logout::new(verifier.build().unwrap(), test_support::memory());
        let header = json!({ "alg": "HS256", "typ": "at+jwt" });
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET).unwrap();
        let token = sign(&header, &claims_with("one", claims), jsonwebtoken::Algorithm::HS256, &key);
        for _ in 0..3 {
            assert_eq!(guarded(&logout, Some(&bearer(&token))).await, StatusCode::UNAUTHORIZED);
        }
        let reported = events.named(REJECTED);
        assert_eq!(reported.len(), index + 1, "once for each: {reason}");
        let fields = &reported[index].fields;
        assert_eq!((&*reported[index].level, &*fields["reason"], &*fields["suppressed"]), ("WARN", reason, "0"));
        assert!(fields["error"].contains(error) && fields["remedy"].contains(remedy), "{fields:?}");
        let counted = format!("tower_logout_checks_total outcome=invalid_token reason={reason}");
        assert_eq!(metrics_of(&recorder).counters, BTreeMap::from([(counted, 3)]));
    }
    assert_quiet(&events);
}

#[derive(serde::Deserialize)]
struct Mine {
    #[serde(rename = "roles")]
    _roles: Vec<String>,
}

async fn assert_rejects<V: TokenVerifier>(verifier: V, claims: Value) {
    let logout = Logout::new(verifier, test_support::memory());
    let token = bearer(&hs256(&claims_with("one", claims)));
    assert_eq!(guarded(&logout, Some(&token)).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn claims_that_do_not_deserialize_are_reported_without_their_values() {
    let events = Events::of_this_thread();
    let new = || JwtVerifier::hs256(SECRET).clock(clock()).claims::<Mine>().build().unwrap();
    assert_rejects(new(), json!({})).await;
    assert_rejects(new(), json!({ "roles": "hunter2" })).await;
    assert_rejects(Arc::new(new()), json!({})).await;
    assert_rejects(Box::new(new()), json!({})).await;
    assert_rejects(Waiting(new()), json!({})).await;
    let reported: Vec<_> = events.named(REJECTED).into_iter().map(|event| event.fields["error"].clone()).collect();
    let missing = |reported: &String| reported.contains("missing field `roles`");
    assert_eq!(reported.iter().map(missing).collect::<Vec<_>>(), [true, false, true, true, false], "{reported:?}");
    assert!(reported[1].contains("invalid type: string, expected a sequence"), "{reported:?}");
    assert!(reported[4].contains("cannot be deserialized as the application's type"), "{reported:?}");
    assert_quiet(&events);
}

/// A wrapper of a verifier that answers late and does not pass explanations on.
struct Waiting<V>(V);

#[async_trait]
impl<V: TokenVerifier> TokenVerifier for Waiting<V> {
    type Claims = V::Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<V::Claims>, VerifyError> {
        tokio::task::yield_now().await;
        self.0
            .verify(token)
            .await
            .map_err(|error| VerifyError::invalid(Box::new(error) as Box<dyn Error + Send + Sync>))
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_rejected_tokens_is_reported_once_a_minute_for_each_reason() {
    let events = Events::of_this_thread();
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let audience = bearer(&hs256(&claims_with("audience", json!({ "aud": "hunter2" }))));
    let early = bearer(&hs256(&claims_with("early", json!({ "nbf": NOW + 77 }))));
    for _ in 0..1000 {
        guarded(&logout.clone(), Some(&audience)).await;
        guarded(&logout, Some(&early)).await;
    }
    tokio::time::advance(MINUTE).await;
    guarded(&logout, Some(&audience)).await;
    let reported: Vec<_> = events.named(REJECTED).into_iter().map(|event| event.fields).collect();
    let reported: Vec<_> = reported.iter().map(|fields| (&*fields["reason"], &*fields["suppressed"])).collect();
    assert_eq!(reported, [("audience", "0"), ("not_yet_valid", "0"), ("audience", "999")]);
}

#[tokio::test(start_paused = true)]
async fn forged_malformed_and_expired_tokens_are_no_warning() {
    let events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let refused = hs256(&claims_with("audience", json!({ "aud": "hunter2" })));
    let forged = format!("{}A{}", &refused[..refused.len() - 9], &refused[refused.len() - 8..]);
    let other_key = JwtVerifier::hs256("another secret of the tests, 32 b").clock(clock()).build().unwrap();
    let crit = sign(
        &json!({ "alg": "HS256", "crit": ["x"], "x": 1 }),
        &claims_with("crit", json!({})),
        jsonwebtoken::Algorithm::HS256,
        &jsonwebtoken::EncodingKey::from_secret(SECRET).unwrap(),
    );
    let expired = hs256(&claims_with("expired", json!({ "iat": NOW - 9, "exp": NOW })));
    for token in [&*forged, "a.b.c", "nonsense", &crit, &expired] {
        guarded(&logout, Some(&bearer(token))).await;
    }
    guarded(&Logout::new(other_key, test_support::memory()), Some(&bearer(&refused))).await;
    assert!(events.all().iter().all(|event| event.level == "DEBUG"), "{:?}", events.all());
    assert_eq!(events.named("token not verified").len(), 6);
    let invalid = |reason: &str| format!("tower_logout_checks_total outcome=invalid_token reason={reason}");
    let expected = [
        (invalid("malformed"), 2),
        (invalid("critical"), 1),
        (invalid("signature"), 2),
        ("tower_logout_checks_total outcome=token_expired".to_owned(), 1),
    ];
    assert_eq!(metrics_of(&recorder).counters, BTreeMap::from(expected));
    assert_quiet(&events);
}

#[tokio::test]
async fn of_several_invalid_cookies_the_first_one_is_counted() {
    let recorder = DebuggingRecorder::new();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let logout = Logout::new(verifier(&clock()), test_support::memory()).token_source(TokenSource::cookie("token"));
    let refused = hs256(&claims_with("refused", json!({ "aud": "other" })));
    let request = Request::get("/").header("cookie", format!("token={refused}; token=a.b.c"));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(logout.check((&request).into()).await.unwrap_err(), Rejection::Invalid);
    let expected = [("tower_logout_checks_total outcome=invalid_token reason=audience".to_owned(), 1)];
    assert_eq!(metrics_of(&recorder).counters, BTreeMap::from(expected));
}

/// With several issuers, the issuer of a token is read before its signature is checked.
#[tokio::test(start_paused = true)]
async fn with_several_issuers_an_unknown_one_is_reported_and_an_unreadable_one_is_not() {
    let events = Events::of_this_thread();
    let key = || Key::secret(Algorithm::HS256, SECRET).unwrap();
    let issuers = [Issuer::keys(ISSUER, key()), Issuer::keys("https://b.example", key())];
    let logout = Logout::new(JwtVerifier::issuers(issuers).clock(clock()).build().unwrap(), test_support::memory());
    let forged = |claims: &Value| format!("{}A", hs256(claims).rsplit_once('.').unwrap().0.to_owned() + ".");
    let unreadable = forged(&json!({ "iss": { "hunter2": 1 }, "exp": NOW + 900 }));
    let unknown = forged(&claims_with("one", json!({ "iss": "https://hunter2" })));
    let refused = hs256(&claims_with("one", json!({ "exp": "hunter2" })));
    for token in [&unreadable, &unreadable, &unknown, &refused] {
        assert_eq!(guarded(&logout, Some(&bearer(token))).await, StatusCode::UNAUTHORIZED);
    }
    let reported: Vec<_> = events.named(REJECTED).into_iter().map(|event| event.fields).collect();
    let reported: Vec<_> = reported.iter().map(|fields| (&*fields["reason"], &*fields["suppressed"])).collect();
    assert_eq!(reported, [("issuer", "0"), ("claims", "0")], "what an outsider sends holds nothing back");
    assert_quiet(&events);
}

#[tokio::test]
async fn a_refresh_token_that_only_the_configuration_rejects_is_reported() {
    let events = Events::of_this_thread();
    let logout = Logout::new(verifier(&clock()), HandStore::new()).refresh_tokens(verifier(&clock()));
    let refresh = hs256(&claims_with("refresh", json!({ "aud": "hunter2" })));
    let body = Full::new(Bytes::from(json!({ "refresh_token": refresh }).to_string()));
    let request = Request::post("/").header(AUTHORIZATION, bearer(&token("one"))).body(body).unwrap();
    let answer = logout.service().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(events.named(REJECTED)[0].fields["reason"], "audience");
    assert_quiet(&events);
}

#[test]
fn a_key_that_is_left_out_is_logged_when_a_verifier_gets_it() {
    let events = Events::of_this_thread();
    let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldCE";
    let usable = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let skipped = json!({ "kid": "shared", "kty": "oct", "k": secret });
    let set = KeySet::jwks(&json!({ "keys": [usable, skipped] }).to_string()).unwrap();
    assert!(events.named("key skipped").is_empty());
    let verifier = JwtVerifier::issuers([Issuer::keys(ISSUER, set.clone())]).build().unwrap();
    verifier.replace_keys_of(ISSUER, set).unwrap();
    let reported = events.named("key skipped");
    assert_eq!(reported.len(), 2);
    for event in reported {
        assert_eq!(event.level, "WARN");
        assert_eq!((&*event.fields["issuer"], &*event.fields["kid"]), (ISSUER, "shared"));
        assert!(event.fields["reason"].contains("symmetric key"), "{:?}", event.fields);
        assert!(!event.fields.values().any(|value| value.contains(secret)));
    }
}

#[tokio::test]
async fn the_verifier_explains_a_rejection_without_events() {
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock()).claims::<Mine>().build().unwrap();
    let explained = verifier.explain(&token("one")).unwrap();
    assert!(explained.contains("missing field `roles`"), "{explained}");
    let other = hs256(&claims_with("one", json!({ "iss": "https://hunter2", "roles": [] })));
    assert!(verifier.explain(&other).unwrap().contains("issuer (`iss`)"));
    for accepted_or_not_authentic in
        [hs256(&claims_with("one", json!({ "roles": [] }))), other + "A", "a.b.c".to_owned()]
    {
        assert_eq!(verifier.explain(&accepted_or_not_authentic), None);
    }
}
