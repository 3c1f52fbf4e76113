//! salvo, with its `tower-compat`. It has its own body types, which need one conversion.

use bytes::Bytes;
use http_body::Body;
use salvo::{
    BoxedError, Request, Router, Server,
    conn::tcp::TcpAcceptor,
    handler,
    http::{ReqBody, ResBody},
    prelude::{TowerLayerCompat, TowerServiceCompat},
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_logout::{VerifiedToken, middleware::RequestBody};

use crate::{
    client::{End, assert_logs_out, events},
    user::{User, logout},
};

#[tokio::test]
async fn a_logout_ends_the_token_in_salvo() {
    let logout = logout();
    let guard = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(boxed))
        .layer(logout.layer())
        .map_request(|request: http::Request<RequestBody<ReqBody>>| {
            request.map(|body| ReqBody::Boxed { inner: Box::pin(body), fuse_config: None })
        });
    let log_out =
        ServiceBuilder::new().map_response(|response: http::Response<_>| response.map(boxed)).service(logout.service());
    let guarded = Router::new()
        .hoop(TowerLayerCompat::compat::<ReqBody>(guard))
        .push(Router::with_path("me").get(me))
        .push(Router::with_path("events").get(stream));
    let log_out = TowerServiceCompat::<ReqBody, _, _, _>::compat(log_out);
    let router = Router::new().push(guarded).push(Router::with_path("logout").post(log_out));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(Server::new(TcpAcceptor::try_from(listener).unwrap()).serve(router));
    assert_logs_out(addr, &End::CutOff).await;
}

fn boxed(body: impl Body<Data = Bytes, Error = BoxedError> + Send + Sync + 'static) -> ResBody {
    ResBody::Boxed(Box::pin(body))
}

#[handler]
async fn me(request: &mut Request) -> String {
    request.extensions().get::<VerifiedToken<User>>().unwrap().0.clone()
}

#[handler]
async fn stream(response: &mut salvo::Response) {
    response.stream(events());
}
