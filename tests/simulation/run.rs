//! One run: a seed, its faults, and what follows when they have stopped.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::{
    checks, events,
    fleet::Fleet,
    plan::Plan,
    world::{Weakness, World, lock},
};

/// A run in which everything held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) hash: u64,
    pub(crate) nodes: usize,
    pub(crate) logouts: usize,
    /// From the end of the faults until all nodes were fresh and agreed.
    pub(crate) agreed_after: Duration,
}

/// What did not hold in a run.
pub(crate) struct Failure {
    pub(crate) why: String,
    pub(crate) trace: String,
}

/// Runs a seed on this thread.
pub(crate) fn run(seed: u64, weakness: Option<Weakness>) -> Result<Report, Failure> {
    // The replica draws from the generator of the thread.
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::of(&mut rng);
        let world = Arc::new(Mutex::new(World::new(seed, rng, plan.clone(), weakness)));
        let mut fleet = Fleet::start(Arc::clone(&world));
        let result = play(&mut fleet, &plan).await;
        let world = lock(&world);
        match result {
            Ok(agreed_after) => {
                Ok(Report { hash: world.trace.hash(), nodes: plan.nodes, logouts: world.logouts.len(), agreed_after })
            }
            Err(why) => Err(Failure { why, trace: world.trace.text(&plan) }),
        }
    })
}

async fn play(fleet: &mut Fleet, plan: &Plan) -> Result<Duration, String> {
    let until = Instant::now() + plan.duration;
    while Instant::now() < until {
        let step = Duration::from_millis(lock(&fleet.world).rng.u64(1..100));
        sleep(step).await;
        events::stop_old(&mut lock(&fleet.world), false);
        events::happen(fleet, step);
        let is_due = lock(&fleet.world).rng.f64() < step.as_secs_f64() / plan.logouts_every.as_secs_f64();
        if is_due {
            fleet.log_out();
        }
        let asked = lock(&fleet.world).rng.usize(..plan.nodes);
        fleet.ask(asked);
        checks::every_step(fleet)?;
    }
    events::end(&mut lock(&fleet.world));
    let kept = known_to_any(fleet);
    let ended = Instant::now();
    while !agree(fleet, &kept) {
        if ended.elapsed() > LONGEST_RECOVERY {
            return Err(disagreement(fleet, &kept));
        }
        sleep(Duration::from_millis(50)).await;
        checks::every_step(fleet)?;
    }
    let agreed_after = ended.elapsed();
    exactly_one_was_first(fleet, plan)?;
    Ok(agreed_after)
}

/// What any node knows when the faults end.
fn known_to_any(fleet: &Fleet) -> Vec<usize> {
    let world = lock(&fleet.world);
    let is_known = |logout: usize| {
        let one = &world.logouts[logout];
        one.is_long && (0..fleet.nodes.len()).any(|node| fleet.knows(node, &one.token))
    };
    (0..world.logouts.len()).filter(|&logout| is_known(logout)).collect()
}

/// Whether all nodes are fresh, and they and the log know everything of it.
fn agree(fleet: &Fleet, kept: &[usize]) -> bool {
    let world = lock(&fleet.world);
    let contents = &world.servers[world.primary].contents;
    let all_know = |&logout: &usize| {
        let token = &world.logouts[logout].token;
        contents.covers(token) && (0..fleet.nodes.len()).all(|node| fleet.knows(node, token))
    };
    fleet.nodes.iter().all(|node| node.replica.health().is_fresh()) && kept.iter().rev().all(all_know)
}

fn disagreement(fleet: &Fleet, kept: &[usize]) -> String {
    let world = lock(&fleet.world);
    for (node, member) in fleet.nodes.iter().enumerate() {
        let health = member.replica.health();
        if !health.is_fresh() {
            return format!("node {node} is not fresh {LONGEST_RECOVERY:?} after the faults: {health:?}");
        }
    }
    let contents = &world.servers[world.primary].contents;
    for &logout in kept {
        let token = &world.logouts[logout].token;
        if !contents.covers(token) {
            return format!("a node knows logout {logout}, and the log never has it again");
        }
        if let Some(node) = (0..fleet.nodes.len()).find(|&node| !fleet.knows(node, token)) {
            return format!("node {node} never learns of logout {logout}");
        }
    }
    "the nodes agree too late".to_owned()
}

fn exactly_one_was_first(fleet: &Fleet, plan: &Plan) -> Result<(), String> {
    if !plan.is_faultless() {
        return Ok(());
    }
    let world = lock(&fleet.world);
    for (logout, one) in world.logouts.iter().enumerate() {
        let is_token = one.revocation.key() == one.token.own_key();
        if is_token && one.is_long && one.acknowledged_to.len() == one.asked && one.newly != 1 {
            return Err(format!("{} of {} logouts of token {logout} were the first", one.newly, one.asked));
        }
    }
    Ok(())
}

const LONGEST_RECOVERY: Duration = Duration::from_secs(60);
