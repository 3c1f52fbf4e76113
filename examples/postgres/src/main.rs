//! The axum example as one of several nodes, which share a `PostgreSQL`. Each node answers checks
//! from memory.
//!
//! ```text
//! cargo run -p example-postgres
//! ```
//!
//! The example prints how to start a second node, and `curl` lines to try with both. Settings are
//! environment variables and must be the same on all nodes, except `ADDR`:
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `ADDR` | `127.0.0.1:3000` | where to listen; port 0 takes any free one |
//! | `JWT_SECRET` | a demo secret, with a warning | signs and verifies the tokens (HS256) |
//! | `JWT_ISSUER` | not required | the `iss` that tokens must have; logins then issue it |
//! | `JWT_AUDIENCE` | not required | the `aud` that tokens must be for; logins then issue it |
//! | `DATABASE_URL` | `postgres://postgres@127.0.0.1:5432/postgres` | see below |
//!
//! `DATABASE_URL` names the database that stores the revocations, in a schema `tower_logout`:
//! `postgres://user:password@host:port/database`.

use std::{
    env,
    error::Error,
    future::{Future, IntoFuture},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};
use tower_logout::{
    Claims, JwtVerifier, Logout, LogoutScope, PostgresStore, Replica, VerifiedToken,
    respond::Rejection,
    revoker::RevokeError,
    store::{Health, ReplicaMonitor, StoreError},
    token::jwt::{Algorithm, Key, KeyError},
};
use uuid::Uuid;

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
    let store = connect(&settings.database_url)
        .await
        .map_err(|error| format!("cannot use the server of DATABASE_URL: {}", in_one_line(&error)))?;
    // The replica loads in the background; until it has, checks and `/healthz` return 503.
    let replica = Replica::start(store);
    tokio::spawn(print_errors(replica.monitor().watch()));
    let app = app(&settings, replica)?;
    let listener = TcpListener::bind(&settings.addr)
        .await
        .map_err(|error| format!("cannot listen on {} (ADDR): {error}", settings.addr))?;
    print_what_to_try(listener.local_addr()?);
    serve(listener, app, asked_to_stop()?).await
}

async fn connect(url: &str) -> Result<PostgresStore, StoreError> {
    let store = PostgresStore::connect(url).await?;
    store.migrate().await?; // all nodes may do so concurrently, and at each start
    Ok(store)
}

fn app(settings: &Settings, replica: Replica<PostgresStore>) -> Result<Router, Box<dyn Error>> {
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
    let monitor = replica.monitor();
    let logout = Logout::new(verifier.build()?, replica);
    Ok(routes(&logout).with_state(AppState { logout, replica: monitor, signer: Arc::new(Signer::new(settings)?) }))
}

/// The state of the handlers.
#[derive(Clone)]
struct AppState {
    logout: Logout,
    replica: ReplicaMonitor,
    signer: Arc<Signer>,
}

fn routes(logout: &Logout) -> Router<AppState> {
    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/logout/elsewhere", post(log_out_elsewhere))
        .layer(logout.axum_layer()) // guards the routes above it
        .route("/api/v1/login", post(login))
        .route_service("/api/v1/logout", logout.service())
        .route_service("/api/v1/logout/everywhere", logout.service().scope(LogoutScope::Subject))
        .route("/healthz", get(healthz))
}

async fn me(token: VerifiedToken<Claims>) -> Json<Value> {
    Json(json!({ "sub": token.sub }))
}

/// Revokes all tokens of the user on all nodes and responds with a new one: "log out on all other
/// devices".
async fn log_out_elsewhere(State(state): State<AppState>, token: VerifiedToken<Claims>) -> Response {
    match state.logout.revoker().subject_of(token.identity()).await {
        Ok(receipt) => receipt.settled().await, // a token issued earlier would be revoked as well
        Err(RevokeError::NoSubject) => return Rejection::NoSubject.into_response(),
        Err(_) => return Rejection::Unavailable.into_response(),
    }
    answer(&state.signer, token.sub.as_deref().unwrap_or_default())
}

/// Prints the replica's error whenever it changes.
async fn print_errors(mut health: watch::Receiver<Health>) {
    let mut printed = None;
    while health.changed().await.is_ok() {
        let error = health.borrow_and_update().last_error().map(|error| format!("{error:?}"));
        if let Some(error) = &error
            && Some(error) != printed.as_ref()
        {
            eprintln!("error: {error}");
        }
        printed = error;
    }
}

/// Whether this node accepts requests, for a load balancer or a readiness probe.
async fn healthz(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let health = state.replica.health();
    let status = if health.is_fresh() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let staleness_ms = health.staleness().map(|staleness| staleness.as_millis());
    let body = match health {
        Health::Loading { loaded, expected, .. } => {
            json!({ "state": "loading", "loaded": loaded, "expected": expected })
        }
        Health::Fresh { .. } => json!({ "state": "fresh", "staleness_ms": staleness_ms }),
        _ => json!({ "state": "stale", "staleness_ms": staleness_ms }),
    };
    (status, Json(body))
}

