//! A WebSocket that is closed when its token ends, with a code and a reason.
//!
//! ```text
//! cargo run -p example-websocket
//! ```
//!
//! The example listens on `ADDR` (default `127.0.0.1:3000`) and prints a token and the lines to
//! try, with `websocat` and `curl`. The `WebSocket` of browsers sends no `Authorization` header, so
//! a browser has the token in a cookie, which the login sets with `HttpOnly; Secure;
//! SameSite=Strict`. `SameSite` is essential: without it any page can open a socket in the user's
//! name, unless the server checks `Origin`.
//!
//! ```js
//! const socket = new WebSocket("/api/v1/socket");
//! // 1008 The token has been revoked.
//! socket.onclose = (event) => console.log(event.code, event.reason);
//! ```

use std::{
    env,
    error::Error,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::any,
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::{net::TcpListener, signal::ctrl_c, sync::watch, time::timeout};
use tower_logout::{JwtVerifier, Logout, MemoryStore, RevocationWatch, guard::EndReason, token::TokenSource};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).build()?;
    let logout = Logout::new(verifier, MemoryStore::new())
        .token_source(TokenSource::authorization().or(TokenSource::cookie("access_token")));

    let open = watch::Sender::new(()); // each socket holds a receiver
    let app = Router::new()
        .route("/api/v1/socket", any(socket))
        .layer(logout.axum_layer()) // guards the routes above it
        .route_service("/api/v1/logout", logout.service())
        .with_state(open.clone());

    let listener = TcpListener::bind(env::var("ADDR").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    print_what_to_try(listener.local_addr()?, &token_for("ann")?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            let _ = ctrl_c().await;
            logout.drain(); // the watches of all sockets resolve
        })
        .await?;
    // Sockets are no longer part of the server after the upgrade: waits until all are closed.
    let _ = timeout(GRACE, open.closed()).await;
    Ok(())
}

/// A socket outlives the response, so the layer cannot end it: the handler closes it when the watch
/// resolves.
async fn socket(
    State(open): State<watch::Sender<()>>,
    upgrade: WebSocketUpgrade,
    mut watch: RevocationWatch,
) -> Response {
    let open = open.subscribe();
    upgrade.on_upgrade(async move |mut socket| {
        let _open = open;
        let reason = loop {
            let message = tokio::select! {
                biased;
                reason = &mut watch => break reason,
                message = socket.recv() => message,
            };
            let Some(Ok(message)) = message else { return };
            if let Message::Text(_) = message {
                // A peer that does not read delays a send, but not beyond the token's end.
                tokio::select! {
                    biased;
                    reason = &mut watch => break reason,
                    sent = socket.send(message) => if sent.is_err() { return },
                }
            }
        };
        // The peer has only this long to receive the close frame.
        let _ = timeout(GRACE, close(socket, reason)).await;
    })
}

async fn close(mut socket: WebSocket, reason: EndReason) {
    // 1008, or 1013 if the store cannot answer, or 1001 at shutdown. If your clients must
    // distinguish a logout from other policy violations, use a private code, such as 4001.
    let frame = CloseFrame { code: reason.close_code(), reason: reason.description().into() };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        // Reads until the peer closes as well: a connection that is dropped with unread data is
        // reset, and the frame may be lost.
        while let Some(Ok(_)) = socket.recv().await {}
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

Try in two other terminals; what is typed in the first comes back, until the second logs out:

  TOKEN={token}
  websocat -H "Authorization: Bearer $TOKEN" ws://{addr}/api/v1/socket
  curl -s -X POST http://{addr}/api/v1/logout -H "Authorization: Bearer $TOKEN"
"#
    );
}

const GRACE: Duration = Duration::from_secs(5);
const ISSUER: &str = "https://login.example";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
