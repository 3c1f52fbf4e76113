//! Promise: issuers that are not known at start are verified with their own keys, and others cost
//! nothing.

use std::{
    collections::HashSet,
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use test_support::{at, clock};
use tower_logout::{
    JwtVerifier, Logout,
    respond::Rejection,
    token::{
        TokenVerifier, VerifyError,
        jwt::{Algorithm, ConfigError, Issuer, JwtVerifierBuilder, Key},
    },
};

use crate::provider::{Answer, Provider, SigningKey, check, check_now, guard, key_set, pass, seconds, settle};

fn name(number: usize) -> String {
    format!("https://tenant-{number}.example")
}

fn publish(provider: &Provider, number: usize, key: &SigningKey) {
    provider.publish(&format!("{}/jwks", name(number)), Answer::ok(key_set([key])));
}

/// A verifier that allows the issuers of this set.
fn by(provider: &Provider, allowed: &Arc<RwLock<HashSet<String>>>) -> JwtVerifierBuilder {
    let allowed = Arc::clone(allowed);
    let allow = move |issuer: &str| {
        let is_allowed = allowed.read().unwrap().contains(issuer);
        is_allowed.then(|| Issuer::jwks(issuer, format!("{issuer}/jwks")))
    };
    JwtVerifier::issuers_by(allow).fetch_with(provider.client()).clock(clock())
}

fn tenants(count: usize) -> Arc<RwLock<HashSet<String>>> {
    Arc::new(RwLock::new((0..count).map(name).collect()))
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_verified_with_its_own_keys_only() {
    let keys: Vec<_> = (0..3).map(|_| SigningKey::new("shared")).collect();
    let provider = Provider::default();
    keys.iter().enumerate().for_each(|(number, key)| publish(&provider, number, key));
    let logout = guard(&by(&provider, &tenants(3)).start_lazily().unwrap());
    for (number, key) in keys.iter().enumerate() {
        for other in 0..3 {
            let result = check(&logout, &key.token(&name(other), "1")).await;
            assert_eq!(result, if number == other { Ok(()) } else { Err(Rejection::Invalid) });
        }
    }
    assert_eq!(provider.take_requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_not_allowed_costs_and_fetches_nothing() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    publish(&provider, 7, &key);
    let allowed = tenants(1);
    let verifier = by(&provider, &allowed).start_lazily().unwrap();
    let logout = guard(&verifier);
    for number in 1..1000 {
        assert_eq!(check_now(&logout, &key.token(&name(number), "1")), Err(Rejection::Invalid));
    }
    settle().await;
    assert_eq!((provider.take_requests().len(), verifier.health().tenants), (0, 0));
    allowed.write().unwrap().insert(name(7));
    assert_eq!(check(&logout, &key.token(&name(7), "1")).await, Ok(()), "from now on");
    assert_eq!(verifier.health().tenants, 1);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_forgotten_is_asked_for_again() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    publish(&provider, 0, &key);
    let allowed = tenants(1);
    let verifier = by(&provider, &allowed).start_lazily().unwrap();
    let logout = guard(&verifier);
    let token = key.token(&name(0), "1");
    assert_eq!(check(&logout, &token).await, Ok(()));
    allowed.write().unwrap().clear();
    assert_eq!(check_now(&logout, &token), Ok(()), "the closure is not asked for a known issuer");
    verifier.forget_issuer(&name(0));
    assert_eq!(check_now(&logout, &token), Err(Rejection::Invalid), "a cached token, too");
    provider.take_requests();
    pass(seconds(7200)).await;
    assert_eq!(provider.take_requests(), [""; 0], "its keys are no longer fetched");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_issuers_in_use_is_bounded_and_idle_ones_make_room() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    (0..4).for_each(|number| publish(&provider, number, &key));
    let verifier = by(&provider, &tenants(4)).max_issuers(2).start_lazily().unwrap();
    let logout = guard(&verifier);
    let tokens: Vec<_> = (0..4).map(|number| key.token(&name(number), "1")).collect();
    assert_eq!([check(&logout, &tokens[0]).await, check(&logout, &tokens[1]).await], [Ok(()), Ok(())]);
    assert_eq!(check(&logout, &tokens[2]).await, Err(Rejection::Unavailable), "both were used just now");
    pass(seconds(61)).await;
    assert_eq!(check(&logout, &key.token(&name(1), "2")).await, Ok(()));
    assert_eq!(check(&logout, &tokens[2]).await, Ok(()), "the first one makes room");
    assert_eq!(verifier.health().tenants, 2);
    assert_eq!(check(&logout, &tokens[1]).await, Ok(()));
    // The first one is cached no longer, because nobody would notice that its key is removed.
    assert_eq!(check(&logout, &tokens[0]).await, Err(Rejection::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_of_a_tenant_are_503_and_not_an_acceptance() {
    let secret = || Key::secret(Algorithm::HS256, [7; 32]).unwrap();
    let verifier = JwtVerifier::issuers_by(move |issuer| {
        Some(match issuer {
            "https://other-name.example" => Issuer::keys("https://somebody-else.example", secret()),
            "https://long.example" => Issuer::keys(issuer, secret()).max_lifetime(Duration::from_secs(86_400 * 1000)),
            "https://late.example" => Issuer::keys(issuer, secret()).leeway(seconds(60)),
            "https://contradictory.example" => Issuer::keys(issuer, secret()).audience("a").allow_any_audience(),
            "https://no-tls.example" => Issuer::jwks(issuer, "http://no-tls.example/jwks"),
            _ => Issuer::keys(issuer, secret()),
        })
    })
    .fetch_with(Provider::default().client())
    .clock(clock())
    .start_lazily()
    .unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(&[7; 32]).unwrap();
    let verify = async |issuer: &str| {
        let claims = test_support::claims_with("1", serde_json::json!({ "iss": issuer }));
        let header = serde_json::json!({ "alg": "HS256" });
        let token = test_support::sign(&header, &claims, jsonwebtoken::Algorithm::HS256, &key);
        verifier.verify(&token).await
    };
    for (issuer, expected) in [
        ("https://other-name.example", "another name"),
        ("https://long.example", "max_lifetime or leeway"),
        ("https://late.example", "max_lifetime or leeway"),
        ("https://contradictory.example", "allow_any_audience"),
        ("https://no-tls.example", "its scheme is not `https`"),
    ] {
        let error = verify(issuer).await.unwrap_err();
        assert!(matches!(error, VerifyError::Unavailable(_)), "{issuer}: {error:?}");
        assert!(format!("{error:?}").contains(expected), "{issuer}: {error:?}");
    }
    assert!(verify("https://fine.example").await.is_ok());
}

#[test]
fn a_verifier_of_tenants_must_be_started_and_allow_some() {
    let none = || JwtVerifier::issuers_by(|_| None);
    assert!(matches!(none().build(), Err(ConfigError::NotStarted)));
    assert!(matches!(none().start_lazily(), Err(ConfigError::NoRuntime)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _guard = runtime.enter();
    assert!(matches!(none().max_issuers(0).start_lazily(), Err(ConfigError::NoIssuers)));
    assert!(matches!(none().issuer("https://a.example").start_lazily(), Err(ConfigError::IssuerWithoutKeys(_))));
}

#[tokio::test(start_paused = true)]
async fn concurrent_first_tokens_of_a_tenant_start_one_fetch() {
    let key = SigningKey::new("one");
    let provider = Provider::default();
    publish(&provider, 0, &key);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let verifier = JwtVerifier::issuers_by(move |issuer| {
        counter.fetch_add(1, Ordering::SeqCst);
        Some(Issuer::jwks(issuer, format!("{issuer}/jwks")))
    })
    .fetch_with(provider.client())
    .clock(clock())
    .start_lazily()
    .unwrap();
    let logout = Logout::new(verifier, test_support::memory());
    let tokens: Vec<_> = (0..100).map(|number| key.token(&name(0), &number.to_string())).collect();
    let results = futures_util::future::join_all(tokens.iter().map(|token| check(&logout, token))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!((provider.take_requests().len(), asked.load(Ordering::SeqCst)), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// A token verifies if and only if the key of the issuer that it names has signed it.
    #[test]
    fn there_is_no_cross_talk(requests in proptest::collection::vec((0..40_usize, 0..40_usize, 0..3_usize), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let kids = ["a", "b", "c"];
            let keys: Vec<_> = (0..40).map(|number| SigningKey::new(kids[number % 3])).collect();
            let provider = Provider::default();
            keys.iter().enumerate().for_each(|(number, key)| publish(&provider, number, key));
            let logout = guard(&by(&provider, &tenants(30)).start_lazily().unwrap());
            for (index, (signer, named, kid)) in requests.into_iter().enumerate() {
                let header = serde_json::json!({ "kid": kids[kid] });
                let token = keys[signer].token_with(&name(named), &index.to_string(), &header);
                let expected = signer == named && named < 30 && kid == signer % 3;
                assert_eq!(check(&logout, &token).await.is_ok(), expected, "{signer} {named} {kid}");
            }
        });
    }
}

#[test]
fn a_thousand_tenants_are_served_and_take_a_few_kilobytes_each() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let _guard = runtime.enter();
    let provider = Provider::default();
    let keys: Vec<_> = (0..1000).map(|number| SigningKey::new(&number.to_string())).collect();
    keys.iter().enumerate().for_each(|(number, key)| publish(&provider, number, key));
    let tokens: Vec<_> = keys.iter().enumerate().map(|(number, key)| key.token(&name(number), "1")).collect();
    let verifier = by(&provider, &tenants(1000)).start_lazily().unwrap();
    // Tokens that the guard caches would count, too.
    let logout = Logout::new(verifier.clone(), test_support::memory()).token_cache(0, 0);
    let check_all = || {
        runtime.block_on(async {
            for token in &tokens {
                assert_eq!(check(&logout, token).await, Ok(()));
            }
        });
    };
    let first = allocation_counter::measure(check_all);
    let again = allocation_counter::measure(check_all);
    let bytes = (first.bytes_current - again.bytes_current) / 1000;
    assert!(bytes < 8 * 1024, "{bytes} bytes for each tenant");
    assert_eq!((provider.take_requests().len(), verifier.health().tenants), (1000, 1000));
    assert_eq!(verifier.retention().of_token(at(0)), tower_logout::revocation::Retention::default().of_token(at(0)));
}
