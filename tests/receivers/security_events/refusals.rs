//! Promise: only what the transmitter has signed for this service, and not long ago, is taken. What
//! is refused revokes nothing and is not remembered.

use serde_json::{Value, json};
use test_support::{ISSUER, NOW};
use tower_logout::token::jwt::Algorithm;

use super::support::{AUDIENCE, CAEP, FOREIGN_KEY, KEY, Node, Store, TRANSMITTER, opaque, session_revoked, user, with};

fn good() -> Value {
    session_revoked("1", &user("ann"))
}

#[tokio::test]
async fn claims_that_are_not_as_they_must_be_are_refused_with_the_code_of_the_cause() {
    let store = Store::new();
    let node = Node::over(&store);
    let skew = 30;
    let week = 7 * 24 * 3600;
    let revoked = format!("{CAEP}session-revoked");
    for (changes, code) in [
        (json!({ "iss": "https://idp.example/ssf/" }), "invalid_issuer"),
        (json!({ "iss": ISSUER }), "invalid_issuer"),
        (json!({ "iss": null }), "invalid_request"),
        (json!({ "iss": [TRANSMITTER] }), "invalid_request"),
        (json!({ "aud": "https://api.example/" }), "invalid_audience"),
        (json!({ "aud": ["https://other.example"] }), "invalid_audience"),
        (json!({ "aud": [] }), "invalid_audience"),
        (json!({ "aud": null }), "invalid_request"),
        (json!({ "aud": 7 }), "invalid_request"),
        (json!({ "jti": null }), "invalid_request"),
        (json!({ "jti": "" }), "invalid_request"),
        (json!({ "jti": 1 }), "invalid_request"),
        (json!({ "iat": null }), "invalid_request"),
        (json!({ "iat": NOW.to_string() }), "invalid_request"),
        (json!({ "iat": -1 }), "invalid_request"),
        (json!({ "iat": NOW + skew + 1 }), "invalid_request"),
        (json!({ "iat": NOW * 1000 }), "invalid_request"),
        (json!({ "iat": NOW - week - 1 }), "invalid_request"),
        (json!({ "toe": "yesterday" }), "invalid_request"),
        (json!({ "sub": "ann" }), "invalid_request"),
        (json!({ "sub": "" }), "invalid_request"),
        (json!({ "exp": NOW + 60 }), "invalid_request"),
        (json!({ "events": null }), "invalid_request"),
        (json!({ "events": {} }), "invalid_request"),
        (json!({ "events": [] }), "invalid_request"),
        (json!({ "events": revoked }), "invalid_request"),
        (json!({ "events": { &revoked: [] } }), "invalid_request"),
        (json!({ "events": { &revoked: true } }), "invalid_request"),
        (json!({ "events": { &revoked: "x" } }), "invalid_request"),
        (json!({ "sub_id": "ann" }), "invalid_request"),
        (json!({ "sub_id": { "format": "iss_sub", "iss": ISSUER } }), "invalid_request"),
        (json!({ "sub_id": { "format": "iss_sub", "iss": ISSUER, "sub": "" } }), "invalid_request"),
        (json!({ "sub_id": { "format": 1 } }), "invalid_request"),
        (json!({ "sub_id": { "user": "ann" } }), "invalid_request"),
        (json!({ "sub_id": { "user": { "format": "opaque" } } }), "invalid_request"),
    ] {
        let answer = node.push(&with(good(), &changes.clone())).await;
        assert_eq!(answer.outcome(), (400, code), "{changes}");
    }
    assert_eq!(node.revoked().await, [""; 0]);
    assert_eq!(store.written(), []);

    for changes in [
        json!({}),
        json!({ "aud": ["https://other.example", AUDIENCE], "iat": NOW + skew, "ignored_claim": [{}] }),
        json!({ "iat": NOW - week, "toe": 1, "nbf": NOW + 1_000_000 }),
    ] {
        node.takes(&with(good(), &changes)).await;
    }
    assert_eq!(node.revoked().await, ["ann/1", "ann/2"]);
}

