//! A custom revocation store: a `HashMap` behind a lock, which removes expired revocations.
//!
//! ```text
//! cargo run -p example-custom-store
//! ```
//!
//! The example starts no server; it sends a few requests to its service and prints the responses.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_logout::{
    JwtVerifier, Logout, RevocationStore,
    clock::{Clock, SystemClock, Timestamp},
    middleware::RequestBody,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::StoreError,
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Short-lived tokens and no leeway, so that an entry can soon be purged.
    let verifier = JwtVerifier::hs256(SECRET).clock_skew(Duration::ZERO).build()?;
    let store = Arc::new(MapStore::default()); // an `Arc` of a store is a store
    let logout = Logout::new(verifier, Arc::clone(&store));
    let guarded = logout.layer().layer(service_fn(hello));
    let logout = logout.service();

    let token = token_for("ann", Duration::from_secs(2))?;
    println!("GET /hello            {}", send(&guarded, "GET", &token).await?);
    println!("POST /logout          {}", send(&logout, "POST", &token).await?);
    println!("GET /hello            {}", send(&guarded, "GET", &token).await?);
    println!("POST /logout          {}", send(&logout, "POST", &token).await?);

    println!("revocations           {}", store.len()?);
    while store.len()? > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.purge(SystemClock.now())?;
    }
    println!("revocations, purged   {}", store.len()?);
    println!("GET /hello            {}", send(&guarded, "GET", &token).await?);
    Ok(())
}

/// Keeps revocations in a map. A store with a database awaits its queries in the `async` methods.
#[derive(Debug, Default)]
struct MapStore(Mutex<HashMap<RevocationKey, Revocation>>);

#[async_trait]
impl RevocationStore for MapStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let mut map = self.0.lock().map_err(|_| StoreError::new("revoke", POISONED))?;
        let known = map.get(&revocation.key());
        // Two revocations of one key join: the later `issued_through` and the later `retain_until`
        // count.
        let newly = known.is_none_or(|known| known.issued_through() < revocation.issued_through());
        let joined = known.and_then(|known| known.join(revocation)).unwrap_or(*revocation);
        map.insert(revocation.key(), joined);
        Ok(if newly { Outcome::Newly } else { Outcome::Already })
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.is_revoked_here(token)
    }

    // The endpoints that receive logouts from an identity provider look up repeated messages.
    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        let map = self.0.lock().map_err(|_| StoreError::new("find", POISONED))?;
        Ok(map.get(&key).copied())
    }

    // A check without a future. Omit this method if the store must wait for a database.
    fn is_revoked_now(&self, token: &TokenIdentity) -> Option<Result<bool, StoreError>> {
        Some(self.is_revoked_here(token))
    }
}

impl MapStore {
    fn is_revoked_here(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let map = self.0.lock().map_err(|_| StoreError::new("check", POISONED))?;
        let dead = |known: &Revocation| token.issued_at() <= known.issued_through();
        Ok(token.keys().iter().any(|key| map.get(key).is_some_and(dead)))
    }

    /// Removes what no verifier accepts any more. An earlier removal would make a revoked token
    /// valid again.
    fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut map = self.0.lock().map_err(|_| StoreError::new("purge", POISONED))?;
        map.retain(|_, revocation| revocation.retain_until() > now);
        Ok(())
    }

    fn len(&self) -> Result<usize, StoreError> {
        Ok(self.0.lock().map_err(|_| StoreError::new("count", POISONED))?.len())
    }
}

async fn hello(_: Request<RequestBody<String>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

async fn send<S, B>(service: &S, method: &str, token: &str) -> Result<String, BoxError>
where
    S: Service<Request<String>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Error: Into<BoxError>>,
{
    let request =
        Request::builder().method(method).header("authorization", format!("Bearer {token}")).body(String::new())?;
    let response = service.clone().oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(Into::into)?.to_bytes();
    Ok(format!("{} {}", status.as_u16(), str::from_utf8(&body)?))
}

fn token_for(username: &str, lifetime: Duration) -> Result<String, BoxError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({ "sub": username, "iat": now, "exp": now + lifetime.as_secs(), "jti": Uuid::new_v4() });
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)?)?)
}

const POISONED: &str = "an earlier caller panicked";
const SECRET: &[u8] = b"a demo secret that everybody knows: never use it";
