//! How several regions share revocations, and how a fleet moves to another store.
//!
//! Each region has a server of its own, and each node follows all of them. Logouts are written to
//! the home region's server; a token that any region has revoked is rejected:
//!
//! ```rust,no_run
//! # mod program {
//! use std::time::Duration;
//!
//! use axum::{Router, extract::State, http::StatusCode, routing::get};
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, RedisStore, Replica, VerifiedToken,
//!     store::{Regions, RegionsMonitor, ReplicaOptions},
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let here = RedisStore::connect(&std::env::var("REDIS_EU")?).await?;
//!     // Lazily, so that a node can start while the other region cannot be reached.
//!     let us = RedisStore::options()
//!         .timeout(Duration::from_secs(2))
//!         .connect_lazily(&std::env::var("REDIS_US")?)?;
//!     let us = ReplicaOptions::new().max_staleness(Duration::from_secs(15)).start(us);
//!     let regions = Regions::home(Replica::start(here)).and("us", us).build()?;
//!     let monitor = regions.monitor();
//!
//!     let verifier = JwtVerifier::hs256(std::env::var("JWT_SECRET")?)
//!         .issuer("https://login.example")
//!         .audience("https://api.example")
//!         .build()?;
//!     let logout = Logout::new(verifier, regions);
//!     let app = Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(logout.axum_layer())
//!         .route_service("/api/v1/logout", logout.service())
//!         .route("/healthz", get(healthz))
//!         .with_state(monitor);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//!
//! async fn me(token: VerifiedToken<Claims>) -> String {
//!     token.sub.clone().unwrap_or_default()
//! }
//!
//! /// Whether this node is to get requests, with the state of each region.
//! async fn healthz(State(monitor): State<RegionsMonitor>) -> (StatusCode, String) {
//!     let status = if monitor.is_fresh() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
//!     let regions = monitor.regions().iter().map(|region| match region.health().staleness() {
//!         Some(staleness) => format!("{}: {} ms old\n", region.name(), staleness.as_millis()),
//!         None => format!("{}: loading\n", region.name()),
//!     });
//!     (status, regions.collect())
//! }
//! # }
//! ```
//!
//! In the region `us`, the same program has the other server as its home, and this one as `"eu"`.
//!
//! # What a logout in one region means in another
//!
//! * Checks are answered from memory in every region, and logouts wait for no other region: the 200
//!   is sent once the server at home has the revocation.
//! * It reaches the nodes of the other regions within a few milliseconds more than the link takes as
//!   a rule, and within the [`max_staleness`](crate::store::ReplicaOptions::max_staleness) of their
//!   replica of this region at most. A longer bound for a distant region tolerates a longer
//!   interruption of the link.
//! * Streams that a token has opened end in every region.
//! * Nothing is copied between the servers, and there is no conflict to resolve. Clocks must differ by
//!   less than 30 s, as within a region.
//! * Of several logouts with one token, exactly one is answered with 200 *in each region*. Once a
//!   region knows the logout of another one, the answer is 401 there as well.
//! * The servers need not be of one kind: one region can have Redis and another PostgreSQL.
//!
//! # When a region cannot be reached
//!
//! Within the bound, nothing changes. Afterwards, what is known to be revoked stays rejected, and
//! the rest is as chosen:
//!
//! | | checks | a node that starts |
//! |---|---|---|
//! | by default | ask the region's server, across the link; 503 if it does not answer | 503 |
//! | [`reject_when_stale`](crate::store::ReplicaOptions::reject_when_stale) | 503 at once | 503 |
//! | [`insecure_accept_without`][accept] | the other regions decide, without waiting | serves without the region |
//!
//! [accept]: crate::store::RegionsBuilder::insecure_accept_without
//!
//! ```rust,no_run
//! # fn regions(
//! #     here: tower_logout::Replica<tower_logout::RedisStore>,
//! #     us: tower_logout::Replica<tower_logout::RedisStore>,
//! # ) -> Result<(), tower_logout::store::StoreError> {
//! use tower_logout::store::Regions;
//!
//! let regions = Regions::home(here).and("us", us).insecure_accept_without("us").build()?;
//! # Ok(())
//! # }
//! ```
//!
//! The price of the last one: **a token that was revoked in that region is accepted while the region
//! cannot be reached**, unless the node has learned of it before. The link's outage is then no
//! outage of this region. Choose it where that is worth more, and have an alert on the event
//! `region unavailable`, which is emitted when it begins and every minute, or on
//! `tower_logout_region_fresh{region="us"}`.
//!
//! When the link works again, each node reads what it has missed, on both sides, and rejects it. There
//! is nothing to do. If the home region's server is down, logouts are answered with 503, as with one
//! region.
//!
//! # When a region is lost
//!
//! * Its server is empty: the nodes of all regions write again what they know, each revocation where
//!   it came from, within seconds.
//! * Its server is destroyed, with its data: start an empty one at the same address, and the nodes
//!   fill it. Do not restart all nodes before: until then, only their memory has the region's
//!   revocations.
//! * The region is given up: keep its server, or an empty one that the nodes fill, in the
//!   configuration of the other regions until the last token that was issued before has expired.
//!
//! # Moving to another store
//!
//! With the same means, a fleet moves to another server, to more shards, or from Redis to
//! PostgreSQL, without an interruption and without accepting a token that was logged out. Restart
//! the nodes one after the other with each of these configurations, and wait until each node is
//! ready:
//!
//! 1. `Regions::home(old).and("new", new)`
//! 2. `Regions::home(new).and("old", old)`, once all nodes have the first
//! 3. `new` alone, once the last revocation in the old store has expired: after the longest lifetime
//!    of a token ([`max_lifetime`](crate::token::jwt::JwtVerifierBuilder::max_lifetime)) and a minute
//!    since all nodes have the second
//!
//! At any time, all nodes read every store that any of them writes to. While nodes have different
//! homes, two logouts with one token can both get 200.
