//! Promise: `TestIssuer` is an identity provider as verifiers see one, whose keys and faults a test
//! controls.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Response;
use serde_json::{Value, json};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore,
    clock::{Clock, ManualClock, SystemClock, Timestamp},
    token::{
        Claims, TokenVerifier,
        jwt::{Algorithm, InvalidToken, Issuer, KeySet, TestIssuer},
    },
};

use crate::support::rejection;

fn verifier(issuer: &TestIssuer, keys: KeySet) -> JwtVerifier {
    JwtVerifier::issuers([Issuer::keys(issuer.url(), keys)]).build().unwrap()
}

/// The keys of which the discovery document has the address.
async fn published(issuer: &TestIssuer) -> KeySet {
    let document = get(issuer, TestIssuer::DISCOVERY).await.unwrap().1;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["issuer"], issuer.url());
    let keys = document["jwks_uri"].as_str().unwrap().strip_prefix(issuer.url()).unwrap();
    KeySet::jwks(&get(issuer, keys).await.unwrap().1).unwrap()
}

async fn get(issuer: &TestIssuer, path: impl Display) -> reqwest::Result<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let response = client.get(format!("{}{path}", issuer.url())).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

async fn claims(verifier: &JwtVerifier, token: &str) -> Claims {
    let token = verifier.verify(token).await.unwrap();
    (*token).clone()
}

#[tokio::test]
async fn tokens_of_every_algorithm_verify_with_the_published_keys() {
    let mut algorithms = vec![Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::EdDSA];
    if cfg!(feature = "aws-lc-rs") {
        algorithms.extend([Algorithm::RS256, Algorithm::RS384, Algorithm::RS512]);
        algorithms.extend([Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]);
    }
    for algorithm in algorithms {
        let issuer = TestIssuer::start().await.algorithm(algorithm);
        let token = issuer.token(&json!({ "sub": "ann" }));
        let keys = published(&issuer).await;
        assert_eq!((keys.len(), keys.skipped().len()), (1, 0), "{algorithm}");
        assert_eq!(claims(&verifier(&issuer, keys), &token).await.sub.as_deref(), Some("ann"), "{algorithm}");
        let other = TestIssuer::start().await.algorithm(algorithm);
        let foreign = verifier(&issuer, other.key_set());
        assert_eq!(rejection(&foreign, &token), Some(InvalidToken::Signature), "{algorithm}");
    }
}

#[tokio::test]
async fn only_claims_that_are_absent_are_added() {
    let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
    let issuer = TestIssuer::start().await.clock(clock.clone());
    let keys = issuer.key_set();
    let verifier = JwtVerifier::issuers([Issuer::keys(issuer.url(), keys)]).clock(clock).build().unwrap();
    let added = claims(&verifier, &issuer.token(&json!({}))).await;
    assert_eq!(added.iss.as_deref(), Some(issuer.url()));
    assert_eq!(added.iat, Some(Timestamp::from_unix_seconds(1_458_786_000)));
    assert_eq!(added.exp, Timestamp::from_unix_seconds(1_458_786_600));
    let own = json!({ "iss": issuer.url(), "iat": 1_458_785_999, "exp": 1_458_786_001, "jti": "mine" });
    let kept = claims(&verifier, &issuer.token(&own)).await;
    assert_eq!(kept.iat, Some(Timestamp::from_unix_seconds(1_458_785_999)));
    assert_eq!((kept.exp, kept.jti.as_deref()), (Timestamp::from_unix_seconds(1_458_786_001), Some("mine")));
    let foreign = issuer.token(&json!({ "iss": "https://other.example" }));
    assert_eq!(rejection(&verifier, &foreign), Some(InvalidToken::Issuer));
}

#[tokio::test]
async fn a_logout_ends_one_of_two_tokens_with_the_same_claims() {
    let issuer = TestIssuer::start().await.algorithm(Algorithm::EdDSA);
    let logout = Logout::new(verifier(&issuer, issuer.key_set()), MemoryStore::new());
    let [one, other] = [(); 2].map(|()| issuer.token(&json!({ "sub": "ann" })));
    let check = async |token: &str| {
        let request = http::Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
        logout.check((&request).into()).await.is_ok()
    };
    let verified = verifier(&issuer, issuer.key_set()).verify(&one).await.unwrap();
    logout.revoker().token(verified.identity()).await.unwrap();
    assert!(!check(&one).await);
    assert!(check(&other).await);
}

