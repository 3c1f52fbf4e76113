//! The cost of a check with the cache of verified tokens, compared with the same check without it,
//! by the hit rate.

use std::{hint::black_box, sync::Arc, thread, time::Instant};

use bare::{Bare, Body};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use tower::{Layer, Service};
use tower_logout::{Logout, MemoryStore};

use crate::{Ours, Scheme, call, median, store_of};

/// Prints the ratios, with the bare service subtracted from both. The tokens are drawn at random,
/// so the hit rate is the ratio of the capacity to the tokens in use.
pub(crate) fn ratios() {
    let scheme = Scheme::hs256();
    let store = store_of(1000);
    let requests = scheme.tokens("drawn", 10 * CAPACITY, 3600);
    let uncached = layer(&scheme, &store, 0);
    for (hit_rate, capacity, tokens) in [
        ("100 %", CAPACITY, 1024),
        ("100 %", 2 * CAPACITY, CAPACITY),
        (" 50 %", CAPACITY, 2 * CAPACITY),
        (" 25 %", CAPACITY, 4 * CAPACITY),
        (" 10 %", CAPACITY, 10 * CAPACITY),
    ] {
        let requests = &requests[..tokens];
        let cached = layer(&scheme, &store, capacity);
        for request in requests.iter().cycle().take(4 * tokens) {
            drop(call(&mut cached.clone(), request));
        }
        let of = |threads| {
            let ratio = || {
                let bare = time(&Bare, requests, threads);
                let uncached = time(&uncached, requests, threads) - bare;
                (time(&cached, requests, threads) - bare) / uncached
            };
            median((0..ROUNDS).map(|_| ratio()).collect())
        };
        println!("{hit_rate} of {tokens:>6} tokens known: {:.2}, two threads: {:.2}", of(1), of(2));
    }
}

/// A layer whose cache has capacity for this many tokens of a KiB each.
fn layer(scheme: &Scheme, store: &Arc<MemoryStore>, capacity: usize) -> Ours {
    let logout = Logout::new(scheme.verifier().build().unwrap(), Arc::clone(store));
    logout.token_cache(capacity, capacity << 10).layer().layer(Bare)
}

/// The time of a thread for its calls, each with a random request.
fn time<S>(service: &S, requests: &[Request<Body>], threads: usize) -> f64
where
    S: Service<Request<Body>> + Clone + Send + Sync,
{
    let run = || {
        let mut service = service.clone();
        let start = Instant::now();
        for _ in 0..CALLS {
            let request = received(&requests[fastrand::usize(..requests.len())]);
            drop(black_box(call(&mut service, &request)));
        }
        start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// A request as a server has it: its token has just been read and is in the processor's cache.
fn received(request: &Request<Body>) -> Request<Body> {
    let mut received = request.clone();
    let token = HeaderValue::from_bytes(request.headers()[AUTHORIZATION].as_bytes()).unwrap();
    received.headers_mut().insert(AUTHORIZATION, token);
    received
}

/// The default capacity of the cache.
const CAPACITY: usize = 16_384;
const CALLS: usize = 10_000;
pub(crate) const ROUNDS: usize = 31;
