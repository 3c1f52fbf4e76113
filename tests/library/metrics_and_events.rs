//! Promise: every metric and event that the documentation of `telemetry` lists occurs as often as
//! it should, with its labels, level and fields.

use std::{collections::BTreeMap, convert::Infallible, error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{Empty, Full};
use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};
use serde_json::{Value, json};
use test_support::{
    ISSUER, NOW, SECRET, at, bearer, claims_with, clock,
    events::Events,
    hand::{Act, HandStore},
    hs256, sign, token, verifier,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_logout::{
    Claims, JwtVerifier, Logout, LogoutScope, LogoutService, MemoryStore, Replica, RevocationStore, VerifiedToken,
    clock::Timestamp,
    guard::EndReason,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    store::Health,
    token::{
        TokenSource, TokenVerifier, VerifyError,
        jwt::{Algorithm, Issuer, JwtVerifierBuilder, Key, KeySet},
    },
};
use tracing::Instrument;

use test_support::replica::{Feed, SharedLog};

#[tokio::test(start_paused = true)]
async fn every_metric_is_counted() {
    let _events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let guard = metrics::set_default_local_recorder(&recorder);
    session().await;
    drop(guard);
    let seen = metrics_of(&recorder);

    let checks = |outcome: &str| format!("tower_logout_checks_total outcome={outcome}");
    let revocations =
        |kind: &str, outcome: &str| format!("tower_logout_revocations_total kind={kind} outcome={outcome}");
    let failures = |operation: &str| format!("tower_logout_store_failures_total operation={operation}");
    let expected = [
        // Two requests, the logout's own check, and four logouts that their store fails.
        (checks("allowed"), 2 + 1 + 4),
        (checks("anonymous"), 1),
        (checks("insecurely_allowed"), 1),
        (checks("authorization_required"), 1),
        (checks("invalid_request"), 1),
        (checks("invalid_token reason=malformed"), 1),
        (checks("token_expired"), 1),
        (checks("token_revoked"), 2),
        (checks("temporarily_unavailable"), 2),
        (revocations("token_id", "newly"), 1),
        (revocations("session", "newly"), 1),
        (revocations("session", "already"), 1),
        (revocations("subject", "newly"), 1),
        (revocations("client", "newly"), 1),
        (revocations("issuer", "newly"), 1),
        (revocations("everything", "newly"), 1),
        (revocations("claim", "newly"), 1),
        ("tower_logout_streams_ended_total reason=token_revoked".to_owned(), 2),
        ("tower_logout_streams_ended_total reason=token_expired".to_owned(), 1),
        (failures("check"), 3),
        (failures("revoke"), 4),
    ];
    let expected: BTreeMap<_, _> = expected.into_iter().collect();
    assert_eq!(seen.counters, expected);
    assert_eq!(seen.gauges, BTreeMap::from([("tower_logout_live_revocations".to_owned(), 7.0)]));
    let durations = &seen.histograms["tower_logout_check_duration_seconds"];
    let all: u64 = expected.iter().filter(|(name, _)| name.starts_with("tower_logout_checks")).map(|(_, n)| n).sum();
    assert_eq!((durations.len() as u64, seen.histograms.len()), (all, 1));
    assert!(durations.iter().all(|seconds| (0.0..10.0).contains(seconds)), "in seconds: {durations:?}");
}

#[tokio::test(start_paused = true)]
async fn every_event_has_its_level_and_its_fields() {
    let events = Events::of_this_thread();
    session().await;

    let refused = events.named("request rejected");
    assert_eq!(refused.len(), 8);
    assert!(refused.iter().all(|event| event.level == "DEBUG"));
    let reasons: Vec<_> = refused.iter().map(|event| &*event.fields["reason"]).collect();
    assert_eq!(
        reasons,
        [
            "temporarily_unavailable",
            "temporarily_unavailable",
            "authorization_required",
            "invalid_request",
            "invalid_token",
            "token_expired",
            "token_revoked",
            "token_revoked",
        ]
    );

    let unverified = events.named("token not verified");
    assert!(unverified.iter().all(|event| event.level == "DEBUG"));
    let errors: Vec<_> = unverified.iter().map(|event| &*event.fields["error"]).collect();
    assert_eq!(
        errors,
        ["the token is invalid: the token does not have three parts separated by dots", "the token has expired"]
    );

    let revoked = events.named("revoked");
    assert!(revoked.iter().all(|event| event.level == "INFO"));
    let kinds: Vec<_> = revoked.iter().map(|event| (&*event.fields["kind"], &*event.fields["outcome"])).collect();
    assert_eq!(
        kinds,
        [
            ("token_id", "newly"),
            ("session", "newly"),
            ("session", "already"),
            ("subject", "newly"),
            ("client", "newly"),
            ("issuer", "newly"),
            ("everything", "newly"),
            ("claim", "newly"),
        ]
    );
    let session = &revoked[1].fields;
    let key = RevocationKey::session(ISSUER, "ses_1").to_string();
    assert_eq!((&*session["key"], &*session["issued_through"]), (&*key, "1458786000000"));
    assert_eq!(session["retain_until"], ((NOW + 366 * 24 * 60 * 60 + 31) * 1000).to_string());

    let ended = events.named("stream ended");
    assert!(ended.iter().all(|event| event.level == "DEBUG"));
    let reasons: Vec<_> = ended.iter().map(|event| &*event.fields["reason"]).collect();
    assert_eq!(reasons, ["token_revoked", "token_revoked", "token_expired"]);

    let failed = events.named("store failed");
    assert!(failed.iter().all(|event| event.level == "ERROR"));
    let failed: Vec<_> = failed.iter().map(|event| (&*event.fields["operation"], &*event.fields["error"])).collect();
    let (check, revoke) = ("the revocation store failed to check: ", "the revocation store failed to revoke: ");
    let expected = [
        ("check", format!("{check}the disk is on fire")),
        ("check", format!("{check}the disk is on fire")),
        ("check", format!("{check}deadline has elapsed")),
        ("revoke", format!("{revoke}the disk is on fire")),
        ("revoke", format!("{revoke}the connection was lost before the answer")),
        ("revoke", format!("{revoke}deadline has elapsed")),
    ];
    assert_eq!(failed[..6], expected.each_ref().map(|(operation, error)| (*operation, &**error)));
    assert!(failed[6].0 == "revoke" && failed[6].1.starts_with(&format!("{revoke}task ")), "{:?}", failed[6]);
    assert!(failed[6].1.contains("panicked"), "{:?}", failed[6]);
    assert_eq!(failed.len(), 7);

    let allowed = events.named("request allowed although the store failed");
    assert_eq!((allowed.len(), &*allowed[0].level), (1, "WARN"));
    assert_eq!(events.all().len(), 8 + 2 + 8 + 3 + 7 + 1, "there are no others");
}

#[tokio::test]
async fn a_logouts_events_are_in_the_span_of_its_request() {
    let events = Events::of_this_thread();
    let logout = Logout::new(verifier(&clock()), HandStore::new());
    let span = tracing::info_span!("http request");
    let status = status(logout.service(), request("POST", Some(&bearer(&token("span"))))).instrument(span).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(events.named("revoked")[0].span, "http request");
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_lacks_its_claim_is_reported_once_a_minute() {
    let events = Events::of_this_thread();
    let logout = Logout::new(verifier(&clock()), HandStore::new());
    let log_out = async |claim: &str, jti: &str| {
        let token = bearer(&hs256(&claims_with(jti, json!({ claim: null }))));
        let service = match claim {
            "sub" => logout.service().scope(LogoutScope::Subject),
            _ => logout.service().scope(LogoutScope::Session),
        };
        status(service, request("POST", Some(&token))).await
    };
    for jti in ["1", "2", "3"] {
        assert_eq!(log_out("sub", jti).await, StatusCode::BAD_REQUEST);
        assert_eq!(log_out("sid", jti).await, StatusCode::OK);
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(log_out("sub", "4").await, StatusCode::BAD_REQUEST);
    let reported = events.named("token lacks a claim");
    assert!(reported.iter().all(|event| event.level == "WARN" && event.fields["remedy"].contains("issuer")));
    let reported: Vec<_> = ["claim", "effect", "suppressed"]
        .map(|field| reported.iter().map(|event| event.fields[field].clone()).collect::<Vec<_>>())
        .to_vec();
    assert_eq!(reported[0], ["sub", "sid", "sub"]);
    assert_eq!(reported[1][..2], ["nothing was revoked; answered with 400", "only the token itself was revoked"]);
    assert_eq!(reported[2], ["0", "0", "2"]);
}

/// Two layers with a store each: the logout is answered with 200, and revokes nothing.
#[tokio::test(start_paused = true)]
async fn a_logout_through_a_layer_that_guards_nothing_is_an_error_for_the_operator() {
    let events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let routes = Logout::new(verifier(&clock()), MemoryStore::new());
    let logout = Logout::new(verifier(&clock()), MemoryStore::new());
    guarded(&routes, Some(&bearer(&token("1")))).await;
    for jti in ["1", "2", "3"] {
        assert_eq!(status(logout.service(), request("POST", Some(&bearer(&token(jti))))).await, StatusCode::OK);
    }
    let _ = logout.revoker().user("usr_123").await.unwrap();
    let reported = events.named(IN_VAIN);
    assert_eq!((reported.len(), &*reported[0].level), (1, "ERROR"));
    assert!(reported[0].fields["remedy"].contains("one Logout"), "{reported:?}");
    assert_eq!(metrics_of(&recorder).counters["tower_logout_revocations_in_vain_total"], 4);
}

#[tokio::test(start_paused = true)]
async fn where_the_logout_can_be_seen_by_somebody_it_is_no_error() {
    let events = Events::of_this_thread();
    let new = || Logout::new(verifier(&clock()), MemoryStore::new());

    let guards = new();
    guarded(&guards, None).await;
    log_out(guards.service(), "the layer has made a service").await;

    let cloned = new();
    let logout = cloned.service();
    let _routes = axum::Router::<()>::new().route("/", axum::routing::get(async || "hello")).layer(cloned.axum_layer());
    log_out(logout, "the layer was cloned for a router that has made no service yet").await;

    let asked = new();
    let logout = asked.service();
    let _ = asked.check((&request("GET", None)).into()).await;
    log_out(logout, "its guard is used directly").await;

    let store = Arc::new(MemoryStore::new());
    let routes = Logout::new(verifier(&clock()), Arc::clone(&store));
    let logout = Logout::new(verifier(&clock()), store);
    guarded(&routes, None).await;
    log_out(logout.service(), "another layer asks the same store").await;

    let store = Arc::new(MemoryStore::new());
    let guard = Logout::new(verifier(&clock()), Arc::clone(&store));
    log_out(Logout::new(verifier(&clock()), store).service(), "a guard asks the same store").await;
    drop(guard);

    let shared = Logout::new(verifier(&clock()), HandStore::new());
    log_out(shared.service(), "others may ask the store").await;
    let replica = Replica::start(SharedLog::new());
    replica.ready().await.unwrap();
    log_out(Logout::new(verifier(&clock()), replica).service(), "other processes ask the log").await;

    assert_eq!(events.named(IN_VAIN).len(), 0);
}

async fn log_out(service: LogoutService, jti: &str) {
    assert_eq!(status(service, request("POST", Some(&bearer(&token(jti))))).await, StatusCode::OK, "{jti}");
}

const IN_VAIN: &str = "revocation ends nothing: its Logout guards no route, and nothing else can ask its store";

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
    let case = |verifier, claims, reason, error, remedy| Rejected { verifier, claims, reason, error, remedy };
    vec![
        case(any(), json!({ "aud": "hunter2" }), "audience", "audience (`aud`)", "audience()"),
        case(any().audience("me"), json!({ "aud": "hunter2" }), "audience", "audience (`aud`)", "audience()"),
        case(any().audience("me"), json!({}), "audience", "audience (`aud`)", "audience()"),
        case(any(), json!({ "iss": "https://hunter2" }), "issuer", "issuer (`iss`)", "issuer()"),
        case(any().typ("at+jwt"), json!({}), "type", "type (`typ`)", "typ()"),
        case(any(), json!({ "exp": "hunter2" }), "claims", "invalid type: string, expected", "RFC 7519"),
        case(any(), json!({ "exp": null }), "claims", "missing field `exp`", "`exp`"),
        case(any(), json!({ "sub": 77_777 }), "integer_subject", "integer", "allow_integer_subject()"),
        case(any(), json!({ "cnf": { "jkt": "hunter2" } }), "unverified_binding", "cnf", "allow_unverified_binding()"),
        case(any(), json!({ "nbf": NOW + 77 }), "not_yet_valid", "`nbf`", "clock_skew()"),
        case(any(), json!({ "iat": NOW + 77 }), "issued_in_future", "`iat`", "clock_skew()"),
        case(any().require_iat(), json!({ "iat": null }), "no_iat", "`iat`", "require_iat()"),
        case(any().require_jti(), json!({ "jti": null }), "no_jti", "`jti`", "require_jti()"),
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
        let logout = Logout::new(verifier.build().unwrap(), MemoryStore::new());
        let token = hs256(&claims_with("one", claims));
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

async fn refuses<V: TokenVerifier>(verifier: V, claims: Value) {
    let logout = Logout::new(verifier, MemoryStore::new());
    let token = bearer(&hs256(&claims_with("one", claims)));
    assert_eq!(guarded(&logout, Some(&token)).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn what_serde_says_of_claims_that_do_not_fit_is_reported_without_their_values() {
    let events = Events::of_this_thread();
    let new = || JwtVerifier::hs256(SECRET).clock(clock()).claims::<Mine>().build().unwrap();
    refuses(new(), json!({})).await;
    refuses(new(), json!({ "roles": "hunter2" })).await;
    refuses(Arc::new(new()), json!({})).await;
    refuses(Box::new(new()), json!({})).await;
    refuses(Waiting(new()), json!({})).await;
    let reported: Vec<_> = events.named(REJECTED).into_iter().map(|event| event.fields["error"].clone()).collect();
    let missing = |reported: &String| reported.contains("missing field `roles`");
    assert_eq!(reported.iter().map(missing).collect::<Vec<_>>(), [true, false, true, true, false], "{reported:?}");
    assert!(reported[1].contains("invalid type: string, expected a sequence"), "{reported:?}");
    assert!(reported[4].contains("cannot be deserialized as the application's type"), "{reported:?}");
    assert_quiet(&events);
}

/// A verifier around another that answers late, and does not pass explanations on.
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
    let logout = Logout::new(verifier(&clock()), MemoryStore::new());
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
    let logout = Logout::new(verifier(&clock()), MemoryStore::new());
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
    guarded(&Logout::new(other_key, MemoryStore::new()), Some(&bearer(&refused))).await;
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

/// With several issuers, who has issued a token is read before its signature is checked.
#[tokio::test(start_paused = true)]
async fn among_several_issuers_an_unknown_one_is_reported_and_what_cannot_be_read_is_not() {
    let events = Events::of_this_thread();
    let key = || Key::secret(Algorithm::HS256, SECRET).unwrap();
    let issuers = [Issuer::keys(ISSUER, key()), Issuer::keys("https://b.example", key())];
    let logout = Logout::new(JwtVerifier::issuers(issuers).clock(clock()).build().unwrap(), MemoryStore::new());
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

/// A verifier that fails, or does not answer in time.
struct Down(bool);

#[async_trait]
impl TokenVerifier for Down {
    type Claims = ();

    async fn verify(&self, _: &str) -> Result<VerifiedToken<()>, VerifyError> {
        if self.0 {
            std::future::pending::<()>().await;
        }
        Err(VerifyError::unavailable("the identity provider is on fire"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_is_unavailable_is_logged_and_counted_as_a_store_that_is() {
    let events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let good = bearer(&token("one"));
    for hangs in [false, true] {
        let logout = Logout::new(Down(hangs), MemoryStore::new());
        assert_eq!(guarded(&logout, Some(&good)).await, StatusCode::SERVICE_UNAVAILABLE);
        // The verifier of refresh tokens, too.
        let logout = Logout::new(verifier(&clock()), MemoryStore::new());
        let body = Full::new(Bytes::from(r#"{"refresh_token":"a"}"#));
        let request = Request::post("/").header(AUTHORIZATION, &good).body(body).unwrap();
        let answer = logout.refresh_tokens(Down(hangs)).service().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let reported = events.named("verifier failed");
    assert!(reported.iter().all(|event| event.level == "ERROR"));
    let errors: Vec<_> = reported.iter().map(|event| &*event.fields["error"]).collect();
    let down = "the token could not be verified: the identity provider is on fire";
    let late = "the token could not be verified: deadline has elapsed";
    assert_eq!(errors, [down, down, late, late]);
    assert_eq!(metrics_of(&recorder).counters["tower_logout_verifier_failures_total"], 4);
}

/// A verifier that knows one token, and fails for others.
struct KnowsOne;

#[async_trait]
impl TokenVerifier for KnowsOne {
    type Claims = ();

    async fn verify(&self, token: &str) -> Result<VerifiedToken<()>, VerifyError> {
        let key = RevocationKey::signing_input(token);
        match token {
            "one" => {
                Ok(VerifiedToken::new(TokenIdentity::new(key, at(NOW), Timestamp::MAX, &Retention::default()), ()))
            }
            _ => Err(VerifyError::unavailable("the identity provider is on fire")),
        }
    }
}

#[tokio::test]
async fn a_logout_whose_second_cookie_cannot_be_verified_is_reported() {
    let events = Events::of_this_thread();
    let logout = Logout::new(KnowsOne, HandStore::new()).token_source(TokenSource::cookie("session"));
    let request = Request::post("/").header("cookie", "session=one; session=two").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(status(logout.service(), request).await, StatusCode::SERVICE_UNAVAILABLE);
    let reported = events.named("verifier failed");
    assert_eq!((reported.len(), &*reported[0].level), (1, "ERROR"));
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

#[tokio::test]
async fn without_events_the_verifier_explains_a_rejection() {
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

/// A replica that loads, falls behind, finds its log emptied and re-sends what it knows.
async fn a_replicas_life() {
    let log = SharedLog::new();
    let replica = Replica::start(log.clone());
    replica.ready().await.unwrap();
    let revocation = Revocation::of_token(&test_support::identity("1", Timestamp::MAX));
    replica.revoke(&revocation).await.unwrap();
    let mut health = replica.monitor().watch();
    log.feed(Feed::Fails);
    health.wait_for(|health| matches!(health, Health::Stale { .. })).await.unwrap();
    log.flush();
    log.feed(Feed::Works);
    health.wait_for(Health::is_fresh).await.unwrap();
    assert!(log.holds(&revocation));
}

#[tokio::test(start_paused = true)]
async fn a_replicas_metrics_are_counted() {
    let _events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let guard = metrics::set_default_local_recorder(&recorder);
    a_replicas_life().await;
    drop(guard);
    let seen = metrics_of(&recorder);
    assert_eq!(seen.counters["tower_logout_replica_snapshots_total"], 2);
    assert_eq!(seen.counters["tower_logout_replica_resent_total"], 1);
    assert!(seen.counters["tower_logout_store_failures_total operation=follow"] > 1);
    assert_eq!(seen.gauges.get("tower_logout_live_revocations"), Some(&1.0));
    let staleness = seen.gauges["tower_logout_replica_staleness_seconds"];
    assert!((0.0..=5.0).contains(&staleness), "in seconds: {staleness}");
}

#[tokio::test(start_paused = true)]
async fn a_replicas_events_have_their_levels_and_fields() {
    let events = Events::of_this_thread();
    a_replicas_life().await;
    let reported: Vec<_> = events.all().into_iter().filter(|event| event.fields["message"] != "store failed").collect();
    let reported: Vec<_> = reported.iter().map(|event| (&*event.fields["message"], &*event.level)).collect();
    assert_eq!(
        reported,
        [
            ("replica fresh", "INFO"),
            ("snapshot loaded", "INFO"),
            ("replica stale", "WARN"),
            ("cursor lost", "WARN"),
            ("snapshot loaded", "INFO"),
            ("log lost revocations", "WARN"),
            ("replica fresh", "INFO"),
        ]
    );
    assert_eq!(events.named("snapshot loaded")[0].fields["entries"], "0");
    assert!(events.named("snapshot loaded")[0].fields.contains_key("took"));
    assert!(events.named("replica stale")[0].fields["staleness"].starts_with('5'));
    assert_eq!(events.named("cursor lost")[0].fields["reason"], "it is another log");
    assert_eq!(events.named("log lost revocations")[0].fields["entries"], "1");
    let failed = events.named("store failed");
    assert_eq!((&*failed[0].fields["operation"], &*failed[0].level), ("follow", "ERROR"));
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

/// A fixed sequence of requests and revocations of every kind.
async fn session() {
    let good = bearer(&token("good"));
    let logout = Logout::new(verifier(&clock()), HandStore::new().checks(Act::Fail));
    guarded(&logout, Some(&good)).await;
    guarded(&logout.clone().insecure_allow_on_store_failure(), Some(&good)).await;
    guarded(&Logout::new(verifier(&clock()), HandStore::new().checks(Act::Hang)), Some(&good)).await;
    for act in [Act::Fail, Act::DoneButFail, Act::Hang, Act::Panic] {
        let logout = Logout::new(verifier(&clock()), HandStore::new().revokes(act));
        status(logout.service().timeout(Duration::from_secs(1)), request("POST", Some(&good))).await;
    }

    let revocable = JwtVerifier::hs256(SECRET).issuer(ISSUER).revocable_claim("tenant").clock(clock()).build().unwrap();
    let logout = Logout::new(revocable, MemoryStore::new().clock(clock()));
    let expired = bearer(&hs256(&claims_with("expired", json!({ "iat": NOW - 9, "exp": NOW }))));

    for value in [Some(&*good), Some(&*good), None, Some("Bearer x y"), Some("Bearer x"), Some(&*expired)] {
        guarded(&logout, value).await;
    }
    guarded(&logout.clone().allow_anonymous(), None).await;
    status(logout.service(), request("GET", Some(&good))).await; // no check, so not counted
    status(logout.service(), request("POST", Some(&good))).await;
    status(logout.service(), request("POST", Some(&good))).await;
    guarded(&logout, Some(&good)).await;
    // Live streams are reported too, each watch by itself.
    let open = logout.watch(&verified("good").await);
    assert_eq!((open.clone().await, open.await), (EndReason::Revoked, EndReason::Revoked));
    let late = clock();
    let expired = Logout::new(verifier(&late), MemoryStore::new()).watch(&verified("late").await);
    late.set(at(NOW + 900));
    assert_eq!(expired.await, EndReason::Expired);
    let revoker = logout.revoker();
    let _ = revoker.session(ISSUER, "ses_1").await.unwrap();
    let _ = revoker.session(ISSUER, "ses_1").await.unwrap();
    let _ = revoker.subject(ISSUER, "usr_123").await.unwrap();
    let _ = revoker.client(ISSUER, "app").await.unwrap();
    let _ = revoker.issuer(ISSUER).await.unwrap();
    let _ = revoker.everything().await.unwrap();
    let _ = revoker.claim(ISSUER, "tenant", "7").await.unwrap();
}

async fn verified(jti: &str) -> VerifiedToken<Claims> {
    verifier(&clock()).verify(&token(jti)).await.unwrap()
}

async fn guarded<C: Send + Sync + 'static>(logout: &Logout<C>, value: Option<&str>) -> StatusCode {
    let inner = service_fn(async |_| Ok(Response::new(Empty::<Bytes>::new())));
    status(logout.layer().layer(inner), request("GET", value)).await
}

async fn status<S, B>(service: S, request: Request<Empty<Bytes>>) -> StatusCode
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap().status()
}

fn request(method: &str, value: Option<&str>) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method);
    value.into_iter().fold(request, |request, value| request.header(AUTHORIZATION, value)).body(Empty::new()).unwrap()
}

#[derive(Default)]
struct Metrics {
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
    histograms: BTreeMap<String, Vec<f64>>,
}

fn metrics_of(recorder: &DebuggingRecorder) -> Metrics {
    let mut seen = Metrics::default();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let mut labels: Vec<_> = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        labels.sort();
        let name = key.name().to_owned() + &labels.concat();
        match value {
            DebugValue::Counter(count) => drop(seen.counters.insert(name, count)),
            DebugValue::Gauge(value) => drop(seen.gauges.insert(name, value.into_inner())),
            DebugValue::Histogram(values) => {
                assert_eq!(kind, MetricKind::Histogram);
                seen.histograms.insert(name, values.into_iter().map(f64::from).collect());
            }
        }
    }
    seen
}