#[tokio::test]
async fn a_rotation_keeps_old_keys_or_removes_them() {
    let issuer = TestIssuer::start().await;
    let first = issuer.token(&json!({}));
    issuer.rotate();
    assert_eq!(issuer.kid(), "key-2");
    let second = issuer.token(&json!({}));
    let both = verifier(&issuer, published(&issuer).await);
    assert_eq!([&first, &second].map(|token| rejection(&both, token)), [None, None]);

    issuer.rotate_without_overlap();
    let third = issuer.token(&json!({}));
    let keys = published(&issuer).await;
    assert_eq!(keys.len(), 1);
    let last = verifier(&issuer, keys);
    assert!([&first, &second].iter().all(|token| rejection(&last, token).is_some()));
    assert_eq!(rejection(&last, &third), None);

    issuer.rotate_to(Algorithm::EdDSA);
    issuer.revoke_key("key-3");
    let last = verifier(&issuer, published(&issuer).await);
    assert!(rejection(&last, &third).is_some());
    assert_eq!(rejection(&last, &issuer.token(&json!({}))), None);
}

#[tokio::test]
async fn a_header_and_claims_are_signed_exactly_as_they_are() {
    let issuer = TestIssuer::start().await;
    let known = verifier(&issuer, issuer.key_set());
    let claims = json!({ "iss": issuer.url(), "exp": SystemClock.now().as_unix_millis() / 1000 + 600 });
    let good = json!({ "alg": "ES256", "kid": "key-1" });
    let token = issuer.sign_exactly(&good, &claims);
    assert_eq!(rejection(&known, &token), None);
    assert_eq!(verifier(&issuer, issuer.key_set()).verify(&token).await.unwrap().jti, None);
    let logout_token = json!({ "alg": "ES256", "typ": "logout+jwt" });
    assert_eq!(rejection(&known, &issuer.sign_exactly(&logout_token, &claims)), Some(InvalidToken::Type));
    assert_eq!(
        rejection(&known, &issuer.sign_exactly(&json!({ "alg": "none" }), &claims)),
        Some(InvalidToken::Algorithm)
    );
    issuer.rotate_without_overlap();
    let by_a_thief = issuer.sign_exactly(&good, &claims);
    assert_eq!(rejection(&known, &by_a_thief), None, "the key that `kid` names has signed");
}

#[tokio::test]
async fn it_answers_late_wrongly_or_not_at_all_until_it_recovers() {
    let issuer = Arc::new(TestIssuer::start().await);
    let good = (200, issuer.jwks());
    issuer.answer_with(TestIssuer::KEYS, Response::builder().status(503).body("no").unwrap());
    assert_eq!(get(&issuer, TestIssuer::KEYS).await.unwrap(), (503, "no".to_owned()));
    assert_eq!(get(&issuer, TestIssuer::DISCOVERY).await.unwrap().0, 200);
    issuer.answer_by("/query", |request| Response::new(request.uri().to_string()));
    assert_eq!(get(&issuer, "/query?a=b").await.unwrap(), (200, "/query?a=b".to_owned()));
    issuer.recover();
    assert_eq!(get(&issuer, TestIssuer::KEYS).await.unwrap(), good);
    assert_eq!(get(&issuer, "/query").await.unwrap().0, 404);

    issuer.delay(Duration::from_millis(50));
    let asked = Instant::now();
    assert_eq!(get(&issuer, TestIssuer::KEYS).await.unwrap(), good);
    assert!(asked.elapsed() >= Duration::from_millis(50));
    issuer.recover();

    issuer.hang();
    let before = issuer.requests(TestIssuer::KEYS);
    let waiting = tokio::spawn({
        let issuer = Arc::clone(&issuer);
        async move { get(&issuer, TestIssuer::KEYS).await.unwrap() }
    });
    while issuer.requests(TestIssuer::KEYS) == before {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    issuer.recover();
    assert_eq!(waiting.await.unwrap(), good);
    assert_eq!(issuer.requests(TestIssuer::KEYS), 4);
}

#[tokio::test]
async fn connections_are_refused_while_it_is_stopped_and_after_it_is_dropped() {
    let issuer = TestIssuer::start().await;
    let address = issuer.url().strip_prefix("http://").unwrap().to_owned();
    let idle = tokio::net::TcpStream::connect(&address).await.unwrap();
    let good = get(&issuer, TestIssuer::KEYS).await.unwrap();
    for _ in 0..3 {
        issuer.stop().await;
        issuer.stop().await;
        assert!(get(&issuer, TestIssuer::KEYS).await.unwrap_err().is_connect());
        issuer.resume().await;
        issuer.resume().await;
        assert_eq!(get(&issuer, TestIssuer::KEYS).await.unwrap(), good);
    }
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, idle.peek(&mut byte)).await.expect("connections are closed");
    assert_eq!(read.unwrap_or_default(), 0);
    drop(issuer);
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        assert!(Instant::now() < deadline, "the port stays open");
    }
}

/// How long the tests wait at most.
const PATIENCE: Duration = Duration::from_secs(30);
