//! What must hold at every step.

use tokio::time::Instant;

use crate::{
    fleet::Fleet,
    world::{World, lock},
};

/// Verifies every node that runs.
pub(crate) fn every_step(fleet: &Fleet) -> Result<(), String> {
    for node in 0..fleet.nodes.len() {
        if !fleet.is_suspended(node) {
            of_node(fleet, node)?;
        }
    }
    let failure = lock(&fleet.world).failure.clone();
    failure.map_or(Ok(()), Err)
}

fn of_node(fleet: &Fleet, node: usize) -> Result<(), String> {
    if fleet.accepts_no_innocent(node) {
        return Err(format!("node {node} refuses a token that nobody has revoked"));
    }
    let mut guard = lock(&fleet.world);
    let world = &mut *guard;
    // What it has known once, it knows for as long as it lives.
    let known = &world.nodes[node].known;
    if !known.is_empty() {
        let at = world.rng.usize(..known.len().min(4));
        for &logout in known.iter().rev().skip(at * 3).take(2) {
            if !fleet.knows(node, &world.logouts[logout].token) && fleet.known_through(node).is_some() {
                return Err(format!("node {node} has forgotten logout {logout}"));
            }
        }
    }
    // It knows all that was acknowledged before the instant that it claims.
    let Some(known_through) = fleet.known_through(node) else { return Ok(()) };
    let mut unknown = Vec::new();
    for (logout, one) in world.logouts.iter().enumerate() {
        let is_claimed = one.acknowledged_at.is_some_and(|at| at < known_through);
        if is_claimed && !world.nodes[node].known.contains(&logout) {
            if fleet.knows(node, &one.token) {
                world.nodes[node].known.insert(logout);
            } else {
                unknown.push(logout);
            }
        }
    }
    let views = &mut world.nodes[node].views;
    while views.front().is_some_and(|view| view.began < known_through) {
        views.pop_front();
    }
    let view = views.iter().find(|view| view.began == known_through);
    let Some((lacked, owed)) = view.map(|view| (view.lacked.clone(), view.owed.clone())) else {
        if unknown.is_empty() {
            return Ok(());
        }
        return Err(format!("node {node} claims to know everything as of an instant at which it did not look"));
    };
    // It trusts a log that has lost something once it has re-sent what it knows itself.
    let noticed_at = world.nodes[node].cursor_lost_at.filter(|&noticed_at| noticed_at < known_through);
    for logout in owed {
        let one = &world.logouts[logout];
        let is_noticed = one.lost_at.zip(noticed_at).is_some_and(|(lost_at, noticed_at)| lost_at <= noticed_at);
        let was_clear = one.lost_at.is_some_and(|lost_at| world.contradiction_until < lost_at);
        let is_lacked = world.servers[world.primary].lacks.contains(&logout);
        if is_noticed && was_clear && is_lacked && one.is_long {
            return Err(format!("node {node} trusts the log again, which lacks logout {logout} that the node knows"));
        }
    }
    for logout in unknown {
        if !lacked.contains(&logout) {
            return Err(format!("node {node} is fresh and accepts the token of logout {logout}, which the log had"));
        }
        if let Some(other) = who_could_have_re_sent(fleet, world, node, logout, known_through) {
            return Err(format!(
                "node {node} trusts the log without logout {logout}, which node {other} could have re-sent"
            ));
        }
    }
    Ok(())
}

/// A node that had every chance to re-send the logout before `node` trusted its log again, if
/// `node` had noticed the loss.
fn who_could_have_re_sent(
    fleet: &Fleet,
    world: &World,
    node: usize,
    logout: usize,
    known_through: Instant,
) -> Option<usize> {
    let lost_at = world.logouts[logout].lost_at?;
    let noticed_at = world.nodes[node].cursor_lost_at?;
    if noticed_at < lost_at || known_through <= noticed_at {
        return None;
    }
    who_was_told(world, logout).filter(|&other| fleet.knows(other, &world.logouts[logout].token))
}

/// A node that had been told of the logout shortly before it was lost, and whose calls all went
/// well since.
pub(crate) fn who_was_told(world: &World, logout: usize) -> Option<usize> {
    let one = &world.logouts[logout];
    let lost_at = one.lost_at?;
    if !one.is_long || world.unrest_until >= lost_at {
        return None;
    }
    let was_told = |&(other, life, at): &(usize, u64, Instant)| {
        let of = &world.nodes[other];
        let is_recent = at + RECENT > lost_at && at <= lost_at;
        (of.life == life && is_recent && of.disturbed_until < lost_at).then_some(other)
    };
    one.acknowledged_to.iter().find_map(was_told)
}

/// Less than the half minute for which a replica counts a revocation as recent.
const RECENT: std::time::Duration = std::time::Duration::from_secs(25);
