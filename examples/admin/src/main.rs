//! A service whose staff can end the sessions of others, by an endpoint and a page: a user, a
//! session, a client, an issuer, or everything. The page also shows who has ended what and why, how
//! the store is, and how many live streams were ended.
//!
//! ```text
//! cargo run -p example-admin
//! ```
//!
//! The example prints the address of the page and `curl` lines to try. Settings are environment
//! variables:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `ADDR` | `127.0.0.1:3000` | where to listen; port 0 takes any free one |
//! | `JWT_SECRET` | a demo secret, with a warning | signs and verifies the tokens (HS256) |
//! | `REVOCATIONS` | `revocations.redb` | the file that stores the revocations |
//! | `REDIS_URL` | none | stores them in a Redis that all instances share instead |
//!
//! What is not for a demo: anybody can sign in, also as staff, and there is no password.

use std::{error::Error, process::ExitCode, sync::Arc};

use axum::{
    Json, Router,
    middleware::from_fn,
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tower_logout::{JwtVerifier, Logout, RedbStore, RedisStore, Replica, VerifiedToken, token::TokenSource};

use journal::Journal;
use login::{Signer, User};
use settings::{Settings, Store};
use status::{Storage, Streams};

mod journal;
mod login;
mod page;
mod settings;
mod staff;
mod status;

/// The state of the handlers.
struct App {
    logout: Logout<User>,
    signer: Signer,
    journal: Journal,
    storage: Storage,
    streams: Streams,
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
    let journal = Journal::default();
    let (logout, storage) = logout(&settings, &journal).await?;
    let signer = Signer::new(&settings.secret)?;
    let routes = routes(&logout);
    let app = App { logout: logout.clone(), signer, journal, storage, streams: Streams::default() };
    let listener = TcpListener::bind(&settings.addr)
        .await
        .map_err(|error| format!("cannot listen on {} (ADDR): {error}", settings.addr))?;
    print_what_to_try(&listener.local_addr()?.to_string());
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    axum::serve(listener, routes.with_state(Arc::new(app)))
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            logout.drain(); // ends the streams as well
        })
        .await?;
    Ok(())
}

async fn logout(settings: &Settings, journal: &Journal) -> Result<(Logout<User>, Storage), Box<dyn Error>> {
    let verifier = JwtVerifier::hs256(&settings.secret).issuer(login::ISSUER).claims::<User>().build()?;
    let (logout, storage) = match &settings.store {
        Store::File(path) => (Logout::new(verifier, RedbStore::open(path)?), Storage::File),
        Store::Redis(url) => {
            let store = RedisStore::connect(url)
                .await
                .map_err(|error| format!("cannot use the server of REDIS_URL: {}", in_one_line(&error)))?;
            let replica = Replica::start(store);
            let monitor = replica.monitor();
            (Logout::new(verifier, replica), Storage::Replica(monitor))
        }
    };
    let journal = journal.clone();
    let logout = logout
        .token_source(TokenSource::authorization().or(TokenSource::cookie(login::COOKIE)))
        .last_event("logout")
        .on_revoked(move |revoked| {
            let journal = journal.clone();
            async move { journal.add(&revoked) }
        });
    Ok((logout, storage))
}

fn routes(logout: &Logout<User>) -> Router<Arc<App>> {
    let is_staff = |token: &VerifiedToken<User>| token.is_staff();
    let who = logout.clone().allow_anonymous().respond(login::no_session);
    let staff = Router::new()
        .route("/api/v1/staff/state", get(status::state))
        .route("/api/v1/staff/revocations", post(staff::revoke))
        .layer(logout.axum_layer().require(is_staff)); // 403 for everybody else

    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/events", get(status::events))
        .layer(logout.axum_layer()) // guards the routes above it
        .merge(staff)
        .route("/api/v1/session", get(login::session).layer(who.axum_layer()))
        .route("/api/v1/login", post(login::login))
        .route_service("/api/v1/logout", logout.service())
        .route("/", get(page::page))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(from_fn(page::same_origin))
}

async fn me(token: VerifiedToken<User>) -> Json<Value> {
    Json(json!({ "sub": token.sub }))
}

fn print_what_to_try(addr: &str) {
    println!(
        r#"listening on http://{addr}

Open it in a browser, or try in another terminal; the last line is rejected:

  URL=http://{addr}
  STAFF=$(curl -s $URL/api/v1/login -d '{{"username":"mia","staff":true}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  TOKEN=$(curl -s $URL/api/v1/login -d '{{"username":"ann"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s $URL/api/v1/me -H "Authorization: Bearer $TOKEN"
  curl -s $URL/api/v1/staff/revocations -H "Authorization: Bearer $STAFF" -d '{{"what":"user","name":"ann","reason":"lost phone"}}'
  curl -s $URL/api/v1/me -H "Authorization: Bearer $TOKEN"
"#
    );
}

fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
