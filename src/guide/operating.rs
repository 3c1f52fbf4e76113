//! What a health endpoint, alerts and a clean shutdown look like, and what to do when a server
//! fails.
//!
//! # Health
//!
//! With a `Replica`, a node should get requests while its view is fresh. Keep
//! [`replica.monitor()`](crate::Replica::monitor) in the application's state, and answer a
//! readiness probe from it; [`several_nodes`](super::several_nodes) has the endpoint as a handler.
//!
//! ```rust
//! use tower_logout::store::ReplicaMonitor;
//!
//! fn is_ready(monitor: &ReplicaMonitor) -> bool {
//!     let health = monitor.health();
//!     if let Some(error) = health.last_error() {
//!         eprintln!("{error:?}"); // what keeps the replica from its server, with the remedy
//!     }
//!     health.is_fresh()
//! }
//! ```
//!
//! Use it for readiness, not for liveness: a restart does not bring the server back, and the node
//! forgets what other nodes may need to have re-sent. The stores of one process are ready once they
//! are open.
//!
//! # Alerts
//!
//! Enable the features `metrics` and `tracing`. [`telemetry`](crate::telemetry) lists all names;
//! none contains a token, a claim or a secret. These deserve an alert; `docs/operations.md`, in the
//! repository, has more:
//!
//! | metric or event | alert when | it means |
//! |---|---|---|
//! | `tower_logout_checks_total{outcome="temporarily_unavailable"}` | it grows | requests get 503, because store or verifier cannot answer |
//! | `tower_logout_store_failures_total`, event `store failed` | it grows | a store's call failed; the event's `error` has the remedy |
//! | `tower_logout_replica_staleness_seconds` | above half of `max_staleness` for a minute | the node does not hear from the server, and is about to answer 503 |
//! | `tower_logout_replica_resent_total`, event `log lost revocations` | it grows | the server had lost revocations, and has them again |
//! | `tower_logout_revocations_in_vain_total`, event `revocation ends nothing` | ever | a `Logout` that guards nothing: a mistake in the code |
//! | `tower_logout_checks_total{outcome="invalid_token"}`, by `reason` | it jumps | a changed key, issuer or audience: see the event `token rejected by the configuration` |
//! | `tower_logout_checks_total{outcome="insecurely_allowed"}` | ever | requests pass unchecked, by `insecure_allow_on_store_failure` |
//! | `tower_logout_live_revocations` | near the capacity | at capacity, logouts get 503 |
//! | event `revocation file lost` | ever | the file of a `RedbStore` is not at its path; do not restart before reading the event |
//!
//! # Shutdown
//!
//! A graceful shutdown waits for open connections, and streams never end by themselves.
//! [`drain`](crate::Logout::drain) ends them:
//!
//! ```rust,no_run
//! # #[cfg(unix)]
//! # mod program {
//! use axum::Router;
//! use tokio::{
//!     net::TcpListener,
//!     signal::unix::{SignalKind, signal},
//! };
//! use tower_logout::Logout;
//!
//! async fn serve(listener: TcpListener, app: Router, logout: Logout) -> std::io::Result<()> {
//!     let mut terminate = signal(SignalKind::terminate())?; // what stops a container
//!     let stop = async move {
//!         tokio::select! {
//!             _ = terminate.recv() => {}
//!             _ = tokio::signal::ctrl_c() => {}
//!         }
//!         logout.drain();
//!     };
//!     axum::serve(listener, app).with_graceful_shutdown(stop).await
//! }
//! # }
//! ```
//!
//! Server-sent events end properly, with the last event if one is set; gRPC streams end with status
//! 14, other bodies with an error. Watches resolve to
//! [`ShuttingDown`](crate::guard::EndReason::ShuttingDown), whose WebSocket close code is 1001. A
//! WebSocket has left the server with its upgrade: to wait for its handler, hold a receiver of a
//! `tokio::sync::watch` in each, and await `Sender::closed`, as the example `websocket` does.
//! Requests are still answered. Bodies that are not watched, because of
//! `allow_streams_after_revocation()`, are not ended. A client that does not read can keep its
//! connection: limit how long the shutdown waits, as the example `axum` does.
//!
//! # When a server fails
//!
//! | what happened | what the nodes do | what an operator does |
//! |---|---|---|
//! | Redis or PostgreSQL is down | checks go on for 5 s, then 503; logouts get 503 | brings it back; no node needs a restart |
//! | it was restarted, emptied, restored from a backup, or failed over | each node re-sends the revocations that are missing, a few thousand a second, and trusts the server again after two seconds at the earliest | starts no new node until the old ones are fresh: a new one cannot know what is missing |
//! | an old primary lives on | nodes that stay connected to it trust it | fences it: stops it before another one is promoted |
//! | everything is lost, the server and all nodes | nothing can be known | calls [`everything`](crate::Revoker::everything) or changes the signing keys: all users log in again |
//! | a signing key has leaked | | replaces it with [`replace_keys`](crate::JwtVerifier::replace_keys); tokens of the old key are rejected at once |
//!
//! Set a Cluster's `cluster-node-timeout`, or the Sentinels' `down-after-milliseconds`, to a third
//! of [`max_staleness`](crate::store::ReplicaOptions::max_staleness) at most; otherwise each
//! failover is an outage. `docs/operations.md`, in the repository, has the settings of the servers
//! and each case in detail.
//!
//! # Capacity
//!
//! * A live revocation takes 41 to 46 bytes on each node, 126 to 186 in Redis and 207 to 226 in
//!   PostgreSQL. How many are live: logouts per second, times the lifetime of a token; for users
//!   and sessions, times `max_lifetime`.
//! * The cache of verified tokens holds 16,384 tokens and 16 MiB. Its room is divided among groups
//!   of eight tokens, so give twice what is in use at a time:
//!   [`token_cache`](crate::Logout::token_cache).
//! * An open stream takes 0.9 KiB.
//! * `docs/performance.md`, in the repository, has what checks and logouts cost, and how that
//!   grows.
//!
//! # Changing keys
//!
//! Add the new key beside the old one, let the issuer sign with the new one, and remove the old one
//! when the last of its tokens has expired: [`identity_providers`](super::identity_providers).
