//! The client's side of the tests of all frameworks.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Future, ready},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{once, pending},
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

use crate::user::ANN;

/// How a stream ends at the logout.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// With an error, as the layer ends it.
    CutOff,
    /// As if it were complete.
    Proper,
}

/// Asserts with `/me`, `/events` and `/logout` that a logout revokes the token and ends its stream.
pub(crate) async fn assert_logs_out(addr: SocketAddr, end: &End) {
    assert_eq!(send(addr, "GET", "/me", None, "").await.0, 401);
    assert_eq!(send(addr, "GET", "/me", Some("bob"), "").await.0, 401);
    assert_eq!(send(addr, "GET", "/me", Some(ANN), "").await, (200, ANN.to_owned()));

    let mut events = open(addr, "GET", "/events", Some(ANN), "").await.into_body();
    let first = within(events.frame()).await.expect("the stream is open").expect("an event comes");
    assert_eq!(first.into_data().expect("an event is data"), EVENT);
    assert_eq!(send(addr, "POST", "/logout", Some(ANN), "").await.0, 200);
    let seen = if within(events.collect()).await.is_err() { End::CutOff } else { End::Proper };
    assert_eq!(&seen, end);

    for (method, path) in [("GET", "/me"), ("POST", "/logout")] {
        assert_revoked(&send(addr, method, path, Some(ANN), "").await);
    }
}

pub(crate) fn assert_revoked((status, body): &(u16, String)) {
    assert_eq!(*status, 401);
    assert!(body.contains("token_revoked"), "{body}");
}

/// One event, and then no more.
pub(crate) fn events() -> impl Stream<Item = Result<&'static str, Infallible>> + Send + Sync + 'static {
    once(ready(Ok(EVENT))).chain(pending())
}

pub(crate) async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &'static str,
) -> (u16, String) {
    let response = open(addr, method, path, token, body).await;
    let (status, body) = (response.status().as_u16(), within(response.into_body().collect()).await);
    (status, String::from_utf8_lossy(&body.expect("the body is whole").to_bytes()).into_owned())
}

async fn open(
    addr: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &'static str,
) -> Response<impl Body<Data = Bytes, Error: Debug> + Unpin + use<>> {
    let mut request = Request::builder().method(method).uri(format!("http://{addr}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Full::from(body)).expect("the request is well formed");
    // A connection each: a server may close one after it has rejected a request.
    let mut connector = HttpConnector::new();
    connector.enforce_http(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    within(client.request(request)).await.expect("the server answers")
}

/// Fails instead of hanging if the future does not complete.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(30), future).await.expect("what was expected has not happened")
}

/// An event of an event stream.
const EVENT: &str = "data: hello\n\n";
