//! Promise: what a token has opened ends with it, at a logout of any kind and at its expiry, and
//! not before.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::json;
use test_support::{
    ISSUER, NOW, at, bearer, claims_with, clock, eventually, hs256,
    replica::{Following, SharedLog},
    streams::{Http, Streams, client},
    token, verifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    Logout, MemoryStore, Replica, RevocationStore, clock::ManualClock, middleware::RequestBody, store::ReplicaOptions,
    token::TokenVerifier,
};

async fn streams(clock: &ManualClock) -> Streams {
    Streams::behind(logout(clock)).await
}

fn logout(clock: &ManualClock) -> Logout {
    Logout::new(verifier(clock), MemoryStore::new().clock(clock.clone()))
}

/// Also returns the store, which counts the watched tokens.
async fn streams_over_a_store() -> (Streams, Arc<MemoryStore>) {
    let store = Arc::new(test_support::memory());
    (Streams::behind(Logout::new(verifier(&clock()), Arc::clone(&store))).await, store)
}

const BOTH: [Http; 2] = [Http::One, Http::Two];

#[tokio::test]
async fn a_logout_ends_an_open_stream_with_an_error() {
    let streams = streams(&clock()).await;
    for http in BOTH {
        let (own, other) = (format!("own {http:?}"), format!("other {http:?}"));
        let mut ended = streams.open(http, &own, &token(&own)).await;
        let mut goes_on = streams.open(http, &other, &token(&other)).await;
        for _ in 0..3 {
            ended.passes().await;
            goes_on.passes().await;
        }
        streams.log_out(&token(&own)).await;
        ended.has_ended().await;
        goes_on.passes().await;
    }
}

#[tokio::test]
async fn a_stream_that_never_sent_anything_ends_too() {
    let streams = streams(&clock()).await;
    for http in BOTH {
        let jti = format!("{http:?}");
        let mut idle = streams.open(http, &jti, &token(&jti)).await;
        streams.log_out(&token(&jti)).await;
        idle.has_ended().await;
    }
}

#[tokio::test]
async fn every_kind_of_revocation_ends_the_streams_it_concerns() {
    let tokens = || {
        let concerned = claims_with("concerned", json!({ "sid": "ses_1", "sub": "ann", "client_id": "app" }));
        let other = claims_with("other", json!({ "sid": "ses_2", "sub": "bob", "client_id": "cli" }));
        (hs256(&concerned), hs256(&other))
    };
    for http in BOTH {
        for kind in ["session", "subject", "client", "issuer", "everything"] {
            let streams = streams(&clock()).await;
            let (concerned, other) = tokens();
            let mut ended = streams.open(http, "concerned", &concerned).await;
            let mut other = streams.open(http, "other", &other).await;
            ended.passes().await;
            other.passes().await;
            let revoker = streams.logout.revoker();
            match kind {
                "session" => revoker.session(ISSUER, "ses_1").await,
                "subject" => revoker.subject(ISSUER, "ann").await,
                "client" => revoker.client(ISSUER, "app").await,
                "issuer" => revoker.issuer(ISSUER).await,
                _ => revoker.everything().await,
            }
            .unwrap();
            ended.has_ended().await;
            match kind {
                "issuer" | "everything" => other.has_ended().await,
                _ => other.passes().await,
            }
        }
    }
}

#[tokio::test]
async fn a_login_after_a_logout_everywhere_opens_streams_that_stay() {
    let clock = clock();
    let streams = streams(&clock).await;
    streams.logout.revoker().subject(ISSUER, "usr_123").await.unwrap();
    clock.advance(Duration::from_secs(1));
    let later = hs256(&claims_with("later", json!({ "iat": NOW + 1 })));
    let mut open = streams.open(Http::Two, "later", &later).await;
    open.passes().await;
    // A revocation of older tokens only wakes the stream and does not end it.
    let older = tower_logout::revocation::RevocationKey::subject(ISSUER, "usr_123");
    let store = streams.logout.store();
    let revocation = tower_logout::revocation::Revocation::new(
        older,
        at(NOW).saturating_add(Duration::from_millis(1)),
        at(NOW + 9000),
    );
    store.revoke(&revocation).await.unwrap();
    for _ in 0..3 {
        open.passes().await;
    }
}

#[tokio::test]
async fn the_expiry_of_the_token_ends_its_stream_and_not_a_millisecond_sooner() {
    for http in BOTH {
        let clock = clock();
        let streams = streams(&clock).await;
        let mut open = streams.open(http, "expires", &token("expires")).await;
        open.passes().await;
        clock.set(at(NOW + 900 - 1));
        open.passes().await;
        clock.advance(Duration::from_millis(999));
        open.passes().await;
        clock.advance(Duration::from_millis(1));
        open.has_ended().await;
    }
}

