//! What happens to servers, nodes and the network.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    fleet::Fleet,
    plan::Events,
    server::{Contents, Server},
    world::{Partition, World, lock},
};

/// Lets events happen, each with its rate, in a step of this length.
pub(crate) fn happen(fleet: &mut Fleet, step: Duration) {
    let mut restarting = None;
    {
        let mut guard = lock(&fleet.world);
        let world = &mut *guard;
        let events = world.plan.events;
        let Events { restarts, rollbacks, flushes, failovers, trims, write_stops, .. } = events;
        let Events { partitions, half_open, suspensions, node_restarts, clock_steps, .. } = events;
        let mut due = |rate: f64| rate > 0.0 && world.rng.f64() < rate * step.as_secs_f64();
        let due = [restarts, rollbacks, flushes, failovers, trims, write_stops].map(&mut due);
        let [restarts, rollbacks, flushes, failovers, trims, write_stops] = due;
        if restarts {
            restart(world, None);
        }
        if rollbacks {
            let lag = lag(world);
            restart(world, Some(lag));
        }
        if flushes {
            let primary = world.primary;
            world.trace.add("flush", primary as u64, 0);
            world.servers[primary].flush();
            world.count_losses(primary);
        }
        if failovers {
            let lag = lag(world);
            let old_lives = if world.rng.bool() { 0 } else { world.rng.u64(..4000) };
            fail_over(world, lag, Duration::from_millis(old_lives));
        }
        if trims {
            let primary = world.primary;
            world.trace.add("trim", primary as u64, 0);
            world.servers[primary].trim();
        }
        if write_stops && !world.servers[world.primary].refuses_writes {
            let primary = world.primary;
            world.trace.add("writes stop", primary as u64, 0);
            world.servers[primary].refuses_writes = true;
        } else if world.servers[world.primary].refuses_writes && world.rng.f64() < step.as_secs_f64() / 3.0 {
            let primary = world.primary;
            world.trace.add("writes go on", primary as u64, 0);
            world.servers[primary].refuses_writes = false;
        }
        if world.servers[world.primary].refuses_writes {
            world.unrest_until = Instant::now() + Duration::from_secs(2);
        }
        let mut due = |rate: f64| rate > 0.0 && world.rng.f64() < rate * step.as_secs_f64();
        let due = [partitions, half_open, suspensions, node_restarts, clock_steps].map(&mut due);
        let [partitions, half_open, suspensions, node_restarts, clock_steps] = due;
        let node = world.rng.usize(..world.nodes.len());
        let now = Instant::now();
        if partitions {
            let (during, is_silent) = (Duration::from_millis(world.rng.u64(1..10_000)), world.rng.bool());
            world.trace.add("partition", node as u64, is_silent.into());
            world.nodes[node].partition = Some(Partition { until: now + during, is_silent });
            let limit = world.plan.limit.min(Duration::from_secs(7));
            world.disturb(node, during + limit);
        }
        if half_open {
            world.trace.add("half-open", node as u64, 0);
            let one = &mut world.nodes[node];
            for connection in [&mut one.reads, &mut one.writes].into_iter().flatten() {
                connection.is_half_open = true;
            }
            world.disturb(node, Duration::from_secs(8));
        }
        if suspensions {
            let during = Duration::from_millis(world.rng.u64(1..10_000));
            world.trace.add("suspended", node as u64, 0);
            world.nodes[node].suspended_until = now + during;
            world.disturb(node, during + Duration::from_secs(7));
        }
        if clock_steps {
            // Within the tolerance of 30 s, or far beyond.
            let most = if world.rng.bool() { 15_000 } else { 500_000 };
            let ahead = world.rng.i64(-most..most);
            if world.rng.bool() {
                world.trace.add("clock of a node", node as u64, ahead.unsigned_abs());
                if let Ok(mut clock) = world.nodes[node].clock.lock() {
                    *clock = ahead;
                }
            } else {
                world.trace.add("clock of the server", 0, ahead.unsigned_abs());
                let primary = world.primary;
                world.servers[primary].clock = ahead;
            }
        }
        if node_restarts {
            restarting = Some(node);
        }
    }
    if let Some(node) = restarting {
        fleet.restart(node);
    }
}

fn lag(world: &mut World) -> Duration {
    Duration::from_millis(if world.rng.bool() { world.rng.u64(..200) } else { world.rng.u64(..5000) })
}

/// The server starts again. What it had not synced is lost.
pub(crate) fn restart(world: &mut World, lag: Option<Duration>) {
    let primary = world.primary;
    world.trace.add("restart", primary as u64, lag.is_some().into());
    let contents = lag.map(|lag| contents_before(world, primary, lag));
    let incarnation = world.next_id();
    world.servers[primary].restart(contents, incarnation);
    world.count_losses(primary);
}

/// A replica that lags becomes the primary. The old one answers for a while.
pub(crate) fn fail_over(world: &mut World, lag: Duration, old_lives: Duration) {
    let old = world.primary;
    let incarnation = world.next_id();
    let contents = contents_before(world, old, lag);
    let server = Server::new(contents, incarnation);
    world.servers.push(server);
    world.primary = world.servers.len() - 1;
    let primary = world.primary;
    world.trace.add("failover", primary as u64, u64::try_from(old_lives.as_millis()).unwrap_or(0));
    world.servers[primary].refuses_writes = false;
    world.count_losses(primary);
    if old_lives.is_zero() {
        world.servers[old].stop();
        return;
    }
    let until = Instant::now() + old_lives;
    world.contradiction_until = world.contradiction_until.max(until + Duration::from_secs(8));
    world.unrest_until = world.unrest_until.max(world.contradiction_until);
    for node in 0..world.nodes.len() {
        world.nodes[node].old_name = (world.rng.u32(..3) == 0).then_some((old, until));
    }
    world.stopping.push((old, until));
}

fn contents_before(world: &mut World, server: usize, lag: Duration) -> Contents {
    let generation = world.next_id();
    world.servers[server].as_of(Instant::now().checked_sub(lag).unwrap_or_else(Instant::now), generation)
}

/// Stops the former primaries whose time has come.
pub(crate) fn stop_old(world: &mut World, all: bool) {
    let now = Instant::now();
    let (due, later): (Vec<_>, Vec<_>) = world.stopping.drain(..).partition(|&(_, until)| all || until <= now);
    world.stopping = later;
    for (server, _) in due {
        if server != world.primary {
            world.trace.add("the old primary stops", server as u64, 0);
            world.servers[server].stop();
        }
    }
}

/// From now on, nothing goes wrong any more.
pub(crate) fn end(world: &mut World) {
    stop_old(world, true);
    let now = Instant::now();
    world.plan.network = crate::plan::Network::default();
    let primary = world.primary;
    world.servers[primary].refuses_writes = false;
    for node in &mut world.nodes {
        node.partition = None;
        node.suspended_until = now;
        node.old_name = None;
        for connection in [&mut node.reads, &mut node.writes].into_iter().flatten() {
            connection.is_half_open = false;
        }
    }
    world.trace.add("the faults end", 0, 0);
}
