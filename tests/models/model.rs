//! `src/set`, compiled with the locks and atomics of the model checker `loom`, which tries every
//! order in which threads can run, under weak memory as well.
#![allow(unreachable_pub, dead_code, clippy::modulo_one)]

use std::sync::Arc;

use tower_logout::{
    clock::Timestamp,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
};

use self::set::RevocationSet;

#[path = "../../src/chain.rs"]
pub mod chain;

pub mod clock {
    pub use tower_logout::clock::Timestamp;
}

pub mod revocation {
    pub use tower_logout::revocation::{KeyKind, Outcome, Revocation, RevocationKey, TokenIdentity};
}

#[path = "../../src/set"]
pub mod set {
    pub mod alarm;
    pub mod engine;
    pub mod generation;
    pub mod registry;
    pub mod shard;
    pub mod signal;
    pub mod table;

    pub use engine::RevocationSet;
    pub use generation::Generation;
    pub use signal::RevocationSignal;

    #[path = "../../tests/models/sync.rs"]
    pub mod sync;
}

/// Tries every order with up to three preemptions.
pub fn explore(body: impl Fn() + Sync + Send + 'static) {
    explore_preemptions(3, body);
}

/// Tries every order with up to `most` preemptions; with three, three threads have too many orders.
pub fn explore_preemptions(most: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(most);
    model.max_branches = 100_000;
    model.check(body);
}

pub fn in_a_thread<T: 'static>(
    set: &Arc<RevocationSet>,
    work: impl FnOnce(&RevocationSet) -> T + 'static,
) -> loom::thread::JoinHandle<T> {
    let set = Arc::clone(set);
    loom::thread::spawn(move || work(&set))
}

pub fn token(jti: &str) -> TokenIdentity {
    let own = RevocationKey::token_id("https://issuer.example", jti);
    TokenIdentity::new(own, Timestamp::MIN, Timestamp::MAX, &Retention::default()).carries(subject().key())
}

pub fn subject() -> Revocation {
    Revocation::new(RevocationKey::subject("https://issuer.example", "usr_123"), Timestamp::MAX, Timestamp::MAX)
}

/// The revocation of one token.
pub fn of(token: &TokenIdentity) -> Revocation {
    Revocation::new(token.own_key(), Timestamp::MAX, token.retain_until())
}