#[tokio::test]
async fn leeway_is_granted_to_streams_as_it_is_to_requests() {
    let clock = clock();
    let verifier = tower_logout::JwtVerifier::hs256(test_support::SECRET);
    let verifier = verifier.issuer(ISSUER).leeway(Duration::from_secs(10)).clock(clock.clone()).build().unwrap();
    let streams = Streams::behind(Logout::new(verifier, MemoryStore::new().clock(clock.clone()))).await;
    let mut open = streams.open(Http::Two, "expires", &token("expires")).await;
    clock.set(at(NOW + 909));
    open.passes().await;
    clock.set(at(NOW + 910));
    open.has_ended().await;
}

#[tokio::test]
async fn without_a_logout_ten_thousand_frames_and_the_trailers_pass_unchanged() {
    let streams = streams(&clock()).await;
    for http in BOTH {
        let jti = format!("{http:?}");
        let mut open = streams.open(http, &jti, &token(&jti)).await;
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for number in 0..10_000_u32 {
            let frame: Vec<u8> = (0..200 + number % 97).map(|at| u8::try_from((number + at) % 256).unwrap()).collect();
            sent.extend_from_slice(&frame);
            open.feed.send(Ok(Frame::data(frame.into()))).unwrap();
        }
        drop(open.feed);
        while let Some(chunk) = open.response.chunk().await.unwrap() {
            received.extend_from_slice(&chunk);
        }
        assert!(sent == received);
    }
    for only_h2 in [false, true] {
        let (bytes, trailers) = with_trailers(&streams, only_h2).await;
        assert_eq!(bytes, 3_000_000);
        assert_eq!(trailers["x-checksum"], "0f1e");
    }
}

/// Reads a stream of 10,000 frames with a client that returns trailers.
async fn with_trailers(streams: &Streams, only_h2: bool) -> (usize, HeaderMap) {
    let jti = format!("trailers {only_h2}");
    let client =
        Client::builder(TokioExecutor::new()).http2_only(only_h2).timer(TokioTimer::new()).build_http::<Empty<Bytes>>();
    let feed = streams.feed(&jti);
    let request = Request::get(streams.server.url("/events"))
        .header("authorization", bearer(&token(&jti)))
        .header("te", "trailers")
        .body(Empty::new())
        .unwrap();
    let body = client.request(request).await.unwrap().into_body();
    for _ in 0..10_000 {
        feed.send(Ok(Frame::data(Bytes::from_static(&[7; 300])))).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "0f1e".parse().unwrap());
    feed.send(Ok(Frame::trailers(trailers))).unwrap();
    drop(feed);
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().unwrap().clone();
    (body.to_bytes().len(), trailers)
}

#[tokio::test]
async fn a_last_event_names_the_reason_and_ends_the_body_properly() {
    for http in BOTH {
        let clock = clock();
        let streams = Streams::behind(logout(&clock).last_event("logout")).await;
        let mut revoked = streams.open(http, "revoked", &token("revoked")).await;
        let mut expires = streams.open(http, "expires", &token("expires")).await;
        let mut torn = streams.open(http, "torn", &token("torn")).await;
        revoked.passes().await;
        expires.passes().await;
        torn.feed.send(Ok(Frame::data(Bytes::from_static(b"data: half an ev")))).unwrap();
        assert_eq!(torn.response.chunk().await.unwrap().unwrap(), "data: half an ev");
        streams.log_out(&token("revoked")).await;
        streams.log_out(&token("torn")).await;
        assert_eq!(revoked.response.text().await.unwrap(), "event: logout\ndata: token_revoked\n\n");
        torn.has_ended().await;
        clock.advance(Duration::from_secs(900));
        assert_eq!(expires.response.text().await.unwrap(), "event: logout\ndata: token_expired\n\n");
    }
}

