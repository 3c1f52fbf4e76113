//! The cost of a check with a replica, compared with the store in memory and with asking Redis.

use std::{
    convert::Infallible,
    hint::black_box,
    sync::Arc,
    task::{Context, Waker},
    time::Instant,
};

use bare::{Bare, Body, settle};
use criterion::Criterion;
use http::{Request, header::AUTHORIZATION};
use jsonwebtoken::{EncodingKey, Header};
use redis::{aio::MultiplexedConnection, cmd};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RedisStore, Replica, RevocationStore, middleware::RevocationService,
    revocation::TokenIdentity, token::TokenVerifier,
};

use crate::{
    Run,
    backend::{Backend, ISSUER, LIFETIME, new_revocation, now},
    on_redis::OnRedis,
    statistics::{Sorted, time},
    table::{Table, rounded, seconds},
};

pub(crate) fn measure(run: &Run, criterion: &mut Criterion, server: &OnRedis) -> Vec<Table> {
    let _inside = run.runtime.enter();
    let entries = run.choose(100_000, 1000);
    let memory = Arc::new(MemoryStore::new());
    for _ in 0..entries {
        let _ = settle(memory.revoke(&new_revocation())).unwrap();
    }
    let replica = Arc::new(run.runtime.block_on(async {
        server.fill(entries).await;
        let replica = Replica::start(server.store().await);
        replica.ready().await.unwrap();
        replica
    }));
    assert_eq!(replica.len(), memory.len());
    let mut subjects = Subjects::new(memory, replica, server);
    subjects.by_criterion(criterion);
    subjects.in_turn(run.choose(101, 1))
}

struct Subjects {
    requests: Vec<Request<Body>>,
    tokens: Vec<TokenIdentity>,
    memory: Arc<MemoryStore>,
    replica: Arc<Replica<RedisStore>>,
    /// The whole layer with either store.
    over_memory: Checked,
    over_replica: Checked,
    redis: Exists,
}

impl Subjects {
    fn new(memory: Arc<MemoryStore>, replica: Arc<Replica<RedisStore>>, server: &OnRedis) -> Self {
        let verifier = || JwtVerifier::hs256(SECRET).issuer(ISSUER).claims().require_jti().build().unwrap();
        let requests: Vec<_> = (0..LIVE_TOKENS).map(request).collect();
        let tokens: Vec<_> = requests.iter().map(|request| identity(&verifier(), request)).collect();
        let over_memory = Logout::new(verifier(), Arc::clone(&memory)).layer().layer(Bare);
        let over_replica = Logout::new(verifier(), Arc::clone(&replica)).layer().layer(Bare);
        let redis = Exists::connect(server);
        Self { requests, tokens, memory, replica, over_memory, over_replica, redis }
    }

    fn by_criterion(&mut self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("check, the store's part");
        let mut tokens = self.tokens.iter().cycle();
        group.bench_function("MemoryStore", |bencher| {
            bencher.iter(|| self.memory.is_revoked_now(tokens.next().unwrap()));
        });
        let mut tokens = self.tokens.iter().cycle();
        group.bench_function("Replica", |bencher| bencher.iter(|| self.replica.is_revoked_now(tokens.next().unwrap())));
        let mut tokens = self.tokens.iter().cycle();
        let redis = &mut self.redis;
        group.bench_function("EXISTS", |bencher| bencher.iter(|| redis.ask(tokens.next().unwrap())));
        group.bench_function("EXISTS, blocking", |bencher| bencher.iter(|| redis.block(tokens.next().unwrap())));
        group.finish();
        let mut group = criterion.benchmark_group("check, the whole layer");
        let mut requests = self.requests.iter().cycle();
        let over_memory = &mut self.over_memory;
        group.bench_function("MemoryStore", |bencher| bencher.iter(|| call(over_memory, requests.next().unwrap())));
        let over_replica = &mut self.over_replica;
        group.bench_function("Replica", |bencher| bencher.iter(|| call(over_replica, requests.next().unwrap())));
        group.finish();
    }

