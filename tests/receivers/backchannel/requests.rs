//! Promise: a request is a form with one logout token, and whatever else arrives costs bounded time
//! and memory, and leaves nothing.

use std::{convert::Infallible, pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{Method, Request, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use serde_json::json;
use tokio::time::Instant;

use super::support::{Answer, Api, FORM, form, logout_token, send};

/// What everything gets that is not accepted.
async fn refusal(api: &Api) -> Answer {
    let refusal = send(&api.service(), form("logout_token=forged")).await;
    assert_eq!(refusal.status, 400);
    refusal
}

#[tokio::test]
async fn a_body_is_a_form_with_exactly_one_logout_token() {
    let token = logout_token(json!({}));
    for (body, accepted) in [
        (format!("logout_token={token}"), true),
        (format!("a=1&logout_token={token}&b=2"), true),
        (format!("logout_token={}", token.replace('.', "%2E")), true),
        (format!("%6cogout_token={token}"), true),
        (format!("logout_token={token}&logout_token={token}"), false),
        (format!("logout_token=&logout_token={token}"), false),
        (format!("logout_token={token}&%6cogout_token=x"), false),
        (format!("LOGOUT_TOKEN={token}"), false),
        (format!("logout_token[]={token}"), false),
        (format!("logout_token={token}+"), false),
        (format!("logout_token=%FF{token}"), false),
        (token.clone(), false),
        (format!(r#"{{"logout_token":"{token}"}}"#), false),
        (String::new(), false),
        ("logout_token".to_owned(), false),
    ] {
        let api = Api::new();
        let refusal = refusal(&api).await;
        let answer = send(&api.service(), form(body.clone())).await;
        assert_eq!(answer.status == 200, accepted, "{body}");
        assert!(accepted || answer == refusal, "{body}");
        assert_eq!(api.stored().is_empty(), !accepted, "{body}");
    }
}

#[tokio::test]
async fn the_media_type_may_have_parameters() {
    let body = format!("logout_token={}", logout_token(json!({})));
    for (types, accepted) in [
        (&[FORM][..], true),
        (&["application/x-www-form-urlencoded; charset=utf-8"], true),
        (&["application/x-www-form-urlencoded;charset=UTF-8;x=y"], true),
        (&["Application/X-WWW-Form-Urlencoded"], true),
        (&[], false),
        (&["application/json"], false),
        (&["multipart/form-data; boundary=x"], false),
        (&["text/plain"], false),
        (&["application/x-www-form-urlencoded-not"], false),
        (&[FORM, FORM], false),
    ] {
        let api = Api::new();
        let refusal = refusal(&api).await;
        let request = types.iter().fold(Request::post("/"), |request, typ| request.header(CONTENT_TYPE, *typ));
        let answer = send(&api.service(), request.body(Full::new(Bytes::from(body.clone()))).unwrap()).await;
        assert_eq!(answer.status == 200, accepted, "{types:?}");
        assert!(accepted || answer == refusal, "{types:?}");
    }
}

#[tokio::test]
async fn other_methods_than_post_are_not_allowed() {
    let body = format!("logout_token={}", logout_token(json!({})));
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let api = Api::new();
        let mut request = form(body.clone());
        *request.method_mut() = method.clone();
        let answer = send(&api.service(), request).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method}");
        assert!(api.stored().is_empty(), "{method}");
    }
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_a_longer_one_is_not() {
    let body = format!("logout_token={}&padding=", logout_token(json!({})));
    for (len, accepted) in [(64 * 1024, true), (64 * 1024 + 1, false), (1024 * 1024, false)] {
        let api = Api::new();
        let refusal = refusal(&api).await;
        let long = format!("{body}{}", "x".repeat(len - body.len()));
        let answer = send(&api.service(), form(long)).await;
        assert_eq!(answer.status == 200, accepted, "{len}");
        assert!(accepted || answer == refusal, "{len}");
    }
}

fn posted<B>(body: B) -> Request<B> {
    Request::post("/").header(CONTENT_TYPE, FORM).body(body).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "as a stream yields it")]
fn chunk(text: impl Into<Bytes>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(text.into()))
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit() {
    let api = Api::new();
    let (refusal, read) = (refusal(&api).await, std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let counted = std::sync::Arc::clone(&read);
    let endless = stream::repeat_with(move || {
        counted.fetch_add(1024, std::sync::atomic::Ordering::SeqCst);
        chunk(vec![b'x'; 1024])
    });
    assert_eq!(send(&api.service(), posted(StreamBody::new(endless))).await, refusal);
    assert_eq!(read.load(std::sync::atomic::Ordering::SeqCst), 65 * 1024, "one chunk more than fits");
}

#[tokio::test(start_paused = true)]
async fn a_slow_or_half_sent_body_ends_at_the_deadline() {
    let api = Api::new();
    let refusal = refusal(&api).await;
    let token = logout_token(json!({}));
    let (first, rest) = token.split_at(20);
    let begun = format!("logout_token={first}");
    let half = stream::iter([chunk(begun.clone())]).chain(stream::pending());
    let slow = stream::iter([chunk(begun), chunk(rest.to_owned())]).then(|part| async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        part
    });
    let began = Instant::now();
    assert_eq!(send(&api.service(), posted(StreamBody::new(half.boxed()))).await, refusal);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(send(&api.service(), posted(StreamBody::new(slow.boxed()))).await, refusal);
    assert_eq!(began.elapsed(), Duration::from_secs(10), "the second part takes until the sixth second");
    assert!(api.stored().is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let api = Api::new();
    let refusal = refusal(&api).await;
    let token = logout_token(json!({}));
    let whole = Frame::data(Bytes::from(format!("logout_token={token}")));
    let broken = stream::iter([Ok(whole), Err(std::io::Error::other("reset by peer"))]);
    assert_eq!(send(&api.service(), posted(StreamBody::new(broken))).await, refusal);
    assert!(api.stored().is_empty());
}

#[tokio::test]
async fn a_provider_that_disconnects_leaves_the_logout_done_or_not_begun() {
    // Dropped after each number of polls; the store takes several.
    for polls in 0..12 {
        let api = Api::new();
        let _ = api.store.clone().revokes(test_support::hand::Act::Polls(2));
        let service = api.service();
        let token = logout_token(json!({}));
        {
            let mut delivery = pin!(send(&service, form(format!("logout_token={token}"))));
            for _ in 0..polls {
                if (&mut delivery).now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // What has begun goes on by itself.
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(api.stored().len(), 0 | 2), "{polls}: {:?}", api.stored());
    }
}
