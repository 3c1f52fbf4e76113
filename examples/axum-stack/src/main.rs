//! One `ServiceBuilder` with the layer and the usual other layers of a service.
//!
//! ```text
//! cargo run -p example-axum-stack
//! ```
//!
//! The example listens on `ADDR` (default `127.0.0.1:3000`) and prints a token and the `curl` lines
//! to try.
//!
//! Layers that must also see rejected requests are outside: tracing, CORS (preflights carry no
//! token), a header of every response. Layers that are expensive, or that need the user, are
//! inside. `axum_layer` keeps axum's body types, so `from_fn` can be used on both sides.

use std::{
    env,
    error::Error,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::Response,
    routing::{get, post},
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{Any, CorsLayer},
    limit::RequestBodyLimitLayer,
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build()?;
    let app = routes(&Logout::new(verifier, MemoryStore::new()));
    let listener = TcpListener::bind(env::var("ADDR").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    print_what_to_try(listener.local_addr()?, &token_for("ann")?);
    axum::serve(listener, app).await?;
    Ok(())
}

fn routes(logout: &Logout) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]);
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(10)))
        .layer(CompressionLayer::new())
        .layer(cors.clone())
        .layer(from_fn(with_request_id))
        .layer(logout.axum_layer())
        .layer(from_fn(with_subject))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT));
    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/notes", post(note))
        .route("/api/v1/report", get(report))
        .route("/api/v1/panic", get(panic))
        .layer(stack)
        .merge(Router::new().route_service("/api/v1/logout", logout.service()).layer(cors))
}

/// Outside the layer: every response has an `x-request-id`, including those to rejected requests.
async fn with_request_id(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let id = Uuid::new_v4().to_string();
    response.headers_mut().extend(HeaderValue::try_from(id).map(|id| (X_REQUEST_ID, id)));
    response
}

/// Inside the layer: only requests with a valid token arrive here.
async fn with_subject(token: VerifiedToken<Claims>, request: Request, next: Next) -> Response {
    tracing::info!(sub = token.sub.as_deref(), path = request.uri().path(), "let pass");
    next.run(request).await
}

async fn me(token: VerifiedToken<Claims>) -> Json<Value> {
    Json(json!({ "sub": token.sub }))
}

async fn note(text: String) -> String {
    text
}

/// Long enough to be compressed.
async fn report() -> String {
    "Nothing to report.\n".repeat(1_000)
}

async fn panic() {
    let orders: [u64; 0] = [];
    let _ = orders.iter().max().expect("a bug: there may be no orders");
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

Try in another terminal; the last line gets 401:

  TOKEN={token}
  curl -i http://{addr}/api/v1/me -H "Authorization: Bearer $TOKEN"
  curl -s --compressed -o /dev/null -w '%{{size_download}}\n' http://{addr}/api/v1/report -H "Authorization: Bearer $TOKEN"
  curl -i http://{addr}/api/v1/panic -H "Authorization: Bearer $TOKEN"
  curl -i -X POST http://{addr}/api/v1/logout -H "Authorization: Bearer $TOKEN"
  curl -i http://{addr}/api/v1/me -H "Authorization: Bearer $TOKEN"
"#
    );
}

const X_REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
const BODY_LIMIT: usize = 16 * 1024;
const ISSUER: &str = "https://login.example";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
