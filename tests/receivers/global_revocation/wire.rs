//! Promise: a request over HTTP ends the user's tokens and streams on every node.

use std::sync::Arc;

use axum::{Router, routing::get};
use test_support::{NOW, bearer, clock, memory, verifier, wire::Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_logout::{Logout, RevocationStore};

use super::support::{access_token, assertion, document, endpoint, iss_sub};

fn app(logout: &Logout) -> Router {
    Router::new()
        .route("/me", get(async || "hello"))
        .layer(logout.axum_layer())
        .route_service("/global-token-revocation", endpoint(logout))
}

#[tokio::test]
async fn the_users_tokens_are_rejected_on_every_node_after_the_204() {
    let store: Arc<dyn RevocationStore> = Arc::new(memory());
    let nodes = [(); 2].map(|()| Logout::new(verifier(&clock()), Arc::clone(&store)));
    let servers = [Server::axum(app(&nodes[0])).await, Server::axum(app(&nodes[1])).await];
    let [ann, bob] = ["ann", "bob"].map(|sub| bearer(&access_token(sub, NOW)));
    for server in &servers {
        assert_eq!(server.send("GET", "/me", &[("authorization", &ann)], "").await.status, 200);
    }
    let headers = [("authorization", &*bearer(&assertion("1"))), ("content-type", "application/json")];
    let answer = servers[0].send("POST", "/global-token-revocation", &headers, &document(&iss_sub("ann"))).await;
    assert_eq!((answer.status, &*answer.body), (204, ""));
    for server in &servers {
        assert_eq!(server.send("GET", "/me", &[("authorization", &ann)], "").await.status, 401);
        assert_eq!(server.send("GET", "/me", &[("authorization", &bob)], "").await.status, 200);
    }
}

#[tokio::test]
async fn a_request_that_is_cut_off_changes_nothing() {
    let store = test_support::hand::HandStore::new();
    let logout = Logout::new(verifier(&clock()), store.clone());
    let server = Server::axum(app(&logout)).await;
    let document = document(&iss_sub("ann"));
    let head = format!(
        "POST /global-token-revocation HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        bearer(&assertion("1")),
        document.len() + 1,
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(format!("{head}{document}").as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert!(store.revocations().is_empty());
}
