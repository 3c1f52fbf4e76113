//! Faults of a server and of the network, for any backend.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::time::timeout;
use tower_logout::{
    RevocationStore,
    clock::{Clock, SystemClock, Timestamp},
    revocation::{Revocation, RevocationKey},
    store::{Health, ReplicaOptions, RevocationLog, StoreError},
};

use super::{
    MAX_STALENESS, Node, PATIENCE, TIMEOUT, Traffic, eventually, identity_of, new_token, nothing_is_missing, token_at,
};
use crate::{ISSUER, identity, servers::FaultProxy};

/// A server and a store that connects to it.
#[allow(async_fn_in_trait, reason = "the tests call it with types that they know")]
pub trait Backend: Sized {
    type Log: RevocationLog;

    /// A server that keeps its data when it is killed.
    async fn start() -> Self;
    fn addr(&self) -> SocketAddr;
    /// A store with this timeout, which connects to this address.
    async fn connect(way: SocketAddr, timeout: Duration) -> Result<Self::Log, StoreError>;
    fn kill(&self);
    async fn restart(&self);
    fn freeze(&self);
    fn thaw(&self);
    /// The number of entries on the server, expired ones included.
    async fn entries(&self) -> usize;

    /// A store whose calls end soon.
    async fn impatient(way: &FaultProxy) -> Self::Log {
        let begun = Instant::now();
        loop {
            match Self::connect(way.addr(), TIMEOUT).await {
                Ok(log) => return log,
                // The timeout is short, and the machine may be busy.
                Err(_) if begun.elapsed() < PATIENCE => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn node(way: &FaultProxy) -> Arc<Node<Self::Log>> {
        Node::start(Self::impatient(way).await).await
    }
}

/// Two nodes, each with its own proxy to one server.
pub struct Fleet<B: Backend> {
    pub server: B,
    pub way_a: FaultProxy,
    pub way_b: FaultProxy,
    pub a: Arc<Node<B::Log>>,
    pub b: Arc<Node<B::Log>>,
}

impl<B: Backend> Fleet<B> {
    pub async fn start() -> Self {
        Self::over(B::start().await).await
    }

    pub async fn over(server: B) -> Self {
        let (way_a, way_b) = (FaultProxy::start(server.addr()).await, FaultProxy::start(server.addr()).await);
        let (a, b) = (B::node(&way_a).await, B::node(&way_b).await);
        Self { server, way_a, way_b, a, b }
    }

    pub async fn traffic(&self) -> Traffic {
        Traffic::start(&self.a, &self.b).await
    }

    /// The server is restarted, at once and after its nodes have become stale.
    pub async fn survives_outages(&self, stop: impl Fn(&B)) {
        let mut traffic = self.traffic().await;
        for outage in [Duration::ZERO, MAX_STALENESS * 2] {
            stop(&self.server);
            traffic.until_failed_logouts(5).await;
            traffic.go_on_for(outage).await;
            self.server.restart().await;
            traffic.until_logouts(20).await;
        }
        self.recovers(traffic).await;
    }

    /// Traffic for a while after a fault, and then the final check.
    pub async fn recovers(&self, traffic: Traffic) {
        self.recovers_on(traffic, &self.server).await;
    }

    /// The same after another server has taken over.
    pub async fn recovers_on(&self, mut traffic: Traffic, server: &B) {
        traffic.until_logouts(50).await;
        self.a.until_fresh().await;
        self.b.until_fresh().await;
        traffic.until_checks(200).await;
        self.nothing_is_missing(&traffic.stop().await, server).await;
    }

    /// Asserts it on both nodes and on this server.
    pub async fn nothing_is_missing(&self, tokens: &[String], server: &B) {
        let direct = B::connect(server.addr(), PATIENCE).await.unwrap();
        nothing_is_missing(&[&self.a, &self.b], tokens, &direct).await;
    }
}

type Fault = fn(&FaultProxy);

/// A test for each fault that any server can have.
#[macro_export]
macro_rules! faults {
    ($backend:ty, $needs:literal) => {
        $crate::faults! { $backend, $needs;
            a_server_that_is_killed_and_keeps_its_data
            a_server_that_is_frozen
            connections_that_are_reset
            a_server_that_rejects_connections
            replies_that_are_cut_after_the_request
            replies_that_come_ten_seconds_late
            replies_that_are_garbage
            sockets_that_are_half_open
            every_call_ends_whatever_the_server_does
            clocks_of_nodes_that_are_apart_by_the_skew_bound
            a_slow_snapshot_with_a_logout_at_every_step
        }
    };
    ($backend:ty, $needs:literal; $($fault:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = $needs]
        async fn $fault() {
            $crate::fleet::faults::$fault::<$backend>().await;
        }
    )+};
}

pub async fn a_server_that_is_killed_and_keeps_its_data<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    fleet.survives_outages(B::kill).await;
}

pub async fn a_server_that_is_frozen<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.server.freeze();
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    assert!(!fleet.b.replica().health().is_fresh());
    fleet.server.thaw();
    fleet.recovers(traffic).await;
}

