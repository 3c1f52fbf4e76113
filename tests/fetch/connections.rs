//! Promise: connections are kept and shared, and a connection that has died never makes a request
//! fail.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use tokio::{runtime::Runtime, sync::Notify, time::timeout};
use tower_logout::fetch::{Fetch, HttpClient};

use super::support::{OK, Server, client, get};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn clones_share_the_connections() {
    let server = Server::https("server", async |mut connection| connection.answer_all(OK).await).await;
    let client = client();
    for client in [client.clone(), client.clone(), client] {
        get(&client, &server.url("https", "localhost")).await.unwrap();
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 3));
}

#[tokio::test]
async fn a_request_on_a_kept_connection_that_dies_is_sent_again_on_a_new_one() {
    // Two connections answer one request each, and close when they get another.
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let server = Server::http(move |mut connection| {
        let both = Arc::clone(&both);
        async move {
            connection.request().await;
            if connection.number < 2 {
                both.wait().await;
                connection.send(OK).await;
                connection.request().await;
            } else {
                connection.send(OK).await;
            }
        }
    })
    .await;
    let url = server.url("http", "localhost");
    let client = client();
    let (first, second) = tokio::join!(get(&client, &url), get(&client, &url));
    assert_eq!((first.unwrap().status().as_u16(), second.unwrap().status().as_u16()), (200, 200));
    assert_eq!(server.connections(), 2);
    assert_eq!(get(&client, &url).await.unwrap().body(), "ok");
    assert_eq!((server.connections(), server.requests().len()), (3, 4));
}

#[tokio::test]
async fn a_request_on_a_new_connection_that_dies_is_not_sent_again() {
    let server = Server::http(async |mut connection| drop(connection.request().await)).await;
    let error = get(&client(), &server.url("http", "localhost")).await.unwrap_err();
    assert!(error.contains("connection"), "{error}");
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let server = Server::https("server", async |mut connection| {
        connection.request().await;
        connection.send(OK).await;
    })
    .await;
    let client = client();
    for requests in 1..=5 {
        assert_eq!(get(&client, &server.url("https", "localhost")).await.unwrap().body(), "ok");
        assert_eq!(server.connections(), requests);
    }
}

#[test]
fn a_client_outlives_the_runtime_that_it_was_used_in() {
    let serving = Runtime::new().unwrap();
    let server = serving.block_on(Server::http(async |mut connection| connection.answer_all(OK).await));
    let client = client();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let response = runtime.block_on(get(&client, &server.url("http", "localhost")));
        assert_eq!(response.unwrap().body(), "ok");
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_closes_its_connection() {
    for answer in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let (arrived, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arriving, closing) = (Arc::clone(&arrived), Arc::clone(&closed));
        let server = Server::http(move |mut connection| {
            let (arrived, closed) = (Arc::clone(&arriving), Arc::clone(&closing));
            async move {
                connection.request().await;
                connection.send(answer).await;
                arrived.notify_one();
                if connection.request().await.is_none() {
                    closed.notify_one();
                }
            }
        })
        .await;
        let (client, url) = (client(), server.url("http", "localhost"));
        tokio::select! {
            answer = get(&client, &url) => panic!("{answer:?}"),
            () = arrived.notified() => {}
        }
        timeout(LONG, closed.notified()).await.expect("the connection was not closed");
    }
}

#[tokio::test]
async fn a_server_that_does_not_complete_the_handshake_is_an_error_after_two_seconds() {
    let server = Server::http(async |mut connection| drop(connection.request().await)).await;
    let error = get(&client(), &server.url("https", "localhost")).await.unwrap_err();
    assert!(error.contains("no connection within 2s"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_with_the_cause() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = get(&client(), &format!("http://{closed}/")).await.unwrap_err();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn the_client_is_a_trait_object() {
    let server = Server::http(async |mut connection| connection.answer_all(OK).await).await;
    let client: Arc<dyn Fetch> = Arc::new(HttpClient::default().no_proxy());
    let request = Request::get(server.url("http", "localhost")).body(Bytes::new()).unwrap();
    assert_eq!(client.fetch(request).await.unwrap().status(), 200);
}
