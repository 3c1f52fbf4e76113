//! All checks in alternation, round after round, so that disturbances affect all of them.

use bare::{Bare, settle};
use http::Response;
use jsonwebtoken::Validation;
use tower_logout::token::TokenVerifier;

use crate::{
    check::{self, Check},
    decode::{decoding_key, validation},
    floors,
    machine::Origin,
    peers::{
        self, Peer,
        ours::{self, Cache},
    },
    results::{Floor, Measured, OfAlgorithm, Peers},
    sample::{Claims, Sample},
    scheme::{Scheme, token_id},
    spread::Spread,
    versions::Lock,
};

/// The total duration.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// For each check and round, in nanoseconds. Shorter than the scheduler's time slices, so that
    /// most rounds are not interrupted.
    pub(crate) time: f64,
    pub(crate) revoked: usize,
}

pub(crate) fn all(plan: Plan) -> Peers {
    let (origin, lock) = (Origin::of_this_run(), Lock::read());
    let schemes = [Scheme::hs256(), Scheme::rs256(), Scheme::es256(), Scheme::eddsa()];
    Peers {
        origin,
        rounds: plan.rounds,
        live_tokens: LIVE,
        revoked: plan.revoked,
        by_algorithm: schemes.iter().map(|scheme| of_scheme(scheme, plan, &lock)).collect(),
    }
}

fn of_scheme(scheme: &Scheme, plan: Plan, lock: &Lock) -> OfAlgorithm {
    let samples = scheme.tokens(LIVE, HOUR);
    let revoked: Vec<_> = (LIVE..LIVE + plan.revoked).map(token_id).collect();
    let mut peers = peers::all(scheme, &revoked, lock);
    for peer in &mut peers {
        try_out(peer, scheme);
    }

    let mut bare = check::service(Bare, Response::status);
    let mut parts = Parts::new(scheme, &samples, &revoked);
    let mut checks: Vec<&mut dyn Check> = vec![&mut bare];
    checks.extend(peers.iter_mut().map(|peer| &mut *peer.check as &mut dyn Check));
    checks.extend(parts.all());
    let mut times = interleaved(&mut checks, &samples, plan).into_iter();
    let mut next = || times.next().expect("a list for each check");

    let bare = next();
    let added: Vec<_> = peers.iter().map(|_| less(&next(), &bare)).collect();
    let floors = Floors { whole: &added[0], bare: &bare, parts: parts.all().map(|_| next()) };
    OfAlgorithm {
        name: scheme.name.to_owned(),
        token_bytes: samples[0].token.len(),
        floors: floors.beside_ours(scheme),
        bare: Spread::of(bare.iter().copied()),
        peers: peers.iter().zip(&added).map(|(peer, times)| measured(peer, times, &added[0])).collect(),
    }
}

/// Panics unless the peer accepts and rejects what it should.
fn try_out(peer: &mut Peer, scheme: &Scheme) {
    let (name, live) = (&peer.name, scheme.token(0, HOUR));
    let mut forged = live.token.clone();
    let first = if forged.as_bytes()[live.signed + 1] == b'A' { "B" } else { "A" };
    forged.replace_range(live.signed + 1..live.signed + 2, first);
    assert!(peer.check.passes(&live), "{name} refuses a live token");
    assert!(!peer.check.passes(&Sample::new(forged)), "{name} lets a forged token through");
    assert!(!peer.check.passes(&scheme.token(0, -HOUR)), "{name} lets an expired token through");
    assert_eq!(!peer.check.passes(&scheme.token(LIVE, HOUR)), peer.refuses_revoked, "{name} and a revoked token");
}

/// The nanoseconds of each check in each round.
fn interleaved(checks: &mut [&mut dyn Check], samples: &[Sample], plan: Plan) -> Vec<Vec<f64>> {
    let counts: Vec<_> = checks.iter_mut().map(|check| count(&mut **check, samples, plan.time)).collect();
    let mut times = vec![Vec::with_capacity(plan.rounds); checks.len()];
    for round in 0..plan.rounds {
        for turn in 0..checks.len() {
            // The order varies, so that no check always finds the processor's caches as the same
            // other one leaves them.
            let index = (turn + round) % checks.len();
            let (check, count) = (&mut checks[index], counts[index]);
            let lead_in = count.div_ceil(4);
            let first = round * count;
            check.time(samples, first, lead_in);
            times[index].push(check.time(samples, first + lead_in, count));
        }
    }
    times
}

