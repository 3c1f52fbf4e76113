//! Promise: only a well-formed request revokes, and everything else changes nothing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame};
use serde_json::json;
use test_support::{NOW, hand::HandStore};
use tower_logout::Logout;

use super::support::{SECRET, access_token, assertion, document, endpoint, iss_sub, logout, request};
use crate::support::{check, send};

fn observed() -> (Logout, HandStore) {
    let store = HandStore::new();
    (logout(store.clone()), store)
}

#[tokio::test]
async fn the_subject_of_a_well_formed_request_is_revoked_and_nobody_else() {
    for name in ["sub_id", "subject"] {
        for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
            let (logout, _) = observed();
            let mut request = request(SECRET, json!({ name: iss_sub("ann"), "other": [null] }).to_string());
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
            assert_eq!(send(&endpoint(&logout), request).await.status, 204);
            assert!(check(&logout, &access_token("ann", NOW)).await.is_err());
            assert!(check(&logout, &access_token("bob", NOW)).await.is_ok());
            assert!(check(&logout, &access_token("ann", NOW + 1)).await.is_ok(), "a later login");
        }
    }
}

#[tokio::test]
async fn a_malformed_request_is_answered_with_400_and_changes_nothing() {
    let (logout, store) = observed();
    let service = endpoint(&logout);
    let ann = iss_sub("ann");
    for body in [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        format!("[{}]", document(&ann)),
        format!("{}x", document(&ann)),
        document(&ann)[1..].to_owned(),
        document(&json!("ann")),
        document(&json!(null)),
        document(&json!({ "format": "iss_sub", "iss": "x" })),
        document(&json!({ "format": "badge", "number": 7 })),
        json!({ "sub_id": ann, "subject": iss_sub("bob") }).to_string(),
        format!("sub_id={ann}"),
    ] {
        let reply = send(&service, request(&assertion("1"), body.clone())).await;
        assert_eq!((reply.status, &*reply.error()), (400, "invalid_request"), "{body}");
        assert!(!reply.body.contains("ann"), "{}", reply.body);
    }
    for content_type in [None, Some("text/plain"), Some("application/jsonx"), Some("application/x-www-form-urlencoded")]
    {
        let mut request = request(&assertion("1"), document(&ann));
        request.headers_mut().remove("content-type");
        if let Some(value) = content_type {
            request.headers_mut().insert("content-type", value.parse().unwrap());
        }
        assert_eq!(send(&service, request).await.status, 400, "{content_type:?}");
    }
    let mut twice = request(&assertion("1"), document(&ann));
    twice.headers_mut().append("content-type", "application/json".parse().unwrap());
    assert_eq!(send(&service, twice).await.status, 400);
    assert!(store.revocations().is_empty(), "nothing is revoked or remembered");
    assert_eq!(
        send(&service, request(&assertion("1"), document(&ann))).await.status,
        204,
        "the assertion is not spent"
    );
}

#[tokio::test]
async fn only_a_post_is_taken() {
    let (logout, store) = observed();
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        let mut request = request(SECRET, document(&iss_sub("ann")));
        *request.method_mut() = method;
        assert_eq!(send(&endpoint(&logout), request).await.status, 405);
    }
    assert!(store.revocations().is_empty());
}

#[tokio::test]
async fn a_body_of_more_than_8_kib_is_not_read() {
    let (logout, store) = observed();
    let padded = |len: usize| {
        let document = document(&iss_sub("ann"));
        format!("{document}{}", " ".repeat(len - document.len()))
    };
    let endless = Scripted { chunks: vec![Bytes::from(vec![b' '; 1024]); 1000], end: End::Never };
    assert_eq!(send(&endpoint(&logout), request(SECRET, padded(8 * 1024 + 1))).await.status, 400);
    assert_eq!(send(&endpoint(&logout), request(SECRET, "").map(|_| endless)).await.status, 400);
    assert!(store.revocations().is_empty());
    assert_eq!(send(&endpoint(&logout), request(SECRET, padded(8 * 1024))).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_half_way_is_answered_and_changes_nothing() {
    let (logout, store) = observed();
    let whole = Bytes::from(document(&iss_sub("ann")));
    for (end, status) in [(End::Never, 503), (End::Broken, 400)] {
        // Even if what has arrived is a whole document.
        for chunk in [whole.slice(..10), whole.clone()] {
            let body = Scripted { chunks: vec![chunk], end };
            assert_eq!(send(&endpoint(&logout), request(SECRET, "").map(|_| body)).await.status, status);
        }
    }
    assert!(store.revocations().is_empty());
}

#[tokio::test]
async fn a_body_is_not_read_before_the_sender_is_authenticated() {
    let (logout, _) = observed();
    let body = Scripted { chunks: Vec::new(), end: End::Never };
    let request = Request::post("/").header("content-type", "application/json").body(body).unwrap();
    assert_eq!(send(&endpoint(&logout), request).await.status, 401);
}

#[derive(Clone, Copy)]
enum End {
    Never,
    Broken,
}

/// A body whose chunks arrive at once.
struct Scripted {
    chunks: Vec<Bytes>,
    end: End,
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match (self.chunks.pop(), self.end) {
            (Some(chunk), _) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            (None, End::Never) => Poll::Pending,
            (None, End::Broken) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }
}
