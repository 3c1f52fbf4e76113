//! The streaming examples end their streams with the token, as their own processes and with real
//! clients.

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use test_support::examples::{LOGGED_OUT, PATIENCE, Running, TestResult, ok};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};
use tonic::{Code, Request, Status};

use feed::{Event, WatchRequest, feed_client::FeedClient};

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, dead_code)]
mod feed {
    include!("../../examples/grpc-stream/src/feed.rs");
}

#[tokio::test]
async fn sse_ends_with_an_event_that_names_the_reason() -> TestResult {
    let app = Running::start("sse", &[("ADDR", "127.0.0.1:0")]).await?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    // As a browser sends it, and as other clients do.
    let credentials = [("cookie", format!("access_token={}", app.token)), ("authorization", bearer(&app))];
    let mut streams = Vec::new();
    for (name, value) in credentials {
        let url = format!("{}/api/v1/events", app.url);
        let mut response = client.get(url).header(name, value).send().await?;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.chunk().await?.as_deref(), Some(&b"data: tick for ann\n\n"[..]));
        streams.push(response);
    }
    log_out(&app).await?;
    for response in streams {
        let rest = response.text().await?;
        assert!(rest.ends_with("event: logout\ndata: token_revoked\n\n"), "{rest}");
    }
    assert_eq!(app.send(Method::GET, "/api/v1/events", &app.token).await?.0, 401);
    Ok(())
}

#[tokio::test]
async fn websocket_closes_with_the_code_and_the_reason() -> TestResult {
    let app = Running::start("websocket", &[("ADDR", "127.0.0.1:0")]).await?;
    let mut sockets = Vec::new();
    for (name, value) in [("cookie", format!("access_token={}", app.token)), ("authorization", bearer(&app))] {
        let mut request = format!("{}/api/v1/socket", app.url.replace("http", "ws")).into_client_request()?;
        request.headers_mut().insert(name, value.parse()?);
        let (mut socket, _) = connect_async(request).await?;
        socket.send(Message::text("hello")).await?;
        assert_eq!(timeout(PATIENCE, socket.next()).await?.ok_or("closed")??, Message::text("hello"));
        sockets.push(socket);
    }
    log_out(&app).await?;
    for mut socket in sockets {
        let frame = CloseFrame { code: 1008.into(), reason: "The token has been revoked.".into() };
        assert_eq!(timeout(PATIENCE, socket.next()).await?.ok_or("closed")??, Message::Close(Some(frame)));
        assert!(timeout(PATIENCE, socket.next()).await?.is_none());
    }
    Ok(())
}

#[tokio::test]
async fn grpc_stream_ends_all_kinds_with_status_16() -> TestResult {
    let app = Running::start("grpc-stream", &[("ADDR", "127.0.0.1:0")]).await?;
    let mut client = FeedClient::connect(app.url.clone()).await?;

    let mut watched = client.watch(with(&app, WatchRequest { first: 7 })?).await?.into_inner();
    let tick = Event { number: 7, text: "tick".to_owned() };
    assert_eq!(timeout(PATIENCE, watched.message()).await??, Some(tick));

    let (said, saying) = mpsc::channel(4);
    let mut answers = client.talk(with(&app, ReceiverStream::new(saying))?).await?.into_inner();
    let event = Event { number: 1, text: "hello".to_owned() };
    said.send(event.clone()).await?;
    assert_eq!(timeout(PATIENCE, answers.message()).await??, Some(event.clone()));

    let summary = client.upload(with(&app, tokio_stream::iter(vec![event.clone(); 3]))?).await?;
    assert_eq!(summary.get_ref().events, 3);
    let (uploaded, uploading) = mpsc::channel(1);
    let (request, mut uploader) = (with(&app, ReceiverStream::new(uploading))?, client.clone());
    let upload = tokio::spawn(async move { uploader.upload(request).await });
    for _ in 0..4 {
        uploaded.send(event.clone()).await?; // the fourth is accepted once the call has begun
    }

    log_out(&app).await?;
    let watching = async {
        loop {
            if let Err(status) = watched.message().await {
                return status; // after a tick in transit
            }
        }
    };
    assert_revoked(&timeout(PATIENCE, watching).await?);
    assert_revoked(&timeout(PATIENCE, answers.message()).await?.expect_err("the token was revoked"));
    assert_revoked(&timeout(PATIENCE, upload).await??.expect_err("the token was revoked"));
    Ok(())
}

fn assert_revoked(status: &Status) {
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "The token has been revoked."));
}

fn with<T>(app: &Running, message: T) -> Result<Request<T>, Box<dyn Error>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer(app).parse()?);
    Ok(request)
}

async fn log_out(app: &Running) -> TestResult {
    assert_eq!(app.send(Method::POST, "/api/v1/logout", &app.token).await?, ok(LOGGED_OUT));
    Ok(())
}

fn bearer(app: &Running) -> String {
    format!("Bearer {}", app.token)
}
