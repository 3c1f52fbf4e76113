//! Nodes of a fleet, each a whole layer with a replica, and traffic that checks their guarantees
//! during faults.

pub mod faults;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::{Request, Response, StatusCode};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    Claims, JwtVerifier, Logout, Replica, RevocationStore,
    clock::{Clock, SystemClock},
    middleware::RequestBody,
    revocation::Revocation,
    store::{Health, ReplicaOptions, RevocationLog},
    token::TokenVerifier,
};

use crate::{ISSUER, SECRET, bearer, hs256};

/// `max_staleness` in these tests.
pub const MAX_STALENESS: Duration = Duration::from_secs(1);
/// The timeout of a store in these tests.
pub const TIMEOUT: Duration = Duration::from_millis(500);
/// How long the tests wait at most.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One of the services behind the load balancer.
pub struct Node<L: RevocationLog> {
    logout: Logout,
    replica: Arc<Replica<L>>,
}

impl<L: RevocationLog> Node<L> {
    pub async fn start(log: L) -> Arc<Self> {
        Self::start_with(log, ReplicaOptions::new().max_staleness(MAX_STALENESS), SystemClock).await
    }

    /// A node with its own clock.
    pub async fn start_with(log: L, options: ReplicaOptions, clock: impl Clock + Clone) -> Arc<Self> {
        let node = Self::loading(log, options, clock);
        timeout(PATIENCE, node.replica.ready()).await.expect("the first snapshot comes").unwrap();
        node
    }

    pub fn loading(log: L, options: ReplicaOptions, clock: impl Clock + Clone) -> Arc<Self> {
        Self::loading_with(log, options, clock, Duration::from_secs(30))
    }

    pub fn loading_with(log: L, options: ReplicaOptions, clock: impl Clock + Clone, clock_skew: Duration) -> Arc<Self> {
        let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone()).clock_skew(clock_skew);
        let verifier = verifier.build().unwrap();
        let replica = Arc::new(options.clock(clock).start(log));
        Arc::new(Self { logout: Logout::new(verifier, Arc::clone(&replica)), replica })
    }

    pub fn replica(&self) -> &Replica<L> {
        &self.replica
    }

    pub fn log(&self) -> &L {
        self.replica.log()
    }

    pub async fn log_out(&self, token: &str) -> StatusCode {
        let request = Request::post("/").header("authorization", bearer(token)).body(String::new()).unwrap();
        self.logout.service().oneshot(request).await.unwrap().status()
    }

    pub async fn visit(&self, token: &str) -> StatusCode {
        let inner =
            service_fn(async |_: Request<RequestBody<String>>| Ok::<_, std::io::Error>(Response::new(String::new())));
        let request = Request::get("/").header("authorization", bearer(token)).body(String::new()).unwrap();
        self.logout.layer().layer(inner).oneshot(request).await.unwrap().status()
    }

    pub async fn until_fresh(&self) {
        self.until("fresh", Health::is_fresh).await;
    }

    pub async fn until_stale(&self) {
        self.until("stale", |health| matches!(health, Health::Stale { .. })).await;
    }

    async fn until(&self, what: &str, condition: impl FnMut(&Health) -> bool) {
        let mut health = self.replica.monitor().watch();
        let waited = timeout(PATIENCE, health.wait_for(condition)).await;
        waited.unwrap_or_else(|_| panic!("the replica never became {what}: {:?}", self.replica)).unwrap();
    }

    /// Resolves once this node rejects the token from memory.
    pub async fn until_known(&self, token: &str) {
        let identity = identity_of(token);
        let known = || matches!(self.replica.is_revoked_now(&identity), Some(Ok(true)));
        eventually(&format!("the node knows that {identity:?} is revoked: {:?}", self.replica), known).await;
    }
}

/// A new token of a subject that every node's verifier accepts now.
pub fn new_token(jti: &str) -> String {
    token_at(jti, SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(), 900)
}

/// A token with this issue time, in seconds since the epoch, and this lifetime.
pub fn token_at(jti: &str, issued_at: u64, lifetime: u64) -> String {
    hs256(
        &json!({ "iss": ISSUER, "sub": format!("sub of {jti}"), "jti": jti, "iat": issued_at, "exp": issued_at + lifetime }),
    )
}

/// The identity of a token as a store sees it.
pub fn identity_of(token: &str) -> tower_logout::revocation::TokenIdentity {
    let verifier: JwtVerifier<Claims> = JwtVerifier::hs256(SECRET).issuer(ISSUER).build().unwrap();
    verifier.verify_now(token).unwrap().unwrap().identity().clone()
}

pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never came: {what}");
        sleep(POLL).await;
    }
}

/// Logouts on one node and checks on both, from start to end of a fault.
///
/// A check panics, and fails the test, when a token passes that must not: on the node of the logout
/// after the 200, on the other node `MAX_STALENESS` after that.
pub struct Traffic {
    seen: Arc<Seen>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Seen {
    logged_out: Mutex<Vec<(String, Instant)>>,
    failed_logouts: AtomicU64,
    checks: AtomicU64,
    unanswered_checks: AtomicU64,
}

impl Traffic {
    pub async fn start<L: RevocationLog>(a: &Arc<Node<L>>, b: &Arc<Node<L>>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        for worker in 0..LOGOUT_WORKERS {
            tasks.spawn(log_out(worker, Arc::clone(a), Arc::clone(&seen), stopped.clone()));
        }
        tasks.spawn(check(Arc::clone(a), Duration::ZERO, Arc::clone(&seen), stopped.clone()));
        tasks.spawn(check(Arc::clone(b), MAX_STALENESS, Arc::clone(&seen), stopped.clone()));
        let mut traffic = Self { seen, tasks, stop };
        traffic.until_logouts(20).await;
        traffic
    }

