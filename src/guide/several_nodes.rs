//! How several nodes behind a load balancer share revocations.
//!
//! Each node starts a [`Replica`](crate::Replica) over the shared server, keeps its
//! [monitor](crate::store::ReplicaMonitor) for the health endpoint, and gives the replica to the
//! `Logout`:
//!
//! ```rust,no_run
//! # mod program {
//! use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
//! use serde_json::{Value, json};
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, RedisStore, Replica, VerifiedToken,
//!     store::{Health, ReplicaMonitor},
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let store = RedisStore::connect(&std::env::var("REDIS_URL")?).await?;
//!     let replica = Replica::start(store); // loads in the background; until then, checks are 503
//!     let monitor = replica.monitor();
//!
//!     let verifier = JwtVerifier::hs256(std::env::var("JWT_SECRET")?)
//!         .issuer("https://login.example")
//!         .audience("https://api.example")
//!         .build()?;
//!     let logout = Logout::new(verifier, replica);
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
//! /// What a load balancer or a readiness probe asks: whether this node is to get requests.
//! async fn healthz(State(monitor): State<ReplicaMonitor>) -> (StatusCode, Json<Value>) {
//!     let health = monitor.health();
//!     let status = if health.is_fresh() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
//!     let state = match health {
//!         Health::Loading { .. } => "loading",
//!         Health::Fresh { .. } => "fresh",
//!         _ => "stale",
//!     };
//!     let staleness_ms = health.staleness().map(|staleness| staleness.as_millis());
//!     (status, Json(json!({ "state": state, "staleness_ms": staleness_ms })))
//! }
//! # }
//! ```
//!
//! With PostgreSQL, create the tables first. All nodes may do so whenever they start:
//!
//! ```rust,no_run
//! use tower_logout::{PostgresStore, Replica, store::StoreError};
//!
//! async fn replica(url: &str) -> Result<Replica<PostgresStore>, StoreError> {
//!     let store = PostgresStore::connect(url).await?;
//!     store.migrate().await?;
//!     Ok(Replica::start(store))
//! }
//! ```
//!
//! All nodes need the same keys, the same issuer and audience, and clocks that differ by less than
//! 30 s ([`clock_skew`](crate::token::jwt::JwtVerifierBuilder::clock_skew)).
//!
//! With several regions, each has a server of its own: see [`several_regions`](super::several_regions),
//! which also shows how a fleet moves from one store to another.
//!
//! # Try it
//!
//! In a clone of this repository, start a server (unless one runs already) and each node in a
//! terminal of its own. The nodes print the `curl` lines for a logout on one that is rejected on
//! the other.
//!
//! ```text
//! redis-server --dir "$(mktemp -d)" --appendonly yes
//! ADDR=127.0.0.1:3000 cargo run -p example-redis
//! ADDR=127.0.0.1:3001 cargo run -p example-redis
//! ```
//!
//! ```text
//! PATH=$PATH:$(echo /usr/lib/postgresql/*/bin) DIR=$(mktemp -d)    # where Debian has its programs; not as root
//! initdb -D $DIR -U postgres --auth=trust && postgres -D $DIR -k $DIR
//! ADDR=127.0.0.1:3000 cargo run -p example-postgres
//! ADDR=127.0.0.1:3001 cargo run -p example-postgres
//! ```
//!
//! `curl -i http://127.0.0.1:3001/healthz` answers 200 with `{"staleness_ms":120,"state":"fresh"}`,
//! and 503 while the node loads or has not heard from the server for more than 5 s. `REDIS_URL` and
//! `DATABASE_URL` name other servers.
//!
//! # What a logout on one node means on another
//!
//! * The 200 is sent once the server has the revocation. On this node, the token is rejected from
//!   then on; on the others within milliseconds as a rule, and within
//!   [`max_staleness`](crate::store::ReplicaOptions::max_staleness) (5 s) at most.
//! * A node whose view is older than that asks the server for each check, or answers 503 at once
//!   with [`reject_when_stale`](crate::store::ReplicaOptions::reject_when_stale), which spares a
//!   server in trouble the checks of all nodes. What the node knows to be revoked stays rejected.
//! * Of any number of logouts with one token, on whichever nodes, exactly one is answered with 200.
//! * Streams that a token has opened end on every node.
//!
//! # Starting before the server
//!
//! `connect` fails if the server cannot be used, with an error that names the remedy, so that a
//! wrong address or a missing right is found at once.
//! [`RedisStore::connect_lazily`](crate::RedisStore::connect_lazily) and
//! [`PostgresStore::connect_lazily`](crate::PostgresStore::connect_lazily) do not connect: the node
//! answers 503 until the server is up, and is then ready by itself.
//! [`ReplicaMonitor::ready`](crate::store::ReplicaMonitor::ready) waits for that.
//!
//! # The server
//!
//! * **TLS**: features `redis-tls` (`rediss://…`) and `postgres-tls` (`sslmode=verify-full`). The
//!   application installs the crypto provider of rustls before it connects:
//!   `rustls::crypto::aws_lc_rs::default_provider().install_default()`. Without TLS, nothing is
//!   encrypted.
//! * **Redis**: a server that may evict keys is refused. `RedisStoreOptions` has the
//!   [prefix](crate::store::RedisStoreOptions::prefix) of its keys, the
//!   [timeout](crate::store::RedisStoreOptions::timeout), and
//!   [`wait_replicas`](crate::store::RedisStoreOptions::wait_replicas), which makes a logout wait
//!   until replicas of the server have it. Sentinels need the feature `redis-sentinel`, a Cluster
//!   `redis-cluster`.
//! * **PostgreSQL**: `PostgresStoreOptions` has the
//!   [schema](crate::store::PostgresStoreOptions::schema) and the number of
//!   [connections](crate::store::PostgresStoreOptions::connections). Behind PgBouncer in
//!   transaction mode, use [`poll_only`](crate::store::PostgresStoreOptions::poll_only).
//! * What the stores write is documented for programs in other languages, with examples in plain
//!   `redis-cli` and `psql`, in `docs/redis-layout.md` and `docs/postgres-layout.md`.
//!
//! # When the server fails
//!
//! A replica forgets nothing that it knows. After the server was restarted, emptied or replaced by
//! a failover, the nodes together re-send the revocations that are missing, and trust the server
//! again after two seconds at the earliest. [`operating`](super::operating) has what operators do,
//! and [`limits`](super::limits) what cannot be repaired. `docs/scale.md` has how many nodes a
//! server feeds.
