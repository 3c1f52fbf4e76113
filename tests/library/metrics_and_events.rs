//! Promise: every metric and event that the documentation of `telemetry` lists occurs as often as
//! it should, with its labels, level and fields.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use metrics_util::debugging::DebuggingRecorder;
use serde_json::json;
use test_support::{
    ISSUER, NOW, SECRET, at, bearer, claims_with, clock,
    events::Events,
    hand::{Act, HandStore},
    hs256,
    replica::{Following, SharedLog},
    token, verifier,
};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, Replica, RevocationStore,
    clock::Timestamp,
    guard::EndReason,
    revocation::{Revocation, RevocationKey},
    scope,
    store::Health,
};
use tracing::Instrument;

use super::support::{guarded, metrics_of, request, status, verified};

#[tokio::test(start_paused = true)]
async fn every_metric_is_counted() {
    let _events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let guard = metrics::set_default_local_recorder(&recorder);
    session().await;
    drop(guard);
    let seen = metrics_of(&recorder);

    let checks = |outcome: &str| format!("tower_logout_checks_total outcome={outcome}");
    let revocations_by = |source: &str, kind: &str, outcome: &str| {
        format!("tower_logout_revocations_total kind={kind} outcome={outcome} source={source}")
    };
    let revocations = |kind: &str, outcome: &str| revocations_by("code", kind, outcome);
    let failures = |operation: &str| format!("tower_logout_store_failures_total operation={operation}");
    let expected = [
        // Two requests, the logout's own check, and four logouts that fail in their store.
        (checks("allowed"), 2 + 1 + 4),
        (checks("anonymous"), 1),
        (checks("insecurely_allowed"), 1),
        (checks("authorization_required"), 1),
        (checks("invalid_request"), 1),
        (checks("invalid_token reason=malformed"), 1),
        (checks("token_expired"), 1),
        (checks("token_revoked"), 2),
        (checks("insufficient_scope"), 1),
        (checks("temporarily_unavailable"), 2),
        (revocations_by("endpoint", "token_id", "newly"), 1),
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
    assert_eq!(refused.len(), 9);
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
            "insufficient_scope",
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
    assert_eq!((&*revoked[0].fields["source"], &*session["source"]), ("endpoint", "code"));
    assert!(!session.contains_key("actor") && !session.contains_key("reason"));
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
    assert_eq!(events.all().len(), 9 + 2 + 8 + 3 + 7 + 1, "there are no others");
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

/// A replica that loads, falls behind, finds its log emptied and re-sends what it knows.
async fn a_replicas_life() {
    let log = SharedLog::new();
    let replica = Replica::start(log.clone());
    replica.ready().await.unwrap();
    let revocation = Revocation::of_token(&test_support::identity("1", Timestamp::MAX));
    replica.revoke(&revocation).await.unwrap();
    let mut health = replica.monitor().watch();
    log.following(Following::Fails);
    health.wait_for(|health| matches!(health, Health::Stale { .. })).await.unwrap();
    log.flush();
    log.following(Following::Works);
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
    assert_eq!(seen.counters["tower_logout_revocations_total kind=token_id outcome=newly source=resent"], 1);
    assert!(seen.counters["tower_logout_store_failures_total operation=follow"] > 1);
    assert_eq!(seen.gauges.get("tower_logout_live_revocations"), Some(&1.0));
    let staleness = seen.gauges["tower_logout_replica_staleness_seconds"];
    assert!((0.0..=5.0).contains(&staleness), "in seconds: {staleness}");
}

#[tokio::test(start_paused = true)]
async fn a_replicas_events_have_their_levels_and_fields() {
    let events = Events::of_this_thread();
    a_replicas_life().await;
    let reported: Vec<_> = events.all().into_iter().filter(|event| event.message() != "store failed").collect();
    let reported: Vec<_> = reported.iter().map(|event| (event.message(), &*event.level)).collect();
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
    guarded(&logout.clone().require(scope("orders:write")), Some(&good)).await;
    status(logout.service(), request("GET", Some(&good))).await; // not checked, so not counted
    status(logout.service(), request("POST", Some(&good))).await;
    status(logout.service(), request("POST", Some(&good))).await;
    guarded(&logout, Some(&good)).await;
    // Each watch of a live stream is reported as well.
    let open = logout.watch(&verified("good").await);
    assert_eq!((open.clone().await, open.await), (EndReason::Revoked, EndReason::Revoked));
    let late = clock();
    let expired = Logout::new(verifier(&late), test_support::memory()).watch(&verified("late").await);
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