    /// All of them in alternation, so that slow phases of the machine affect all.
    fn in_turn(&mut self, rounds: usize) -> Vec<Table> {
        let turns: Vec<_> = (0..rounds).map(|_| self.turn()).collect();
        let of = |what: fn(&Turn) -> f64| Sorted::new(turns.iter().map(what)).median();
        let mut beside_memory = Table::with_head(&["a check", "`MemoryStore`", "`Replica`", "ratio"]);
        let mut row = |name: String, memory: fn(&Turn) -> f64, replica: fn(&Turn) -> f64| {
            let ratio = Sorted::new(turns.iter().map(|turn| replica(turn) / memory(turn))).median();
            beside_memory.row([name, seconds(of(memory)), seconds(of(replica)), rounded(ratio)]);
        };
        let clock = seconds(of(|turn| turn.clock));
        row(
            format!("the store's part, nothing revoked since; one look at the clock takes {clock}"),
            |turn| turn.memory,
            |turn| turn.replica,
        );
        row("the store's part, looked up".to_owned(), |turn| turn.memory_anew, |turn| turn.replica_anew);
        row("the whole layer, HS256, known tokens".to_owned(), |turn| turn.over_memory, |turn| turn.over_replica);
        let mut beside_redis =
            Table::with_head(&["one `EXISTS` for each request", "time", "ratio to the store's part of a `Replica`"]);
        let asked = of(|turn| turn.exists / turn.replica);
        beside_redis.row(["by Tokio".to_owned(), seconds(of(|turn| turn.exists)), rounded(asked)]);
        beside_redis.row([
            "by a thread that blocks".to_owned(),
            seconds(of(|turn| turn.blocking)),
            rounded(of(|turn| turn.blocking / turn.replica)),
        ]);
        vec![beside_memory, beside_redis]
    }

    fn turn(&mut self) -> Turn {
        let Self { requests, tokens, memory, replica, over_memory, over_replica, redis } = self;
        let not_revoked = |answer| assert!(matches!(answer, Some(Ok(false))));
        Turn {
            clock: each(tokens, CALLS, |_| _ = black_box(Instant::now())),
            memory: each(tokens, CALLS, |_| assert!(memory.generation().is_some())),
            replica: each(tokens, CALLS, |_| assert!(replica.generation().is_some())),
            memory_anew: each(tokens, CALLS, |token| not_revoked(memory.is_revoked_now(token))),
            replica_anew: each(tokens, CALLS, |token| not_revoked(replica.is_revoked_now(token))),
            over_memory: each(requests, CALLS, |request| drop(black_box(call(over_memory, request)))),
            over_replica: each(requests, CALLS, |request| drop(black_box(call(over_replica, request)))),
            exists: each(tokens, ROUND_TRIPS, |token| redis.ask(token)),
            blocking: each(tokens, ROUND_TRIPS, |token| redis.block(token)),
        }
    }
}

/// The durations in seconds.
struct Turn {
    clock: f64,
    /// For the generation: all that a store is asked about a cached token since which nothing was
    /// revoked.
    memory: f64,
    replica: f64,
    memory_anew: f64,
    replica_anew: f64,
    over_memory: f64,
    over_replica: f64,
    exists: f64,
    blocking: f64,
}

#[expect(clippy::cast_precision_loss, reason = "so many calls are not made")]
fn each<T>(items: &[T], calls: usize, call: impl FnMut(&T)) -> f64 {
    time(|| items.iter().cycle().take(calls).for_each(call)) / calls as f64
}

/// A check that asks Redis each time: one connection, one request after the other.
struct Exists {
    /// Single-threaded, which is the fastest for one caller.
    runtime: Runtime,
    wire: MultiplexedConnection,
    blocking: redis::Connection,
}

impl Exists {
    fn connect(server: &OnRedis) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let wire = runtime.block_on(server.wire());
        Self { runtime, wire, blocking: server.client().get_connection().unwrap() }
    }

    fn ask(&mut self, token: &TokenIdentity) {
        let answer = self.runtime.block_on(exists(token).query_async::<bool>(&mut self.wire));
        assert!(!answer.unwrap());
    }

    fn block(&mut self, token: &TokenIdentity) {
        assert!(!exists(token).query::<bool>(&mut self.blocking).unwrap());
    }
}

fn exists(token: &TokenIdentity) -> redis::Cmd {
    let mut exists = cmd("EXISTS");
    exists.arg(token.own_key().as_bytes());
    exists
}

type Checked = RevocationService<Bare, Claims>;

#[derive(Clone, Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    jti: String,
    iat: u64,
    exp: u64,
}

/// One call, which must be ready at once.
fn call<S: Service<Request<Body>, Error = Infallible>>(service: &mut S, request: &Request<Body>) -> S::Response {
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    settle(service.call(request.clone())).unwrap_or_else(|never| match never {})
}

fn request(number: usize) -> Request<Body> {
    let now = now().as_unix_millis() / 1000;
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: format!("usr_{number}"),
        jti: format!("fresh000-8d29-4b7e-9c1f-{number:012}"),
        iat: now - 60,
        exp: now + LIFETIME.as_secs(),
    };
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(&SECRET).unwrap()).unwrap();
    Request::get("/api/v1/me").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::new()).unwrap()
}

fn identity(verifier: &JwtVerifier<Claims>, request: &Request<Body>) -> TokenIdentity {
    let token = request.headers()[AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    verifier.verify_now(token).unwrap().unwrap().identity().clone()
}

const SECRET: [u8; 32] = [7; 32];
const LIVE_TOKENS: usize = 1024;
const CALLS: usize = 4 * LIVE_TOKENS;
const ROUND_TRIPS: usize = 64;
