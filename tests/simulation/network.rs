//! How calls travel between a node and the servers.

use std::{
    future::{Future, pending},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower_logout::store::{RevocationLog, StoreError, StoreErrorKind};

use crate::{
    log::{PATIENCE, SimulatedLog},
    world::{Connection, Path},
};

/// How one request and its reply travel.
#[derive(Clone, Copy)]
pub(crate) struct Trip {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
    pub(crate) is_request_lost: bool,
    pub(crate) is_reply_lost: bool,
    /// The request arrives again, this much later.
    pub(crate) again: Option<Duration>,
}

pub(crate) fn unavailable(operation: &'static str, why: &'static str) -> StoreError {
    StoreError::new(operation, why).with_kind(StoreErrorKind::Unavailable)
}

impl SimulatedLog {
    /// Draws how a call travels. Marks the node as disturbed if that is not as usual.
    pub(crate) fn trip(&self) -> Trip {
        let mut world = self.world();
        let (network, latency, limit) = (world.plan.network, world.plan.latency, world.plan.limit);
        let mut way = || latency.mul_f64(world.rng.f64());
        let (mut there, back) = (way(), way());
        let mut happens = |probability: f64| probability > 0.0 && world.rng.f64() < probability;
        let (is_slow, is_request_lost) = (happens(network.slow), happens(network.request_lost));
        let (is_reply_lost, is_repeated) = (happens(network.reply_lost), happens(network.twice));
        if is_slow {
            there += limit.min(Duration::from_secs(2)).mul_f64(world.rng.f64());
        }
        if is_slow || is_request_lost || is_reply_lost {
            world.disturb(self.node, limit.min(PATIENCE));
        }
        let again = is_repeated.then(|| Duration::from_millis(world.rng.u64(1..2000)));
        Trip { there, back, is_request_lost, is_reply_lost, again }
    }

    /// Leads a request to the server.
    pub(crate) async fn reach(&self, operation: &'static str, on: Connection, trip: Trip) -> Result<(), StoreError> {
        if trip.is_request_lost || on.is_half_open {
            pending::<()>().await;
        }
        self.cross(operation).await?;
        sleep(trip.there).await;
        if self.world().is_open(on) { Ok(()) } else { Err(unavailable(operation, "the connection was reset")) }
    }

    /// Leads a reply to the node.
    pub(crate) async fn reply(&self, operation: &'static str, on: Connection, trip: Trip) -> Result<(), StoreError> {
        sleep(trip.back).await;
        if trip.is_reply_lost {
            pending::<()>().await;
        }
        self.cross(operation).await?;
        if self.world().is_open(on) { Ok(()) } else { Err(unavailable(operation, "the connection was reset")) }
    }

    /// Waits while the server is busy with other calls.
    pub(crate) async fn serve(&self, path: Path, entries: usize) {
        let at = self.world().served_at(path, entries);
        if let Some(at) = at {
            sleep_until(at).await;
        }
    }

    /// Fails if a partition separates the node from the servers.
    pub(crate) async fn cross(&self, operation: &'static str) -> Result<(), StoreError> {
        let partition = self.world().nodes[self.node].partition.filter(|partition| Instant::now() < partition.until);
        match partition {
            Some(partition) if partition.is_silent => pending().await,
            Some(_) => {
                sleep(Duration::from_millis(1)).await;
                Err(unavailable(operation, "connection refused"))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn connection(&self, path: Path) -> Connection {
        self.world().connection(self.node, path)
    }

    /// Limits the duration of a call. After an error, the next call makes new connections. Nothing
    /// returns while the node is suspended.
    pub(crate) async fn limited<T, E: From<StoreError>>(
        &self,
        operation: &'static str,
        longer: Duration,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let limit = self.world().plan.limit;
        let result = timeout(limit + longer, call).await.unwrap_or_else(|_| {
            self.world().disturb(self.node, Duration::ZERO);
            Err(unavailable(operation, "no answer in time").into())
        });
        if result.is_err() {
            self.reconnect();
        }
        loop {
            let until = {
                let world = self.world();
                let node = &world.nodes[self.node];
                (node.life == self.life).then_some(node.suspended_until)
            };
            match until {
                None => pending().await, // The process is gone.
                Some(until) if Instant::now() < until => sleep_until(until).await,
                Some(_) => return result,
            }
        }
    }
}
