//! Promise: beside an introspection, JWTs are verified here and never sent to the server, and
//! opaque tokens never fail as JWTs.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use test_support::{ISSUER, NOW, SECRET, claims_with, clock, hs256};
use tower_logout::{
    JwtVerifier, Logout,
    clock::ManualClock,
    respond::Rejection,
    token::{
        Caching, TokenVerifier,
        introspection::JwtOrOpaque,
        jwt::{Algorithm, InvalidToken, Key},
    },
};

use super::support::{Said, Server, active, check, inactive, knows, says};

fn jwt(clock: &ManualClock) -> JwtVerifier {
    test_support::verifier(clock)
}

fn both(server: &Server) -> JwtOrOpaque {
    jwt(&clock()).or_opaque(server.verifier(&clock()))
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn a_jwt_is_never_sent_to_the_server_whether_it_is_accepted_or_not() {
    let server = Server::always(&active());
    let verifier = both(&server);
    let header = encoded(r#"{"alg":"HS256"}"#);
    let none = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(r#"{"exp":9999999999}"#));
    let good = hs256(&claims_with("one", json!({})));
    let forged = format!("{}A", &good[..good.len() - 1]);
    for (token, expected) in [
        (good.clone(), Said::Accepted),
        (hs256(&claims_with("one", json!({ "iat": NOW - 9, "exp": NOW }))), Said::Expired),
        (hs256(&claims_with("one", json!({ "iss": "https://other.example" }))), Said::Invalid(InvalidToken::Issuer)),
        (hs256(&claims_with("one", json!({ "aud": "web" }))), Said::Invalid(InvalidToken::Audience)),
        (forged, Said::Invalid(InvalidToken::Signature)),
        (none, Said::Invalid(InvalidToken::Algorithm)),
        (format!("{header}.."), Said::Invalid(InvalidToken::Signature)),
        (format!("{header}.{{}}.x"), Said::Invalid(InvalidToken::Encoding)),
        (format!("{}.a.b", encoded("{}")), Said::Invalid(InvalidToken::Header)),
        (format!("{}.a.bbb", encoded(" \n{\"typ\":\"JWT\"}")), Said::Invalid(InvalidToken::Header)),
    ] {
        let said = says(&verifier, &token).await;
        assert!(
            said == expected || matches!(said, Said::Invalid(_)) && expected != Said::Accepted,
            "{token}: {said:?}"
        );
    }
    assert_eq!(says(&verifier, &good).await, Said::Accepted);
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_token_of_another_shape_is_opaque() {
    let server = Server::always(&active());
    let verifier = both(&server);
    let good = hs256(&claims_with("one", json!({})));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let tokens = [
        "opaque".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d".to_owned(),
        "2YotnFZFEjr1zCsicMWpAA".to_owned(),
        format!("{header}.{payload}"),
        // Encrypted tokens have five parts.
        format!("{header}.{payload}.{payload}.{payload}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{}.{payload}.{signature}", encoded("[]")),
        format!("{}.{payload}.{signature}", encoded("null")),
        format!("{}.{payload}.{signature}", encoded("\"HS256\"")),
        format!("{}.{payload}.{signature}", encoded("{\"alg\":\"HS256\"")),
        format!("{}.{payload}.{signature}", encoded("{} {}")),
        format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(b"{\"alg\":\"\xff\"}")),
        // A prefix that is a text of the server.
        format!("at_{header}.{payload}.{signature}"),
    ];
    for (asked, token) in tokens.iter().enumerate() {
        assert_eq!(server.asked(), asked);
        assert_eq!(says(&verifier, token).await, Said::Accepted, "{token}");
    }
    server.always_says(&inactive());
    assert_eq!(says(&verifier, "unknown.opaque.token").await, Said::Invalid(InvalidToken::Inactive));
    server.has_no_answer();
    assert_eq!(says(&verifier, "one.more.token").await, Said::Unavailable("fetch"));
}

#[tokio::test]
async fn an_outage_of_the_server_does_not_concern_jwts() {
    let server = Server::always(&active());
    server.has_no_answer();
    let logout = Logout::new(both(&server), test_support::memory());
    assert_eq!(check(&logout, &hs256(&claims_with("one", json!({})))).await, Ok(()));
    assert_eq!(check(&logout, "opaque").await, Err(Rejection::Unavailable));
}

#[tokio::test]
async fn both_kinds_are_cached_each_for_its_own_time() {
    let (clock, server) = (clock(), Server::always(&active()));
    let verifier = jwt(&clock).or_opaque(server.verifier(&clock));
    let logout = Logout::new(verifier.clone(), test_support::memory());
    let token = hs256(&claims_with("two", json!({})));
    assert_eq!((check(&logout, &token).await, check(&logout, "opaque").await), (Ok(()), Ok(())));
    server.always_says(&inactive());
    clock.advance(Duration::from_millis(14_999));
    assert_eq!((check(&logout, &token).await, check(&logout, "opaque").await), (Ok(()), Ok(())));
    assert_eq!(server.asked(), 1);
    clock.advance(Duration::from_millis(1));
    assert_eq!((check(&logout, &token).await, check(&logout, "opaque").await), (Ok(()), Err(Rejection::Invalid)));
    assert_eq!(knows(&verifier, "opaque"), Some(Said::Invalid(InvalidToken::Inactive)));
    assert_eq!(verifier.caching(), Caching::UntilExpiry);
}

#[test]
fn bounds_and_issuers_are_those_of_both() {
    let (clock, server) = (clock(), Server::always(&active()));
    let hour = Duration::from_secs(3600);
    let jwt = JwtVerifier::hs256(SECRET).issuer("https://jwt.example").max_lifetime(2 * hour).revocable_claim("a");
    let jwt = jwt.clock(clock.clone()).build().unwrap();
    let opaque = server.builder(&clock).max_lifetime(hour).leeway(hour).revocable_claim("b").build().unwrap();
    let verifier = jwt.clone().or_opaque(opaque.clone());
    assert_eq!(verifier.retention(), jwt.retention().join(&opaque.retention()));
    assert_eq!(verifier.revocable(), jwt.revocable().join(opaque.revocable()));
    assert_eq!(verifier.revocable().issuers().unwrap(), ["https://jwt.example", ISSUER]);
    assert_eq!(verifier.revocable().claims().unwrap(), ["a", "b"]);
    let before = verifier.revision();
    jwt.replace_keys(Key::secret(Algorithm::HS256, [9; 32]).unwrap()).unwrap();
    assert_ne!(verifier.revision(), before);
    assert_eq!(verifier.clock().now(), test_support::at(NOW));
}

#[tokio::test]
async fn each_kind_is_explained_by_its_own_verifier() {
    let server = Server::always(&super::support::active_with(json!({ "aud": "web" })));
    let verifier = both(&server);
    let token = hs256(&claims_with("one", json!({ "aud": "web" })));
    assert_eq!(says(&verifier, "opaque").await, Said::Invalid(InvalidToken::Audience));
    for token in [&token, "opaque"] {
        assert_eq!(verifier.explain(token), Some(InvalidToken::Audience.to_string()));
    }
    let shown = format!("{verifier:?}");
    assert!(shown.contains(ISSUER) && !shown.contains("geheim"), "{shown}");
}
