//! A guarded route and the logout endpoint on plain hyper, without a framework.
//!
//! ```text
//! cargo run -p example-hyper
//! ```
//!
//! The example listens on `ADDR` (default `127.0.0.1:3000`) and prints a token and the `curl` lines
//! to try.

use std::{
    convert::Infallible,
    env,
    error::Error,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::net::TcpListener;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken, middleware::RequestBody};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(env::var("ADDR").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    print_what_to_try(listener.local_addr()?, &token_for("ann")?);

    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build()?;
    let logout = Logout::new(verifier, MemoryStore::new());
    let guarded = logout.layer().layer(service_fn(me));
    let logout = logout.service();

    // Both services are cheap to clone, and each request gets its own clones.
    let app = service_fn(move |request: Request<Incoming>| {
        let (guarded, logout) = (guarded.clone(), logout.clone());
        async move {
            match request.uri().path() {
                "/api/v1/me" => guarded.oneshot(request).await.map(boxed),
                "/api/v1/logout" => logout.oneshot(request).await.map(boxed),
                _ => Ok(boxed(text(StatusCode::NOT_FOUND, "not found\n"))),
            }
        }
    });

    loop {
        let (connection, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let app = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = server.serve_connection(TokioIo::new(connection), app).await {
                eprintln!("connection failed: {error}");
            }
        });
    }
}

async fn me(request: Request<RequestBody<Incoming>>) -> Result<Response<Full<Bytes>>, Infallible> {
    // The layer inserts the token; a request without one does not arrive here.
    match request.extensions().get::<VerifiedToken<Claims>>() {
        Some(token) => Ok(text(StatusCode::OK, json!({ "sub": token.sub }).to_string())),
        None => Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "this route is not behind the layer\n")),
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}

/// One body type for all routes.
fn boxed<B>(response: Response<B>) -> Response<UnsyncBoxBody<Bytes, BoxError>>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
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

Try in another terminal; the last line is rejected:

  TOKEN={token}
  curl -s http://{addr}/api/v1/me -H "Authorization: Bearer $TOKEN"
  curl -s -X POST http://{addr}/api/v1/logout -H "Authorization: Bearer $TOKEN"
  curl -s http://{addr}/api/v1/me -H "Authorization: Bearer $TOKEN"
"#
    );
}

const ISSUER: &str = "https://login.example";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
