//! Promise: whichever node revokes and whichever node checks, a fleet agrees with its model: all
//! revocations, joined, and nothing else.

#[cfg(any(feature = "redis", feature = "postgres"))]
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{TestCaseResult, TestRunner},
};
use tokio::{runtime::Runtime, time::sleep};
use tower_logout::{
    Replica, RevocationStore,
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::RevocationLog,
};

/// The first node checks through the log, the others are replicas.
const NODES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Revoke { node: usize, name: u8, through: u64, memory: Memory },
    Check { node: usize, names: [u8; 2], issued: u64 },
    Restart { node: usize },
}

/// How long a revocation is retained.
#[derive(Clone, Copy, Debug)]
enum Memory {
    /// Expired already: a server may purge it at once.
    Past,
    /// This many seconds, more than the test takes.
    Hours(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, name, instant) = (0..NODES, 0..4_u8, 0..20_u64);
    let memory = prop_oneof![1 => Just(Memory::Past), 4 => (1..4_u64).prop_map(Memory::Hours)];
    prop_oneof![
        4 => (node.clone(), name.clone(), instant.clone(), memory)
            .prop_map(|(node, name, through, memory)| Step::Revoke { node, name, through, memory }),
        4 => (node.clone(), [name.clone(), name], instant).prop_map(|(node, names, issued)| Step::Check { node, names, issued }),
        1 => node.prop_map(|node| Step::Restart { node }),
    ]
}

/// The last instant through which the tokens of a name are revoked.
type Through = HashMap<u8, u64>;

fn is_revoked_in(through: &Through, name: u8, issued: u64) -> bool {
    through.get(&name).is_some_and(|&through| issued <= through)
}

fn join(through: &mut Through, name: u8, instant: u64) {
    through.entry(name).and_modify(|known| *known = instant.max(*known)).or_insert(instant);
}

/// What nodes must report, and what they may report.
#[derive(Default)]
struct Model {
    /// Revocations that are retained.
    live: Through,
    /// Revocations that may have been purged as well.
    all: Through,
    /// What a node must know at once: its own revocations, and everything before its start.
    told: [Through; NODES],
}

struct Fleet<C> {
    connect: C,
    nodes: Vec<Arc<dyn RevocationStore>>,
    model: Model,
    /// Names are those of this case, so that one server serves all cases.
    case: u64,
}

impl<L: RevocationLog, C: AsyncFn() -> L> Fleet<C> {
    async fn start(connect: C) -> Self {
        static CASES: AtomicU64 = AtomicU64::new(0);
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        let mut fleet = Self { connect, nodes: Vec::new(), model: Model::default(), case };
        for node in 0..NODES {
            let started = fleet.node(node).await;
            fleet.nodes.push(started);
        }
        fleet
    }

    async fn node(&self, node: usize) -> Arc<dyn RevocationStore> {
        let log = (self.connect)().await;
        if node == 0 {
            return Arc::new(log);
        }
        let replica = Replica::start(log);
        replica.ready().await.unwrap();
        Arc::new(replica)
    }

