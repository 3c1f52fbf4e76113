//! poem, whose requests are not those of `http`: the check is made manually.
//!
//! poem 3 ends a chunked response properly even if its body fails: the stream ends, but looks
//! complete.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, combinators::BoxBody};
use poem::{
    Body, Endpoint, EndpointExt, IntoResponse, Request, Response, Result, Route, Server, endpoint::make, get, handler,
    listener::TcpAcceptor, post,
};
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_logout::{Logout, VerifiedToken, middleware::ResponseBody, respond::Protocol, token::RequestHead};

use crate::{
    client::{End, assert_logs_out, events},
    user::{User, logout},
};

#[tokio::test]
async fn a_logout_ends_the_token_in_poem() {
    let logout = logout();
    let service = logout.service();
    let log_out = make(move |request: Request| {
        let answer = service.clone().oneshot(http::Request::<Boxed>::from(request));
        async {
            let Ok(answer) = answer.await;
            Ok::<_, poem::Error>(of_poem(answer))
        }
    });
    let guarded = Route::new().at("/me", get(me)).at("/events", get(stream));
    let guarded = guarded.around(move |routes, request| check(logout.clone(), routes, request));
    let app = Route::new().at("/logout", post(log_out)).nest("/", guarded);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap()).run(app));
    assert_logs_out(addr, &End::Proper).await;
}

/// What the layer does elsewhere.
async fn check(logout: Logout<User>, routes: Arc<impl Endpoint>, mut request: Request) -> Result<Response> {
    let head = RequestHead::new(request.method(), request.uri(), request.headers(), request.extensions());
    let protocol = Protocol::of(request.method(), request.version(), request.headers());
    let token = match logout.check(head).await {
        Ok(token) => token.expect("anonymous requests are rejected"),
        Err(reason) => return Ok(of_poem(logout.reject(reason, protocol))),
    };
    let watch = logout.watch(&token);
    request.extensions_mut().insert(token);
    let response = http::Response::<Boxed>::from(routes.call(request).await?.into_response());
    Ok(of_poem(response.map(|body| ResponseBody::watched(body, watch))))
}

fn of_poem<B>(response: http::Response<B>) -> Response
where
    B: http_body::Body<Data = Bytes, Error = tower::BoxError> + Send + Sync + 'static,
{
    response.map(|body| body.map_err(io::Error::other)).into()
}

type Boxed = BoxBody<Bytes, io::Error>;

#[handler]
fn me(request: &Request) -> String {
    request.extensions().get::<VerifiedToken<User>>().unwrap().0.clone()
}

#[handler]
fn stream() -> Body {
    Body::from_bytes_stream(events().map(|Ok(event)| io::Result::Ok(event)))
}
