//! Promise: a token is rejected only if the server has judged it. Everything else is an outage.

use bytes::Bytes;
use serde_json::json;
use test_support::{NOW, clock};
use tower_logout::token::{TokenVerifier, VerifyError, jwt::InvalidToken};

use super::support::{JSON, Reply, Said, Server, active, inactive, says};

/// What a verifier says after this response.
async fn after(reply: Reply) -> Said {
    let server = Server::new(move |_| reply.clone());
    let said = says(&server.verifier(&clock()), "opaque").await;
    assert_eq!(server.asked(), 1);
    said
}

async fn after_json(answer: impl Into<Bytes>) -> Said {
    after(Some((200, Some(JSON), answer.into()))).await
}

const INACTIVE: Said = Said::Invalid(InvalidToken::Inactive);

#[tokio::test]
async fn an_active_token_is_accepted() {
    assert_eq!(after_json(active().to_string()).await, Said::Accepted);
    // The least that an answer can have.
    assert_eq!(after_json(r#"{"active":true}"#).await, Said::Accepted);
    let spaced = format!(" \n{}\r\n ", active());
    assert_eq!(after_json(spaced).await, Said::Accepted);
}

#[tokio::test]
async fn only_the_boolean_false_says_that_a_token_is_not_active() {
    for answer in [
        r#"{"active":false}"#.to_owned(),
        r#" { "\u0061ctive" : false } "#.to_owned(),
        // Nothing else is looked at.
        r#"{"active":false,"exp":"soon","iss":7,"sub":null,"sub":null,"cnf":{}}"#.to_owned(),
        format!(r#"{{"exp":{},"active":false}}"#, NOW + 900),
    ] {
        assert_eq!(after_json(answer.clone()).await, INACTIVE, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_without_a_boolean_is_an_outage() {
    for active in [
        json!("true"),
        json!("false"),
        json!("True"),
        json!(1),
        json!(0),
        json!(null),
        json!([]),
        json!([true]),
        json!({}),
        json!({ "active": true }),
        json!(0.0),
        json!(""),
    ] {
        let mut answer = super::support::active();
        answer["active"] = active.clone();
        assert_eq!(after_json(answer.to_string()).await, Said::Unavailable("answer"), "{active}");
    }
    let mut missing = active();
    missing.as_object_mut().unwrap().remove("active");
    assert_eq!(after_json(missing.to_string()).await, Said::Unavailable("answer"));
    assert_eq!(after_json(r#"{"Active":false}"#).await, Said::Unavailable("answer"));
}

#[tokio::test]
async fn an_answer_that_says_it_twice_is_an_outage() {
    for answer in [
        r#"{"active":false,"active":true}"#,
        r#"{"active":true,"active":false}"#,
        r#"{"active":false,"active":false}"#,
        r#"{"active":true,"active":true}"#,
        r#"{"active":true,"\u0061ctive":true}"#,
        r#"{"active":null,"active":false}"#,
    ] {
        assert_eq!(after_json(answer).await, Said::Unavailable("answer"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_a_json_object_is_an_outage() {
    for answer in [
        &b""[..],
        b"false",
        b"true",
        b"null",
        b"[false]",
        b"[{\"active\":false}]",
        b"\"{}\"",
        b"{",
        b"{\"active\":false",
        b"{\"active\":false}}",
        b"{\"active\":false} {}",
        b"{active:false}",
        b"{'active':false}",
        b"active=false",
        b"<html><body>{\"active\":false}</body></html>",
        b"\xef\xbb\xbf{\"active\":false}",
        b"{\"active\":false,\"sub\":\"\xff\"}",
    ] {
        let text = String::from_utf8_lossy(answer);
        assert_eq!(after_json(answer.to_vec()).await, Said::Unavailable("answer"), "{text}");
    }
    let deep = format!(r#"{{"active":true,"a":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(after_json(deep).await, Said::Unavailable("answer"), "nothing overflows");
}

#[tokio::test]
async fn a_response_of_another_type_is_an_outage() {
    let answer = |content_type| Some((200, content_type, inactive().to_string().into()));
    for content_type in [
        None,
        Some(JSON),
        Some("application/json; charset=utf-8"),
        Some("application/json;charset=UTF-8"),
        Some("Application/JSON ; charset=utf-8"),
    ] {
        assert_eq!(after(answer(content_type)).await, INACTIVE, "{content_type:?}");
    }
    for content_type in
        ["text/html", "text/plain", "application/jwt", "application/token-introspection+jwt", "application/jsonx", ""]
    {
        assert_eq!(after(answer(Some(content_type))).await, Said::Unavailable("content type"), "{content_type}");
    }
}

#[tokio::test]
async fn another_status_is_an_outage_whatever_the_body_says() {
    for (status, expected) in [
        (201, "fetch"),
        (204, "fetch"),
        (206, "fetch"),
        (301, "fetch"),
        (302, "fetch"),
        (307, "fetch"),
        (400, "request"),
        (401, "credentials"),
        (403, "credentials"),
        (404, "fetch"),
        (405, "fetch"),
        (406, "fetch"),
        (415, "fetch"),
        (429, "fetch"),
        (500, "fetch"),
        (502, "fetch"),
        (503, "fetch"),
        (504, "fetch"),
    ] {
        for answer in [active(), inactive(), json!({ "error": "invalid_token" })] {
            let reply = Some((status, Some(JSON), answer.to_string().into()));
            assert_eq!(after(reply).await, Said::Unavailable(expected), "{status} {answer}");
        }
    }
    assert_eq!(after(None).await, Said::Unavailable("fetch"));
}

#[tokio::test]
async fn registered_claims_of_another_form_are_an_outage() {
    for members in [
        r#""exp":"1458786900""#,
        r#""exp":-1"#,
        r#""exp":1458786900,"exp":1458786900"#,
        r#""exp":null,"exp":null"#,
        r#""iat":"now""#,
        r#""nbf":[]"#,
        r#""iss":7"#,
        r#""iss":"https://issuer.example","iss":"https://issuer.example""#,
        r#""sub":["usr_123"]"#,
        r#""sub":"a","sub":"b""#,
        r#""aud":7"#,
        r#""aud":[7]"#,
        r#""jti":7"#,
        r#""jti":"a","jti":"a""#,
        r#""sid":{}"#,
        r#""client_id":7"#,
        r#""token_type":7"#,
    ] {
        let answer = format!(r#"{{"active":true,{members}}}"#);
        assert_eq!(after_json(answer).await, Said::Unavailable("answer"), "{members}");
    }
}

#[tokio::test]
async fn each_error_names_a_remedy_and_nothing_of_the_token_or_the_answer() {
    const SECRET: &str = "hunter2";
    let body = |text: &str| Some((200, Some(JSON), Bytes::from(text.replace("SECRET", SECRET))));
    let with = |status, text: &str| Some((status, Some(JSON), Bytes::from(text.replace("SECRET", SECRET))));
    for (reply, part) in [
        (body("SECRET"), "it is not a JSON object"),
        (body(r#"{"active":"SECRET"}"#), "invalid type: string, expected a boolean"),
        (body(r#"{"SECRET":1}"#), "missing field `active`"),
        (body(r#"{"active":true,"exp":"SECRET"}"#), "invalid type: string, expected a number of seconds"),
        (with(401, "SECRET"), "check the client identifier and the secret"),
        (with(403, "SECRET"), "whether this client may introspect"),
        (with(400, "SECRET"), "some servers do not introspect JWTs"),
        (with(404, "SECRET"), "is the address right"),
        (with(302, "SECRET"), "redirects are not followed"),
        (with(500, "SECRET"), "the server has a problem"),
        (Some((200, Some("text/html"), SECRET.into())), "is not `application/json`"),
        (None, "is it reachable from this machine"),
    ] {
        let server = Server::new(move |_| reply.clone());
        let error = server.verifier(&clock()).verify(SECRET).await.unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains(part), "{part}: {text}");
        for secret in [SECRET, "geheim"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_response_may_be_64_kib_long() {
    let padded = |len: usize| {
        let answer = json!({ "active": false, "a": "" }).to_string();
        answer.replace(r#""a":"""#, &format!(r#""a":"{}""#, "x".repeat(len - answer.len())))
    };
    assert_eq!(padded(1000).len(), 1000);
    assert_eq!(after_json(padded(64 * 1024)).await, INACTIVE);
    assert_eq!(after_json(padded(64 * 1024 + 1)).await, Said::Unavailable("fetch"));
}

#[tokio::test]
async fn an_empty_token_is_not_asked_about() {
    let server = Server::always(&active());
    let error = server.verifier(&clock()).verify("").await.unwrap_err();
    assert!(matches!(error, VerifyError::Invalid(_)));
    assert_eq!(server.asked(), 0);
}
