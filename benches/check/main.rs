//! The cost of a check for a request, compared with no check and with a hand-written one.
//!
//! `cargo bench --bench check`. The last lines of the output are ratios, measured in alternation
//! within one run. `benches/set/` measures the cost by the size of the set of revocations.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

mod cache;
#[cfg(feature = "receivers")]
mod forged;
mod issuers;

use std::{
    collections::HashSet,
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use bare::{Answer, Bare, Body, settle};
use base64::{Engine, engine::general_purpose::STANDARD};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, measurement::WallTime};
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm as Alg, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tower::{Layer, Service};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    clock::Timestamp,
    middleware::RevocationService,
    revocation::{Revocation, RevocationKey},
    token::{
        TokenVerifier,
        jwt::{Algorithm, JwtVerifierBuilder, Key},
    },
};

#[derive(Clone, Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    jti: String,
    iat: u64,
    exp: u64,
}

/// The hand-written check: decode, look up, insert.
#[derive(Clone)]
struct ByHand {
    inner: Bare,
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
    revoked: Arc<Mutex<HashSet<String>>>,
}

impl Service<Request<Body>> for ByHand {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Ready<Answer> {
        let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let claims = token.and_then(|token| jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).ok());
        match claims {
            Some(data) if !self.revoked.lock().unwrap().contains(&data.claims.jti) => {
                request.extensions_mut().insert(data.claims);
                self.inner.call(request)
            }
            _ => {
                let mut response = Response::new(Body::new());
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                ready(Ok(response))
            }
        }
    }
}

type Ours = RevocationService<Bare, Claims>;

struct Scheme {
    algorithm: Algorithm,
    library: Alg,
    signing: EncodingKey,
    decoding: DecodingKey,
    key: Key,
}

impl Scheme {
    fn hs256() -> Self {
        let secret = [7; 32];
        Self {
            algorithm: Algorithm::HS256,
            library: Alg::HS256,
            signing: EncodingKey::from_secret(&secret).unwrap(),
            decoding: DecodingKey::from_secret(&secret).unwrap(),
            key: Key::secret(Algorithm::HS256, secret).unwrap(),
        }
    }

    fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let private = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
        Self {
            algorithm: Algorithm::ES256,
            library: Alg::ES256,
            signing: EncodingKey::from_ec_pem(private.as_bytes()).unwrap(),
            decoding: DecodingKey::from_ec_pem(pem("PUBLIC KEY", spki.as_ref()).as_bytes()).unwrap(),
            key: Key::der(Algorithm::ES256, spki.as_ref()).unwrap(),
        }
    }

    fn rs256() -> Self {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        Self {
            algorithm: Algorithm::RS256,
            library: Alg::RS256,
            signing: EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap(),
            decoding: DecodingKey::from_rsa_pem(pem("PUBLIC KEY", spki.as_ref()).as_bytes()).unwrap(),
            key: Key::der(Algorithm::RS256, spki.as_ref()).unwrap(),
        }
    }

    /// Tokens whose `jti` begins with `name`, with a lifetime of `lifetime` seconds from now.
    fn tokens(&self, name: &str, count: usize, lifetime: i64) -> Vec<Request<Body>> {
        let now = jsonwebtoken::get_current_timestamp();
        let exp = now.checked_add_signed(lifetime).unwrap();
        let token = |n| {
            let (iss, sub) = (ISSUER.to_owned(), format!("usr_{n}"));
            let jti = format!("{name}-8d29-4b7e-9c1f-{n:012}");
            let claims = Claims { iss, sub, jti, iat: exp.min(now) - 60, exp };
            request(&jsonwebtoken::encode(&Header::new(self.library), &claims, &self.signing).unwrap())
        };
        (0..count).map(token).collect()
    }

    /// A layer without a cache of verified tokens.
    fn uncached(&self, store: &Arc<MemoryStore>) -> Ours {
        Logout::new(self.verifier().build().unwrap(), Arc::clone(store)).token_cache(0, 0).layer().layer(Bare)
    }

    /// A layer that has cached these requests' tokens.
    fn knowing(&self, store: &Arc<MemoryStore>, requests: &[Request<Body>]) -> Ours {
        let mut ours = Logout::new(self.verifier().build().unwrap(), Arc::clone(store)).layer().layer(Bare);
        for request in requests {
            drop(call(&mut ours, request));
        }
        ours
    }

    fn verifier(&self) -> JwtVerifierBuilder<Claims> {
        JwtVerifier::with_keys(self.key.clone()).issuer(ISSUER).claims().require_jti()
    }

    fn by_hand(&self, revoked: &Arc<Mutex<HashSet<String>>>) -> ByHand {
        let mut validation = Validation::new(self.library);
        validation.set_issuer(&[ISSUER]);
        ByHand {
            inner: Bare,
            key: Arc::new(self.decoding.clone()),
            validation: Arc::new(validation),
            revoked: Arc::clone(revoked),
        }
    }
}

