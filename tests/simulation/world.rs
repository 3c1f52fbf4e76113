//! [`World`]: servers, the ways to them, what was revoked, and what is written down about it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;
use tower_logout::{
    clock::{Clock, Timestamp},
    revocation::{Revocation, TokenIdentity},
};

use crate::{
    plan::Plan,
    server::{Contents, Server},
    trace::Trace,
    traffic::Traffic,
};

pub(crate) type Shared = Arc<Mutex<World>>;

pub(crate) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) weakness: Option<Weakness>,
    pub(crate) origin: Instant,
    pub(crate) servers: Vec<Server>,
    pub(crate) primary: usize,
    pub(crate) nodes: Vec<Node>,
    pub(crate) logouts: Vec<Logout>,
    /// Until then, servers may contradict each other, or refuse writes.
    pub(crate) unrest_until: Instant,
    /// Until then, servers may contradict each other.
    pub(crate) contradiction_until: Instant,
    pub(crate) lost_at: Instant,
    /// The time of a server for its work; none if the server is not a bottleneck.
    pub(crate) service: Option<Service>,
    pub(crate) busy_until: Instant,
    pub(crate) traffic: Traffic,
    pub(crate) trace: Trace,
    pub(crate) failure: Option<String>,
    /// Former primaries that still answer, and until when.
    pub(crate) stopping: Vec<(usize, Instant)>,
    last_id: u64,
}

/// A protection that the log lacks, to see that its absence is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Weakness {
    /// A cursor is a number: another entry with the same number passes for the one that was read.
    NoEntryIdentity,
    /// Another store with as many entries passes for the one that was read.
    NoEpoch,
    /// The cursor is taken after the snapshot.
    CursorAfterSnapshot,
    /// The purge watermark is not reported.
    NoPurgeWatermark,
    /// An answer counts as complete although more entries follow.
    CompleteTooEarly,
}

/// What one logout revokes, and what became of it.
pub(crate) struct Logout {
    pub(crate) token: TokenIdentity,
    pub(crate) revocation: Revocation,
    /// It outlives the run by all clocks.
    pub(crate) is_long: bool,
    pub(crate) acknowledged_at: Option<Instant>,
    /// Node, its life, and when it was told.
    pub(crate) acknowledged_to: Vec<(usize, u64, Instant)>,
    pub(crate) asked: usize,
    pub(crate) newly: usize,
    /// When it was last removed from a server that had it.
    pub(crate) lost_at: Option<Instant>,
}

/// The way of a node to the servers, and what is known of it.
pub(crate) struct Node {
    pub(crate) life: u64,
    /// Milliseconds that its clock is ahead.
    pub(crate) clock: Arc<Mutex<i64>>,
    pub(crate) reads: Option<Connection>,
    pub(crate) writes: Option<Connection>,
    /// The epoch that its writes name; zero before the first snapshot.
    pub(crate) epoch: u64,
    pub(crate) partition: Option<Partition>,
    pub(crate) suspended_until: Instant,
    /// Until then, the name of the log leads to this server.
    pub(crate) old_name: Option<(usize, Instant)>,
    /// Its calls were not answered at an ordinary speed until then.
    pub(crate) disturbed_until: Instant,
    pub(crate) cursor_lost_at: Option<Instant>,
    pub(crate) views: VecDeque<View>,
    /// The logouts that it has been seen to know.
    pub(crate) known: BTreeSet<usize>,
}

/// A look at a log.
pub(crate) struct View {
    /// When the call began.
    pub(crate) began: Instant,
    /// What the server lacked.
    pub(crate) lacked: BTreeSet<usize>,
    /// What of that the node knew.
    pub(crate) owed: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    pub(crate) until: Instant,
    /// Calls are not answered; otherwise they are refused.
    pub(crate) is_silent: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) server: usize,
    pub(crate) boot: u64,
    /// The other end is gone, and nobody has told.
    pub(crate) is_half_open: bool,
}

