//! A service whose access tokens come from an identity provider: guarded routes, a guarded event
//! stream and WebSocket, both kinds of logout, and a page that signs in at the provider.
//!
//! ```text
//! ISSUER=https://idp.example AUDIENCE=https://api.example CLIENT_ID=demo cargo run -p example-oidc
//! ```
//!
//! The example finds the keys of the provider by discovery. It prints the address of the page and
//! `curl` lines to try. Settings are environment variables:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `ADDR` | `127.0.0.1:3000` | where to listen; port 0 takes any free one |
//! | `ISSUER` | required | issuers whose tokens are accepted, separated by commas; users sign in at the first |
//! | `AUDIENCE` | required | the `aud` that access tokens must be for |
//! | `CLIENT_ID` | no sign-in here | this service as a client of the provider, with the redirect URI `http://ADDR/callback`; more clients, separated by commas, if users of other applications call it |
//! | `CLIENT_SECRET` | a public client | its secret; opaque access tokens of the first issuer are then introspected |
//! | `SCOPE` | `openid` | the scope that a sign-in asks for |
//! | `REVOCATIONS` | `revocations.redb` | the file that stores the revocations |
//! | `REDIS_URL` | none | stores them in a Redis that all instances share instead |
//!
//! Endpoints for what the provider reports are there if the settings for them are:
//!
//! | endpoint | variables | what |
//! |---|---|---|
//! | `/backchannel-logout` | `CLIENT_ID` | OpenID Connect Back-Channel Logout 1.0, for all its clients; the address is registered at the provider as `backchannel_logout_uri` |
//! | `/security-events` | `SSF_ISSUER`, `SSF_AUDIENCE`; `SSF_AUTHORIZATION` | security events that this transmitter pushes, for this `aud`; it must send this value of `Authorization`, if it is set |
//! | `/global-token-revocation` | `GTR_BEARER` | Global Token Revocation, for senders with this bearer token |
//!
//! An issuer is an `https` URL, or an `http` URL of this machine.

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
    routing::get,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};
use tower_logout::{
    Claims, JwtVerifier, Logout, LogoutScope, RedbStore, RedisStore, Replica, RevocationStore, VerifiedToken,
    fetch::HttpClient,
    token::{TokenSource, introspection::Introspection, jwt::Issuer},
};

use provider::{Metadata, Provider};
use settings::{Client, Settings, Store};

mod live;
mod page;
mod provider;
mod receivers;
mod settings;
mod sign_in;

/// The state of the handlers.
struct App {
    logout: Logout,
    provider: Option<Provider>,
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
    // Fails only if there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = Settings::from_env()?;
    let listener = TcpListener::bind(&settings.addr)
        .await
        .map_err(|error| format!("cannot listen on {} (ADDR): {error}", settings.addr))?;
    let addr = listener.local_addr()?;
    let http = HttpClient::new();
    let metadata = Metadata::of(&settings.issuers[0], &http)
        .await
        .map_err(|error| format!("the provider cannot be used (ISSUER): {}", in_one_line(&*error)))?;
    let logout = logout(&settings, &metadata).await?;
    let provider = match settings.client.clone() {
        Some(client) => {
            let redirect = format!("http://{addr}/callback");
            Some(Provider::new(metadata, client, &settings, redirect, http).await?)
        }
        None => None,
    };
    let sockets = watch::Sender::new(());
    let app = App { logout: logout.clone(), provider, sockets: sockets.clone() };
    let app = routes(&logout).with_state(Arc::new(app)).merge(receivers::routes(&logout, &settings)?);
    print_what_to_try(addr, settings.client.is_some());
    serve(listener, app, logout, sockets, asked_to_stop()?).await
}

async fn logout(settings: &Settings, metadata: &Metadata) -> Result<Logout, Box<dyn Error>> {
    match &settings.store {
        Store::File(file) => logout_over(RedbStore::open(file)?, settings, metadata).await,
        Store::Redis(url) => {
            let store = RedisStore::connect(url)
                .await
                .map_err(|error| format!("cannot use the server of REDIS_URL: {}", in_one_line(&error)))?;
            logout_over(Replica::start(store), settings, metadata).await
        }
    }
}

async fn logout_over(
    store: impl RevocationStore,
    settings: &Settings,
    metadata: &Metadata,
) -> Result<Logout, Box<dyn Error>> {
    let issuers = settings.issuers.iter().map(Issuer::discover);
    let verifier = JwtVerifier::issuers(issuers).audience(&settings.audience).allow_http_on_loopback().start().await?;
    let logout = match (&settings.client, &metadata.introspection_endpoint) {
        (Some(Client { id, secret: Some(secret), .. }), Some(endpoint)) => {
            let opaque = Introspection::at(endpoint, &settings.issuers[0])
                .client_secret_basic(id, secret)
                .audience(&settings.audience)
                .allow_http_on_loopback()
                .build()?;
            Logout::new(verifier.or_opaque(opaque), store)
        }
        _ => Logout::new(verifier, store),
    };
    // Browsers cannot set a header on a WebSocket or an event stream.
    let source = TokenSource::authorization().or(TokenSource::cookie(sign_in::TOKEN));
    Ok(logout.token_source(source).last_event("logout"))
}

fn routes(logout: &Logout) -> Router<Arc<App>> {
    let who = logout.clone().allow_anonymous().respond(sign_in::no_session);
    let logouts = Router::new()
        .route_service("/api/v1/logout", logout.service())
        .route_service("/api/v1/logout/everywhere", logout.service().scope(LogoutScope::Subject))
        .route_layer(map_response(sign_in::clear_cookie));

    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/events", get(live::events))
        .route("/api/v1/echo", get(live::echo))
        .layer(logout.axum_layer()) // guards the routes above it
        .route("/api/v1/session", get(sign_in::session).layer(who.axum_layer()))
        .route("/api/v1/login", get(sign_in::begin))
        .route("/callback", get(sign_in::complete))
        .merge(logouts)
        .route("/", get(page::page))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(from_fn(page::same_origin))
}

async fn me(token: VerifiedToken<Claims>) -> Json<Value> {
    Json(json!({ "sub": token.sub }))
}

fn print_what_to_try(addr: SocketAddr, has_sign_in: bool) {
    let open = if has_sign_in { "Open it in a browser, or try" } else { "Try" };
    println!(
        r#"listening on http://{addr}

{open} in another terminal; the last line is rejected, also after a restart:

  URL=http://{addr}
  TOKEN=put an access token of the provider here
  curl -s $URL/api/v1/me -H "Authorization: Bearer $TOKEN"
  curl -s -X POST $URL/api/v1/logout -H "Authorization: Bearer $TOKEN"
  curl -s $URL/api/v1/me -H "Authorization: Bearer $TOKEN"

To end all tokens of the user at once, take a new TOKEN and:

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

pub(crate) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

const DRAIN: Duration = Duration::from_secs(5);
