//! Promise: operators see what became of each message, and which setting refuses an authentic one;
//! nothing of the message is in it.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;
use test_support::{
    events::{Event, Events},
    hand::Act,
};
use tower_logout::endpoint::BackchannelLogoutBuilder;

use super::support::{Api, CLIENT, EVENT, claims_with, logout_token, signed, status};

fn field<'a>(event: &'a Event, name: &str) -> &'a str {
    &event.fields[name]
}

#[tokio::test]
async fn what_only_the_configuration_refuses_is_a_warning_with_the_remedy() {
    type Settings = fn(BackchannelLogoutBuilder) -> BackchannelLogoutBuilder;
    let same: Settings = |builder| builder;
    let header = json!({ "alg": "HS256" });
    let with = |changes| signed(&header, &claims_with(changes));
    for (token, settings, reason, remedy) in [
        (with(json!({ "aud": "other" })), same, "audience", "client()"),
        (with(json!({ "iss": "https://issuer.example/" })), same, "issuer", "trailing slash"),
        (with(json!({ "exp": null })), same, "no_exp", "allow_missing_expiry()"),
        (with(json!({ "iat": 1, "exp": u64::MAX })), same, "too_old", "max_age()"),
        (
            with(json!({ "sub": null })),
            |builder: BackchannelLogoutBuilder| builder.always_end_subject(),
            "no_sub",
            "subject_claim()",
        ),
        (
            with(json!({})),
            |builder: BackchannelLogoutBuilder| {
                builder.algorithms_of(CLIENT, [tower_logout::token::jwt::Algorithm::RS256])
            },
            "algorithm_not_allowed",
            "algorithms_of()",
        ),
        (
            with(json!({})),
            |builder: BackchannelLogoutBuilder| builder.decrypt(async |token| Ok(token)),
            "not_encrypted",
            "allow_unencrypted()",
        ),
        ("a.b.c.d.e".to_owned(), same, "encrypted", "decrypt()"),
    ] {
        let events = Events::of_this_thread();
        let service = Api::new().endpoint(settings);
        for _ in 0..3 {
            assert_eq!(status(&service, &token).await, 400, "{reason}");
        }
        let [event] = &events.named("message refused by the configuration")[..] else {
            panic!("{reason}: once a minute: {:?}", events.all())
        };
        assert_eq!((&*event.level, field(event, "receiver"), field(event, "reason")), ("WARN", "back_channel", reason));
        assert!(field(event, "remedy").contains(remedy), "{reason}: {}", field(event, "remedy"));
        assert_eq!(field(event, "suppressed"), "0");
        assert!(events.named("message refused").is_empty(), "{reason}");
    }
}

#[tokio::test]
async fn forged_and_malformed_messages_are_seen_at_debug_only() {
    let header = json!({ "alg": "HS256" });
    let with = |changes| signed(&header, &claims_with(changes));
    for (token, reason) in [
        ("forged".to_owned(), "malformed"),
        (format!("{}.{}", logout_token(json!({})).rsplit_once('.').unwrap().0, "A".repeat(43)), "signature"),
        (signed(&json!({ "alg": "HS256", "typ": "at+jwt" }), &json!({})), "type"),
        (with(json!({ "nonce": "n" })), "nonce"),
        (with(json!({ "events": {} })), "event"),
        (with(json!({ "events": { EVENT: null } })), "claims"),
        (with(json!({ "exp": 1 })), "expired"),
        (with(json!({ "iat": 4_000_000_000_u64 })), "not_yet_valid"),
        (with(json!({ "jti": "" })), "empty"),
        (with(json!({ "sub": null, "sid": null })), "no_name"),
    ] {
        let events = Events::of_this_thread();
        assert_eq!(status(&Api::new().service(), &token).await, 400, "{reason}");
        let [event] = &events.named("message refused")[..] else { panic!("{reason}: {:?}", events.all()) };
        assert_eq!((&*event.level, field(event, "receiver")), ("DEBUG", "back_channel"));
        assert_eq!(field(event, "reason"), reason);
        assert!(events.named("message refused by the configuration").is_empty(), "{reason}");
    }
}

#[tokio::test]
async fn each_message_is_counted_by_what_became_of_it() {
    let recorder = DebuggingRecorder::new();
    let guard = metrics::set_default_local_recorder(&recorder);
    let api = Api::new();
    let service = api.service();
    for expected in [200, 200] {
        assert_eq!(status(&service, &logout_token(json!({}))).await, expected);
    }
    for token in ["forged".to_owned(), logout_token(json!({ "aud": "other" }))] {
        assert_eq!(status(&service, &token).await, 400);
    }
    let _ = api.store.clone().revokes(Act::Fail);
    assert_eq!(status(&service, &logout_token(json!({ "sid": "ses_2" }))).await, 503);
    drop(guard);
    let mut counted = BTreeMap::new();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let (_, key) = key.into_parts();
        if key.name() == "tower_logout_messages_total" {
            let labels: BTreeMap<_, _> = key.labels().map(|label| (label.key(), label.value())).collect();
            assert_eq!(labels["receiver"], "back_channel");
            let DebugValue::Counter(count) = value else { panic!("{value:?}") };
            counted.insert(labels["outcome"].to_owned(), count);
        }
    }
    let expected = [("taken", 1), ("repeated", 1), ("refused", 2), ("unavailable", 1)];
    assert_eq!(counted, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());
}

#[tokio::test]
async fn nothing_of_a_message_is_in_events_or_debug() {
    let events = Events::of_this_thread();
    let api = Api::new();
    let service = api.endpoint(|builder| builder.client("desk"));
    for changes in [
        json!({}),
        json!({ "sid": "hidden-session", "jti": "hidden-jti" }),
        json!({ "aud": "hidden-client" }),
        json!({ "iss": "https://hidden.example" }),
        json!({ "sub": ["hidden-sub"] }),
        json!({ "nonce": "hidden-nonce" }),
        json!({ "iat": "hidden-date" }),
        json!({ "events": { "hidden-event": {} } }),
    ] {
        let token = logout_token(changes);
        let _ = status(&service, &token).await;
        let text = format!("{}{service:?}", events.text());
        for part in token.split('.').chain(["hidden", "usr_123", "ses_1"]) {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
}
