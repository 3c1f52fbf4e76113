//! gRPC streams in both directions that end with their token, and the logout endpoint on the same
//! port.
//!
//! ```text
//! cargo run -p example-grpc-stream
//! ```
//!
//! The example listens on `ADDR` (default `127.0.0.1:50051`) and prints a token and the lines to
//! try, with `grpcurl` and `curl`. Once the token is revoked, each stream ends with status 16
//! (unauthenticated) and the message "The token has been revoked."

use std::{
    env,
    error::Error,
    net::SocketAddr,
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::{net::TcpListener, signal::ctrl_c, time::interval};
use tokio_stream::{Stream, StreamExt, wrappers::IntervalStream};
use tonic::{Request, Response, Status, Streaming, service::Routes};
use tower_logout::{JwtVerifier, Logout, MemoryStore};
use uuid::Uuid;

use feed::{
    Event, Summary, WatchRequest,
    feed_server::{Feed, FeedServer},
};

/// The output of `tonic-prost-build` for `proto/feed.proto`, committed so that this crate needs no
/// build script. With a build script, write `tonic::include_proto!("feed")` here.
#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms)]
mod feed {
    include!("feed.rs");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build()?;
    let logout = Logout::new(verifier, MemoryStore::new());

    let app = Routes::new(FeedServer::new(MyFeed))
        .into_axum_router()
        .layer(logout.layer()) // guards the gRPC services above it, and ends their streams
        .route_service("/api/v1/logout", logout.service());

    let listener = TcpListener::bind(env::var("ADDR").as_deref().unwrap_or("127.0.0.1:50051")).await?;
    print_what_to_try(listener.local_addr()?, &token_for("ann")?);
    axum::serve(listener, app) // HTTP/1.1 and HTTP/2 on one port
        .with_graceful_shutdown(async move {
            let _ = ctrl_c().await;
            logout.drain(); // streams that never end would block the shutdown
        })
        .await?;
    Ok(())
}

struct MyFeed;

type Events = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

/// The handlers contain no code for logouts: a stream that is read ends with an error, one that is
/// sent is dropped.
#[tonic::async_trait]
impl Feed for MyFeed {
    type WatchStream = Events;
    type TalkStream = Events;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Events>, Status> {
        let mut number = request.into_inner().first;
        let ticks = IntervalStream::new(interval(Duration::from_secs(1)));
        Ok(Response::new(Box::pin(ticks.map(move |_| {
            let event = Event { number, text: "tick".to_owned() };
            number = number.wrapping_add(1);
            Ok(event)
        }))))
    }

    async fn upload(&self, request: Request<Streaming<Event>>) -> Result<Response<Summary>, Status> {
        let (mut stream, mut events) = (request.into_inner(), 0);
        while stream.message().await?.is_some() {
            events += 1;
        }
        Ok(Response::new(Summary { events }))
    }

    async fn talk(&self, request: Request<Streaming<Event>>) -> Result<Response<Events>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }
}

/// The token of a login.
fn token_for(username: &str) -> Result<String, Box<dyn Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({ "iss": ISSUER, "sub": username, "iat": now, "exp": now + 900, "jti": Uuid::new_v4() });
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)?)?)
}

fn print_what_to_try(addr: SocketAddr, token: &str) {
    println!(
        r#"listening on http://{addr}

Try in another terminal, in this directory; the stream ends at the last line:

  TOKEN={token}
  grpcurl -plaintext -proto examples/grpc-stream/src/feed.proto -H "Authorization: Bearer $TOKEN" \
      -d '{{"first":1}}' {addr} feed.Feed/Watch &
  curl -s -X POST http://{addr}/api/v1/logout -H "Authorization: Bearer $TOKEN"

With `feed.Feed/Upload` or `feed.Feed/Talk` and `-d @`, type events such as {{"number":1}}.
"#
    );
}

const ISSUER: &str = "https://login.example";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
