//! Security event tokens, nodes that receive them, and a store that fails on demand.

use std::sync::{
    Arc, LazyLock, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{self, KeySize},
    signature::{KeyPair, RsaPublicKeyComponents},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, bearer, claims_with, clock, hs256, memory, sign_text, verifier};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    clock::ManualClock,
    endpoint::security_events::{SecurityEvents, SecurityEventsBuilder},
    respond::Rejection,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::StoreError,
    token::jwt::{Issuer, KeySet},
};

pub(super) const TRANSMITTER: &str = "https://idp.example/ssf";
pub(super) const AUDIENCE: &str = "https://api.example";
pub(super) const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
pub(super) const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
pub(super) const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// The key of the transmitter.
pub(super) static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new("key-1"));
/// A key of someone else.
pub(super) static FOREIGN_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new("key-2"));

/// An RSA key of 2,048 bits, as the interoperability profile demands.
pub(super) struct SigningKey {
    kid: &'static str,
    signing: EncodingKey,
    jwk: Value,
}

impl SigningKey {
    fn new(kid: &'static str) -> Self {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(private.as_ref()));
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
        Self {
            kid,
            signing: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            jwk: json!({ "kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "n": n, "e": e }),
        }
    }

    pub(super) fn jwks(&self) -> String {
        json!({ "keys": [self.jwk] }).to_string()
    }

    pub(super) fn key_set(&self) -> KeySet {
        KeySet::jwks(&self.jwks()).unwrap()
    }

    pub(super) fn header(&self) -> Value {
        json!({ "typ": "secevent+jwt", "alg": "RS256", "kid": self.kid })
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header(), &claims.to_string())
    }

    pub(super) fn sign_text(&self, header: &Value, claims: &str) -> String {
        sign_text(&header.to_string(), claims, Algorithm::RS256, &self.signing)
    }
}

/// The claims of a security event token with these events, about this subject.
pub(super) fn set(jti: &str, subject: &Value, events: &Value) -> Value {
    json!({
        "iss": TRANSMITTER, "aud": AUDIENCE, "jti": jti, "iat": NOW, "txn": "8675309", "sub_id": subject, "events": events,
    })
}

/// The same with one event.
pub(super) fn event(jti: &str, subject: &Value, uri: &str, members: &Value) -> Value {
    set(jti, subject, &json!({ uri: members }))
}

pub(super) fn session_revoked(jti: &str, subject: &Value) -> Value {
    event(jti, subject, &format!("{CAEP}session-revoked"), &json!({}))
}

/// Claims with some replaced, or removed where they are `null`.
pub(super) fn with(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub(super) fn user(sub: &str) -> Value {
    json!({ "format": "iss_sub", "iss": ISSUER, "sub": sub })
}

pub(super) fn email(address: &str) -> Value {
    json!({ "format": "email", "email": address })
}

pub(super) fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

/// An access token of this user and session, issued at this time, with a lifetime of an hour.
pub(super) fn access(sub: &str, sid: &str, issued_at: u64) -> String {
    let jti = format!("{sub}-{sid}-{issued_at}");
    hs256(&claims_with(&jti, json!({ "sub": sub, "sid": sid, "iat": issued_at, "exp": issued_at + 3600 })))
}

/// A node: a service with a receiver.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) logout: Logout,
    pub(super) events: SecurityEvents,
    pub(super) clock: ManualClock,
}

impl Node {
    pub(super) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// A node with other settings.
    pub(super) fn with(settings: impl FnOnce(SecurityEventsBuilder) -> SecurityEventsBuilder) -> Self {
        let clock = clock();
        Self::of(verifier(&clock), memory().clock(clock.clone()), clock, settings)
    }

    /// A node over this store.
    pub(super) fn over(store: &Store) -> Self {
        let clock = store.0.clock.clone();
        Self::of(verifier(&clock), store.clone(), clock, |builder| builder)
    }

    pub(super) fn of(
        verifier: JwtVerifier,
        store: impl RevocationStore,
        clock: ManualClock,
        settings: impl FnOnce(SecurityEventsBuilder) -> SecurityEventsBuilder,
    ) -> Self {
        let logout = Logout::new(verifier, store);
        let transmitter = Issuer::keys(TRANSMITTER, KEY.key_set()).audience(AUDIENCE);
        let events = settings(logout.security_events(transmitter)).build().unwrap();
        Self { logout, events, clock }
    }

