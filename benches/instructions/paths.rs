//! The number of instructions of the paths that every request takes, which does not depend on the
//! load of the machine.
//!
//! `cargo bench --manifest-path benches/instructions/Cargo.toml`, with `valgrind` and a
//! `gungraun-runner` of the same version as `gungraun` in `Cargo.lock` (`cargo install --locked
//! gungraun-runner`). The benchmark fails if a path takes 5 % more than the numbers below, which
//! are of Rust 1.95 on x86-64.
#![allow(missing_docs, clippy::unwrap_used)]

mod connection;

use std::hint::black_box;

use aws_lc_rs::hmac;
use axum::{Router, routing::get};
use bare::{Bare, Body, settle};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use http::{Request, Response, header::AUTHORIZATION};
use tower::{Layer, Service};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    clock::Timestamp,
    middleware::{ResponseBody, RevocationService},
    revocation::{Revocation, RevocationKey, TokenIdentity},
    set::RevocationSet,
    token::TokenVerifier,
};

type Checked = RevocationService<Bare>;

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

fn store(entries: usize) -> MemoryStore {
    let store = MemoryStore::new();
    (0..entries).for_each(|n| assert!(settle(store.revoke(&of_another(n))).is_ok()));
    store
}

fn of_another(n: usize) -> Revocation {
    Revocation::new(RevocationKey::token_id(ISSUER, &n.to_string()), Timestamp::MAX, Timestamp::MAX)
}

/// A service that has cached the requests' tokens, and the requests.
fn known(entries: usize) -> (Checked, Vec<Request<Body>>) {
    let mut service = new(entries).0;
    for request in requests() {
        drop(call(&mut service, request));
    }
    (service, requests())
}

/// A service with an empty cache.
fn new(entries: usize) -> (Checked, Vec<Request<Body>>) {
    (Logout::new(verifier(), store(entries)).layer().layer(Bare), requests())
}

fn without_a_cache(entries: usize) -> (Checked, Vec<Request<Body>>) {
    let mut service = Logout::new(verifier(), store(entries)).token_cache(0, 0).layer().layer(Bare);
    for request in requests() {
        drop(call(&mut service, request));
    }
    (service, requests())
}

fn decider(entries: usize) -> (Logout, Vec<Request<Body>>) {
    let logout = Logout::new(verifier(), store(entries));
    for request in requests().iter().chain(&requests()) {
        assert!(settle(logout.check(request.into())).is_ok());
    }
    (logout, requests())
}

/// The bytes of the requests on a connection, and axum's service behind the layer, which has cached
/// their tokens.
fn guarded(entries: usize) -> (Router, Vec<u8>) {
    let logout = Logout::new(verifier(), store(entries));
    for request in requests().iter().chain(&requests()) {
        assert!(settle(logout.check(request.into())).is_ok());
    }
    (routes().layer(logout.axum_layer()), connection::bytes(&requests()))
}

fn unguarded(_: usize) -> (Router, Vec<u8>) {
    (routes(), connection::bytes(&requests()))
}

fn routes() -> Router {
    Router::new().route("/api/v1/me", get(async || "usr_123"))
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

fn call(service: &mut Checked, request: Request<Body>) -> Response<ResponseBody<Body>> {
    let response = settle(service.call(request)).unwrap_or_else(|never| match never {});
    assert!(response.status().is_success());
    response
}

#[library_benchmark]
#[bench::of_a_guard(config = at_most(DECISION), args = (1000), setup = decider)]
fn decisions_on_known_tokens((logout, requests): (Logout, Vec<Request<Body>>)) -> impl Sized {
    for request in &requests {
        drop(black_box(settle(logout.check(request.into()))));
    }
    (logout, requests)
}

#[library_benchmark]
#[bench::guarded(config = at_most(AXUM_GUARDED), args = (1000), setup = guarded)]
#[bench::unguarded(config = at_most(AXUM), args = (1000), setup = unguarded)]
fn through_axum((router, bytes): (Router, Vec<u8>)) -> impl Sized {
    // Dropping the router is not part of the measurement.
    assert_eq!(connection::serve(router.clone(), bytes), OFTEN);
    router
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

/// Fails if a path takes 5 % more instructions.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, OFTEN as u64 * instructions * 105 / 100)]);
    let mut config = LibraryBenchmarkConfig::default();
    // The C library's work at the first call of its functions is not part of the measurement.
    config.env("LD_BIND_NOW", "1").tool(callgrind);
    config
}

library_benchmark_group!(name = paths; benchmarks = decisions_on_known_tokens, checks, through_axum, misses, revoking);
main!(library_benchmark_groups = paths);

/// The check alone, without a service.
const DECISION: u64 = 840;
/// A request on a connection of an axum server, without and with the layer. Any layer costs 1,220
/// there, even one that does nothing, and two request extensions cost 570.
const AXUM: u64 = 11_350;
const AXUM_GUARDED: u64 = 14_480;
/// The whole layer, including the request and the response, which the bare service needs as well.
const KNOWN: u64 = 3500;
const NEW: u64 = 35_500;
const UNCACHED: u64 = 34_560;
/// The store's share.
const MISS: u64 = 304;
const REVOCATION: u64 = 1120;

/// Hashes are seeded at random, so a single call would vary.
const OFTEN: usize = 512;
const SECRET: [u8; 32] = [7; 32];
const ISSUER: &str = "https://issuer.example";
const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
/// The year 2100: the number of instructions must not depend on the date.
const FAR: u64 = 4_102_444_800;
