//! A server whose guarded streams send what the test tells them to, and real clients that read
//! them.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::Response,
    routing::{any, get},
};
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower_logout::{Claims, Logout, LogoutScope, VerifiedToken};

use crate::{bearer, wire::Server};

#[derive(Clone, Copy, Debug)]
pub enum Http {
    One,
    Two,
}

pub type Sender = UnboundedSender<Result<Frame<Bytes>, Infallible>>;
type Frames = UnboundedReceiver<Result<Frame<Bytes>, Infallible>>;

/// By the `jti` of the token that opens the stream.
type Feeds = Arc<Mutex<HashMap<String, Frames>>>;

pub struct Streams {
    pub logout: Logout,
    pub server: Server,
    feeds: Feeds,
}

impl Streams {
    pub async fn behind(logout: Logout) -> Self {
        let feeds = Feeds::default();
        let app = Router::new()
            .route("/events", get(events))
            .route("/download", get(download))
            .route("/whole", get(async || vec![b'x'; WHOLE]))
            .route("/upload", any(upload))
            .layer(logout.axum_layer())
            .route_service("/logout", logout.service())
            .route_service("/logout/everywhere", logout.service().scope(LogoutScope::Subject))
            .with_state(Arc::clone(&feeds));
        Self { logout, server: Server::axum(app).await, feeds }
    }

    /// Returns the sender for the stream that the token with this `jti` opens next.
    pub fn feed(&self, jti: &str) -> Sender {
        let (feed, frames) = unbounded_channel();
        self.feeds.lock().unwrap().insert(jti.to_owned(), frames);
        feed
    }

    /// Opens a stream of server-sent events on its own connection.
    pub async fn open(&self, http: Http, jti: &str, token: &str) -> Open {
        self.open_at("/events", http, jti, token).await
    }

    /// Opens a stream on its own connection: at `/events`, or as a download at `/download`.
    pub async fn open_at(&self, path: &str, http: Http, jti: &str, token: &str) -> Open {
        let feed = self.feed(jti);
        let url = self.server.url(path);
        let request = client(http).get(url).header("authorization", bearer(token)).header("te", "trailers");
        Open { feed, response: request.send().await.unwrap().error_for_status().unwrap(), sent: 0 }
    }

    pub async fn log_out(&self, token: &str) {
        assert_eq!(self.server.post("/logout", token).await.status, 200);
    }
}

pub fn client(http: Http) -> reqwest::Client {
    let builder = reqwest::Client::builder();
    match http {
        Http::One => builder.http1_only(),
        Http::Two => builder.http2_prior_knowledge(),
    }
    .build()
    .unwrap()
}

/// An open stream, and its sender.
pub struct Open {
    pub feed: Sender,
    pub response: reqwest::Response,
    sent: usize,
}

impl Open {
    pub fn send(&mut self) -> String {
        let event = format!("data: {}\n\n", self.sent);
        self.sent += 1;
        // The stream may have ended.
        let _ = self.feed.send(Ok(Frame::data(event.clone().into())));
        event
    }

    /// Sends a frame and asserts that it arrives.
    pub async fn passes(&mut self) {
        let event = self.send();
        assert_eq!(self.response.chunk().await.unwrap().unwrap(), event);
    }

    /// Asserts that only an error arrives, whatever is sent, and that the handler's stream is
    /// dropped.
    pub async fn has_ended(&mut self) {
        self.send();
        self.send();
        let next = timeout(PATIENCE, self.response.chunk()).await.expect("something comes: frames or the end");
        let error = next.expect_err("it ended in the middle");
        assert!(error.is_body() || error.is_decode(), "{error:?}");
        self.is_dropped().await;
    }

    /// Resolves once the handler's stream is dropped.
    pub async fn is_dropped(&self) {
        timeout(PATIENCE, self.feed.closed()).await.expect("the stream is ended");
    }
}

/// How long the tests wait at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// The size of the response of `/whole`, which is sent at once: large enough that the layer watches
/// it.
pub const WHOLE: usize = 1 << 20;

async fn events(token: VerifiedToken<Claims>, State(feeds): State<Feeds>) -> Response {
    stream("text/event-stream", &token, &feeds)
}

async fn download(token: VerifiedToken<Claims>, State(feeds): State<Feeds>) -> Response {
    stream("application/octet-stream", &token, &feeds)
}

fn stream(content_type: &str, token: &Claims, feeds: &Feeds) -> Response {
    let jti = token.jti.as_deref().unwrap();
    let frames = feeds.lock().unwrap().remove(jti).unwrap();
    Response::builder()
        .header("content-type", content_type)
        .header("trailer", "x-checksum")
        .body(Body::new(StreamBody::new(UnboundedReceiverStream::new(frames))))
        .unwrap()
}

/// Reads its body to the end and returns what it received.
async fn upload(body: Body) -> Result<String, (StatusCode, String)> {
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => Ok(bytes.len().to_string()),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}
