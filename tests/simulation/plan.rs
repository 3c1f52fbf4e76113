//! [`Plan`]: what a seed makes of a run.

use std::time::Duration;

use fastrand::Rng;

/// The size of a run and its faults. Each kind of fault has its own probability.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) duration: Duration,
    /// The mean time between logouts.
    pub(crate) logouts_every: Duration,
    pub(crate) max_staleness: Duration,
    /// The longest ordinary way of a request or a reply.
    pub(crate) latency: Duration,
    /// The time limit of a call to the log. Some logs have none.
    pub(crate) limit: Duration,
    /// A new server or a restart is another log, as in PostgreSQL.
    pub(crate) restarts_are_other_logs: bool,
    /// A write names the epoch that it expects, as in Redis.
    pub(crate) writes_name_their_epoch: bool,
    /// The most entries of one answer, or of one page.
    pub(crate) most: usize,
    pub(crate) network: Network,
    pub(crate) events: Events,
}

/// Probabilities, of each call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Network {
    pub(crate) slow: f64,
    pub(crate) request_lost: f64,
    pub(crate) reply_lost: f64,
    pub(crate) twice: f64,
}

/// Events of each kind, a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Events {
    pub(crate) restarts: f64,
    pub(crate) rollbacks: f64,
    pub(crate) flushes: f64,
    pub(crate) failovers: f64,
    pub(crate) trims: f64,
    pub(crate) write_stops: f64,
    pub(crate) partitions: f64,
    pub(crate) half_open: f64,
    pub(crate) suspensions: f64,
    pub(crate) node_restarts: f64,
    pub(crate) clock_steps: f64,
}

impl Plan {
    pub(crate) fn of(rng: &mut Rng) -> Self {
        let nodes = match rng.u32(..1000) {
            0..2 => 1000,
            2..10 => rng.usize(50..200),
            10..60 => rng.usize(8..30),
            60..160 => 1,
            _ => rng.usize(2..7),
        };
        let is_large = nodes >= 50;
        // The largest have time for one event and what it takes to recover.
        let duration = if is_large { 6.0 } else { 12.0 + rng.f64() * 28.0 };
        let is_faultless = rng.u32(..10) == 0;
        let mut rate = |of: f64| if is_faultless || rng.bool() { 0.0 } else { of * (0.1 + rng.f64()) };
        let network = Network { slow: rate(0.05), request_lost: rate(0.02), reply_lost: rate(0.02), twice: rate(0.05) };
        let events = Events {
            restarts: rate(0.1),
            rollbacks: rate(0.1),
            flushes: rate(0.1),
            failovers: rate(0.1),
            trims: rate(0.1),
            write_stops: rate(0.05),
            partitions: rate(0.1),
            half_open: rate(0.1),
            suspensions: rate(0.1),
            node_restarts: rate(0.05),
            clock_steps: rate(0.1),
        };
        Self {
            nodes,
            duration: Duration::from_secs_f64(duration),
            logouts_every: Duration::from_millis(if is_large { 100 } else { rng.u64(50..1000) }),
            max_staleness: Duration::from_millis(*rng.choice(&[1000, 2000, 5000, 5000, 5000]).unwrap_or(&5000)),
            latency: Duration::from_millis(rng.u64(1..=20)),
            limit: Duration::from_millis(*rng.choice(&[250, 1000, 1000, 3000, 60_000]).unwrap_or(&1000)),
            restarts_are_other_logs: rng.u32(..4) == 0,
            writes_name_their_epoch: rng.bool(),
            most: *rng.choice(&[3, 20, 2000]).unwrap_or(&20),
            network: if rng.u32(..3) == 0 { Network::default() } else { network },
            events,
        }
    }

    /// A fleet in which nothing goes wrong.
    pub(crate) fn calm(nodes: usize) -> Self {
        Self {
            nodes,
            duration: Duration::ZERO,
            logouts_every: Duration::MAX,
            max_staleness: Duration::from_secs(5),
            latency: Duration::from_millis(2),
            limit: Duration::from_secs(2),
            restarts_are_other_logs: false,
            writes_name_their_epoch: true,
            most: 1000,
            network: Network::default(),
            events: Events::default(),
        }
    }

    /// Neither the network nor a server disturbs anything.
    pub(crate) fn is_faultless(&self) -> bool {
        let Network { slow, request_lost, reply_lost, twice } = self.network;
        let Events { restarts, rollbacks, flushes, failovers, write_stops, partitions, half_open, .. } = self.events;
        let Events { suspensions, node_restarts, trims, clock_steps, .. } = self.events;
        let network = slow + request_lost + reply_lost + twice;
        let servers = restarts + rollbacks + flushes + failovers + write_stops + trims + clock_steps;
        network + servers + partitions + half_open + suspensions + node_restarts == 0.0
    }
}
