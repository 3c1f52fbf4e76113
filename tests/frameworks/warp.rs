//! warp: its filters as a Tower service behind the layer.

use std::{convert::Infallible, net::SocketAddr};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::Layer;
use tower_logout::{Revoker, VerifiedToken};
use warp::{Filter, Reply, http::StatusCode, reply};

use crate::{
    client::{End, assert_logs_out, events},
    user::{User, logout},
};

#[tokio::test]
async fn a_logout_ends_the_token_behind_filters_of_warp() {
    let logout = logout();
    let revoker = logout.revoker();
    let token = warp::ext::get::<VerifiedToken<User>>;
    let me = warp::path("me").and(token()).map(|token: VerifiedToken<User>| token.0.clone());
    let events = warp::path("events").map(|| reply::stream(events()));
    let log_out =
        warp::path("logout").and(warp::post()).and(token()).then(move |token| log_out(revoker.clone(), token));
    let service = logout.layer().layer(warp::service(me.or(events).or(log_out)));
    assert_logs_out(serve(service).await, &End::CutOff).await;
}

async fn log_out(revoker: Revoker, token: VerifiedToken<User>) -> impl Reply {
    match revoker.token(token.identity()).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// warp's own server only accepts filters.
async fn serve<S, B>(service: S) -> SocketAddr
where
    S: tower::Service<http::Request<hyper::body::Incoming>, Response = http::Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data: Send, Error: Into<tower::BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // The client sees the error.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    addr
}