/// A layer with this verifier and an empty store.
fn guarded(verifier: JwtVerifier) -> RevocationService<Bare> {
    Logout::new(verifier, MemoryStore::new()).layer().layer(Bare)
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn request(token: &str) -> Request<Body> {
    Request::get("/api/v1/me").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::new()).unwrap()
}

/// One call, which must be ready at once.
fn call<S: Service<Request<Body>>>(service: &mut S, request: &Request<Body>) -> S::Response {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    match pin!(service.call(request.clone())).poll(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        _ => unreachable!("nothing here waits or fails"),
    }
}

/// A store with this many live revocations of other tokens, with keys of every kind.
fn store_of(entries: usize) -> Arc<MemoryStore> {
    let store = MemoryStore::new().capacity(usize::MAX);
    for n in 0..entries {
        let _ = settle(store.revoke(&of_another(n, Timestamp::MAX)));
    }
    Arc::new(store)
}

fn of_another(n: usize, until: Timestamp) -> Revocation {
    Revocation::new(RevocationKey::token_id(ISSUER, &format!("other-{n:012}")), Timestamp::MAX, until)
}

const ISSUER: &str = "https://issuer.example";
const LIVE_TOKENS: usize = 1024;

fn each<S: Service<Request<Body>>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: impl Into<String>,
    service: &mut S,
    requests: &[Request<Body>],
) {
    let mut requests = requests.iter().cycle();
    group.bench_function(BenchmarkId::from_parameter(name.into()), |bencher| {
        bencher.iter(|| call(service, requests.next().unwrap()));
    });
}

fn by_token(criterion: &mut Criterion) {
    let scheme = Scheme::hs256();
    let store = store_of(100_000);
    let mut ours = scheme.uncached(&store);
    let fresh = scheme.tokens("fresh", LIVE_TOKENS, 3600);
    let revoked = scheme.tokens("revoked", LIVE_TOKENS, 3600);
    let verifier = JwtVerifier::with_keys(scheme.key.clone()).build().unwrap();
    for request in &revoked {
        let token = verifier.verify_now(token_of(request)).unwrap().unwrap();
        let _ = settle(store.revoke(&Revocation::of_token(token.identity()))).unwrap();
    }
    let mut group = criterion.benchmark_group("HS256, 100 thousand revoked");
    each(&mut group, "bare service", &mut Bare, &fresh);
    each(&mut group, "known token", &mut scheme.knowing(&store, &fresh), &fresh);
    each(&mut group, "known and revoked token", &mut scheme.knowing(&store, &revoked), &revoked);
    each(&mut group, "token, uncached", &mut ours, &fresh);
    each(&mut group, "revoked token, uncached", &mut ours, &revoked);
    each(&mut group, "expired token", &mut ours, &scheme.tokens("expired", LIVE_TOKENS, -60));
    each(&mut group, "no token", &mut ours, &[Request::new(Body::new())]);
    each(&mut group, "by hand", &mut scheme.by_hand(&Arc::default()), &fresh);
    group.finish();
}

fn by_algorithm(criterion: &mut Criterion) {
    let store = store_of(1000);
    let mut group = criterion.benchmark_group("uncached, 1 thousand revoked");
    for scheme in [Scheme::hs256(), Scheme::es256(), Scheme::rs256()] {
        let fresh = scheme.tokens("fresh", LIVE_TOKENS, 3600);
        each(&mut group, scheme.algorithm.to_string(), &mut scheme.uncached(&store), &fresh);
        let by_hand = format!("{} by hand", scheme.algorithm);
        each(&mut group, by_hand, &mut scheme.by_hand(&Arc::default()), &fresh);
    }
    group.finish();
}

fn by_size(criterion: &mut Criterion) {
    let scheme = Scheme::hs256();
    let fresh = scheme.tokens("fresh", LIVE_TOKENS, 3600);
    let mut group = criterion.benchmark_group("HS256, known token, entries");
    for entries in [0, 1000, 1_000_000, 10_000_000] {
        each(&mut group, entries.to_string(), &mut scheme.knowing(&store_of(entries), &fresh), &fresh);
    }
    group.finish();
}

