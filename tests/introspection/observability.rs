//! Promise: operators see each request to the server by its result, and outages with their remedy,
//! and nothing of a token, an answer or a secret.

use std::time::Duration;

use bytes::Bytes;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;
use test_support::{NOW, clock, events::Events};
use tower_logout::{Logout, respond::Rejection};

use super::support::{JSON, Server, active, active_with, check, inactive, ok};

const SECRETS: [&str; 4] = ["a-secret-token", "geheim", "usr_secret", "ses_secret"];

/// Answers by the end of the token.
fn server() -> Server {
    let json = |text: &str| Some((200, Some(JSON), Bytes::from(text.to_owned())));
    Server::new(move |token| match token.rsplit('-').next().unwrap() {
        "active" => ok(&active_with(json!({ "sub": "usr_secret", "sid": "ses_secret" }))),
        "inactive" => ok(&inactive()),
        "audience" => ok(&active_with(json!({ "aud": "usr_secret", "sub": "usr_secret" }))),
        "expired" => ok(&active_with(json!({ "iat": NOW - 9, "exp": NOW, "sub": "usr_secret" }))),
        "junk" => json("usr_secret"),
        "string" => json(r#"{"active":"usr_secret"}"#),
        "html" => Some((200, Some("text/html"), "usr_secret".into())),
        "400" => Some((400, Some(JSON), "usr_secret".into())),
        "401" => Some((401, Some(JSON), "usr_secret".into())),
        "500" => Some((500, Some(JSON), "usr_secret".into())),
        _ => None,
    })
}

const TOKENS: [&str; 11] =
    ["active", "inactive", "audience", "expired", "junk", "string", "html", "400", "401", "500", "none"];

async fn ask_about_all(logout: &Logout) {
    for token in TOKENS {
        let answer = check(logout, &format!("a-secret-token-{token}")).await;
        let expected = match token {
            "active" => Ok(()),
            "inactive" | "audience" => Err(Rejection::Invalid),
            "expired" => Err(Rejection::Expired),
            _ => Err(Rejection::Unavailable),
        };
        assert_eq!(answer, expected, "{token}");
    }
}

#[tokio::test]
async fn requests_to_the_server_are_counted_by_result() {
    let _events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let guard = metrics::set_default_local_recorder(&recorder);
    let logout = server().logout(&clock());
    ask_about_all(&logout).await;
    // Cached answers are not counted.
    assert_eq!(check(&logout, "a-secret-token-active").await, Ok(()));
    assert_eq!(check(&logout, "a-secret-token-inactive").await, Err(Rejection::Invalid));
    drop(guard);
    let mut counts = std::collections::BTreeMap::new();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let key = key.key();
        for secret in SECRETS {
            assert!(!format!("{key:?}").contains(secret), "{key:?}");
        }
        if key.name() == "tower_logout_introspections_total" {
            let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value().to_owned())).collect();
            let [("result", result)] = &labels[..] else { panic!("{labels:?}") };
            let DebugValue::Counter(count) = value else { panic!("{value:?}") };
            counts.insert(result.clone(), count);
        }
    }
    let expected =
        [("active", 1), ("inactive", 1), ("refused", 2), ("rejected", 2), ("unavailable", 2), ("unusable", 3)];
    let expected = expected.map(|(result, count)| (result.to_owned(), count)).into();
    assert_eq!(counts, expected);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_failure_is_reported_once_a_minute_with_its_remedy() {
    let events = Events::of_this_thread();
    let server = server();
    let logout = server.logout(&clock());
    ask_about_all(&logout).await;
    let failed = events.named("introspection failed");
    assert!(failed.iter().all(|event| event.level == "ERROR" && event.fields["suppressed"] == "0"));
    let reported: Vec<_> = failed.iter().map(|event| &*event.fields["result"]).collect();
    assert_eq!(reported, ["unusable", "refused", "unavailable"]);
    assert!(failed[1].fields["error"].contains("some servers do not introspect JWTs"), "{:?}", failed[1]);
    assert!(failed[2].fields["error"].contains("the server has a problem"), "{:?}", failed[2]);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(check(&logout, "a-secret-token-other-401").await, Err(Rejection::Unavailable));
    let failed = events.named("introspection failed");
    assert_eq!((failed.len(), &*failed[3].fields["suppressed"]), (4, "1"));
    assert!(failed[3].fields["error"].contains("check the client identifier and the secret"), "{:?}", failed[3]);

    let configuration = events.named("token rejected by the configuration");
    assert_eq!((configuration.len(), &*configuration[0].fields["reason"]), (1, "audience"));
    let text = events.text();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_request_that_nobody_waits_for_is_reported_too() {
    let events = Events::of_this_thread();
    let server = Server::always(&active());
    server.close();
    let logout = server.logout(&clock());
    assert_eq!(check(&logout, "a-secret-token").await, Err(Rejection::Unavailable));
    assert!(events.named("introspection failed").is_empty(), "it goes on");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(events.named("introspection failed")[0].fields["result"], "unavailable");
}
