//! [`Fleet`]: real replicas over simulated logs, and what is asked of them.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tower_logout::{
    Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::{Health, ReplicaOptions},
};

use crate::{
    checks,
    log::SimulatedLog,
    world::{Logout, Node, NodeClock, Shared, lock},
};

pub(crate) struct Fleet {
    pub(crate) world: Shared,
    pub(crate) nodes: Vec<Member>,
    innocent: TokenIdentity,
}

/// A node, and the requests that it serves.
pub(crate) struct Member {
    pub(crate) replica: Arc<Replica<SimulatedLog>>,
    requests: JoinSet<()>,
}

impl Fleet {
    pub(crate) fn start(world: Shared) -> Self {
        let count = lock(&world).plan.nodes;
        let far = Timestamp::from_unix_seconds(4_000_000_000);
        let innocent =
            TokenIdentity::new(RevocationKey::token_id(ISSUER, "innocent"), Timestamp::MIN, far, &Retention::default());
        let mut fleet = Self { world, nodes: Vec::new(), innocent };
        fleet.nodes = (0..count).map(|node| fleet.member(node)).collect();
        fleet
    }

    fn member(&self, node: usize) -> Member {
        let world = lock(&self.world);
        let Node { life, clock, .. } = &world.nodes[node];
        let clock = NodeClock { origin: world.origin, ahead: Arc::clone(clock) };
        let log = SimulatedLog { world: Arc::clone(&self.world), node, life: *life };
        let options = ReplicaOptions::new().max_staleness(world.plan.max_staleness).clock(clock);
        drop(world);
        Member { replica: Arc::new(options.start(log)), requests: JoinSet::new() }
    }

    /// Ends the process of a node, which forgets everything, and starts another one.
    pub(crate) fn restart(&mut self, node: usize) {
        {
            let mut world = lock(&self.world);
            let Node { life, clock, .. } = &world.nodes[node];
            let next = Node::new(life + 1, Arc::clone(clock), Instant::now());
            world.nodes[node] = next;
            world.trace.add("node restarts", node as u64, 0);
        }
        self.nodes[node] = self.member(node);
    }

    pub(crate) fn is_suspended(&self, node: usize) -> bool {
        Instant::now() < lock(&self.world).nodes[node].suspended_until
    }

    /// Logs a token, or all of a subject's, out on some nodes at the same time.
    pub(crate) fn log_out(&mut self) {
        let (logout, revocation, on) = {
            let mut world = lock(&self.world);
            let logout = world.logouts.len();
            let now = world.now(0);
            let is_long = world.rng.u32(..4) > 0;
            let lifetime = Duration::from_secs(if is_long { 3600 } else { world.rng.u64(0..8) });
            let expires = now.saturating_add(lifetime);
            let is_subject = is_long && world.rng.u32(..4) == 0;
            let own = RevocationKey::token_id(ISSUER, &format!("{logout}"));
            let token = TokenIdentity::new(own, now, expires, &Retention::default());
            let (token, revocation) = if is_subject {
                let subject = RevocationKey::subject(ISSUER, &format!("{}", world.rng.u32(..5)));
                let until = Retention::default().of_token(now.saturating_add(Duration::from_secs(3600)));
                (token.carries(subject), Revocation::new(subject, now, until))
            } else {
                let revocation = Revocation::of_token(&token);
                (token, revocation)
            };
            let count = if world.rng.u32(..3) == 0 { world.rng.usize(1..=3) } else { 1 };
            let on: Vec<_> = (0..count).map(|_| world.rng.usize(..self.nodes.len())).collect();
            world.trace.add("logout", logout as u64, on[0] as u64);
            world.logouts.push(Logout {
                token,
                revocation,
                is_long,
                acknowledged_at: None,
                acknowledged_to: Vec::new(),
                asked: 0,
                newly: 0,
                lost_at: None,
            });
            (logout, revocation, on)
        };
        for node in on {
            if !self.is_suspended(node) {
                lock(&self.world).logouts[logout].asked += 1;
                self.request(node, logout, revocation);
            }
        }
    }

