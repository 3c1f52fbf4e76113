//! Requests to receivers, and a store that fails at a chosen call.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use test_support::{bearer, memory};
use tower::{Service, ServiceExt};
use tower_logout::{
    Logout, MemoryStore, RevocationStore,
    respond::{AnswerBody, Rejection},
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::StoreError,
};

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    /// The value of a header, or an empty text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The member `error` of the body.
    pub(super) fn error(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["error"].as_str().unwrap().to_owned()
    }
}

/// Sends a request, and checks what all responses have.
pub(super) async fn send<S, B>(service: &S, request: Request<B>) -> Reply
where
    S: Service<Request<B>, Response = Response<AnswerBody>, Error = std::convert::Infallible> + Clone,
    B: Body,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let reply = Reply { status: parts.status.as_u16(), headers: parts.headers, body };
    assert_eq!(reply.header("cache-control"), "no-store", "{reply:?}");
    match parts.status {
        StatusCode::OK | StatusCode::NO_CONTENT => assert_eq!(reply.body, ""),
        StatusCode::METHOD_NOT_ALLOWED => assert_eq!(reply.header("allow"), "POST"),
        StatusCode::SERVICE_UNAVAILABLE => assert_eq!(reply.header("retry-after"), "1"),
        _ => assert!(!reply.error().is_empty()),
    }
    reply
}

/// Whether the layer lets a token pass.
pub(super) async fn check(logout: &Logout, token: &str) -> Result<(), Rejection> {
    let request = Request::builder().header("authorization", bearer(token)).body(()).unwrap();
    logout.check((&request).into()).await.map(drop)
}

/// A document with some members replaced, or removed where they are `null`.
pub(super) fn changed(mut document: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
            value => document[name] = value.clone(),
        }
    }
    document
}

/// A store in memory that counts its calls, and fails at one of them. Clones are the same store.
#[derive(Clone)]
pub(super) struct FailingStore(Arc<Inner>);

struct Inner {
    memory: MemoryStore,
    calls: AtomicUsize,
    fails_at: AtomicUsize,
}

impl FailingStore {
    pub(super) fn new() -> Self {
        let (calls, fails_at) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Self(Arc::new(Inner { memory: memory(), calls, fails_at }))
    }

    /// Fails at the call with this number from now on, without any effect.
    pub(super) fn fail_at(&self, call: usize) {
        self.0.calls.store(0, Ordering::SeqCst);
        self.0.fails_at.store(call, Ordering::SeqCst);
    }

    /// Works from now on, and returns how many calls there were since the last change.
    pub(super) fn recover(&self) -> usize {
        self.0.fails_at.store(usize::MAX, Ordering::SeqCst);
        self.0.calls.swap(0, Ordering::SeqCst)
    }

    fn call(&self, operation: &'static str) -> Result<&MemoryStore, StoreError> {
        if self.0.calls.fetch_add(1, Ordering::SeqCst) == self.0.fails_at.load(Ordering::SeqCst) {
            return Err(StoreError::new(operation, "the disk is on fire"));
        }
        Ok(&self.0.memory)
    }
}

#[async_trait]
impl RevocationStore for FailingStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.call("revoke")?.revoke(revocation).await
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.call("find")?.find(key).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.memory.is_revoked(token).await
    }
}
