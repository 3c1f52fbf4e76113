//! Promise: operators see what an event has ended, and why one ended nothing; and no log shows whom
//! it is about.

use serde_json::json;
use test_support::{events::Events, hs256};

use super::support::{
    CAEP, FOREIGN_KEY, KEY, Node, RISC, SSF, access, email, event, opaque, session_revoked, user, with,
};

#[tokio::test]
async fn an_event_that_ends_nothing_is_reported_with_the_remedy() {
    let events = Events::of_this_thread();
    let node = Node::new();
    let foreign = json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "ann-secret" });
    for (subject, reason, remedy) in [
        (email("ann-secret@example.com"), "no_resolver", "resolve()"),
        (foreign, "unknown_issuer", "resolve()"),
        (json!({ "planet": opaque("ann-secret") }), "no_subject", "user"),
    ] {
        node.takes(&session_revoked(reason, &subject)).await;
        let found = events.named("security event ends nothing");
        let found = found.iter().find(|event| event.fields["reason"].contains(reason)).unwrap();
        assert_eq!(found.level, "WARN");
        assert!(found.fields["remedy"].contains(remedy), "{found}");
        assert!(found.fields["event"].contains("session-revoked"), "{found}");
    }
    // At most once a minute for each reason.
    let before = events.named("security event ends nothing").len();
    node.takes(&session_revoked("again", &email("bob-secret@example.com"))).await;
    assert_eq!(events.named("security event ends nothing").len(), before);
    // Events that are not meant to end anything are no trouble.
    let events = Events::of_this_thread();
    node.takes(&event("other", &user("ann"), &format!("{RISC}opt-in"), &json!({}))).await;
    assert!(events.all().iter().all(|event| event.level != "WARN"), "{}", events.text());
}

#[tokio::test]
async fn a_token_that_only_the_configuration_refuses_is_reported_at_warn() {
    let events = Events::of_this_thread();
    let node = Node::new();
    let good = session_revoked("1", &user("ann"));
    for (claims, reason, remedy) in [
        (with(good.clone(), &json!({ "aud": "https://other.example" })), "audience", "Issuer::audience"),
        (with(good.clone(), &json!({ "iss": "https://other.example" })), "issuer", "Issuer::transmitter"),
        (with(good.clone(), &json!({ "iat": 1 })), "too_old", "max_age()"),
    ] {
        node.push(&claims).await;
        let found = events.named("message refused by the configuration");
        let found = found.iter().find(|event| event.fields["reason"].contains(reason)).unwrap();
        assert!(found.fields["remedy"].contains(remedy), "{found}");
    }
    let events = Events::of_this_thread();
    node.push_text(&FOREIGN_KEY.sign(&good)).await;
    node.push_text("x").await;
    assert_eq!(events.named("message refused").len(), 2);
    assert!(events.all().iter().all(|event| event.level == "DEBUG"), "{}", events.text());
}

#[tokio::test]
async fn a_stream_that_stops_is_an_error_in_the_log() {
    let events = Events::of_this_thread();
    let node = Node::new();
    let updated =
        |status: &str| event("u", &opaque("s"), &format!("{SSF}stream-updated"), &json!({ "status": status }));
    node.takes(&updated("disabled")).await;
    node.takes(&updated("disabled")).await;
    assert_eq!(events.errors().len(), 1, "once, though it came twice");
    assert_eq!(events.named("stream of security events has stopped")[0].fields["status"], "disabled");
}

#[tokio::test]
async fn a_revocation_says_that_an_event_has_caused_it() {
    let events = Events::of_this_thread();
    let node = Node::new();
    let members = json!({ "initiating_entity": "admin", "reason_admin": { "en": "secret" } });
    node.takes(&event("1", &user("ann"), &format!("{CAEP}session-revoked"), &members)).await;
    let revoked = &events.named("revoked")[0];
    for (name, value) in [("source", "security_event"), ("actor", "admin"), ("reason", "session-revoked")] {
        assert!(revoked.fields.get(name).is_some_and(|own| own.contains(value)), "{name}: {revoked}");
    }
    // Only the four words of the specification: the rest is text of the transmitter.
    let members = json!({ "initiating_entity": "ann-secret" });
    node.takes(&event("2", &user("ann"), &format!("{CAEP}session-revoked"), &members)).await;
    assert!(!events.text().contains("secret"), "{}", events.text());
}

#[tokio::test]
async fn no_log_shows_a_token_a_subject_or_the_authorization() {
    let events = Events::of_this_thread();
    let node = Node::with(|builder| {
        builder.authorization("Bearer hidden-authorization").decide(|event| {
            assert!(!format!("{event:?}").contains("hidden"), "{event:?}");
            event.default_decision()
        })
    });
    let mut tokens = vec![KEY.sign(&session_revoked("hidden-jti", &user("hidden-sub")))];
    tokens.push(KEY.sign(&session_revoked("hidden-jti", &json!({ "device": opaque("hidden-device") }))));
    tokens.push(KEY.sign(&with(session_revoked("1", &user("hidden-sub")), &json!({ "aud": "hidden-aud" }))));
    tokens.push(FOREIGN_KEY.sign(&session_revoked("1", &user("hidden-sub"))));
    tokens.push(hs256(&json!({ "sub": "hidden-sub" })));
    for token in &tokens {
        for authorization in ["Bearer hidden-authorization", "Bearer hidden-other"] {
            let mut request = super::support::delivery(token.clone());
            request.headers_mut().insert("authorization", authorization.parse().unwrap());
            node.send(request).await;
        }
    }
    let _ = node.check(&access("ann", "1", test_support::NOW)).await;
    let text = events.text();
    assert!(!text.contains("hidden"), "{text}");
    assert!(tokens.iter().all(|token| !text.contains(token.split('.').nth(1).unwrap())), "{text}");
    assert!(!events.all().is_empty());
}