/// Issues a token to anyone: an application checks a password here.
async fn login(State(state): State<AppState>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    struct Login {
        username: String,
    }
    let Ok(Login { username }) = serde_json::from_slice(&body) else {
        return bad_request(r#"Send JSON such as {"username":"ann"}."#);
    };
    if username.trim().is_empty() || username.len() > 200 {
        return bad_request("The username must have 1 to 200 bytes.");
    }
    answer(&state.signer, &username)
}

/// A new token of this user.
fn answer(signer: &Signer, username: &str) -> Response {
    match signer.token_for(username) {
        Ok(token) => ([(CACHE_CONTROL, "no-store")], Json(token)).into_response(),
        Err(error) => {
            eprintln!("error: cannot sign a token: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn bad_request(description: &str) -> Response {
    let body = json!({ "description": description, "error": "invalid_request" });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// Signs the tokens that the verifier above accepts.
struct Signer {
    key: EncodingKey,
    issuer: Option<String>,
    audience: Option<String>,
}

#[derive(Serialize)]
struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

impl Signer {
    fn new(settings: &Settings) -> Result<Self, jsonwebtoken::errors::Error> {
        Ok(Self {
            key: EncodingKey::from_secret(settings.secret.as_bytes())?,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
        })
    }

    fn token_for(&self, username: &str) -> Result<TokenResponse, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut claims = json!({
            "sub": username,
            "iat": now,
            "exp": now + TOKEN_LIFETIME.as_secs(),
            "jti": Uuid::new_v4(), // identifies this token: logging out revokes it
            // Identifies the session: all tokens of one login, including refreshed ones.
            "sid": Uuid::new_v4(),
        });
        if let Some(issuer) = &self.issuer {
            claims["iss"] = json!(issuer);
        }
        if let Some(audience) = &self.audience {
            claims["aud"] = json!(audience);
        }
        let access_token = jsonwebtoken::encode(&Header::default(), &claims, &self.key)?;
        Ok(TokenResponse { access_token, token_type: "Bearer", expires_in: TOKEN_LIFETIME.as_secs() })
    }
}

struct Settings {
    addr: String,
    secret: String,
    issuer: Option<String>,
    audience: Option<String>,
    database_url: String,
}

impl Settings {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let secret = variable("JWT_SECRET")?.unwrap_or_else(|| {
            eprintln!("WARNING: JWT_SECRET is not set. Tokens are signed with a demo secret that everybody knows.");
            DEMO_SECRET.to_owned()
        });
        Ok(Self {
            addr: variable("ADDR")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
            secret,
            issuer: variable("JWT_ISSUER")?,
            audience: variable("JWT_AUDIENCE")?,
            database_url: variable("DATABASE_URL")?
                .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned()),
        })
    }

    /// A short secret is accepted here so that any token can be tried. Use `Key::secret`, which
    /// rejects it, in production.
    fn verifying_key(&self) -> Result<Key, KeyError> {
        match Key::secret(Algorithm::HS256, &self.secret) {
            Err(KeyError::ShortSecret { len, at_least, .. }) if len > 0 => {
                eprintln!(
                    "WARNING: JWT_SECRET has {len} bytes, fewer than {at_least}. Whoever sees one token can guess it and then sign \
                     tokens for anybody. Make a random one: openssl rand -base64 48"
                );
                Key::insecure_short_secret(Algorithm::HS256, &self.secret)
            }
            key => key,
        }
    }
}

/// An environment variable. An empty one is an error, not the default.
fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Err(format!("{name} is empty: set it or unset it")),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8")),
    }
}

fn print_what_to_try(addr: SocketAddr) {
    // The nodes on ports 3000 and 3001 name each other.
    let other = SocketAddr::new(addr.ip(), addr.port() ^ 1);
    println!(
        r#"listening on http://{addr}

Start a second node in another terminal, with the same environment but for its address:

  ADDR={other} cargo run -p example-postgres

Try in a third one; the last line, which asks the other node, is rejected, also after a restart:

  URL=http://{addr}
  OTHER=http://{other}
  curl -s $OTHER/healthz
  TOKEN=$(curl -s $URL/api/v1/login -d '{{"username":"ann"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s $OTHER/api/v1/me -H "Authorization: Bearer $TOKEN"
  curl -s -X POST $URL/api/v1/logout -H "Authorization: Bearer $TOKEN"
  curl -s $OTHER/api/v1/me -H "Authorization: Bearer $TOKEN"

To end all of ann's tokens at once, on all nodes, take a new TOKEN and:

  curl -s -X POST $URL/api/v1/logout/everywhere -H "Authorization: Bearer $TOKEN"

With `elsewhere` in the place of `everywhere`, the answer has a new token.
"#
    );
}

/// Serves until `stop` resolves, and then until open requests are complete, for a limited time.
async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) -> Result<(), Box<dyn Error>> {
    let (stop_accepting, accepting) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async { drop(accepting.await) });
    let server = tokio::spawn(server.into_future());
    stop.await;
    drop(stop_accepting);
    match tokio::time::timeout(DRAIN, server).await {
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
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    text.replace('\n', " ") // the text of a server may have several lines
}

const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);
const DRAIN: Duration = Duration::from_secs(5);
const DEMO_SECRET: &str = "a demo secret that everybody knows: never use it";
