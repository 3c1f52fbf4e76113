//! Promise: a request goes through the proxy that the environment or the application names, and
//! the proxy sees the name of the server and encrypted bytes.

use std::sync::{Arc, Mutex};

use test_support::is_alone_with;
use tower_logout::fetch::{HttpClient, HttpClientError};

use super::support::{OK, Server, client, get, install_provider, path};

/// A server for `idp.example`, and a proxy that leads everything there and records what it saw.
async fn proxied(scheme: &str) -> (Server, Server, Arc<Mutex<Vec<String>>>) {
    let server = Server::https("server", async |mut connection| connection.answer_all(OK).await).await;
    let (address, seen) = (server.address, Arc::new(Mutex::new(Vec::new())));
    let seen_there = Arc::clone(&seen);
    let serve = move |mut connection: super::support::Accepted| {
        let seen = Arc::clone(&seen_there);
        async move {
            if let Some(head) = connection.request().await {
                seen.lock().unwrap().push(head);
                connection.send("HTTP/1.1 200 Connected\r\n\r\n").await;
                connection.tunnel_to(address).await;
            }
        }
    };
    let proxy = if scheme == "https" { Server::https("server", serve).await } else { Server::http(serve).await };
    (server, proxy, seen)
}

#[tokio::test]
async fn a_request_goes_through_the_proxy_that_is_set() {
    for scheme in ["http", "https"] {
        let (server, proxy, seen) = proxied(scheme).await;
        let client = client().proxy(&proxy.url(scheme, "user:p%40ss@localhost")).unwrap();
        for _ in 0..2 {
            assert_eq!(get(&client, "https://idp.example/").await.unwrap().body(), "ok");
        }
        let seen = seen.lock().unwrap().clone();
        // One tunnel for both requests.
        let [head] = seen.as_slice() else { panic!("{seen:?}") };
        assert!(head.starts_with("CONNECT idp.example:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{head}");
        assert_eq!(server.requests().len(), 2);
        assert!(!server.requests().concat().to_lowercase().contains("proxy"));
    }
}

#[tokio::test]
async fn the_server_behind_a_proxy_is_verified() {
    let (_server, proxy, _) = proxied("http").await;
    let client = client().proxy(&proxy.url("http", "localhost")).unwrap();
    let error = get(&client, "https://other.example/").await.unwrap_err();
    assert!(error.contains("not valid for name \"other.example\""), "{error}");
}

#[tokio::test]
async fn a_request_to_this_machine_goes_through_no_proxy() {
    let (server, proxy, _) = proxied("http").await;
    let plain = Server::http(async |mut connection| connection.answer_all(OK).await).await;
    let client = client().proxy(&proxy.url("http", "localhost")).unwrap();
    for url in [server.url("https", "localhost"), server.url("https", "127.0.0.1"), plain.url("http", "localhost")] {
        assert_eq!(get(&client, &url).await.unwrap().body(), "ok", "{url}");
    }
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_an_error_that_names_it() {
    for (text, cause) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "authorization required"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "unsuccessful"),
        ("junk\r\n\r\n", "unsuccessful"),
        ("", "end of file"),
    ] {
        let proxy = Server::http(move |mut connection| async move {
            connection.request().await;
            connection.send(text).await;
        })
        .await;
        let client = client().proxy(&proxy.url("http", "user:secret@localhost")).unwrap();
        let error = get(&client, "https://idp.example/").await.unwrap_err();
        assert!(error.contains(&proxy.url("http", "localhost")) && error.contains(cause), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error() {
    for url in ["", "socks5://localhost:1080", "ftp://proxy.example", "http://", "a b"] {
        let error = HttpClient::new().proxy(url).unwrap_err();
        assert!(matches!(error, HttpClientError::Proxy), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_and_the_certificates_of_the_environment_are_used() {
    const NAME: &str = "proxies::the_proxy_and_the_certificates_of_the_environment_are_used";
    const PARENT: &str = "https://idp.example/";
    let (server, proxy, seen) = proxied("http").await;
    let (url, authority) = (proxy.url("http", "localhost"), path("authority.pem"));
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let environment = [
            (variable, url.as_str()),
            ("NO_PROXY", "internal.example"),
            ("SSL_CERT_FILE", authority.to_str().unwrap()),
        ];
        if is_alone_with(NAME, &environment) {
            install_provider();
            let client = HttpClient::new();
            assert_eq!(get(&client, PARENT).await.unwrap().body(), "ok");
            // Is not asked of the proxy, and not there.
            assert!(get(&client, "https://api.internal.example/").await.is_err());
            assert!(get(&client.no_proxy(), PARENT).await.is_err());
            return;
        }
    }
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() == 3 && seen.iter().all(|head| head.contains("idp.example:443")), "{seen:?}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_proxy_of_the_environment_that_is_no_http_proxy_is_an_error() {
    const NAME: &str = "proxies::a_proxy_of_the_environment_that_is_no_http_proxy_is_an_error";
    if is_alone_with(NAME, &[("ALL_PROXY", "socks5://localhost:1")]) {
        install_provider();
        let error = get(&HttpClient::new(), "https://idp.example/").await.unwrap_err();
        assert!(error.contains("ALL_PROXY"), "{error}");
    }
}
