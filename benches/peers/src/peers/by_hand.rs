//! The hand-written check: decode, look up, insert.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bare::{Answer, Bare, Body};
use dashmap::DashMap;
use http::{Request, Response};
use jsonwebtoken::{DecodingKey, Validation};
use moka::sync::Cache;
use tower::Service;

use crate::{
    check,
    check::refused,
    decode::{decoding_key, validation},
    peers::Peer,
    sample::{Claims, bearer},
    scheme::Scheme,
    versions::Lock,
};

pub(super) fn with_hash_set(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Peer {
    let revoked: HashSet<_> = revoked.iter().cloned().collect();
    Peer { name: "by hand, `Mutex<HashSet>`".to_owned(), ..verifying(scheme, Mutex::new(revoked), "", lock) }
}

pub(super) fn with_dash_map(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Peer {
    let revoked: DashMap<_, _> = revoked.iter().map(|jti| (jti.clone(), u64::MAX)).collect();
    let and = format!(", dashmap {}", lock.version("dashmap"));
    Peer { name: "by hand, `DashMap`".to_owned(), ..verifying(scheme, revoked, &and, lock) }
}

pub(super) fn with_moka(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Peer {
    let and = format!(", moka {}", lock.version("moka"));
    Peer { name: "by hand, moka".to_owned(), ..verifying(scheme, expiring(revoked), &and, lock) }
}

fn verifying(scheme: &Scheme, revoked: impl Revoked, and: &str, lock: &Lock) -> Peer {
    let service = Verifying { inner: Bare, decoder: Decoder::new(scheme), revoked: Arc::new(revoked) };
    Peer {
        name: String::new(),
        built_with: format!("{}{and}", backend(lock)),
        refuses_revoked: true,
        caches: false,
        note: "",
        check: Box::new(check::service(service, Response::status)),
    }
}

pub(super) fn caching(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Peer {
    let service = Caching {
        inner: Bare,
        decoder: Decoder::new(scheme),
        verified: Cache::new(10_000),
        revoked: expiring(revoked),
    };
    Peer {
        name: "by hand, moka for tokens, too".to_owned(),
        built_with: format!("{}, moka {}", backend(lock), lock.version("moka")),
        refuses_revoked: true,
        caches: true,
        note: "only cache hits",
        check: Box::new(check::service(service, Response::status)),
    }
}

fn backend(lock: &Lock) -> String {
    // The application chooses the version that this peer uses, too.
    let library = lock.used_by("tower-oauth2-resource-server", "jsonwebtoken");
    format!("jsonwebtoken {library}, aws-lc-rs {}", lock.version("aws-lc-rs"))
}

/// Entries that are removed once no token can be valid.
fn expiring(revoked: &[String]) -> Cache<String, ()> {
    let cache = Cache::builder().max_capacity(1_000_000).time_to_live(Duration::from_hours(1)).build();
    for jti in revoked {
        cache.insert(jti.clone(), ());
    }
    cache.run_pending_tasks();
    cache
}

trait Revoked: Send + Sync + 'static {
    fn contains(&self, jti: &str) -> bool;
}

impl Revoked for Mutex<HashSet<String>> {
    fn contains(&self, jti: &str) -> bool {
        self.lock().expect("nobody panics with it").contains(jti)
    }
}

impl Revoked for DashMap<String, u64> {
    fn contains(&self, jti: &str) -> bool {
        self.contains_key(jti)
    }
}

impl Revoked for Cache<String, ()> {
    fn contains(&self, jti: &str) -> bool {
        self.contains_key(jti)
    }
}

#[derive(Clone)]
struct Decoder(Arc<(DecodingKey, Validation)>);

impl Decoder {
    fn new(scheme: &Scheme) -> Self {
        Self(Arc::new((decoding_key(scheme), validation(scheme))))
    }

    fn decode(&self, token: &str) -> Option<Claims> {
        let (key, validation) = &*self.0;
        jsonwebtoken::decode::<Claims>(token, key, validation).ok().map(|data| data.claims)
    }
}

struct Verifying<R> {
    inner: Bare,
    decoder: Decoder,
    revoked: Arc<R>,
}

impl<R: Revoked> Service<Request<Body>> for Verifying<R> {
    type Response = <Bare as Service<Request<Body>>>::Response;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Ready<Answer> {
        let claims = bearer(request.headers()).and_then(|token| self.decoder.decode(token));
        match claims {
            Some(claims) if !self.revoked.contains(&claims.jti) => {
                request.extensions_mut().insert(claims);
                self.inner.call(request)
            }
            _ => ready(Ok(refused())),
        }
    }
}

struct Caching {
    inner: Bare,
    decoder: Decoder,
    verified: Cache<String, Arc<Claims>>,
    revoked: Cache<String, ()>,
}

impl Caching {
    fn verified(&self, token: &str) -> Option<Arc<Claims>> {
        if let Some(claims) = self.verified.get(token) {
            return (claims.exp > jsonwebtoken::get_current_timestamp()).then_some(claims);
        }
        let claims = Arc::new(self.decoder.decode(token)?);
        self.verified.insert(token.to_owned(), Arc::clone(&claims));
        Some(claims)
    }
}

impl Service<Request<Body>> for Caching {
    type Response = <Bare as Service<Request<Body>>>::Response;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Ready<Answer> {
        match bearer(request.headers()).and_then(|token| self.verified(token)) {
            Some(claims) if !self.revoked.contains_key(&claims.jti) => {
                request.extensions_mut().insert(claims);
                self.inner.call(request)
            }
            _ => ready(Ok(refused())),
        }
    }
}