/// The system clock of a node.
#[derive(Clone, Debug)]
pub(crate) struct NodeClock {
    pub(crate) origin: Instant,
    pub(crate) ahead: Arc<Mutex<i64>>,
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        moment(self.origin, *self.ahead.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn moment(origin: Instant, ahead: i64) -> Timestamp {
    let elapsed = i64::try_from(origin.elapsed().as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_millis(START_MS.saturating_add_signed(elapsed + ahead))
}

impl World {
    pub(crate) fn new(seed: u64, mut rng: Rng, plan: Plan, weakness: Option<Weakness>) -> Self {
        let now = Instant::now();
        let nodes = (0..plan.nodes).map(|_| Node::new(0, Arc::default(), now)).collect();
        let contents = Contents { epoch: rng.u64(1..), ..Contents::default() };
        Self {
            rng,
            plan,
            weakness,
            origin: now,
            servers: vec![Server::new(contents, 1)],
            primary: 0,
            nodes,
            logouts: Vec::new(),
            unrest_until: now,
            contradiction_until: now,
            lost_at: now,
            service: None,
            busy_until: now,
            traffic: Traffic::new(now),
            trace: Trace::new(seed, now),
            failure: None,
            stopping: Vec::new(),
            last_id: 1,
        }
    }

    pub(crate) fn has(&self, weakness: Weakness) -> bool {
        self.weakness == Some(weakness)
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The true time, plus what a clock is ahead.
    pub(crate) fn now(&self, ahead: i64) -> Timestamp {
        moment(self.origin, ahead)
    }

    pub(crate) fn fail(&mut self, why: String) {
        self.trace.add("FAILED", 0, 0);
        self.failure.get_or_insert(why);
    }

    /// Records that a node was told that a logout is done.
    pub(crate) fn acknowledged(&mut self, logout: usize, node: usize, life: u64) {
        let now = Instant::now();
        let one = &mut self.logouts[logout];
        one.acknowledged_to.push((node, life, now));
        one.acknowledged_at.get_or_insert(now);
        self.nodes[node].known.insert(logout);
        let token = one.token.clone();
        for server in 0..self.servers.len() {
            if !self.servers[server].contents.covers(&token) && self.servers[server].lacks.insert(logout) {
                self.logouts[logout].lost_at = Some(self.lost_at);
            }
        }
    }

    /// Determines what a server lacks, after it has lost something.
    pub(crate) fn count_losses(&mut self, server: usize) {
        self.lost_at = Instant::now();
        let lacks: BTreeSet<_> = (0..self.logouts.len())
            .filter(|&logout| self.logouts[logout].acknowledged_at.is_some())
            .filter(|&logout| !self.servers[server].contents.covers(&self.logouts[logout].token))
            .collect();
        for &logout in lacks.difference(&self.servers[server].lacks) {
            self.logouts[logout].lost_at = Some(self.lost_at);
        }
        self.trace.add("lost", server as u64, lacks.len() as u64);
        self.servers[server].lacks = lacks;
    }

    /// Joins revocations on a server.
    pub(crate) fn join(&mut self, server: usize, revocation: &Revocation) -> tower_logout::revocation::Outcome {
        let outcome = self.servers[server].join(revocation);
        let Server { lacks, contents, .. } = &mut self.servers[server];
        if !lacks.is_empty() {
            lacks.retain(|&logout| !contents.covers(&self.logouts[logout].token));
        }
        outcome
    }

    /// Connects a node with the server to which the log's name leads.
    pub(crate) fn connection(&mut self, node: usize, path: Path) -> Connection {
        let now = Instant::now();
        let (primary, servers, one) = (self.primary, &self.servers, &mut self.nodes[node]);
        let old = one.old_name.filter(|&(old, until)| now < until && servers[old].is_up);
        let server = old.map_or(primary, |(old, _)| old);
        let open = || Connection { server, boot: servers[server].boot, is_half_open: false };
        *match path {
            Path::Read => one.reads.get_or_insert_with(open),
            Path::Write => one.writes.get_or_insert_with(open),
        }
    }

    pub(crate) fn is_open(&self, connection: Connection) -> bool {
        let server = &self.servers[connection.server];
        server.is_up && server.boot == connection.boot
    }

    /// When the server has done a call with this number of entries.
    pub(crate) fn served_at(&mut self, path: Path, entries: usize) -> Option<Instant> {
        let Service { call, read, write } = self.service?;
        let entry = if path == Path::Read { read } else { write };
        let begin = self.busy_until.max(Instant::now());
        self.busy_until = begin + call + entry * u32::try_from(entries).unwrap_or(u32::MAX);
        Some(self.busy_until)
    }

    /// Marks a node as disturbed for this long from now.
    pub(crate) fn disturb(&mut self, node: usize, during: Duration) {
        let until = Instant::now() + during;
        let one = &mut self.nodes[node];
        one.disturbed_until = one.disturbed_until.max(until);
    }
}

/// What a call costs a server, and each entry that it reads or writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) call: Duration,
    pub(crate) read: Duration,
    pub(crate) write: Duration,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Path {
    Read,
    Write,
}

impl Node {
    pub(crate) fn new(life: u64, clock: Arc<Mutex<i64>>, now: Instant) -> Self {
        Self {
            life,
            clock,
            reads: None,
            writes: None,
            epoch: 0,
            partition: None,
            suspended_until: now,
            old_name: None,
            disturbed_until: now,
            cursor_lost_at: None,
            views: VecDeque::new(),
            known: BTreeSet::new(),
        }
    }
}

pub(crate) const START_MS: u64 = 1_800_000_000_000;
