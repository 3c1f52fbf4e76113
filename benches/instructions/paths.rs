//! How many instructions the paths take that every request takes, and those beside them: the same number on a busy machine as on a quiet one.
//!
//! `cargo bench --manifest-path benches/instructions/Cargo.toml`, with `valgrind` and `gungraun-runner` of the same version as `gungraun` in
//! `benches/instructions/Cargo.lock` (`cargo install --locked gungraun-runner`). It fails if one of them takes 5 % more than is written
//! here. The numbers are of Rust 1.95 on x86-64.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../bare/mod.rs"]
mod bare;

use std::hint::black_box;

use aws_lc_rs::hmac;
use bare::{Bare, Body, settle};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use http::{Request, Response, header::AUTHORIZATION};
use tower::{Layer, Service};
use tower_logout::{
    Guard, JwtVerifier, MemoryStore, Revocation, RevocationKey, RevocationLayer, RevocationService, RevocationSet,
    RevocationStore, Timestamp, TokenIdentity, TokenVerifier,
};

type Checked = RevocationService<Bare, JwtVerifier, MemoryStore>;

fn token(number: usize) -> String {
    let claims = format!(
        r#"{{"iss":"{ISSUER}","sub":"usr_{number:03}","jti":"fresh-8d29-4b7e-9c1f-{number:012}","iat":1767225600,"exp":{FAR}}}"#
    );
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn requests() -> Vec<Request<Body>> {
    let request = |number| {
        let bearer = format!("Bearer {}", token(number));
        Request::get("/api/v1/me").header(AUTHORIZATION, bearer).body(Body::new()).unwrap()
    };
    (0..OFTEN).map(request).collect()
}

fn verifier() -> JwtVerifier {
    JwtVerifier::hs256(SECRET).issuer(ISSUER).max_lifetime(std::time::Duration::MAX).build().unwrap()
}

fn uncached() -> JwtVerifier {
    JwtVerifier::hs256(SECRET).issuer(ISSUER).max_lifetime(std::time::Duration::MAX).uncached().build().unwrap()
}

fn store(entries: usize) -> MemoryStore {
    let store = MemoryStore::new();
    (0..entries).for_each(|n| assert!(settle(store.revoke(&of_another(n))).is_ok()));
    store
}

fn of_another(n: usize) -> Revocation {
    Revocation::new(RevocationKey::token_id(ISSUER, &n.to_string()), Timestamp::MAX, Timestamp::MAX)
}

/// A service that has seen the requests before, and the requests.
fn known(entries: usize) -> (Checked, Vec<Request<Body>>) {
    let mut service = new(entries).0;
    for request in requests() {
        drop(call(&mut service, request));
    }
    (service, requests())
}

/// A service that has not.
fn new(entries: usize) -> (Checked, Vec<Request<Body>>) {
    (RevocationLayer::new(verifier(), store(entries)).layer(Bare), requests())
}

fn without_a_cache(entries: usize) -> (Checked, Vec<Request<Body>>) {
    let mut service = RevocationLayer::new(uncached(), store(entries)).layer(Bare);
    for request in requests() {
        drop(call(&mut service, request));
    }
    (service, requests())
}

type Decider = Guard<JwtVerifier, MemoryStore>;

fn guard(entries: usize) -> (Decider, Vec<Request<Body>>) {
    let guard = Guard::new(verifier(), store(entries));
    for request in requests().iter().chain(&requests()) {
        assert!(settle(guard.check(request.into())).is_ok());
    }
    (guard, requests())
}

/// The same, but what was found clean before has to be looked for again.
fn guard_after_a_revocation(entries: usize) -> (Decider, Vec<Request<Body>>) {
    let (guard, requests) = guard(entries);
    assert!(settle(guard.store().revoke(&of_another(usize::MAX))).is_ok());
    (guard, requests)
}

fn set(entries: usize) -> (RevocationSet, Vec<TokenIdentity>) {
    let set = RevocationSet::new();
    (0..entries).for_each(|n| assert!(set.join(&of_another(n)).is_ok()));
    let identity = |number| verifier().verify_now(&token(number)).unwrap().unwrap().identity().clone();
    (set, (0..OFTEN).map(identity).collect())
}

fn revocations(entries: usize) -> (MemoryStore, Vec<Revocation>) {
    (store(entries), (0..OFTEN).map(|n| of_another(usize::MAX - n)).collect())
}

fn call(service: &mut Checked, request: Request<Body>) -> Response<tower_logout::ResponseBody<Body>> {
    let response = settle(service.call(request)).unwrap_or_else(|never| match never {});
    assert!(response.status().is_success());
    response
}

#[library_benchmark]
#[bench::clean(config = at_most(DECISION), args = (1000), setup = guard)]
#[bench::after_a_revocation(config = at_most(DECISION_WITH_LOOKUP), args = (1000), setup = guard_after_a_revocation)]
fn decisions_on_known_tokens((guard, requests): (Decider, Vec<Request<Body>>)) -> impl Sized {
    for request in &requests {
        drop(black_box(settle(guard.check(request.into()))));
    }
    (guard, requests)
}

#[library_benchmark]
#[bench::known_tokens(config = at_most(KNOWN), args = (1000), setup = known)]
#[bench::new_tokens(config = at_most(NEW), args = (1000), setup = new)]
#[bench::without_a_cache(config = at_most(UNCACHED), args = (1000), setup = without_a_cache)]
fn checks((mut service, requests): (Checked, Vec<Request<Body>>)) -> impl Sized {
    for request in requests {
        drop(black_box(call(&mut service, request)));
    }
    service
}

#[library_benchmark]
#[bench::among_a_million(config = at_most(MISS), args = (1_000_000), setup = set)]
fn misses((set, tokens): (RevocationSet, Vec<TokenIdentity>)) -> impl Sized {
    for token in &tokens {
        black_box(set.is_revoked(token));
    }
    (set, tokens)
}

#[library_benchmark]
#[bench::in_memory(config = at_most(REVOCATION), args = (1000), setup = revocations)]
fn revoking((store, revocations): (MemoryStore, Vec<Revocation>)) -> impl Sized {
    for revocation in &revocations {
        let _ = black_box(settle(store.revoke(revocation)));
    }
    store
}

/// As many instructions each, and 5 % more, or it fails.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, OFTEN as u64 * instructions * 105 / 100)]);
    let mut config = LibraryBenchmarkConfig::default();
    // What the C library does at the first call of each of its functions is not ours.
    config.env("LD_BIND_NOW", "1").tool(callgrind);
    config
}

library_benchmark_group!(name = paths; benchmarks = decisions_on_known_tokens, checks, misses, revoking);
main!(library_benchmark_groups = paths);

/// The check alone, without a service.
const DECISION: u64 = 860;
const DECISION_WITH_LOOKUP: u64 = 1040;
/// The whole layer, with the request and the response, which the bare service needs as well.
const KNOWN: u64 = 3520;
const NEW: u64 = 38_800;
const UNCACHED: u64 = 37_200;
/// The store's part.
const MISS: u64 = 304;
const REVOCATION: u64 = 1140;

/// As hashes are seeded at random, one alone would not take as many each time.
const OFTEN: usize = 512;
const SECRET: [u8; 32] = [7; 32];
const ISSUER: &str = "https://issuer.example";
const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
/// The year 2100: the instructions are not to depend on the date.
const FAR: u64 = 4_102_444_800;