    /// One request to log out.
    fn request(&mut self, node: usize, logout: usize, revocation: Revocation) {
        let world = Arc::clone(&self.world);
        let life = lock(&world).nodes[node].life;
        let Member { replica, requests } = &mut self.nodes[node];
        let replica = Arc::clone(replica);
        while requests.try_join_next().is_some() {}
        requests.spawn(async move {
            let Ok(Ok(outcome)) = timeout(LOGOUT_TIMEOUT, replica.revoke(&revocation)).await else { return };
            let mut world = lock(&world);
            let token = world.logouts[logout].token.clone();
            if !is_refused(&replica, &token) && replica.health().staleness().is_some() {
                world.fail(format!("node {node} accepts the token of logout {logout}, which it has just acknowledged"));
            }
            if outcome == Outcome::Newly {
                world.logouts[logout].newly += 1;
            }
            world.acknowledged(logout, node, life);
            world.trace.add("acknowledged", logout as u64, node as u64);
        });
    }

    /// A check of a node whose view is too old, which asks the log.
    pub(crate) fn ask(&mut self, node: usize) {
        let member = &self.nodes[node];
        if !matches!(member.replica.health(), Health::Stale { .. }) || self.is_suspended(node) {
            return;
        }
        let (logout, token, lost_at) = {
            let mut world = lock(&self.world);
            let acknowledged: Vec<_> =
                (0..world.logouts.len()).filter(|&logout| world.logouts[logout].acknowledged_at.is_some()).collect();
            if acknowledged.is_empty() {
                return;
            }
            let latest = acknowledged.len().min(5);
            let logout = acknowledged[acknowledged.len() - 1 - world.rng.usize(..latest)];
            (logout, world.logouts[logout].token.clone(), world.logouts[logout].lost_at)
        };
        let (world, replica) = (Arc::clone(&self.world), Arc::clone(&member.replica));
        self.nodes[node].requests.spawn(async move {
            // It may have become fresh since, and answers from memory.
            if replica.is_revoked_now(&token).is_some() {
                return;
            }
            let began = Instant::now();
            let Ok(Ok(false)) = timeout(LOGOUT_TIMEOUT, replica.is_revoked(&token)).await else { return };
            let mut world = lock(&world);
            let is_lacked = world.servers.iter().any(|server| server.is_up && server.lacks.contains(&logout));
            let is_lost = is_lacked || world.logouts[logout].lost_at != lost_at;
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(0);
            world.trace.add("not revoked, says the log, after ms", logout as u64, took);
            // Servers that contradict each other excuse it, and so does a loss that the node could
            // not notice.
            let has_noticed = world.nodes[node].cursor_lost_at.is_some_and(|at| lost_at.is_some_and(|lost| lost <= at));
            let is_excused = is_lost && !has_noticed || world.unrest_until >= began;
            if !is_excused && (!is_lost || checks::who_was_told(&world, logout).is_some()) {
                world.fail(format!("node {node} asks the log about logout {logout} and believes that it is valid"));
            }
        });
    }

    /// Whether a node refuses the token of a logout, from its own memory.
    pub(crate) fn knows(&self, node: usize, token: &TokenIdentity) -> bool {
        is_refused(&self.nodes[node].replica, token)
    }

    pub(crate) fn accepts_no_innocent(&self, node: usize) -> bool {
        is_refused(&self.nodes[node].replica, &self.innocent)
    }

    /// The instant through which a node claims to know everything.
    pub(crate) fn known_through(&self, node: usize) -> Option<Instant> {
        let staleness = self.nodes[node].replica.health().staleness()?;
        Instant::now().checked_sub(staleness)
    }
}

/// Whether a token is refused as revoked, without asking the log.
fn is_refused(replica: &Replica<SimulatedLog>, token: &TokenIdentity) -> bool {
    matches!(replica.is_revoked_now(token), Some(Ok(true)))
}

pub(crate) const ISSUER: &str = "https://issuer.example";
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(5);
