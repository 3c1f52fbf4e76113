//! How many instructions the paths take that every request takes, and those beside them: the same number on a busy machine as on a quiet one.
//!
//! `cargo bench --bench instructions`, with `valgrind` and `gungraun-runner` of the same version as `gungraun` in `Cargo.lock` (`cargo install --locked gungraun-runner`). It fails if one of them takes 5 % more than is written
//! here. The numbers are of Rust 1.95 on x86-64.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use tower::{Layer, Service};
use tower_logout::{
    Guard, JwtVerifier, MemoryStore, Revocation, RevocationKey, RevocationLayer, RevocationService, RevocationSet,
    RevocationStore, Timestamp, TokenIdentity, TokenVerifier,
};

type Body = Empty<Bytes>;

/// The service behind the check.
#[derive(Clone)]
struct Inner;

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(request.extensions().len());
        ready(Ok(Response::new(Body::new())))
    }
}

type Checked = RevocationService<Inner, JwtVerifier, MemoryStore>;

fn token() -> String {
    let claims = format!(
        r#"{{"iss":"{ISSUER}","sub":"usr_123","jti":"fresh-8d29-4b7e-9c1f-000000000001","iat":1767225600,"exp":{FAR}}}"#
    );
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn request() -> Request<Body> {
    Request::get("/api/v1/me").header(AUTHORIZATION, format!("Bearer {}", token())).body(Body::new()).unwrap()
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

/// A service that has seen the request before, and the request.
fn warm(entries: usize) -> (Checked, Request<Body>) {
    let mut service = RevocationLayer::new(verifier(), store(entries)).layer(Inner);
    for _ in 0..3 {
        drop(call(&mut service, request()));
    }
    (service, request())
}

fn cold(entries: usize) -> (Checked, Request<Body>) {
    let mut service = RevocationLayer::new(uncached(), store(entries)).layer(Inner);
    drop(call(&mut service, request()));
    (service, request())
}

/// A service whose cache is full of other tokens' room, and a token that it has not seen.
fn first(entries: usize) -> (Checked, Request<Body>) {
    let service = RevocationLayer::new(verifier(), store(entries)).layer(Inner);
    (service, request())
}

fn guard(entries: usize) -> (Guard<JwtVerifier, MemoryStore>, Request<Body>) {
    let guard = Guard::new(verifier(), store(entries));
    for _ in 0..3 {
        assert!(settle(guard.check((&request()).into())).is_ok());
    }
    (guard, request())
}

fn identity() -> TokenIdentity {
    verifier().verify_now(&token()).unwrap().unwrap().identity().clone()
}

fn set(entries: usize) -> (RevocationSet, TokenIdentity) {
    let set = RevocationSet::new();
    (0..entries).for_each(|n| assert!(set.join(&of_another(n)).is_ok()));
    (set, identity())
}

fn call(service: &mut Checked, request: Request<Body>) -> Response<tower_logout::ResponseBody<Body>> {
    let response = settle(service.call(request)).unwrap_or_else(|never| match never {});
    assert!(response.status().is_success());
    response
}

fn settle<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

#[library_benchmark(setup = guard)]
#[bench::run(config = at_most(GUARD), args = (1000))]
fn a_warm_decision((guard, request): (Guard<JwtVerifier, MemoryStore>, Request<Body>)) -> impl Sized {
    black_box(settle(guard.check((&request).into()))).is_ok();
    (guard, request)
}

#[library_benchmark(setup = warm)]
#[bench::run(config = at_most(WARM), args = (1000))]
fn a_warm_check((mut service, request): (Checked, Request<Body>)) -> impl Sized {
    black_box(call(&mut service, request));
    service
}

#[library_benchmark(setup = first)]
#[bench::run(config = at_most(FIRST), args = (1000))]
fn a_first_check((mut service, request): (Checked, Request<Body>)) -> impl Sized {
    black_box(call(&mut service, request));
    service
}

#[library_benchmark(setup = cold)]
#[bench::run(config = at_most(COLD), args = (1000))]
fn a_cold_check((mut service, request): (Checked, Request<Body>)) -> impl Sized {
    black_box(call(&mut service, request));
    service
}

#[library_benchmark(setup = set)]
#[bench::run(config = at_most(MISS), args = (1_000_000))]
fn a_miss_among_a_million((set, token): (RevocationSet, TokenIdentity)) -> impl Sized {
    black_box(set.is_revoked(&token));
    (set, token)
}

#[library_benchmark(setup = store)]
#[bench::run(config = at_most(REVOCATION), args = (1000))]
fn a_revocation(store: MemoryStore) -> impl Sized {
    let _ = black_box(settle(store.revoke(&of_another(usize::MAX))));
    store
}

/// As many instructions, and 5 % more, or it fails.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions * 105 / 100)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

library_benchmark_group!(
    name = paths;
    benchmarks = a_warm_decision, a_warm_check, a_first_check, a_cold_check, a_miss_among_a_million, a_revocation
);
main!(library_benchmark_groups = paths);

const GUARD: u64 = 100_000;
const WARM: u64 = 100_000;
const FIRST: u64 = 100_000;
const COLD: u64 = 100_000;
const MISS: u64 = 100_000;
const REVOCATION: u64 = 100_000;

const SECRET: [u8; 32] = [7; 32];
const ISSUER: &str = "https://issuer.example";
const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
/// The year 2100: the instructions are not to depend on the date.
const FAR: u64 = 4_102_444_800;
