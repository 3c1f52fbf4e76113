use std::io;

use axum::{Router, body::Body, routing::get};
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::MapErr};
use tokio::{net::TcpListener, runtime::Builder};
use tower::util::{MapRequestLayer, MapResponseLayer};

use crate::{
    peers::ours::{self, Cache},
    scheme::{Scheme, token_id},
    server::Kind,
};

/// Serves on a free port of loopback, on this thread alone, until the process is killed. The first
/// line of the output is the address.
pub(crate) fn serve(kind: Kind) -> io::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, router(kind)).await
    })
}

fn router(kind: Kind) -> Router {
    let router = Router::new().route("/api/v1/me", get(async || "it is you"));
    let revoked: Vec<_> = (REVOKED..2 * REVOKED).map(token_id).collect();
    let logout = |cache| ours::logout(&Scheme::hs256(), cache, &revoked);
    match kind {
        Kind::Bare => router,
        Kind::Wrapping => {
            let request = MapRequestLayer::new(|request: Request<Body>| request.map(wrapped));
            router.layer((request, MapResponseLayer::new(|response: Response<Body>| response.map(wrapped))))
        }
        Kind::Cached => router.layer(logout(Cache::On).axum_layer()),
        Kind::Uncached => router.layer(logout(Cache::Off).axum_layer()),
    }
}

type Wrapped = MapErr<Body, fn(axum::Error) -> axum::Error>;

fn wrapped(body: Body) -> Wrapped {
    body.map_err(std::convert::identity)
}

const REVOKED: usize = 100_000;
