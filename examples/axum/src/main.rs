//! A login, guarded routes, a guarded event stream and WebSocket, and both kinds of logout on axum,
//! with a demo page and a revocation file that survives restarts.
//!
//! ```text
//! cargo run -p example-axum
//! ```
//!
//! The example prints the address of the page and `curl` lines to try. Settings are environment
//! variables:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `ADDR` | `127.0.0.1:3000` | where to listen; port 0 takes any free one |
//! | `JWT_SECRET` | a demo secret, with a warning | signs and verifies the tokens (HS256) |
//! | `JWT_ISSUER` | not required | the `iss` that tokens must have; logins then issue it |
//! | `JWT_AUDIENCE` | not required | the `aud` that tokens must be for; logins then issue it |
//! | `REVOCATIONS` | `revocations.redb` | the file that stores the revocations |

use std::{
    error::Error,
    future::{Future, IntoFuture},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    middleware::{from_fn, map_response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};
use tower_logout::{Claims, JwtVerifier, Logout, LogoutScope, RedbStore, VerifiedToken, token::TokenSource};

use login::Signer;
use settings::Settings;

mod live;
mod login;
mod page;
mod settings;

/// The state of the handlers.
struct App {
    signer: Signer,
    /// Each socket holds a receiver.
    sockets: watch::Sender<()>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", in_one_line(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let logout = logout(&settings)?;
    let sockets = watch::Sender::new(());
    let app = routes(&logout).with_state(Arc::new(App { signer: Signer::new(&settings)?, sockets: sockets.clone() }));
    let listener = TcpListener::bind(&settings.addr)
        .await
        .map_err(|error| format!("cannot listen on {} (ADDR): {error}", settings.addr))?;
    print_what_to_try(listener.local_addr()?);
    serve(listener, app, logout, sockets, asked_to_stop()?).await
}

fn logout(settings: &Settings) -> Result<Logout, Box<dyn Error>> {
    let mut verifier = JwtVerifier::with_keys(settings.verifying_key()?);
    if let Some(issuer) = &settings.issuer {
        verifier = verifier.issuer(issuer);
    }
    verifier = match &settings.audience {
        Some(audience) => verifier.audience(audience),
        // Otherwise every token with an `aud` would be rejected. That is safe here, where only one
        // service has the secret. If an issuer serves several services, set your audience:
        // otherwise a token for any of them is accepted by yours.
        None => verifier.allow_any_audience(),
    };
    let logout = Logout::new(verifier.build()?, RedbStore::open(&settings.revocations)?)
        // Browsers cannot set a header on a WebSocket or an event stream.
        .token_source(TokenSource::authorization().or(TokenSource::cookie(login::COOKIE)))
        .last_event("logout");
    Ok(logout)
}

fn routes(logout: &Logout) -> Router<Arc<App>> {
    let who = logout.clone().allow_anonymous().respond(login::no_session);
    let logouts = Router::new()
        .route_service("/api/v1/logout", logout.service())
        .route_service("/api/v1/logout/everywhere", logout.service().scope(LogoutScope::Subject))
        .route_layer(map_response(login::clear_cookie));

    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/events", get(live::events))
        .route("/api/v1/echo", get(live::echo))
        .layer(logout.axum_layer()) // guards the routes above it
        .route("/api/v1/session", get(login::session).layer(who.axum_layer()))
        .route("/api/v1/login", post(login::login))
        .merge(logouts)
        .route("/", get(page::page))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(from_fn(page::same_origin))
}

async fn me(token: VerifiedToken<Claims>) -> Json<Value> {
    Json(json!({ "sub": token.sub }))
}

fn print_what_to_try(addr: SocketAddr) {
    println!(
        r#"listening on http://{addr}

Open it in a browser, or try in another terminal; the last line is rejected, also after a restart:

  URL=http://{addr}
  TOKEN=$(curl -s $URL/api/v1/login -d '{{"username":"ann"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s $URL/api/v1/me -H "Authorization: Bearer $TOKEN"
  curl -s -X POST $URL/api/v1/logout -H "Authorization: Bearer $TOKEN"
  curl -s $URL/api/v1/me -H "Authorization: Bearer $TOKEN"

To end all of ann's tokens at once, take a new TOKEN and:

  curl -s -X POST $URL/api/v1/logout/everywhere -H "Authorization: Bearer $TOKEN"
"#
    );
}

/// Serves until `stop` resolves, and then until open requests are complete, for a limited time.
async fn serve(
    listener: TcpListener,
    app: Router,
    logout: Logout,
    sockets: watch::Sender<()>,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let (stop_accepting, accepting) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async { drop(accepting.await) });
    let server = tokio::spawn(server.into_future());
    stop.await;
    drop(stop_accepting);
    logout.drain(); // ends streams and sockets as well
    let ended = async {
        let ended = server.await;
        // Sockets are no longer part of the server; waits for their close frames
        sockets.closed().await;
        ended
    };
    match tokio::time::timeout(DRAIN, ended).await {
        Ok(ended) => Ok(ended??),
        Err(_) => Ok(()), // a client that never finishes does not block the shutdown
    }
}

/// Resolves on Ctrl-C and on SIGTERM.
fn asked_to_stop() -> Result<impl Future<Output = ()>, Box<dyn Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

const DRAIN: Duration = Duration::from_secs(5);