pub async fn connections_that_are_reset<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    let mut traffic = fleet.traffic().await;
    for _ in 0..20 {
        fleet.way_a.reset();
        fleet.way_b.reset();
        traffic.until_logouts(10).await;
    }
    fleet.recovers(traffic).await;
}

pub async fn a_server_that_rejects_connections<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.way_b.refuse();
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.refuse();
    traffic.until_failed_logouts(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    fleet.recovers(traffic).await;
}

async fn eventually_logged_out<L: RevocationLog>(node: &Node<L>, attempt: usize) {
    for token in 0..1000 {
        if node.log_out(&new_token(&format!("before {attempt}, {token}"))).await == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody can log out");
}

pub async fn replies_that_are_cut_after_the_request<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    let direct = B::connect(fleet.server.addr(), PATIENCE).await.unwrap();
    let mut attempts = 0;
    let token = loop {
        // The connection is open and the script is loaded.
        eventually_logged_out(&fleet.a, attempts).await;
        let token = new_token(&format!("cut {attempts}"));
        fleet.way_a.cut_after_request();
        assert_eq!(fleet.a.log_out(&token).await, StatusCode::SERVICE_UNAVAILABLE);
        fleet.way_a.pass();
        fleet.a.until_fresh().await;
        // The cut may have hit an earlier reply, to a greeting.
        if direct.is_revoked(&identity_of(&token)).await.unwrap() {
            break token;
        }
        attempts += 1;
        assert!(attempts < 100, "never was the reply to a logout cut");
    };
    fleet.a.until_known(&token).await;
    assert_eq!(fleet.a.log_out(&token).await, StatusCode::UNAUTHORIZED, "it was stored, and the retry says so");
    fleet.b.until_known(&token).await;

    let mut traffic = fleet.traffic().await;
    fleet.way_a.cut_after_request();
    fleet.way_b.cut_after_request();
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    fleet.recovers(traffic).await;
}

pub async fn replies_that_come_ten_seconds_late<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.way_b.delay_replies(Duration::from_secs(10));
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.delay_replies(Duration::from_secs(10));
    traffic.until_failed_logouts(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    fleet.recovers(traffic).await;
}

pub async fn replies_that_are_garbage<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.way_a.garbage();
    fleet.way_b.garbage();
    traffic.until_failed_logouts(5).await;
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    fleet.recovers(traffic).await;
}

pub async fn sockets_that_are_half_open<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    let mut traffic = fleet.traffic().await;
    fleet.way_b.half_open();
    traffic.until_unanswered_checks(5).await;
    fleet.way_a.half_open();
    traffic.until_failed_logouts(5).await;
    fleet.way_a.pass();
    fleet.way_b.pass();
    fleet.recovers(traffic).await;
}

/// Six times the timeout, as the machine may be busy.
async fn ends_in_time<T>(call: impl Future<Output = T>) -> T {
    timeout(TIMEOUT * 6, call).await.expect("a call ends within its time")
}

pub async fn every_call_ends_whatever_the_server_does<B: Backend>() {
    let server = B::start().await;
    let faults: [(&str, Fault); 6] = [
        ("half open", FaultProxy::half_open),
        ("garbage", FaultProxy::garbage),
        ("refuse", FaultProxy::refuse),
        ("reset", FaultProxy::reset),
        ("cut", FaultProxy::cut_after_request),
        ("late", |way| way.delay_replies(Duration::from_secs(600))),
    ];
    for (name, fault) in faults {
        let way = FaultProxy::start(server.addr()).await;
        let node = B::node(&way).await;
        let log = B::impatient(&way).await;
        fault(&way);
        let loading = Node::loading(log, ReplicaOptions::new().max_staleness(MAX_STALENESS), SystemClock);
        let token = identity_of(&new_token(name));
        if name != "reset" {
            // From now on each check goes to the log, with its cursor.
            node.until_stale().await;
        }
        for _ in 0..3 {
            let revocation = Revocation::of_token(&token);
            let errors = (
                ends_in_time(node.log().revoke(&revocation)).await.is_err(),
                ends_in_time(node.log().is_revoked(&token)).await.is_err(),
                ends_in_time(node.replica().is_revoked(&token)).await.is_err(),
                ends_in_time(B::connect(way.addr(), TIMEOUT)).await.is_err(),
            );
            assert!(name == "reset" || errors == (true, true, true, true), "{name}: {errors:?}");
        }
        way.pass();
        // Following and a snapshot have ended, too, and have begun again.
        node.until_fresh().await;
        loading.until_fresh().await;
    }
    server.freeze();
    assert!(ends_in_time(B::connect(server.addr(), TIMEOUT)).await.is_err());
}

