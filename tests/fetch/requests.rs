//! Promise: a request arrives as it was made, and the response is returned as it was sent.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use tower_logout::fetch::{Fetch, HttpClient, HttpClientError};

use super::support::{OK, Server, client, get};

#[tokio::test]
async fn the_request_names_the_crate_and_asks_for_no_compression() {
    let server = Server::http(async |mut connection| connection.answer_all(OK).await).await;
    get(&client(), &format!("{}path?query", server.url("http", "localhost"))).await.unwrap();
    let head = server.requests().remove(0);
    let mut lines: Vec<_> = head.trim_end().split("\r\n").collect();
    lines[1..].sort_unstable();
    let (agent, host) = (
        format!("user-agent: tower-logout/{}", env!("CARGO_PKG_VERSION")),
        format!("host: localhost:{}", server.address.port()),
    );
    assert_eq!(lines, ["GET /path?query HTTP/1.1", "accept-encoding: identity", host.as_str(), agent.as_str()]);
}

#[tokio::test]
async fn headers_and_body_of_the_request_are_sent() {
    let server = Server::http(async |mut connection| {
        connection.request().await;
        let body = connection.read(9).await;
        connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{body}")).await;
    })
    .await;
    let request = Request::post(server.url("http", "localhost"))
        .header("user-agent", "other")
        .body(Bytes::from("token=abc"))
        .unwrap();
    let response = client().fetch(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "token=abc");
    let head = server.requests().remove(0);
    assert!(head.contains("content-length: 9\r\n") && head.contains("user-agent: other\r\n"), "{head}");
    assert!(!head.contains("tower-logout"), "{head}");
}

#[tokio::test]
async fn a_redirect_is_returned_and_not_followed() {
    let other = Server::http(async |mut connection| connection.answer_all(OK).await).await;
    for status in [301, 302, 303, 307, 308] {
        let location = other.url("http", "localhost");
        let text = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let server = Server::http(move |mut connection| {
            let text = text.clone();
            async move { connection.answer_all(&text).await }
        })
        .await;
        let response = get(&client(), &server.url("http", "localhost")).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
            (status, location.as_str())
        );
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_request_to_another_machine_is_sent_only_if_it_is_encrypted() {
    for url in ["http://idp.example/", "http://192.0.2.1/", "http://localhost.example/", "ftp://localhost/", "/"] {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        let error = client().fetch(request).await.unwrap_err();
        let error = error.downcast::<HttpClientError>().unwrap();
        assert!(matches!(*error, HttpClientError::Scheme(_)), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_an_error() {
    for text in ["SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0", "<html>hello</html>\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", ""] {
        let server = Server::http(move |mut connection| async move {
            connection.request().await;
            connection.send(text).await;
        })
        .await;
        assert!(get(&client(), &server.url("http", "localhost")).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn the_head_of_a_response_is_bounded() {
    let server = Server::http(async |mut connection| {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\nx: ").await;
        connection.send_until_closed(&[b'a'; 1024]).await;
    })
    .await;
    let error = get(&client(), &server.url("http", "localhost")).await.unwrap_err();
    assert!(error.contains("too large"), "{error}");
}

#[test]
fn the_client_shows_its_settings_and_no_secrets() {
    let client = HttpClient::new().proxy("http://user:secret@proxy.example:3128").unwrap();
    let text = format!("{client:?}");
    assert!(text.contains("proxy.example:3128") && !text.contains("secret") && !text.contains("user:"), "{text}");
}