    async fn play(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Restart { node } => {
                self.nodes[node] = self.node(node).await;
                self.model.told[node].clone_from(&self.model.live);
            }
            Step::Revoke { node, name, through, memory } => {
                let until = match memory {
                    Memory::Past => at(1),
                    Memory::Hours(hours) => SystemClock.now().saturating_add(Duration::from_secs(3600 * hours)),
                };
                let outcome =
                    self.nodes[node].revoke(&Revocation::new(self.key(name), at(through), until)).await.unwrap();
                // A revocation that could be purged may or may not be known.
                if let Memory::Hours(_) = memory {
                    if is_revoked_in(&self.model.live, name, through) {
                        prop_assert_eq!(outcome, Outcome::Already);
                    } else if !is_revoked_in(&self.model.all, name, through) {
                        prop_assert_eq!(outcome, Outcome::Newly);
                    }
                    join(&mut self.model.live, name, through);
                    join(&mut self.model.told[node], name, through);
                }
                join(&mut self.model.all, name, through);
            }
            Step::Check { node, names, issued } => {
                let answer = self.nodes[node].is_revoked(&self.token(&names, issued)).await.unwrap();
                let must = if node == 0 { &self.model.live } else { &self.model.told[node] };
                let any = |through| names.iter().any(|&name| is_revoked_in(through, name, issued));
                prop_assert!(!any(must) || answer, "what was revoked passes");
                prop_assert!(any(&self.model.all) || !answer, "a token is dead that nobody revoked");
            }
        }
        Ok(())
    }

    /// In the end all nodes agree, to the millisecond.
    async fn agrees(&self) -> TestCaseResult {
        for (&name, &through) in &self.model.all {
            let dead = self.model.live.get(&name).map(|&through| self.token(&[name], through));
            let alive = self.token(&[name], through + 1);
            for node in &self.nodes {
                if let Some(dead) = &dead {
                    let began = Instant::now();
                    while !node.is_revoked(dead).await.unwrap() {
                        prop_assert!(began.elapsed() < PATIENCE, "a node never heard of a revocation");
                        sleep(Duration::from_millis(1)).await;
                    }
                }
                prop_assert!(!node.is_revoked(&alive).await.unwrap(), "a token is dead that nobody revoked");
            }
        }
        Ok(())
    }

    fn token(&self, names: &[u8], issued: u64) -> TokenIdentity {
        let (own, far) =
            (RevocationKey::token_id(ISSUER, "never revoked"), Timestamp::from_unix_seconds(4_000_000_000));
        let token = TokenIdentity::new(own, at(issued), far, &Retention::default());
        names.iter().fold(token, |token, &name| token.carries(self.key(name)))
    }

    fn key(&self, name: u8) -> RevocationKey {
        RevocationKey::subject(ISSUER, &format!("{name} of case {}", self.case))
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_000_000 + millis)
}

fn is_its_model<L: RevocationLog>(runtime: &Runtime, connect: impl AsyncFn() -> L) {
    // Each case starts three nodes: an eighth of the cases.
    let cases = ProptestConfig::default().cases.div_ceil(8);
    let config =
        ProptestConfig { cases, max_shrink_time: 60_000, failure_persistence: None, ..ProptestConfig::default() };
    let played = TestRunner::new(config).run(&proptest::collection::vec(step(), 1..60), |steps| {
        runtime.block_on(async {
            let mut fleet = Fleet::start(&connect).await;
            for step in steps {
                fleet.play(step).await?;
            }
            fleet.agrees().await
        })
    });
    played.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn over_a_log_in_this_process() {
    let log = test_support::replica::SharedLog::new();
    is_its_model(&Runtime::new().unwrap(), async || log.clone());
}

#[test]
#[ignore = "needs redis-server"]
fn over_redis() {
    use test_support::servers::{RedisOptions, RedisServer};

    let runtime = Runtime::new().unwrap();
    let redis = runtime.block_on(RedisServer::start(RedisOptions::default()));
    let options = || tower_logout::RedisStore::options().timeout(PATIENCE);
    is_its_model(&runtime, async || options().connect(&redis.url()).await.unwrap());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn over_postgres() {
    use test_support::servers::{PostgresOptions, PostgresServer};

    let runtime = Runtime::new().unwrap();
    let postgres = runtime.block_on(PostgresServer::start(PostgresOptions::default()));
    let options = || tower_logout::PostgresStore::options().timeout(PATIENCE);
    runtime.block_on(async { options().connect(&postgres.url()).await.unwrap().migrate().await.unwrap() });
    is_its_model(&runtime, async || options().connect(&postgres.url()).await.unwrap());
}

const ISSUER: &str = "https://issuer.example";
const PATIENCE: Duration = Duration::from_secs(60);
