//! Promise: logout tokens are verified with the keys of the issuer as these rotate, and a flood of
//! forged ones costs next to nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use test_support::{clock, hand::HandStore};
use tower_logout::{
    JwtVerifier, Logout,
    clock::ManualClock,
    endpoint::BackchannelLogout,
    fetch::Fetch,
    respond::Rejection,
    token::jwt::{Issuer, TestIssuer},
};

use super::support::{CLIENT, check, claims_with, deliver, status};

/// A provider whose keys are fetched by a client that counts.
struct Provider {
    issuer: Arc<TestIssuer>,
    fetched: Arc<AtomicUsize>,
    clock: ManualClock,
}

impl Provider {
    async fn start() -> Self {
        let clock = clock();
        let issuer = Arc::new(TestIssuer::start().await.clock(clock.clone()));
        Self { issuer, fetched: Arc::default(), clock }
    }

    fn client(&self) -> impl Fetch + use<> {
        let (issuer, fetched) = (Arc::clone(&self.issuer), Arc::clone(&self.fetched));
        move |_: Request<Bytes>| {
            fetched.fetch_add(1, Ordering::SeqCst);
            let answer = Response::new(Full::new(Bytes::from(issuer.jwks())));
            async move { Ok::<_, std::io::Error>(answer) }
        }
    }

    async fn api(&self) -> (Logout, BackchannelLogout, HandStore) {
        let store = HandStore::new();
        let issuer = Issuer::jwks(self.issuer.url(), KEYS).allow_any_audience();
        let verifier = JwtVerifier::issuers([issuer]).fetch_with(self.client()).clock(self.clock.clone());
        let logout = Logout::new(verifier.start().await.unwrap(), store.clone());
        let service = logout.backchannel(CLIENT).build().unwrap();
        (logout, service, store)
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    fn claims(&self, changes: Value) -> Value {
        let mut claims = claims_with(changes);
        claims["iss"] = self.issuer.url().into();
        claims
    }

    /// A logout token with this `kid` that is signed with the current key.
    fn logout_token(&self, kid: &str, changes: Value) -> String {
        let header = json!({ "typ": "logout+jwt", "alg": "ES256", "kid": kid });
        self.issuer.sign_exactly(&header, &self.claims(changes))
    }
}

const KEYS: &str = "https://idp.example/jwks";

#[tokio::test(start_paused = true)]
async fn a_message_with_a_new_key_waits_for_it_and_is_taken() {
    let provider = Provider::start().await;
    let (logout, service, _) = provider.api().await;
    let access = provider.issuer.token(&json!({ "sub": "usr_123", "sid": "ses_1", "aud": "any" }));
    assert_eq!((check(&logout, &access).await, provider.fetched()), (Ok(()), 1));
    tokio::time::advance(Duration::from_secs(31)).await;
    provider.issuer.rotate();
    assert_eq!(status(&service, &provider.logout_token(&provider.issuer.kid(), json!({}))).await, 200);
    assert_eq!((check(&logout, &access).await, provider.fetched()), (Err(Rejection::Revoked), 2));
}

#[tokio::test(start_paused = true)]
async fn a_removed_key_ends_no_session_any_more() {
    let provider = Provider::start().await;
    let (_, service, store) = provider.api().await;
    let stolen = provider.issuer.kid();
    provider.issuer.rotate_without_overlap();
    tokio::time::advance(Duration::from_secs(31)).await;
    // The new key is fetched, and the old one is gone.
    let user = json!({ "sid": null });
    assert_eq!(status(&service, &provider.logout_token(&provider.issuer.kid(), user)).await, 200);
    let taken = store.revocations().len();
    assert_eq!(status(&service, &provider.logout_token(&stolen, json!({}))).await, 400);
    assert_eq!(store.revocations().len(), taken);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_fetches_once_in_the_cooldown_and_leaves_nothing() {
    let provider = Provider::start().await;
    let (_, service, store) = provider.api().await;
    let forged =
        |number: usize| provider.logout_token(&format!("unknown-{number}"), json!({ "jti": number.to_string() }));
    for number in 0..500 {
        assert_eq!(status(&service, &forged(number)).await, 400);
    }
    assert_eq!(provider.fetched(), 1, "the cooldown since the first fetch is not over");
    tokio::time::advance(Duration::from_secs(31)).await;
    for number in 500..1000 {
        assert_eq!(status(&service, &forged(number)).await, 400);
    }
    assert_eq!(provider.fetched(), 2);
    assert!(store.revocations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forged_signature_under_a_known_key_fetches_nothing() {
    let provider = Provider::start().await;
    let (_, service, store) = provider.api().await;
    tokio::time::advance(Duration::from_secs(31)).await;
    let good = provider.logout_token(&provider.issuer.kid(), json!({}));
    let (input, signature) = good.rsplit_once('.').unwrap();
    for number in 0..100 {
        let forged = format!("{input}.{}", format!("{number:0>3}").repeat(signature.len()).split_at(signature.len()).0);
        assert_eq!(deliver(&service, &forged).await.status, 400);
    }
    assert_eq!((provider.fetched(), store.revocations().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn wrong_claims_and_types_fetch_nothing() {
    let provider = Provider::start().await;
    let (_, service, store) = provider.api().await;
    tokio::time::advance(Duration::from_secs(31)).await;
    let kid = provider.issuer.kid();
    for changes in [json!({ "aud": "other" }), json!({ "nonce": "n" }), json!({ "events": {} }), json!({ "exp": 1 })] {
        assert_eq!(status(&service, &provider.logout_token(&kid, changes)).await, 400);
    }
    let access = provider
        .issuer
        .sign_exactly(&json!({ "typ": "at+jwt", "alg": "ES256", "kid": "unknown" }), &provider.claims(json!({})));
    assert_eq!(status(&service, &access).await, 400);
    assert_eq!((provider.fetched(), store.revocations().len()), (1, 0));
}