/// The number of checks that takes this many nanoseconds.
fn count(check: &mut dyn Check, samples: &[Sample], time: f64) -> usize {
    // Fills caches.
    check.time(samples, 0, samples.len());
    // The minimum of several, so that an interruption does not count.
    let part = samples.len() / 8;
    let cost = (0..8).map(|index| check.time(samples, index * part, part)).fold(f64::MAX, f64::min);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = (time / cost) as usize;
    count.clamp(2, 8 * samples.len())
}

fn less(times: &[f64], bare: &[f64]) -> Vec<f64> {
    times.iter().zip(bare).map(|(time, bare)| time - bare).collect()
}

fn measured(peer: &Peer, times: &[f64], ours: &[f64]) -> Measured {
    Measured {
        name: peer.name.clone(),
        built_with: peer.built_with.clone(),
        refuses_revoked: peer.refuses_revoked,
        caches: peer.caches,
        note: peer.note.to_owned(),
        ns: Spread::of(times.iter().copied()),
        times_ours: Spread::of_ratios(times, ours),
    }
}

/// Parts that are measured without a service.
struct Parts {
    guard: Box<dyn Check>,
    lookup: Box<dyn Check>,
    known: Box<dyn Check>,
    layer: Box<dyn Check>,
    verify: Box<dyn Check>,
    verification: Box<dyn Check>,
    signature: Box<dyn Check>,
    decode: Box<dyn Check>,
}

impl Parts {
    fn new(scheme: &Scheme, samples: &[Sample], revoked: &[String]) -> Self {
        let logout = ours::logout(scheme, Cache::On, revoked);
        let guard = move |sample: &Sample| settle(logout.check((&sample.request).into())).is_ok();
        let verifier = ours::verifier(scheme);
        let verify = move |sample: &Sample| matches!(verifier.verify_now(&sample.token), Some(Ok(_)));
        let (key, validation): (_, Validation) = (decoding_key(scheme), validation(scheme));
        let decode = move |sample: &Sample| jsonwebtoken::decode::<Claims>(&sample.token, &key, &validation).is_ok();
        Self {
            guard: Box::new(guard),
            lookup: Box::new(floors::lookup(samples)),
            known: Box::new(floors::known(samples)),
            layer: Box::new(floors::layer(samples)),
            verify: Box::new(verify),
            verification: Box::new(floors::verification(scheme)),
            signature: Box::new(floors::signature(scheme)),
            decode: Box::new(decode),
        }
    }

    /// In the order in which [`Floors`] takes their times.
    fn all(&mut self) -> [&mut dyn Check; 8] {
        [
            &mut *self.guard,
            &mut *self.lookup,
            &mut *self.known,
            &mut *self.layer,
            &mut *self.verify,
            &mut *self.verification,
            &mut *self.signature,
            &mut *self.decode,
        ]
    }
}

struct Floors<'a> {
    whole: &'a [f64],
    bare: &'a [f64],
    parts: [Vec<f64>; 8],
}

impl Floors<'_> {
    fn beside_ours(&self, scheme: &Scheme) -> Vec<Floor> {
        let [guard, lookup, known, layer, verify, verification, signature, decode] = &self.parts;
        let floor = |name: &str, times: &[f64], ours: &str, ours_times: &[f64]| Floor {
            name: name.to_owned(),
            ns: Spread::of(times.iter().copied()),
            ours: ours.to_owned(),
            ours_ns: Spread::of(ours_times.iter().copied()),
            ratio: Spread::of_ratios(ours_times, times),
        };
        let (check, whole, cold) = ("`Logout::check`, cached", "the whole layer, cached", "`JwtVerifier`, uncached");
        let is_hmac = scheme.name == "HS256";
        let mut floors = Vec::new();
        // With a cache the algorithm makes no difference.
        if is_hmac {
            floors.push(floor("hash of the token, table, whole compare", lookup, check, guard));
            floors.push(floor("the same of the header, and the time", known, check, guard));
            let bare = floor("the bare service and its request", self.bare, whole, self.whole);
            floors.push(bare);
            let least = less(layer, self.bare);
            floors.push(floor("header, hash, table, compare, time, and one extension", &least, whole, self.whole));
        }
        floors.push(floor("signature, base64, borrowed claims", verification, cold, verify));
        floors.push(floor("the signature alone", signature, cold, verify));
        floors.push(floor("`jsonwebtoken::decode`", decode, cold, verify));
        floors
    }
}

const LIVE: usize = 1024;
const HOUR: i64 = 3600;
