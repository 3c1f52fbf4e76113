//! Promise: events are pushed as RFC 8935 says, within bounds, and by the transmitter alone.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tower::ServiceExt;
use tower_logout::{
    endpoint::security_events::SecurityEventsError,
    token::jwt::{ConfigError, Issuer},
};

use super::support::{AUDIENCE, Answer, KEY, Node, Store, TRANSMITTER, delivery, session_revoked, user, with};

fn token() -> String {
    KEY.sign(&session_revoked("1", &user("ann")))
}

#[tokio::test]
async fn an_event_is_accepted_with_202_and_an_empty_body() {
    let node = Node::new();
    let answer = node.push_text(&token()).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    assert_eq!(answer.headers["cache-control"], "no-store");
    // Some transmitters end the body with a line break.
    assert_eq!(node.push_text(&format!("{}\r\n", token())).await.status, 202);
    assert_eq!(node.revoked().await, ["ann/1", "ann/2"]);
}

#[tokio::test]
async fn a_timeout_may_be_of_any_length() {
    let node = Node::with(|builder| builder.timeout(Duration::MAX));
    assert_eq!(node.push_text(&token()).await.status, 202);
}

#[tokio::test]
async fn only_post_delivers() {
    let node = Node::new();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let mut request = delivery(token());
        *request.method_mut() = method.parse().unwrap();
        let answer = node.send(request).await;
        assert_eq!((answer.status, &answer.headers["allow"]), (405, &"POST".parse().unwrap()), "{method}");
    }
    assert_eq!(node.revoked().await, [""; 0]);
}

#[tokio::test]
async fn only_the_media_type_of_event_tokens_is_accepted() {
    let node = Node::new();
    for (types, is_accepted) in [
        (&["application/secevent+jwt"][..], true),
        (&["Application/SecEvent+JWT; charset=utf-8"], true),
        (&["application/jwt"], false),
        (&["application/json"], false),
        (&["application/secevent+jwt2"], false),
        (&[""], false),
        (&[], false),
        (&["application/secevent+jwt", "application/json"], false),
    ] {
        let mut request = delivery(token());
        request.headers_mut().remove("content-type");
        for value in types {
            request.headers_mut().append("content-type", value.parse().unwrap());
        }
        let answer = node.send(request).await;
        let expected = if is_accepted { (202, "") } else { (400, "invalid_request") };
        assert_eq!(answer.outcome(), expected, "{types:?}");
    }
}

#[tokio::test]
async fn the_authorization_is_compared_as_a_whole() {
    let node = Node::with(|builder| builder.authorization("Bearer a-secret of the stream"));
    for (values, is_accepted) in [
        (&["Bearer a-secret of the stream"][..], true),
        (&["bearer a-secret of the stream"], false),
        (&["Bearer a-secret of the strea"], false),
        (&["Bearer a-secret of the stream2"], false),
        (&["a-secret of the stream"], false),
        (&["Bearer"], false),
        (&[""], false),
        (&[], false),
        (&["Bearer a-secret of the stream", "Bearer a-secret of the stream"], false),
    ] {
        let mut request = delivery(token());
        for value in values {
            request.headers_mut().append("authorization", value.parse().unwrap());
        }
        let answer = node.send(request).await;
        let expected = if is_accepted { (202, "") } else { (400, "authentication_failed") };
        assert_eq!(answer.outcome(), expected, "{values:?}");
    }
    assert!(!format!("{:?}", node.events).contains("a-secret"));
}

/// Whoever does not know the authorization learns nothing about tokens, and causes no work.
#[tokio::test]
async fn the_authorization_is_checked_first() {
    let node = Node::with(|builder| builder.authorization("Bearer a-secret"));
    for body in ["", "x", "a.b.c", &token()] {
        let answer = node.push_text(body).await;
        assert_eq!(answer.outcome(), (400, "authentication_failed"), "{body}");
    }
    let mut endless = Request::post("/").header("content-type", "application/secevent+jwt").body(never_ends()).unwrap();
    endless.headers_mut().insert("authorization", "Bearer wrong".parse().unwrap());
    let answer = Answer::of(node.events.clone().oneshot(endless).await.unwrap()).await;
    assert_eq!(answer.outcome(), (400, "authentication_failed"));
}

/// A body that sends one byte, and then nothing.
fn never_ends() -> StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>>> {
    use futures_util::StreamExt;
    let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"e")))]);
    StreamBody::new(first.chain(futures_util::stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let node = Node::new();
    let began = tokio::time::Instant::now();
    let request = Request::post("/").header("content-type", "application/secevent+jwt").body(never_ends()).unwrap();
    let answer = Answer::of(node.events.clone().oneshot(request).await.unwrap()).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_body_that_is_too_long_or_ends_early_is_refused() {
    let store = Store::new();
    let node = Node::over(&store);
    let padding = |len: usize| {
        let claims = with(session_revoked("1", &user("ann")), &json!({ "padding": "x".repeat(len) }));
        KEY.sign(&claims)
    };
    let long = padding(50_000);
    assert!(long.len() > 64 * 1024, "{}", long.len());
    assert_eq!(node.push_text(&long).await.outcome(), (400, "invalid_request"));
    let broken = futures_util::stream::iter([
        Ok(Frame::data(Bytes::from(token()[..100].to_owned()))),
        Err(std::io::Error::other("the connection was reset")),
    ]);
    let request = delivery(String::new()).map(|_| StreamBody::new(broken));
    let answer = Answer::of(node.events.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(answer.outcome(), (400, "invalid_request"));
    assert_eq!(store.written(), []);

    let short = padding(45_000);
    assert!(short.len() < 64 * 1024, "{}", short.len());
    assert_eq!(node.push_text(&short).await.status, 202);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_an_error_with_the_remedy() {
    let logout = Node::new().logout;
    let issuer = || Issuer::keys(TRANSMITTER, KEY.key_set());
    let build = |issuer: Issuer| logout.security_events(issuer);
    for (error, expected) in [
        (build(issuer()).build().unwrap_err(), "Issuer::audience"),
        (build(issuer().allow_any_audience()).build().unwrap_err(), "Issuer::audience"),
        (build(issuer().audience("")).build().unwrap_err(), "an audience is empty"),
        (build(issuer().audience(AUDIENCE)).authorization("").build().unwrap_err(), "authorization() is empty"),
        (build(issuer().audience(AUDIENCE)).authorization("a\nb").build().unwrap_err(), "authorization() is empty"),
        (build(issuer().audience(AUDIENCE)).subjects_of("").build().unwrap_err(), "subjects_of() is empty"),
        (build(issuer().audience(AUDIENCE)).max_age(Duration::ZERO).build().unwrap_err(), "max_age is zero"),
        (build(issuer().audience(AUDIENCE)).timeout(Duration::ZERO).build().unwrap_err(), "timeout is zero"),
    ] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = build(Issuer::transmitter("http://idp.example").audience(AUDIENCE)).build().unwrap_err();
    let SecurityEventsError::Transmitter(ConfigError::OfIssuer { reason, .. }) = error else { panic!("{error}") };
    assert!(matches!(*reason, ConfigError::Address(_)), "{reason}");
    let error = std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| build(Issuer::transmitter(TRANSMITTER).audience(AUDIENCE)).build().unwrap_err());
        elsewhere.join().unwrap()
    });
    assert!(matches!(error, SecurityEventsError::NoRuntime), "{error}");
}