pub async fn clocks_of_nodes_that_are_apart_by_the_skew_bound<B: Backend>() {
    let server = B::start().await;
    let bound = Duration::from_secs(2);
    let node = async |ahead, behind| {
        let (clock, options) = (Skewed { ahead, behind }, ReplicaOptions::new());
        let node = Node::loading_with(B::connect(server.addr(), PATIENCE).await.unwrap(), options, clock, bound);
        node.until_fresh().await;
        node
    };
    let exact = node(Duration::ZERO, Duration::ZERO).await;
    let ahead = node(bound, Duration::ZERO).await;
    let behind = node(Duration::ZERO, bound).await;
    let now = SystemClock.now().as_unix_millis() / 1000;
    let (token, other) = (token_at("skewed", now - 10, 12), token_at("other", now - 10, 12));
    assert_eq!(exact.log_out(&token).await, StatusCode::OK);
    for node in [&ahead, &behind] {
        eventually("all know it", || matches!(node.replica().is_revoked_now(&identity_of(&token)), Some(Ok(true))))
            .await;
    }
    let (mut lived, mut fillers) = (0, 0);
    let over = Timestamp::from_unix_seconds(now + 2 + 6);
    // Writes, so that the server purges expired entries by its own clock.
    while SystemClock.now() < over || server.entries().await >= fillers {
        for node in [&ahead, &behind, &exact] {
            assert_eq!(node.visit(&token).await, StatusCode::UNAUTHORIZED);
            let key = RevocationKey::token_id(ISSUER, &format!("filler {fillers}"));
            let soon = SystemClock.now().saturating_add(Duration::from_millis(500));
            node.log().revoke(&Revocation::new(key, Timestamp::MAX, soon)).await.unwrap();
            fillers += 1;
        }
        lived += u32::from(behind.visit(&other).await == StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(SystemClock.now() < over.saturating_add(Duration::from_secs(60)), "the server forgets nothing");
    }
    assert!(lived > 20, "the node behind took what nobody logged out for as long as its clock said: {lived}");
}

pub async fn a_slow_snapshot_with_a_logout_at_every_step<B: Backend>() {
    let fleet = Fleet::<B>::start().await;
    for jti in 0..3000 {
        fleet.a.log().revoke(&Revocation::of_token(&identity(&jti.to_string(), Timestamp::MAX))).await.unwrap();
    }
    let way = FaultProxy::start(fleet.server.addr()).await;
    // On a busy machine a step takes longer than other calls may, and an abandoned snapshot begins
    // again.
    let log = B::connect(way.addr(), PATIENCE).await.unwrap();
    way.step_replies(4096);
    let c = Node::loading(log, ReplicaOptions::new().max_staleness(MAX_STALENESS), SystemClock);
    let mut tokens = Vec::new();
    while let Health::Loading { .. } = c.replica().health() {
        let token = new_token(&format!("during step {}", tokens.len()));
        let answer = c.visit(&token).await;
        let is_loading = matches!(c.replica().health(), Health::Loading { .. });
        assert!(answer == StatusCode::SERVICE_UNAVAILABLE || !is_loading, "{answer}");
        assert_eq!(fleet.a.log_out(&token).await, StatusCode::OK);
        tokens.push(token);
        let _ = timeout(Duration::from_millis(200), way.let_one_through()).await;
        assert!(tokens.len() < 2000, "the snapshot is never in");
    }
    assert!(tokens.len() > 10, "there were {} steps", tokens.len());
    way.pass();
    nothing_is_missing(&[&c, &fleet.b], &tokens, c.log()).await;
}

/// The system clock, ahead or behind.
#[derive(Clone, Copy, Debug)]
struct Skewed {
    ahead: Duration,
    behind: Duration,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        let ahead = SystemClock.now().saturating_add(self.ahead);
        Timestamp::from_unix_millis(ahead.as_unix_millis() - u64::try_from(self.behind.as_millis()).unwrap())
    }
}