/// `null` is a value that other readers take for an absent member, and two members of a name are
/// read differently by different readers.
#[tokio::test]
async fn a_forbidden_claim_that_is_null_and_a_duplicate_are_refused() {
    let node = Node::new();
    let good = good().to_string();
    let events = format!(r#""{CAEP}session-revoked":{{}}"#);
    for claims in [
        good.replacen('{', r#"{"sub":null,"#, 1),
        good.replacen('{', r#"{"exp":null,"#, 1),
        good.replacen('{', r#"{"toe":null,"#, 1),
        good.replacen('{', &format!(r#"{{"iss":"{TRANSMITTER}","#), 1),
        good.replacen('{', &format!(r#"{{"aud":"{AUDIENCE}","#), 1),
        good.replacen('{', r#"{"other":1,"other":1,"#, 1),
        good.replace(&events, &format!("{events},{events}")),
        good.replace(&events, &events.replace("{}", r#"{"a":1,"a":1}"#)),
        good.replace(r#""sub":"ann""#, r#""sub":"ann","sub":"ann""#),
        good.replace(r#""sub":"ann""#, r#""sub":"ann","other":"x""#),
        format!("[{good}]"),
        format!("{good}{good}"),
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
    ] {
        let token = KEY.sign_text(&KEY.header(), &claims);
        assert_eq!(node.push_text(&token).await.outcome(), (400, "invalid_request"), "{claims}");
    }
    assert_eq!(node.revoked().await, [""; 0]);
    assert_eq!(node.push_text(&KEY.sign_text(&KEY.header(), &good)).await.status, 202);
}

#[tokio::test]
async fn a_signature_of_anyone_else_and_a_header_of_another_token_are_refused() {
    let store = Store::new();
    let node = Node::over(&store);
    let header = KEY.header();
    let (good, text) = (good(), good().to_string());
    let token = KEY.sign(&good);
    let (input, _) = token.rsplit_once('.').unwrap();
    for (token, code) in [
        (FOREIGN_KEY.sign(&good), "invalid_key"),
        (FOREIGN_KEY.sign_text(&header, &text), "invalid_key"),
        (format!("{input}."), "invalid_key"),
        (format!("{input}.AAAA"), "invalid_key"),
        (KEY.sign_text(&with(header.clone(), &json!({ "alg": "none" })), &text), "invalid_key"),
        (KEY.sign_text(&with(header.clone(), &json!({ "alg": "HS256" })), &text), "invalid_key"),
        (KEY.sign_text(&with(header.clone(), &json!({ "typ": null })), &text), "invalid_request"),
        (KEY.sign_text(&with(header.clone(), &json!({ "typ": "JWT" })), &text), "invalid_request"),
        (KEY.sign_text(&with(header.clone(), &json!({ "typ": "at+jwt" })), &text), "invalid_request"),
        (KEY.sign_text(&with(header.clone(), &json!({ "typ": "logout+jwt" })), &text), "invalid_request"),
        (KEY.sign_text(&with(header.clone(), &json!({ "crit": ["x"], "x": 1 })), &text), "invalid_request"),
        (input.to_owned(), "invalid_request"),
        (format!("{token}.a.b"), "invalid_request"),
        (format!("{token} {token}"), "invalid_request"),
        ("a.b.c".to_owned(), "invalid_request"),
        ("..".to_owned(), "invalid_request"),
        (String::new(), "invalid_request"),
        (text.clone(), "invalid_request"),
    ] {
        assert_eq!(node.push_text(&token).await.outcome(), (400, code), "{token}");
    }
    assert_eq!(node.revoked().await, [""; 0]);
    assert_eq!(store.written(), []);

    let long_type = with(header, &json!({ "typ": "Application/SecEvent+JWT" }));
    assert_eq!(node.push_text(&KEY.sign_text(&long_type, &text)).await.status, 202);
}

#[tokio::test]
async fn an_algorithm_that_is_not_pinned_is_refused() {
    let pinned = |algorithm: Algorithm| {
        let node = Node::new();
        let transmitter = tower_logout::token::jwt::Issuer::keys(TRANSMITTER, KEY.key_set());
        let transmitter = transmitter.audience(AUDIENCE).algorithms([algorithm]);
        node.logout.security_events(transmitter).build()
    };
    let node = Node { events: pinned(Algorithm::RS256).unwrap(), ..Node::new() };
    assert_eq!(node.push(&good()).await.status, 202);
    assert!(pinned(Algorithm::ES256).is_err(), "no key is of that algorithm");
}

/// An error tells no more than its code, however it came about, and nothing of the token.
#[tokio::test]
async fn an_error_tells_nothing_but_its_code() {
    let node = Node::new();
    let mut descriptions = std::collections::BTreeMap::<String, std::collections::BTreeSet<String>>::new();
    for claims in [
        with(good(), &json!({ "jti": "" })),
        with(good(), &json!({ "iat": NOW + 600 })),
        with(good(), &json!({ "iat": 1 })),
        with(good(), &json!({ "sub": "ann" })),
        with(good(), &json!({ "sub_id": opaque("") })),
        with(good(), &json!({ "iss": "https://secret.example" })),
        with(good(), &json!({ "aud": "https://secret.example" })),
    ] {
        let answer = node.push(&claims).await;
        assert!(!answer.body.contains("secret") && !answer.body.contains("ann"), "{}", answer.body);
        assert_eq!(answer.headers["content-language"], "en");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        descriptions.entry(answer.outcome().1.to_owned()).or_default().insert(answer.body);
    }
    for forged in [FOREIGN_KEY.sign(&good()), FOREIGN_KEY.sign(&json!({})), FOREIGN_KEY.sign_text(&KEY.header(), "x")] {
        let answer = node.push_text(&forged).await;
        descriptions.entry(answer.outcome().1.to_owned()).or_default().insert(answer.body);
    }
    assert_eq!(descriptions.len(), 4);
    assert!(descriptions.values().all(|bodies| bodies.len() == 1), "{descriptions:?}");
}
