//! Promise: only a well-formed request revokes, and everything else changes nothing.

use http::Method;
use serde_json::json;
use test_support::hand::HandStore;

use super::support::{access_token, basic, endpoint, logout, request, request_of_app, revoke};
use crate::support::{check, send};

#[tokio::test]
async fn a_token_is_revoked_and_no_other_one() {
    let logout = logout(HandStore::new());
    let (one, other) = (access_token("1", &json!({})), access_token("2", &json!({})));
    assert_eq!(revoke(&endpoint(&logout), &one).await.status, 200);
    assert!(check(&logout, &one).await.is_err());
    assert!(check(&logout, &other).await.is_ok(), "of the same session");
}

#[tokio::test]
async fn a_malformed_request_is_answered_with_400_and_changes_nothing() {
    let store = HandStore::new();
    let service = endpoint(&logout(store.clone()));
    let token = access_token("1", &json!({ "client_id": "spa" }));
    let secret = "client_id=app&client_secret=s%26cret+of+the+app";
    for form in [
        String::new(),
        "client_id=spa".to_owned(),
        "client_id=spa&token=".to_owned(),
        format!("client_id=spa&token={token}&token={token}"),
        format!("client_id=spa&client_id=spa&token={token}"),
        format!("client_id=spa&token={token}&token_type_hint=a&token_type_hint=a"),
        format!("{secret}&{secret}&token={token}"),
        format!("client_secret=s&token={token}"),
        format!("{secret}&client_assertion_type=x&client_assertion=y&token={token}"),
        format!("client_id=spa&client_assertion=y&token={token}"),
    ] {
        let reply = send(&service, request(&form)).await;
        assert_eq!((reply.status, &*reply.error()), (400, "invalid_request"), "{form}");
    }
    for content_type in [None, Some("application/json"), Some("multipart/form-data")] {
        let mut request = request(&format!("client_id=spa&token={token}"));
        request.headers_mut().remove("content-type");
        if let Some(value) = content_type {
            request.headers_mut().insert("content-type", value.parse().unwrap());
        }
        assert_eq!(send(&service, request).await.status, 400, "{content_type:?}");
    }
    let padding = "x".repeat(40 * 1024);
    assert_eq!(send(&service, request(&format!("client_id=spa&token={token}&y={padding}"))).await.status, 400);
    assert!(store.revocations().is_empty());
    let ignored = format!("client_id=spa&token={token}&token_type_hint=pct&x=1&x=2");
    assert_eq!(send(&service, request(&ignored)).await.status, 200);
    assert_eq!(store.revocations().len(), 1);
}

#[tokio::test]
async fn only_a_post_is_taken() {
    let store = HandStore::new();
    for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::HEAD] {
        let mut request = request_of_app(&access_token("1", &json!({})), "");
        *request.method_mut() = method;
        assert_eq!(send(&endpoint(&logout(store.clone())), request).await.status, 405);
    }
    assert!(store.revocations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_answered_with_503_and_one_that_breaks_off_with_400() {
    use http_body_util::{BodyExt, StreamBody};
    let service = endpoint(&logout(HandStore::new()));
    let part = || bytes::Bytes::from(format!("token={}&client_id=spa", access_token("1", &json!({}))));
    let frame = || Ok::<_, std::io::Error>(http_body::Frame::data(part()));
    let broken = StreamBody::new(tokio_stream::iter([frame(), Err(std::io::ErrorKind::ConnectionReset.into())]));
    let never = StreamBody::new(tokio_stream::StreamExt::chain(tokio_stream::iter([frame()]), tokio_stream::pending()));
    assert_eq!(send(&service, request("").map(|_| broken.boxed())).await.status, 400);
    assert_eq!(send(&service, request("").map(|_| never.boxed())).await.status, 503);
}

#[tokio::test]
async fn two_methods_of_authentication_are_one_too_many() {
    let service = endpoint(&logout(HandStore::new()));
    let token = access_token("1", &json!({}));
    for (more, status) in [
        ("", 200),
        ("&client_id=app", 200),
        ("&client_id=spa", 400),
        ("&client_id=app&client_secret=x", 400),
        ("&client_assertion_type=x&client_assertion=y", 400),
    ] {
        assert_eq!(send(&service, request_of_app(&token, more)).await.status, status, "{more}");
    }
    let mut twice = request_of_app(&token, "");
    twice.headers_mut().append("authorization", basic("app", "x"));
    assert_eq!(send(&service, twice).await.status, 400);
}
