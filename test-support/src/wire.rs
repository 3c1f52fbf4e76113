//! Real servers on free ports, and a client that returns whole responses.

use std::net::SocketAddr;

use axum::Router;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A server that stops when dropped.
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the future that `serve` returns for a listener.
    pub async fn start<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(TcpListener) -> F) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), task: tokio::spawn(serve(listener)) }
    }

    pub async fn axum(app: Router) -> Self {
        Self::start(async |listener| axum::serve(listener, app).await.unwrap()).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// One request on its own connection, with HTTP/1.1.
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
        let (host, length) = (self.address, body.len());
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        Answer::parse(&answer)
    }

    /// One request on its own connection, with HTTP/2. A header may occur several times.
    pub async fn send_http2(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(self.url(target));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = client.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect::<Vec<_>>();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        Answer::new(parts.status.as_u16(), headers, String::from_utf8(body.to_vec()).unwrap())
    }

    pub async fn get(&self, target: &str, token: &str) -> Answer {
        self.send("GET", target, &[("authorization", &crate::bearer(token))], "").await
    }

    pub async fn post(&self, target: &str, token: &str) -> Answer {
        self.send("POST", target, &[("authorization", &crate::bearer(token))], "").await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole response: all its headers in alphabetical order except `date` and `connection`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn new(status: u16, headers: impl IntoIterator<Item = (String, String)>, body: String) -> Self {
        let shown = |(name, _): &(String, String)| name != "date" && name != "connection";
        let mut headers: Vec<_> = headers.into_iter().filter(shown).collect();
        headers.sort();
        Self { status, headers, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP response: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Self::new(status, headers, body.to_owned())
    }
}