    /// Resolves after this many more logouts with a 200.
    pub async fn until_logouts(&mut self, more: usize) {
        let before = self.logouts();
        self.until("logouts", |seen| seen.logged_out.lock().unwrap().len() >= before + more).await;
    }

    /// Resolves after this many more logouts with a 503.
    pub async fn until_failed_logouts(&mut self, more: u64) {
        let before = self.failed_logouts();
        self.until("refused logouts", |seen| seen.failed_logouts.load(Ordering::SeqCst) >= before + more).await;
    }

    /// Resolves after this many more checks with a 503.
    pub async fn until_unanswered_checks(&mut self, more: u64) {
        let before = self.unanswered_checks();
        self.until("unanswered checks", |seen| seen.unanswered_checks.load(Ordering::SeqCst) >= before + more).await;
    }

    /// Resolves after this many more checks.
    pub async fn until_checks(&mut self, more: u64) {
        let before = self.seen.checks.load(Ordering::SeqCst);
        self.until("checks", |seen| seen.checks.load(Ordering::SeqCst) >= before + more).await;
    }

    /// Resolves after this much time with traffic, for faults that end at a certain time.
    pub async fn go_on_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        self.until("the end", |_| Instant::now() >= end).await;
    }

    pub fn failed_logouts(&self) -> u64 {
        self.seen.failed_logouts.load(Ordering::SeqCst)
    }

    pub fn unanswered_checks(&self) -> u64 {
        self.seen.unanswered_checks.load(Ordering::SeqCst)
    }

    pub fn logouts(&self) -> usize {
        self.seen.logged_out.lock().unwrap().len()
    }

    /// Stops and returns the tokens whose logout got a 200.
    pub async fn stop(mut self) -> Vec<String> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.seen.logged_out.lock().unwrap().iter().map(|(token, _)| token.clone()).collect()
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&Seen) -> bool) {
        let began = Instant::now();
        while !condition(&self.seen) {
            if let Some(ended) = self.tasks.try_join_next() {
                ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            }
            assert!(began.elapsed() < PATIENCE, "never came: {what}");
            sleep(POLL).await;
        }
    }
}

async fn log_out<L: RevocationLog>(worker: usize, node: Arc<Node<L>>, seen: Arc<Seen>, stopped: watch::Receiver<bool>) {
    for round in 0.. {
        if *stopped.borrow() {
            return;
        }
        let token = new_token(&format!("{worker}/{round}"));
        match node.log_out(&token).await {
            StatusCode::OK => seen.logged_out.lock().unwrap().push((token, Instant::now())),
            // The outcome is unknown: the logout may be stored, and the client retries.
            StatusCode::SERVICE_UNAVAILABLE => drop(seen.failed_logouts.fetch_add(1, Ordering::SeqCst)),
            other => panic!("a logout was answered {other}"),
        }
        sleep(PACE).await;
    }
}

async fn check<L: RevocationLog>(
    node: Arc<Node<L>>,
    allowed: Duration,
    seen: Arc<Seen>,
    stopped: watch::Receiver<bool>,
) {
    let bystander = new_token("of a bystander");
    for round in 0_usize.. {
        if *stopped.borrow() {
            return;
        }
        if round % 4 == 3 {
            match node.visit(&bystander).await {
                StatusCode::OK => {}
                StatusCode::SERVICE_UNAVAILABLE => drop(seen.unanswered_checks.fetch_add(1, Ordering::SeqCst)),
                other => panic!("{other} for a token that nobody logged out: {:?}", node.replica),
            }
        }
        // The newest token that must be rejected, and others in turn.
        let due = {
            let logged_out = seen.logged_out.lock().unwrap();
            let due = logged_out.partition_point(|(_, at)| at.elapsed() > allowed);
            let pick = if round % 2 == 0 { due.checked_sub(1) } else { round.checked_rem(due) };
            pick.map(|pick| logged_out[pick].clone())
        };
        if let Some((token, at)) = due {
            let began = Instant::now();
            match node.visit(&token).await {
                StatusCode::UNAUTHORIZED => {}
                StatusCode::SERVICE_UNAVAILABLE => drop(seen.unanswered_checks.fetch_add(1, Ordering::SeqCst)),
                other => panic!(
                    "{other} for a token that was logged out {:?} before, where {allowed:?} is allowed: {:?}",
                    began - at,
                    node.replica
                ),
            }
            seen.checks.fetch_add(1, Ordering::SeqCst);
        }
        sleep(PACE).await;
    }
}

/// After the fault: both nodes are fresh and reject all of these tokens from memory, and the log
/// holds them all.
pub async fn nothing_is_missing<L: RevocationLog>(nodes: &[&Arc<Node<L>>], tokens: &[String], log: &L) {
    for node in nodes {
        node.until_fresh().await;
    }
    for token in tokens {
        for node in nodes {
            node.until_known(token).await;
            assert_eq!(node.visit(token).await, StatusCode::UNAUTHORIZED);
        }
        let began = Instant::now();
        while !matches!(log.is_revoked(&identity_of(token)).await, Ok(true)) {
            assert!(began.elapsed() < PATIENCE, "the log never had {:?}", Revocation::of_token(&identity_of(token)));
            sleep(POLL).await;
        }
    }
    for node in nodes {
        let bystander = identity_of(&new_token("of a bystander"));
        eventually("others pass", || matches!(node.replica.is_revoked_now(&bystander), Some(Ok(false)))).await;
    }
}

const LOGOUT_WORKERS: usize = 4;
const PACE: Duration = Duration::from_millis(2);
const POLL: Duration = Duration::from_millis(2);