#[tokio::test]
async fn only_event_streams_end_with_an_event() {
    let clock = clock();
    let logout = logout(&clock).last_event("logout");
    for (content_type, proper) in
        [("text/event-stream", true), ("Text/Event-Stream; charset=utf-8", true), ("text/plain", false)]
    {
        let (feed, frames) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
        let body = StreamBody::new(tokio_stream::wrappers::UnboundedReceiverStream::new(frames));
        let body = std::sync::Mutex::new(Some(body));
        let inner = service_fn(|_: Request<RequestBody<Empty<Bytes>>>| {
            let body = body.lock().unwrap().take().unwrap();
            async { Ok::<_, Infallible>(Response::builder().header("content-type", content_type).body(body).unwrap()) }
        });
        let token = token(content_type);
        let request = Request::get("/").header("authorization", bearer(&token)).body(Empty::new()).unwrap();
        let mut body = logout.layer().layer(inner).oneshot(request).await.unwrap().into_body();
        feed.send(Ok(Frame::data(Bytes::from_static(b"data: 1\n\n")))).unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().now_or_never().is_none());
        let verified = logout.verifier().verify(&token).await.unwrap();
        let _ = logout.revoker().token(verified.identity()).await.unwrap();
        assert_eq!(body.frame().await.unwrap().is_ok(), proper, "{content_type}");
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn streams_continue_if_configured() {
    let clock = clock();
    let streams = Streams::behind(logout(&clock).allow_streams_after_revocation()).await;
    let mut open = streams.open(Http::One, "one", &token("one")).await;
    streams.log_out(&token("one")).await;
    clock.advance(Duration::from_secs(900));
    for _ in 0..3 {
        open.passes().await;
    }
}

#[tokio::test]
async fn a_logout_on_one_node_ends_the_streams_on_the_other() {
    let (clock, log) = (clock(), SharedLog::new());
    let node = async || {
        let replica = Replica::start(log.clone());
        replica.ready().await.unwrap();
        Streams::behind(Logout::new(verifier(&clock), replica)).await
    };
    let (here, there) = (node().await, node().await);
    for http in BOTH {
        let (own, other) = (format!("own {http:?}"), format!("other {http:?}"));
        let mut ended = there.open(http, &own, &token(&own)).await;
        let mut goes_on = there.open(http, &other, &token(&other)).await;
        ended.passes().await;
        goes_on.passes().await;
        here.log_out(&token(&own)).await;
        ended.has_ended().await;
        goes_on.passes().await;
    }
}

#[tokio::test]
async fn a_stale_view_ends_streams() {
    let (clock, log) = (clock(), SharedLog::new());
    let options = || ReplicaOptions::new().max_staleness(Duration::from_millis(200)).clock(clock.clone());
    let refuses = options().reject_when_stale().start(log.clone());
    let asks = options().start(log.clone());
    refuses.ready().await.unwrap();
    asks.ready().await.unwrap();
    let monitors = [refuses.monitor(), asks.monitor()];
    let logout = |replica| Logout::new(verifier(&clock), replica).recheck_interval(Duration::from_millis(20));
    let refuses = Streams::behind(logout(refuses)).await;
    let asks = Streams::behind(logout(asks)).await;
    for http in BOTH {
        let jti = format!("{http:?}");
        let mut refused = refuses.open(http, &jti, &token(&jti)).await;
        let mut asked = asks.open(http, &jti, &token(&jti)).await;
        refused.passes().await;
        asked.passes().await;
        log.following(Following::Fails);
        refused.is_dropped().await;
        refused.has_ended().await;
        // The log itself still answers.
        let checks = log.checks();
        eventually("it is asked", || log.checks() > checks + 3).await;
        asked.passes().await;
        log.reject_checks(true);
        asked.is_dropped().await;
        asked.has_ended().await;
        log.reject_checks(false);
        log.following(Following::Works);
        eventually("the views are fresh", || monitors.iter().all(|monitor| monitor.health().is_fresh())).await;
    }
}

#[tokio::test]
async fn an_upload_is_cut_off_and_rejected() {
    let (streams, store) = streams_over_a_store().await;
    for http in BOTH {
        let token = token(&format!("{http:?}"));
        let (feed, body) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, Infallible>>();
        feed.send(Ok(Bytes::from_static(b"much more is to come"))).unwrap();
        let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::UnboundedReceiverStream::new(body));
        let upload =
            client(http).post(streams.server.url("/upload")).header("authorization", bearer(&token)).body(body);
        let upload = tokio::spawn(upload.send());
        eventually("the upload is watched", || store.watched() > 0).await;
        streams.log_out(&token).await;
        let answer = upload.await.unwrap().unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["error"], "token_revoked");
        feed.closed().await;
    }
}

#[tokio::test]
async fn an_upload_that_ends_in_time_is_answered_by_its_handler() {
    let streams = streams(&clock()).await;
    for http in BOTH {
        let chunks = (0..1000).map(|_| Ok::<_, Infallible>(Bytes::from_static(&[7; 1000])));
        let body = reqwest::Body::wrap_stream(tokio_stream::iter(chunks));
        let upload = client(http).post(streams.server.url("/upload")).header("authorization", bearer(&token("up")));
        assert_eq!(upload.body(body).send().await.unwrap().text().await.unwrap(), "1000000");
    }
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_nothing_behind() {
    let (streams, store) = streams_over_a_store().await;
    for http in BOTH {
        let mut all = Vec::new();
        for number in 0..20 {
            let jti = format!("{number}");
            let mut open = streams.open(http, &jti, &token(&jti)).await;
            open.passes().await;
            all.push(open);
        }
        eventually("all are watched", || store.watched() == 20).await;
        for open in all {
            drop(open.response);
            open.feed.closed().await;
        }
        eventually("none is watched", || store.watched() == 0).await;
    }
}

/// The handler sends without end, and the client does not read.
#[tokio::test]
async fn a_slow_reader_gets_what_was_sent_before_the_logout_and_then_the_end() {
    let streams = streams(&clock()).await;
    let token = token("slow");
    let feed = streams.feed("slow");
    let mut connection = TcpStream::connect(streams.server.address).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\r\n", bearer(&token));
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    connection.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // Far more than the buffers of both ends hold.
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    for _ in 0..200 {
        feed.send(Ok(Frame::data(chunk.clone()))).unwrap();
    }
    streams.log_out(&token).await;
    let mut read = Vec::new();
    connection.read_to_end(&mut read).await.unwrap();
    assert!(read.len() < 100 << 20, "{} MiB were sent after the logout", read.len() >> 20);
    assert!(!read.ends_with(b"\r\n0\r\n\r\n"), "the chunked body is left unfinished");
    feed.closed().await;
}
