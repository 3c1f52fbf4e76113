//! A guarded gRPC service, and the logout endpoint on the same port.
//!
//! ```text
//! cargo run -p example-tonic
//! ```
//!
//! The example listens on `ADDR` (default `127.0.0.1:50051`) and prints a token and the lines to
//! try, with `grpcurl` and `curl`. The same calls from a Rust client:
//!
//! ```ignore
//! let mut greeter = GreeterClient::connect("http://127.0.0.1:50051").await?;
//! let mut request = tonic::Request::new(GreetRequest { greeting: "Hello".to_owned() });
//! request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
//! // After the logout: Code::Unauthenticated, "The token has been revoked."
//! let reply = greeter.greet(request).await?;
//! ```

use std::{
    env,
    error::Error,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, service::Routes};
use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken};
use uuid::Uuid;

use greeter::{
    GreetReply, GreetRequest,
    greeter_server::{Greeter, GreeterServer},
};

/// The output of `tonic-prost-build` for `proto/greeter.proto`, committed so that this crate needs
/// no build script. With a build script, write `tonic::include_proto!("greeter")` here.
#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms)]
mod greeter {
    include!("greeter.rs");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build()?;
    let logout = Logout::new(verifier, MemoryStore::new());

    let app = Routes::new(GreeterServer::new(MyGreeter))
        .into_axum_router()
        .layer(logout.layer()) // guards the gRPC services above it
        .route_service("/api/v1/logout", logout.service());

    let listener = TcpListener::bind(env::var("ADDR").as_deref().unwrap_or("127.0.0.1:50051")).await?;
    print_what_to_try(listener.local_addr()?, &token_for("ann")?);
    axum::serve(listener, app).await?; // HTTP/1.1 and HTTP/2 on one port
    Ok(())
}

struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let token = request.extensions().get::<VerifiedToken<Claims>>();
        let token = token.ok_or_else(|| Status::internal("this service is not behind the layer"))?;
        let name = token.sub.as_deref().unwrap_or("whoever you are");
        let message = format!("{}, {name}!", request.get_ref().greeting);
        Ok(Response::new(GreetReply { message }))
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

Try in another terminal, in this directory; the last line is rejected:

  TOKEN={token}
  greet() {{ grpcurl -plaintext -proto examples/tonic/src/greeter.proto -H "Authorization: Bearer $TOKEN" \
      -d '{{"greeting":"Hello"}}' {addr} greeter.Greeter/Greet; }}
  greet
  curl -s -X POST http://{addr}/api/v1/logout -H "Authorization: Bearer $TOKEN"
  greet
"#
    );
}

const ISSUER: &str = "https://login.example";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
