//! The cost of a check by the number of issuers, and while tokens with unknown keys arrive.

use std::{
    convert::Infallible,
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_logout::{
    JwtVerifier,
    token::{
        TokenVerifier,
        jwt::{Issuer, JwtVerifierBuilder, KeySet},
    },
};

use crate::median;

/// An issuer's signing key.
pub(super) struct Signer {
    pub(super) kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(super) fn new(kid: usize) -> Self {
        Self { kid: format!("key-{kid}"), pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    pub(super) fn key_set(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y }] }).to_string()
    }

    pub(super) fn token(&self, issuer: &str, kid: &str, number: usize) -> String {
        let now = jsonwebtoken::get_current_timestamp();
        let claims =
            json!({ "iss": issuer, "sub": "usr_123", "jti": format!("{number:08}"), "iat": now, "exp": now + 3600 });
        self.sign(kid, &claims)
    }

    pub(super) fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": kid }).to_string();
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) fn name(number: usize) -> String {
    format!("https://issuer-{number:04}.example")
}

/// Verifying a token, and checking it once it is known, with 10 and with 1,000 issuers instead of
/// one: medians of the ratios.
pub(super) fn by_number() {
    let signer = Signer::new(0);
    let token = signer.token(&name(0), &signer.kid, 0);
    let verifiers = [1, 10, 1000].map(|count| {
        let issuers = (0..count).map(|number| {
            let signer = if number == 0 { &signer } else { &Signer::new(number) };
            Issuer::keys(name(number), KeySet::jwks(&signer.key_set()).unwrap())
        });
        JwtVerifier::issuers(issuers).build().unwrap()
    });
    let mut services = verifiers.clone().map(crate::guarded);
    let request = crate::request(&token);
    let (mut uncached, mut known) = (Vec::new(), Vec::new());
    for _ in 0..301 {
        uncached.push(
            verifiers
                .each_ref()
                .map(|verifier| time(64, || drop(black_box(verifier.verify_now(&token).unwrap().unwrap())))),
        );
        known.push(services.each_mut().map(|service| time(4096, || drop(black_box(crate::call(service, &request))))));
    }
    for (what, times) in [("a token, verified", uncached), ("a known token", known)] {
        let ratio = |index: usize| median(times.iter().map(|times: &[f64; 3]| times[index] / times[0]).collect());
        println!("{what}: with 10 issuers {:.3}, with 1,000 {:.3} of the cost with one", ratio(1), ratio(2));
    }
}

pub(super) fn time(times: usize, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        run();
    }
    start.elapsed().as_secs_f64()
}

/// The 99th percentile of verifying tokens that were not seen before, whose key is known, while
/// another thread does something.
pub(super) fn during_a_flood() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let signer = Signer::new(0);
    let verifier = runtime.block_on(fetched(&signer).start()).unwrap();
    let elsewhere = runtime.block_on(fetched(&signer).start()).unwrap();
    let tokens: Vec<_> = (0..4096).map(|number| signer.token(&name(0), &signer.kid, number)).collect();
    let unknown: Vec<_> =
        (0..4096).map(|number| signer.token(&name(0), &format!("unknown-{number}"), number)).collect();
    let p99 = |flooded: Option<&JwtVerifier>| {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            if let Some(flooded) = flooded {
                scope.spawn(|| {
                    for token in unknown.iter().cycle() {
                        drop(black_box(flooded.verify_now(token)));
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                });
            }
            let mut times: Vec<_> = tokens
                .iter()
                .map(|token| time(1, || drop(black_box(verifier.verify_now(token).unwrap().unwrap()))))
                .collect();
            done.store(true, Ordering::Relaxed);
            times.sort_by(f64::total_cmp);
            times[times.len() * 99 / 100]
        })
    };
    let turns: Vec<_> = (0..21).map(|_| [p99(None), p99(Some(&elsewhere)), p99(Some(&verifier))]).collect();
    let ratio = |index: usize, of: usize| median(turns.iter().map(|turn| turn[index] / turn[of]).collect());
    println!(
        "p99 of a token with a known key during a flood of unknown ones: {:.2} of that without, {:.2} of that during a \
         flood of another verifier",
        ratio(2, 0),
        ratio(2, 1)
    );
}

/// A verifier whose keys are fetched from this process.
fn fetched(signer: &Signer) -> JwtVerifierBuilder {
    let key_set = signer.key_set();
    let client = move |_: Request<Bytes>| {
        let key_set = key_set.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(key_set)))
        }
    };
    JwtVerifier::jwks(name(0), "https://issuer.example/jwks").fetch_with(client)
}