/// Checks of cached tokens per second: of two threads, compared with one; and of one while another
/// revokes ten thousand per second, compared with one alone.
fn together() {
    let scheme = Scheme::hs256();
    let (store, fresh) = (store_of(100_000), scheme.tokens("fresh", LIVE_TOKENS, 3600));
    let ours = scheme.knowing(&store, &fresh);
    let revoked = AtomicUsize::new(0);
    let rate = |threads: usize, writes: bool| {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let check = || {
                let mut service = ours.clone();
                let start = Instant::now();
                for request in fresh.iter().cycle().take(64 * LIVE_TOKENS) {
                    drop(black_box(call(&mut service, request)));
                }
                64.0 * LIVE_TOKENS as f64 / start.elapsed().as_secs_f64()
            };
            let write = || {
                let start = Instant::now();
                for turn in 1.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let number = 100_000 + revoked.fetch_add(1, Ordering::Relaxed);
                    let _ = settle(store.revoke(&of_another(number, Timestamp::MAX))).unwrap();
                    let due = start + Duration::from_micros(100) * turn;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            };
            if writes {
                scope.spawn(write);
            }
            let checking: Vec<_> = (0..threads).map(|_| scope.spawn(check)).collect();
            let rate = checking.into_iter().map(|thread| thread.join().unwrap()).sum::<f64>();
            done.store(true, Ordering::Relaxed);
            rate
        })
    };
    let turns: Vec<_> = (0..31).map(|_| (rate(1, false), rate(2, false), rate(1, true))).collect();
    let of = |ratio: fn(&(f64, f64, f64)) -> f64| median(turns.iter().map(ratio).collect());
    println!("two threads: {:.2} of the checks of one", of(|(one, two, _)| two / one));
    println!("with 10,000 revocations a second: {:.2} of the checks of one alone", of(|(one, _, beside)| beside / one));
}

/// The cost of a check compared with the hand-written one, measured in alternation: medians of the
/// ratios.
struct Ratios {
    /// Verifying a token and asking the store, without a service.
    verification: f64,
    /// The whole layer, with the bare service subtracted from both.
    layer: f64,
    /// The same for cached tokens.
    known: f64,
}

fn ratios(scheme: &Scheme) -> Ratios {
    let fresh = scheme.tokens("fresh", LIVE_TOKENS, 3600);
    let store = store_of(100_000);
    let (mut ours, mut by_hand) = (scheme.uncached(&store), scheme.by_hand(&Arc::default()));
    let mut knowing = scheme.knowing(&store, &fresh);
    let (verifier, hand) = (scheme.verifier().build().unwrap(), by_hand.clone());
    let time = |run: &mut dyn FnMut(&Request<Body>)| {
        let start = Instant::now();
        for request in &fresh {
            run(request);
        }
        start.elapsed().as_secs_f64()
    };
    let (mut verification, mut layer, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..101 {
        let verify = time(&mut |request| {
            let token = verifier.verify_now(token_of(request)).unwrap().unwrap();
            assert!(!store.is_revoked_now(token.identity()).unwrap().unwrap());
        });
        let decode = time(&mut |request| {
            let data = jsonwebtoken::decode::<Claims>(token_of(request), &hand.key, &hand.validation).unwrap();
            assert!(!hand.revoked.lock().unwrap().contains(&data.claims.jti));
        });
        verification.push(verify / decode);
        let bare = time(&mut |request| drop(black_box(call(&mut Bare, request))));
        let ours = time(&mut |request| drop(black_box(call(&mut ours, request))));
        let knowing = time(&mut |request| drop(black_box(call(&mut knowing, request))));
        let by_hand = time(&mut |request| drop(black_box(call(&mut by_hand, request))));
        layer.push((ours - bare) / (by_hand - bare));
        known.push((knowing - bare) / (by_hand - bare));
    }
    Ratios { verification: median(verification), layer: median(layer), known: median(known) }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn token_of(request: &Request<Body>) -> &str {
    request.headers()[AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    by_token(&mut criterion);
    by_algorithm(&mut criterion);
    by_size(&mut criterion);
    criterion.final_summary();

    // Skipped if the benchmarks are only tested or listed.
    if std::env::args().any(|arg| arg == "--bench") {
        println!(
            "\ncost beside that of the one by hand (medians of 101): verification alone, the whole layer, and of known tokens"
        );
        for scheme in [Scheme::hs256(), Scheme::es256(), Scheme::rs256()] {
            let Ratios { verification, layer, known } = ratios(&scheme);
            println!("{}: {verification:.2}, {layer:.2}, {known:.3}", scheme.algorithm);
        }
        println!("\ncost by the number of issuers (medians of 301), and during a flood (medians of 21)");
        issuers::by_number();
        issuers::during_a_flood();
        #[cfg(feature = "receivers")]
        forged::during_a_flood();
        println!("\nchecks of known tokens a second (medians of 31)");
        together();
        println!("\ncost with the cache of verified tokens beside that without (medians of {})", cache::ROUNDS);
        cache::ratios();
    }
}
