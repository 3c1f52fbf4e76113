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
//! Readiness is about checks. It does not say that revocations can be stored: a full disk or a lost
//! file makes the logouts of a `RedbStore` fail with 503 while checks go on from memory, and a
//! server can reject writes only. Such a node should keep its requests. Watch
//! `tower_logout_store_failures_total{operation="revoke"}` instead, or the event `store failed`
//! with `operation = "revoke"`, whose `error` has the cause and the remedy.
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
//! | `tower_logout_store_failures_total{operation="revoke"}` | it grows | logouts get 503: a full disk, a lost file, a server that rejects writes |
//! | `tower_logout_replica_staleness_seconds` | above half of `max_staleness` for a minute | the node does not hear from the server, and is about to answer 503 |
//! | `tower_logout_region_fresh`, event `region unavailable` | 0 for a minute | a region cannot be reached: requests get 503, or pass without it |
//! | `tower_logout_revocations_total` with `source="resent"`, event `log lost revocations` | it grows | the server had lost revocations, and has them again |
//! | `tower_logout_revocations_in_vain_total`, event `revocation ends nothing` | ever | a `Logout` that guards nothing: a mistake in the code |
//! | `tower_logout_checks_total{outcome="invalid_token"}`, by `reason` | it jumps | a changed key, issuer or audience: see the event `token rejected by the configuration` |
//! | `tower_logout_checks_total{outcome="insecurely_allowed"}` | ever | requests pass unchecked, by `insecure_allow_on_store_failure` |
//! | `tower_logout_live_revocations` | near the capacity | at capacity, logouts get 503 |
//! | `tower_logout_messages_total{outcome="unavailable"}` | it grows | logouts of the identity provider get 503, and few providers deliver them again |
//! | `tower_logout_messages_total{outcome="refused"}`, event `message refused by the configuration` | it grows | the provider reports something that a setting refuses: see `remedy` in the event |
//! | event `stream of security events has stopped`, or `health()` of a poller | ever, not ready | the transmitter has paused the stream of security events, and nothing is heard |
//! | event `revocation file lost` | ever | the file of a `RedbStore` is not at its path; do not restart before reading the event |
//!
//! # Shutdown
//!
//! A graceful shutdown waits for open connections, and streams never end by themselves.
//! [`drain`](crate::Logout::drain) ends them:
//!
//! ```rust
//! # #[cfg(unix)]
//! # mod program {
//! use std::{io, time::Duration};
//!
//! use axum::Router;
//! use tokio::{
//!     net::TcpListener,
//!     signal::unix::{SignalKind, signal},
//!     sync::oneshot,
//! };
//! use tower_logout::Logout;
//!
//! /// In `main`: `serve(listener, app, logout, asked_to_stop()?, Duration::from_secs(10)).await?`.
//! async fn serve(
//!     listener: TcpListener,
//!     app: Router,
//!     logout: Logout,
//!     stop: impl Future<Output = ()> + Send + 'static,
//!     at_most: Duration,
//! ) -> io::Result<()> {
//!     let (stopping, stopped) = oneshot::channel();
//!     let stop = async move {
//!         stop.await;
//!         logout.drain(); // ends the streams; requests are still answered
//!         let _ = stopping.send(());
//!     };
//!     let server = async { axum::serve(listener, app).with_graceful_shutdown(stop).await };
//!     let limit = async {
//!         let _ = stopped.await; // the time begins with the signal
//!         tokio::time::sleep(at_most).await;
//!     };
//!     tokio::select! {
//!         result = server => result,
//!         () = limit => Ok(()), // a client that never finishes is abandoned
//!     }
//! }
//!
//! /// Resolves on Ctrl-C, and on SIGTERM, which stops a container.
//! fn asked_to_stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
//!     let mut interrupt = signal(SignalKind::interrupt())?;
//!     let mut terminate = signal(SignalKind::terminate())?;
//!     Ok(async move {
//!         tokio::select! {
//!             _ = interrupt.recv() => {}
//!             _ = terminate.recv() => {}
//!         }
//!     })
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use std::sync::Arc;
//! #     use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify};
//! #     use tower_logout::{JwtVerifier, MemoryStore};
//! #     let _ = asked_to_stop()?;
//! #     let logout = Logout::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
//! #     let asked = Arc::new(Notify::new());
//! #     let ask = Arc::clone(&asked);
//! #     let app = Router::new().fallback(async move || {
//! #         ask.notify_one();
//! #         std::future::pending::<()>().await
//! #     });
//! #     let listener = TcpListener::bind("127.0.0.1:0").await?;
//! #     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//! #     client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
//! #     serve(listener, app, logout, async move { asked.notified().await }, Duration::from_millis(10)).await?;
//! #     drop(client);
//! #     Ok(())
//! # }
//! # }
//! # #[cfg(unix)]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! # #[cfg(not(unix))]
//! # fn main() {}
//! ```
//!
//! The limit matters: a client that does not read, or a handler that does not return, would
//! otherwise keep the process running. What is abandoned ends with the runtime, when `main`
//! returns. Choose a limit below that of the platform, such as the
//! `terminationGracePeriodSeconds` of Kubernetes, after which the process is killed.
//!
//! Server-sent events end properly, with the last event if one is set; gRPC streams end with status
//! 14, other bodies with an error. Watches resolve to
//! [`ShuttingDown`](crate::guard::EndReason::ShuttingDown), whose WebSocket close code is 1001. A
//! WebSocket has left the server with its upgrade: to wait for its handler, hold a receiver of a
//! `tokio::sync::watch` in each, and await `Sender::closed`, as the example `websocket` does.
//! Bodies that are not watched, because of `allow_streams_after_revocation()`, are not ended.
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
