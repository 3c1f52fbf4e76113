use std::io;

use axum::{Router, routing::get};
use tokio::{net::TcpListener, runtime::Builder};

use crate::{
    peers::ours::{self, Cache},
    scheme::{Scheme, token_id},
    server::Kind,
};

/// Serves on a free port of loopback, on this thread alone, until it is ended. The first line that it prints is its address.
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
    let layer = |cache| ours::layer(&Scheme::hs256(), cache, &revoked);
    match kind {
        Kind::Bare => router,
        Kind::Cached => router.layer(layer(Cache::On)),
        Kind::Uncached => router.layer(layer(Cache::Off)),
    }
}

const REVOKED: usize = 100_000;
