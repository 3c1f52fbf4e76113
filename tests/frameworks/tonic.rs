//! tonic's own server: one service behind the layer and others beside it, or all of them behind it.

use std::{net::SocketAddr, pin::Pin};

use futures_util::{Stream, StreamExt, stream};
use http::StatusCode;
use http_body_util::Empty;
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status, Streaming,
    service::{LayerExt, Routes},
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};
use tower::ServiceExt;
use tower_logout::{Logout, VerifiedToken};

use crate::{
    client::{events, within},
    user::{ANN, User, logout},
};
use feed::{
    Event, Summary, WatchRequest,
    feed_client::FeedClient,
    feed_server::{Feed, FeedServer},
};

#[allow(clippy::pedantic, unreachable_pub, rust_2018_idioms, dead_code)]
mod feed {
    include!("../../examples/grpc-stream/src/feed.rs");
}

#[tokio::test]
async fn a_logout_ends_the_token_behind_a_layer_around_one_service() {
    let logout = logout();
    let (addr, incoming) = listen().await;
    let server = Server::builder()
        .add_service(logout.layer().named_layer(FeedServer::new(Events)))
        .add_service(tonic_health::server::health_reporter().1)
        .add_service(reflection());
    tokio::spawn(server.serve_with_incoming(incoming));
    assert_logs_out(addr, &logout).await;
    let (health, reflection) = ask_without_a_token(addr).await;
    assert_eq!((health, reflection), (Code::Ok, Code::Ok));
}

#[tokio::test]
async fn a_logout_ends_the_token_behind_a_layer_around_the_server() {
    let logout = logout();
    let (addr, incoming) = listen().await;
    let mut routes = Routes::builder();
    routes.add_service(FeedServer::new(Events)).add_service(tonic_health::server::health_reporter().1);
    let server = Server::builder().layer(logout.layer()).add_routes(routes.routes()).add_service(reflection());
    tokio::spawn(server.serve_with_incoming(incoming));
    assert_logs_out(addr, &logout).await;
    let (health, reflection) = ask_without_a_token(addr).await;
    assert_eq!((health, reflection), (Code::Unauthenticated, Code::Unauthenticated));
}

async fn assert_logs_out(addr: SocketAddr, logout: &Logout<User>) {
    let mut client = FeedClient::connect(format!("http://{addr}")).await.unwrap();
    let rejected = client.watch(WatchRequest { first: 1 }).await.unwrap_err();
    assert_eq!(rejected.code(), Code::Unauthenticated);
    let mut stream = client.watch(with_token()).await.unwrap().into_inner();
    let first = Event { number: 1, text: ANN.to_owned() };
    assert_eq!(within(stream.message()).await.unwrap(), Some(first));

    let log_out = http::Request::post("/logout").header("authorization", format!("Bearer {ANN}"));
    let answer = logout.service().oneshot(log_out.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_revoked(&within(stream.message()).await.unwrap_err());
    assert_revoked(&client.watch(with_token()).await.unwrap_err());
}

fn assert_revoked(status: &Status) {
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "The token has been revoked."));
}

fn with_token() -> Request<WatchRequest> {
    let mut request = Request::new(WatchRequest { first: 1 });
    request.metadata_mut().insert("authorization", format!("Bearer {ANN}").parse().unwrap());
    request
}

/// The responses of the health service and the reflection.
async fn ask_without_a_token(addr: SocketAddr) -> (Code, Code) {
    let channel = Endpoint::try_from(format!("http://{addr}")).unwrap().connect().await.unwrap();
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
    let list = MessageRequest::ListServices(String::new());
    let list = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let list = ServerReflectionClient::new(channel).server_reflection_info(stream::iter([list])).await;
    (health.map_or_else(|status| status.code(), |_| Code::Ok), list.map_or_else(|status| status.code(), |_| Code::Ok))
}

fn reflection()
-> tonic_reflection::server::v1::ServerReflectionServer<impl tonic_reflection::server::v1::ServerReflection> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .unwrap()
}

async fn listen() -> (SocketAddr, TcpIncoming) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpIncoming::from(listener))
}

struct Events;

#[tonic::async_trait]
impl Feed for Events {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;
    type TalkStream = Self::WatchStream;

    /// One event, and then no more.
    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let token = request.extensions().get::<VerifiedToken<User>>().expect("the layer lets no other request pass");
        let event = Event { number: request.get_ref().first, text: token.0.clone() };
        Ok(Response::new(Box::pin(events().map(move |Ok(_)| Ok(event.clone())))))
    }

    async fn upload(&self, _: Request<Streaming<Event>>) -> Result<Response<Summary>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn talk(&self, _: Request<Streaming<Event>>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented(""))
    }
}
