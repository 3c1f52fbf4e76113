//! Server-sent events that end with their token, with a last event that names the reason.
//!
//! ```text
//! cargo run -p example-sse
//! ```
//!
//! The example listens on `ADDR` (default `127.0.0.1:3000`) and prints a token and the `curl` lines
//! to try. The `EventSource` of browsers sends no `Authorization` header, so a browser has the
//! token in a cookie, which the login sets with `HttpOnly; Secure; SameSite=Strict`:
//!
//! ```js
//! const events = new EventSource("/api/v1/events");
//! events.addEventListener("logout", (event) => {
//!     if (event.data === "shutting_down") return; // reconnects to another server
//!     events.close(); // prevents a reconnect, which would get a 401
//!     console.log(event.data); // token_revoked
//! });
//! ```

use std::{
    convert::Infallible,
    env,
    error::Error,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    response::sse::{Event, KeepAlive, Sse},
    routing::get,
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::{net::TcpListener, signal::ctrl_c, time::interval};
use tokio_stream::{Stream, StreamExt, wrappers::IntervalStream};
use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken, token::TokenSource};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build()?;
    let logout = Logout::new(verifier, MemoryStore::new())
        .token_source(TokenSource::authorization().or(TokenSource::cookie("access_token")))
        .last_event("logout"); // without it the stream ends with an error

    let app = Router::new()
        .route("/api/v1/events", get(events))
        .layer(logout.axum_layer()) // guards the routes above it, and ends what they stream
        .route_service("/api/v1/logout", logout.service());

    let listener = TcpListener::bind(env::var("ADDR").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    print_what_to_try(listener.local_addr()?, &token_for("ann")?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            let _ = ctrl_c().await;
            logout.drain(); // streams that never end would block the shutdown
        })
        .await?;
    Ok(())
}

/// An event each second, while the client is connected and its token is valid. The handler needs no
/// code for the latter.
async fn events(token: VerifiedToken<Claims>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let name = token.sub.clone().unwrap_or_default();
    let ticks = IntervalStream::new(interval(Duration::from_secs(1)));
    Sse::new(ticks.map(move |_| Ok(Event::default().data(format!("tick for {name}"))))).keep_alive(KeepAlive::default())
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

Try in another terminal; the stream ends at the last line:

  TOKEN={token}
  curl -sN http://{addr}/api/v1/events -H "Authorization: Bearer $TOKEN" &
  curl -s -X POST http://{addr}/api/v1/logout -H "Authorization: Bearer $TOKEN"
"#
    );
}

const ISSUER: &str = "https://login.example";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