    /// Pushes a security event token with these claims.
    pub(super) async fn push(&self, claims: &Value) -> Answer {
        self.push_text(&KEY.sign(claims)).await
    }

    pub(super) async fn push_text(&self, token: &str) -> Answer {
        self.send(delivery(token.to_owned())).await
    }

    pub(super) async fn send(&self, request: Request<String>) -> Answer {
        Answer::of(self.events.clone().oneshot(request).await.unwrap()).await
    }

    /// Pushes a security event token that must be taken.
    pub(super) async fn takes(&self, claims: &Value) {
        assert_eq!(self.push(claims).await.outcome(), (202, ""), "{claims}");
    }

    pub(super) async fn check(&self, token: &str) -> Result<(), Rejection> {
        let request = Request::get("/").header("authorization", bearer(token)).body(()).unwrap();
        self.logout.check((&request).into()).await.map(drop)
    }

    pub(super) async fn revokes(&self, token: &str) -> bool {
        match self.check(token).await {
            Ok(()) => false,
            Err(Rejection::Revoked) => true,
            Err(other) => panic!("{other}"),
        }
    }

    /// The users of `ann` and `bob`, and of their sessions `1` and `2`, whose tokens are revoked.
    pub(super) async fn revoked(&self) -> Vec<String> {
        let mut revoked = Vec::new();
        for sub in ["ann", "bob"] {
            for sid in ["1", "2"] {
                if self.revokes(&access(sub, sid, NOW - 60)).await {
                    revoked.push(format!("{sub}/{sid}"));
                }
            }
        }
        revoked
    }
}

pub(super) fn delivery(token: String) -> Request<String> {
    let request = Request::post("/security-events").header("content-type", "application/secevent+jwt");
    request.header("accept", "application/json").body(token).unwrap()
}

/// The answer to a delivery.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    err: String,
}

impl Answer {
    pub(super) async fn of<B>(response: http::Response<B>) -> Self
    where
        B: http_body::Body,
        B::Error: std::fmt::Debug,
    {
        let (head, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let err = serde_json::from_str::<Value>(&body).ok();
        let err = err.and_then(|body| Some(body.get("err")?.as_str()?.to_owned())).unwrap_or_default();
        Self { status: head.status.as_u16(), headers: head.headers, body, err }
    }

    /// The status, and the code of the error.
    pub(super) fn outcome(&self) -> (u16, &str) {
        (self.status, &self.err)
    }
}

/// A store that several nodes share, and that fails on demand. Clones are the same store.
#[derive(Clone)]
pub(super) struct Store(Arc<Inner>);

struct Inner {
    memory: MemoryStore,
    clock: ManualClock,
    /// How many calls succeed before the others fail.
    left: AtomicUsize,
    written: Mutex<Vec<Revocation>>,
}

impl Store {
    pub(super) fn new() -> Self {
        let clock = clock();
        let left = AtomicUsize::new(usize::MAX);
        Self(Arc::new(Inner { memory: memory().clock(clock.clone()), clock, left, written: Mutex::default() }))
    }

    pub(super) fn clock(&self) -> &ManualClock {
        &self.0.clock
    }

    /// Lets so many calls succeed, and the others fail.
    pub(super) fn fails_after(&self, calls: usize) {
        self.0.left.store(calls, Ordering::SeqCst);
    }

    pub(super) fn works(&self) {
        self.fails_after(usize::MAX);
    }

    /// What was written, in order.
    pub(super) fn written(&self) -> Vec<Revocation> {
        self.0.written.lock().unwrap().clone()
    }

    fn call(&self, operation: &'static str) -> Result<(), StoreError> {
        let left = self.0.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(StoreError::new(operation, "the store is down"));
        }
        self.0.left.store(if left == usize::MAX { left } else { left - 1 }, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl RevocationStore for Store {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.call("revoke")?;
        self.0.written.lock().unwrap().push(*revocation);
        self.0.memory.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.memory.is_revoked(token).await
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.call("find")?;
        self.0.memory.find(key).await
    }
}
