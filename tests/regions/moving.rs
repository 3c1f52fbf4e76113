//! Promise: a fleet moves to another log, node by node and under load, and no token is accepted that
//! was logged out: to more shards, and from Redis to PostgreSQL.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::{
    fleet::eventually,
    postgres,
    servers::{PostgresOptions, PostgresServer, RedisOptions, RedisServer},
};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::{Clock, SystemClock},
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{Regions, RegionsBuilder, ReplicaOptions, RevocationLog},
};

use super::nodes::{BOUND, PATIENCE};

const NODES: usize = 3;
/// The lifetime of the tokens.
const LIFETIME: Duration = Duration::from_secs(8);

type Node = Mutex<Arc<dyn RevocationStore>>;

struct Fleet {
    nodes: [Node; NODES],
    /// Tokens, with the node and the time of their logout.
    logged_out: Mutex<Vec<(TokenIdentity, usize, Instant)>>,
    checks: AtomicUsize,
    failures: AtomicUsize,
}

impl Fleet {
    fn node(&self, index: usize) -> Arc<dyn RevocationStore> {
        Arc::clone(&self.nodes[index].lock().unwrap())
    }

    fn logouts(&self) -> usize {
        self.logged_out.lock().unwrap().len()
    }

    async fn log_out(&self, worker: usize, stopped: watch::Receiver<bool>) {
        for n in 0.. {
            if *stopped.borrow() {
                return;
            }
            let token = token(&format!("{worker} {n}"));
            let index = fastrand::usize(..NODES);
            match self.node(index).revoke(&Revocation::of_token(&token)).await {
                Ok(outcome) => {
                    assert_eq!(outcome, Outcome::Newly);
                    self.logged_out.lock().unwrap().push((token, index, Instant::now()));
                }
                Err(_) => drop(self.failures.fetch_add(1, Ordering::SeqCst)),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Checks tokens that must be rejected: at once on the node of their logout, and on others after
    /// the bound.
    async fn check(&self, stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let pick = {
                let logged_out = self.logged_out.lock().unwrap();
                // Later ones have not expired.
                let (from, len) = (logged_out.len().saturating_sub(3000), logged_out.len());
                (len > from).then(|| logged_out[fastrand::usize(from..len)].clone())
            };
            if let Some((token, by, at)) = pick {
                for index in 0..NODES {
                    let node = self.node(index);
                    let is_due = if index == by { at.elapsed() > BOUND / 100 } else { at.elapsed() > BOUND };
                    let answer = node.is_revoked(&token).await;
                    // Only tokens that are still accepted count.
                    if is_due && SystemClock.now() < token.expires_at() {
                        self.checks.fetch_add(1, Ordering::SeqCst);
                        assert!(!matches!(answer, Ok(false)), "accepted {:?} after its logout", at.elapsed());
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn token(jti: &str) -> TokenIdentity {
    let key = RevocationKey::token_id(None, &format!("{jti} {:x}", fastrand::u64(..)));
    let now = SystemClock.now();
    TokenIdentity::new(key, now, now.saturating_add(LIFETIME), &Retention::default())
}

/// The configurations of a move, in their order.
const STEPS: [&str; 4] = ["old", "old, and new", "new, and old", "new"];

fn configured<A: RevocationLog, B: RevocationLog>(step: usize, old: Replica<A>, new: Replica<B>) -> RegionsBuilder {
    match step {
        0 => Regions::home(old),
        1 => Regions::home(old).and("new", new),
        2 => Regions::home(new).and("old", old),
        _ => Regions::home(new),
    }
}

/// Restarts one node after the other with each configuration in turn, while the fleet is used.
async fn moves<A: RevocationLog, B: RevocationLog>(old: impl Fn() -> Replica<A>, new: impl Fn() -> Replica<B>) {
    let start = async |step| {
        let regions = configured(step, old(), new()).build().unwrap();
        timeout(PATIENCE, regions.monitor().ready()).await.expect("a node becomes ready").unwrap();
        Arc::new(regions) as Arc<dyn RevocationStore>
    };
    let nodes = [start(0).await, start(0).await, start(0).await].map(Mutex::new);
    let (checks, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let fleet = Arc::new(Fleet { nodes, logged_out: Mutex::default(), checks, failures });
    let (stop, stopped) = watch::channel(false);
    let mut traffic = JoinSet::new();
    for worker in 0..2 {
        let (fleet, stopped) = (Arc::clone(&fleet), stopped.clone());
        traffic.spawn(async move { fleet.log_out(worker, stopped).await });
    }
    for _ in 0..2 {
        let (fleet, stopped) = (Arc::clone(&fleet), stopped.clone());
        traffic.spawn(async move { fleet.check(stopped).await });
    }
    let mut go_on = async |what: &str| {
        let (logouts, checks) = (fleet.logouts(), fleet.checks.load(Ordering::SeqCst));
        let has_gone_on = || fleet.logouts() >= logouts + 50 && fleet.checks.load(Ordering::SeqCst) >= checks + 200;
        let began = Instant::now();
        while !has_gone_on() {
            if let Some(ended) = traffic.try_join_next() {
                ended.unwrap();
            }
            assert!(began.elapsed() < PATIENCE, "no traffic: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    go_on("before the move").await;
    for (step, configuration) in STEPS.iter().enumerate().skip(1) {
        if step == 3 {
            // Nothing was written to the old log since the last restart. Its tokens expire.
            let end = Instant::now() + LIFETIME;
            eventually("they have expired", || Instant::now() > end).await;
        }
        for node in &fleet.nodes {
            let new = start(step).await;
            *node.lock().unwrap() = new;
            go_on(configuration).await;
        }
    }
    stop.send_replace(true);
    while let Some(ended) = traffic.join_next().await {
        ended.unwrap();
    }
    let (logouts, checks) = (fleet.logouts(), fleet.checks.load(Ordering::SeqCst));
    assert_eq!(fleet.failures.load(Ordering::SeqCst), 0, "no logout has failed");
    eprintln!("{logouts} logouts and {checks} checks of tokens that were logged out");
}

fn options() -> ReplicaOptions {
    ReplicaOptions::new().max_staleness(BOUND)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server"]
async fn a_fleet_moves_from_one_shard_to_four() {
    let server = RedisServer::start(RedisOptions::default()).await;
    let store = |prefix: &str, shards| {
        let options = RedisStore::options().prefix(prefix).shards(shards).timeout(Duration::from_secs(5));
        options.connect_lazily(server.url()).unwrap()
    };
    moves(|| options().start(store("one", 1)), || options().start(store("four", 4))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_fleet_moves_from_redis_to_postgresql() {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let postgres = PostgresServer::start(PostgresOptions::default()).await;
    let old = || RedisStore::options().timeout(Duration::from_secs(5)).connect_lazily(redis.url()).unwrap();
    let new = || postgres::options().connect_lazily(postgres.url()).unwrap();
    postgres::options().connect(&postgres.url()).await.unwrap().migrate().await.unwrap();
    moves(|| options().start(old()), || options().start(new())).await;
}
