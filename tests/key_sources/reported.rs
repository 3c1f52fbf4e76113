//! Promise: operators see each attempt, and no secret.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;
use test_support::events::Events;

use crate::provider::{Answer, IDP, JWKS, Provider, SigningKey, check, guard, pass, seconds};

#[test]
fn attempts_are_counted_by_their_result() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let provider = Provider::with_keys([&SigningKey::new("one")]);
            let logout = guard(&provider.builder().start().await.unwrap());
            for answer in
                [Answer::status(500, ""), Answer::ok("junk"), Answer::never(), Answer::ok(" ".repeat(600_000))]
            {
                provider.publish(JWKS, answer);
                pass(seconds(31)).await;
                let _ = check(&logout, &SigningKey::new("unknown").token(IDP, "1")).await;
                pass(seconds(10)).await;
            }
        });
    });
    let mut counted = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        match (key.key().name(), value) {
            ("tower_logout_key_fetches_total", DebugValue::Counter(count)) => {
                assert!(count > 0 && labels.contains(&format!("issuer={IDP}")), "{labels:?}");
                counted.push(labels.into_iter().find(|label| label.starts_with("result=")).unwrap());
            }
            ("tower_logout_keys_fetched_seconds", DebugValue::Gauge(at)) => {
                assert!((at.into_inner() - 1_458_786_000.0).abs() < 1.0, "{at}");
                counted.push("fetched".to_owned());
            }
            ("tower_logout_checks_total", _) => {
                counted.extend(labels.into_iter().filter(|label| label.starts_with("reason=")));
            }
            _ => {}
        }
    }
    counted.sort();
    assert_eq!(
        counted,
        [
            "fetched",
            "reason=unknown_key",
            "result=key_set",
            "result=ok",
            "result=status",
            "result=timeout",
            "result=too_long"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_told_at_the_level_of_the_trouble() {
    let events = Events::of_this_thread();
    let key = SigningKey::new("one");
    let provider = Provider::default();
    let verifier = provider.builder().start_lazily().unwrap();
    pass(seconds(2)).await;
    let none = events.named("keys not fetched: there are none");
    assert!(!none.is_empty() && none.iter().all(|event| event.level == "ERROR"), "{none:?}");
    assert!(none[0].fields["error"].contains("is it reachable"), "{none:?}");
    provider.publish_keys([&key]);
    pass(seconds(8)).await;
    assert_eq!(events.named("keys fetched").len(), 1);
    provider.shut_down();
    pass(seconds(700)).await;
    let used = events.named("keys not fetched: the last ones are still used");
    assert!(!used.is_empty() && used.iter().all(|event| event.level == "WARN"), "{used:?}");
    drop(verifier);
}

#[test]
fn keys_that_cannot_be_used_are_counted_by_their_reason() {
    let set = json!({ "keys": [
        SigningKey::new("good").jwk(), { "kty": "AKP", "kid": "pq" }, { "kty": "OKP", "crv": "X25519", "x": "AAAA" },
        { "kty": "oct", "k": "AAAA" }, { "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "d": "AAAA" }, 7,
        { "kty": "RSA", "n": "AQAB", "e": "AQAB" },
    ] });
    let recorder = DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let events = Events::of_this_thread();
    metrics::with_local_recorder(&recorder, || {
        let provider = Provider::default();
        provider.publish(JWKS, Answer::ok(set.to_string()));
        drop(runtime.block_on(provider.builder().start()).unwrap());
    });
    let mut counted = Vec::new();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        if key.key().name() == "tower_logout_keys_skipped_total" {
            let DebugValue::Counter(count) = value else { panic!("{value:?}") };
            counted.push((key.key().labels().next().unwrap().value().to_owned(), count));
        }
    }
    counted.sort();
    let expected = [("malformed", 1), ("private", 1), ("symmetric", 1), ("unsuitable", 1), ("unsupported", 2)];
    assert_eq!(counted, expected.map(|(reason, count)| (reason.to_owned(), count)));
    assert_eq!(events.named("key skipped").len(), 6);
}
