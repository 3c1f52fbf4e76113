//! Two regions with a Redis each, and nodes that follow both. Each node reaches the other region's
//! server through a proxy.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use test_support::{
    ISSUER, SECRET, bearer,
    fleet::{eventually, identity_of, new_token},
    servers::{FaultProxy, RedisOptions, RedisServer},
};
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    JwtVerifier, Logout, RedisStore, Replica, RevocationStore, RevocationWatch,
    middleware::RequestBody,
    revocation::Revocation,
    store::{Health, Regions, RegionsBuilder, ReplicaOptions},
    token::TokenVerifier,
};

/// `max_staleness` of every replica.
pub(super) const BOUND: Duration = Duration::from_secs(1);
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The servers, and the links between the regions.
pub(super) struct World {
    pub(super) eu: RedisServer,
    pub(super) us: RedisServer,
    /// From nodes in `eu` to the server in `us`.
    pub(super) eu_to_us: FaultProxy,
    pub(super) us_to_eu: FaultProxy,
}

impl World {
    pub(super) async fn start() -> Self {
        let eu = RedisServer::start(RedisOptions::default()).await;
        let us = RedisServer::start(RedisOptions::default()).await;
        let (eu_to_us, us_to_eu) = (FaultProxy::start(us.addr()).await, FaultProxy::start(eu.addr()).await);
        Self { eu, us, eu_to_us, us_to_eu }
    }

    pub(super) fn in_eu(&self) -> RegionsBuilder {
        Regions::home(replica(self.eu.addr())).and("us", replica(self.eu_to_us.addr()))
    }

    pub(super) fn in_us(&self) -> RegionsBuilder {
        Regions::home(replica(self.us.addr())).and("eu", replica(self.us_to_eu.addr()))
    }

    /// A node in each region.
    pub(super) async fn nodes(&self) -> (Node, Node) {
        (Node::start(self.in_eu()).await, Node::start(self.in_us()).await)
    }

    /// What the server itself has.
    pub(super) async fn has(server: &RedisServer, token: &str) -> bool {
        matches!(store(server.addr()).is_revoked(&identity_of(token)).await, Ok(true))
    }

    /// Waits until the server has all of these tokens.
    pub(super) async fn until_it_has(server: &RedisServer, tokens: &[String]) {
        for token in tokens {
            let all = async {
                while !Self::has(server, token).await {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(PATIENCE, all).await.expect("the server gets what it lacks");
        }
    }
}

pub(super) fn store(address: SocketAddr) -> RedisStore {
    let options = RedisStore::options().timeout(Duration::from_secs(1));
    options.connect_lazily(format!("redis://{address}")).unwrap()
}

pub(super) fn replica(address: SocketAddr) -> Replica<RedisStore> {
    replica_with(address, BOUND)
}

pub(super) fn replica_with(address: SocketAddr, bound: Duration) -> Replica<RedisStore> {
    ReplicaOptions::new().max_staleness(bound).start(store(address))
}

/// A service that follows both regions.
pub(super) struct Node {
    logout: Logout,
    pub(super) regions: Arc<Regions>,
}

impl Node {
    pub(super) async fn start(regions: RegionsBuilder) -> Self {
        let node = Self::loading(regions);
        timeout(PATIENCE, node.regions.monitor().ready()).await.expect("the node becomes ready").unwrap();
        node
    }

    pub(super) fn loading(regions: RegionsBuilder) -> Self {
        let regions = Arc::new(regions.build().unwrap());
        let logout = Logout::new(verifier(), Arc::clone(&regions));
        // The machine may be busy: only the answer of a link that is down may take this long.
        Self { logout: logout.check_timeout(Duration::from_secs(3)), regions }
    }

    pub(super) async fn log_out(&self, token: &str) -> StatusCode {
        let request = Request::post("/").header("authorization", bearer(token)).body(String::new()).unwrap();
        self.logout.service().oneshot(request).await.unwrap().status()
    }

    pub(super) async fn visit(&self, token: &str) -> StatusCode {
        let inner =
            service_fn(async |_: Request<RequestBody<String>>| Ok::<_, std::io::Error>(Response::new(String::new())));
        let request = Request::get("/").header("authorization", bearer(token)).body(String::new()).unwrap();
        self.logout.layer().layer(inner).oneshot(request).await.unwrap().status()
    }

    /// Resolves once the node accepts the token, which is not revoked.
    pub(super) async fn until_accepted(&self, token: &str) {
        let accepted = async {
            loop {
                match self.visit(token).await {
                    StatusCode::OK => return,
                    // The machine may be too busy to keep a view fresh.
                    StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(Duration::from_millis(5)).await,
                    other => panic!("{other} for a token that is not revoked"),
                }
            }
        };
        timeout(PATIENCE, accepted).await.unwrap_or_else(|_| panic!("never accepted: {:?}", self.regions));
    }

    /// Logs out, if necessary again.
    pub(super) async fn until_logged_out(&self, token: &str) {
        let logged_out = async {
            loop {
                match self.log_out(token).await {
                    // A logout that was answered with 503 may have been written.
                    StatusCode::OK | StatusCode::UNAUTHORIZED => return,
                    StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(Duration::from_millis(5)).await,
                    other => panic!("{other} for a logout"),
                }
            }
        };
        timeout(PATIENCE, logged_out).await.unwrap_or_else(|_| panic!("never logged out: {:?}", self.regions));
    }

    pub(super) async fn watch(&self, token: &str) -> RevocationWatch {
        self.logout.watch(&verifier().verify(token).await.unwrap())
    }

    /// Resolves once the node rejects the token from memory.
    pub(super) async fn until_known(&self, token: &str) {
        let identity = identity_of(token);
        let is_known = || matches!(self.regions.is_revoked_now(&identity), Some(Ok(true)));
        eventually(&format!("the token is known to be revoked: {:?}", self.regions), is_known).await;
    }

    pub(super) async fn until_stale(&self, region: &str) {
        self.until(region, |health| matches!(health, Health::Stale { .. })).await;
    }

    pub(super) async fn until_fresh(&self) {
        eventually("all regions are fresh", || self.regions.monitor().is_fresh()).await;
        for region in self.regions.monitor().regions() {
            self.until(region.name(), Health::is_fresh).await;
        }
    }

    async fn until(&self, region: &str, condition: impl FnMut(&Health) -> bool) {
        let monitor = self.regions.monitor();
        let region = monitor.regions().iter().find(|it| it.name() == region).unwrap();
        let mut health = region.replica().watch();
        let came = timeout(PATIENCE, health.wait_for(condition)).await;
        came.unwrap_or_else(|_| panic!("it never came: {:?}", self.regions)).unwrap();
    }

    /// Whether the check of a token waits for an answer.
    pub(super) fn must_ask(&self, token: &str) -> bool {
        self.regions.is_revoked_now(&identity_of(token)).is_none()
    }
}

/// A token of its own.
pub(super) fn token(name: &str) -> String {
    new_token(&format!("{name} {:016x}", fastrand::u64(..)))
}

fn verifier() -> JwtVerifier {
    JwtVerifier::hs256(SECRET).issuer(ISSUER).build().unwrap()
}

/// Revokes a token at a server, as a node of its region would.
pub(super) async fn revoke_at(server: &RedisServer, token: &str) {
    store(server.addr()).revoke(&Revocation::of_token(&identity_of(token))).await.unwrap();
}
