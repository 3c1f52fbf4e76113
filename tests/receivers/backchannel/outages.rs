//! Promise: without the store or the keys there is no success, and the same message takes effect when
//! it is delivered again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use test_support::{ISSUER, NOW, at, clock, hand::Act, memory};
use tokio::time::Instant;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    respond::Rejection,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::StoreError,
};

use super::support::{Answer, Api, CLIENT, access_token, check, deliver, logout_token, node, status};

fn assert_unavailable(answer: &Answer, case: &str) {
    let body =
        r#"{"description":"The service is temporarily unavailable. Try again.","error":"temporarily_unavailable"}"#;
    assert_eq!((answer.status, &*answer.body), (503, body), "{case}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
    assert!(answer.header("retry-after").is_some(), "{case}");
}

/// A store of which one call fails, counted from zero, before or after it has acted.
struct FailsOnce {
    memory: MemoryStore,
    call: usize,
    acts: bool,
    calls: AtomicUsize,
}

impl FailsOnce {
    /// Acts, or fails.
    async fn step<T>(
        &self,
        operation: &'static str,
        act: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let is_down = self.calls.fetch_add(1, Ordering::SeqCst) == self.call;
        if is_down && !self.acts {
            return Err(StoreError::new(operation, "the server is down"));
        }
        let done = act.await;
        if is_down { Err(StoreError::new(operation, "the answer was lost")) } else { done }
    }
}

#[async_trait]
impl RevocationStore for FailsOnce {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.step("revoke", self.memory.revoke(revocation)).await
    }

    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.step("find", self.memory.find(key)).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.memory.is_revoked(token).await
    }
}

#[tokio::test]
async fn at_each_step_a_store_that_fails_is_no_success_and_a_second_delivery_takes_effect() {
    const STEPS: [&str; 4] = ["look up", "revoke the session", "revoke the subject", "remember"];
    for (call, name) in STEPS.iter().enumerate() {
        for acts in [false, true] {
            let case = format!("{name}, acts: {acts}");
            let clock = clock();
            let store = Arc::new(FailsOnce { memory: memory(), call, acts, calls: AtomicUsize::new(0) });
            let logout = node(Arc::clone(&store), &clock);
            let service = logout.backchannel(CLIENT).always_end_subject().build().unwrap();
            let token = logout_token(json!({}));
            assert_unavailable(&deliver(&service, &token).await, &case);
            clock.advance(Duration::from_secs(1));
            assert_eq!(status(&service, &token).await, 200, "{case}");
            for sid in ["ses_1", "ses_2"] {
                let access = access_token(sid, json!({ "sid": sid }));
                assert_eq!(check(&logout, &access).await, Err(Rejection::Revoked), "{case}");
            }
            // From now on it is a repeat.
            clock.advance(Duration::from_secs(20));
            assert_eq!(status(&service, &token).await, 200, "{case}");
            let login = access_token("later", json!({ "iat": NOW + 10, "sid": "ses_3" }));
            assert_eq!(check(&logout, &login).await, Ok(()), "{case}");
        }
    }
}

#[tokio::test]
async fn a_full_store_is_no_success() {
    let logout = node(MemoryStore::new().clock(clock()).capacity(1), &clock());
    let service = logout.backchannel(CLIENT).build().unwrap();
    // There is room for the session, and none to remember the message.
    assert_unavailable(&deliver(&service, &logout_token(json!({}))).await, "full");
    assert_eq!(check(&logout, &access_token("1", json!({}))).await, Err(Rejection::Revoked), "as much as fits");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_or_panics_is_no_success() {
    for act in [Act::Hang, Act::Panic] {
        for is_look_up in [true, false] {
            let api = Api::new();
            let store = api.store.clone();
            let _ = if is_look_up { store.finds(act) } else { store.revokes(act) };
            let began = Instant::now();
            assert_unavailable(&deliver(&api.service(), &logout_token(json!({}))).await, &format!("{act:?}"));
            assert!(began.elapsed() <= Duration::from_secs(5), "{act:?}");
            let _ = api.store.clone().finds(Act::Now).revokes(Act::Now);
            assert_eq!(status(&api.service(), &logout_token(json!({}))).await, 200, "{act:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_can_be_set() {
    let api = Api::new();
    let _ = api.store.clone().revokes(Act::Hang);
    let service = api.endpoint(|builder| builder.timeout(Duration::from_secs(2)));
    let began = Instant::now();
    assert_unavailable(&deliver(&service, &logout_token(json!({}))).await, "hangs");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

/// A store that cannot look up messages.
struct WithoutLookUp(MemoryStore);

#[async_trait]
impl RevocationStore for WithoutLookUp {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.revoke(revocation).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.0.is_revoked(token).await
    }
}

#[tokio::test]
async fn a_store_that_cannot_recognise_repeats_is_no_success() {
    let logout = node(WithoutLookUp(memory()), &clock());
    let service = logout.backchannel(CLIENT).build().unwrap();
    assert_unavailable(&deliver(&service, &logout_token(json!({}))).await, "no look-up");
    assert_eq!(check(&logout, &access_token("1", json!({}))).await, Ok(()), "nothing was revoked");
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_logout_token_is_not_judged() {
    let clock = clock();
    let refuses = |_: Request<Bytes>| async { Err::<Response<Full<Bytes>>, _>(std::io::Error::other("refused")) };
    let verifier = JwtVerifier::jwks(ISSUER, "https://idp.example/jwks").fetch_with(refuses).clock(clock);
    let logout = Logout::new(verifier.start_lazily().unwrap(), memory());
    let service = logout.backchannel(CLIENT).build().unwrap();
    for _ in 0..3 {
        assert_unavailable(&deliver(&service, &logout_token(json!({}))).await, "no keys");
    }
    assert_eq!(at(NOW), logout.verifier().clock().now());
}
