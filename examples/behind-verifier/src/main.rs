//! Another layer verifies the token; this crate only checks whether it has been revoked.
//!
//! ```text
//! cargo run -p example-behind-verifier
//! ```
//!
//! The example listens on `ADDR` (default `127.0.0.1:3000`) and prints a token and the `curl` lines
//! to try.
//!
//! The verifying layer inserts a proof into the request's extensions, a type that only its module
//! can create. The token source takes the token from that proof and from nothing else. If the other
//! layer is missing there is no token, so every request is rejected: forgetting the layer cannot
//! make the service insecure.

use std::{
    env,
    error::Error,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::Request,
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_logout::{
    Logout, MemoryStore, VerifiedToken,
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Retention, RevocationKey, TokenIdentity},
    token::{TokenSource, TokenVerifier, VerifyError},
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verified = TokenSource::closure(|head| Ok(head.extensions.get().map(|Proof(token)| token.clone())));
    let logout = Logout::new(AlreadyVerified, MemoryStore::new()).token_source(verified);
    let app = Router::new()
        .route("/api/v1/me", get(me))
        .layer(logout.axum_layer())
        .route_service("/api/v1/logout", logout.service())
        .layer(from_fn(authenticate)); // the last layer added sees a request first

    let listener = TcpListener::bind(env::var("ADDR").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    print_what_to_try(listener.local_addr()?, &token_for("ann")?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn me(request: Request) -> Result<Json<Value>, StatusCode> {
    // With the feature `axum`, `VerifiedToken` is an extractor.
    let token = request.extensions().get::<VerifiedToken<Claims>>().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({ "sub": token.sub })))
}

/// The token of a request with a verified signature and claims.
#[derive(Clone)]
struct Proof(String);

/// Stands for your existing layer: it rejects tokens that are not authentic and marks the others.
async fn authenticate(mut request: Request, next: Next) -> Result<Response, StatusCode> {
    let header = request.headers().get(AUTHORIZATION).ok_or(StatusCode::UNAUTHORIZED)?;
    let token = header.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.leeway = LEEWAY.as_secs();
    let key = DecodingKey::from_secret(SECRET).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|_| StatusCode::UNAUTHORIZED)?;
    let proof = Proof(token.to_owned());
    request.extensions_mut().insert(proof);
    Ok(next.run(request).await)
}

/// Reads the claims of a token that [`authenticate`] has verified. With any other token source it
/// would accept forged tokens.
#[derive(Debug)]
struct AlreadyVerified;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: u64,
    exp: u64,
    jti: String,
}

#[async_trait]
impl TokenVerifier for AlreadyVerified {
    type Claims = Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        let claims: Claims = jsonwebtoken::dangerous::insecure_decode(token)
            // The error's own text quotes the claims.
            .map_err(|_| VerifyError::invalid("the claims are not those of our issuer"))?
            .claims;
        let (issued_at, expires_at) =
            (Timestamp::from_unix_seconds(claims.iat), Timestamp::from_unix_seconds(claims.exp));
        // A token whose revocation the store may have purged must not be accepted, whatever the
        // other layer allows.
        let (retention, now) = (self.retention(), SystemClock.now());
        if !retention.accepts_lifetime(issued_at, expires_at) || !retention.accepts_issued_at(issued_at, now) {
            return Err(VerifyError::invalid("the token lives longer than MAX_LIFETIME, or comes from the future"));
        }
        if !retention.accepts_expiry(expires_at, now) {
            return Err(VerifyError::Expired);
        }
        let own_key = RevocationKey::token_id(&*claims.iss, &claims.jti);
        let identity = TokenIdentity::new(own_key, issued_at, expires_at, &retention)
            .carries(RevocationKey::subject(&*claims.iss, &claims.sub));
        Ok(VerifiedToken::new(identity, claims))
    }

    /// Must be at least what the other layer allows; otherwise a revocation is purged while that
    /// layer still accepts the token.
    fn retention(&self) -> Retention {
        Retention::new().with_leeway(LEEWAY).with_max_lifetime(MAX_LIFETIME)
    }
}

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

const LEEWAY: Duration = Duration::from_secs(60);
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const ISSUER: &str = "https://login.example";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
