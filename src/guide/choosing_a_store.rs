//! Where revocations are kept, and what each store promises.
//!
//! One process: a file.
//!
//! ```rust
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, Logout, RedbStore};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("revocations.redb");
//! # let secret = [7; 32];
//! let verifier = JwtVerifier::hs256(secret).issuer("https://login.example").build()?;
//! let logout = Logout::new(verifier, RedbStore::open(path)?);
//! # Ok(())
//! # }
//! ```
//!
//! Several nodes: a Redis or a PostgreSQL that they share, and a `Replica` on each.
//!
//! ```rust,no_run
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, Logout, RedisStore, Replica};
//!
//! # let secret = [7; 32];
//! let verifier = JwtVerifier::hs256(secret).issuer("https://login.example").build()?;
//! let replica = Replica::start(RedisStore::connect("redis://127.0.0.1:6379").await?);
//! let logout = Logout::new(verifier, replica);
//! # Ok(())
//! # }
//! ```
//!
//! | | [`MemoryStore`](crate::MemoryStore) | [`RedbStore`](crate::RedbStore) | [`Replica`](crate::Replica) over [`RedisStore`](crate::RedisStore) | [`Replica`](crate::Replica) over [`PostgresStore`](crate::PostgresStore) |
//! |---|---|---|---|---|
//! | feature | | `redb` (Rust 1.90) | `redis` | `postgres` |
//! | processes | one | one | any number | any number |
//! | a check | from memory | from memory | from memory | from memory |
//! | after a restart | forgotten | kept | kept if the server persists | kept |
//! | after a power loss | forgotten | kept, if the disk keeps what it has synced | kept with `appendfsync always` | kept |
//! | while the server is down | | | checks go on for 5 s, then 503; logouts get 503 | the same |
//!
//! A `RedisStore` or a `PostgresStore` can also be used directly, without a replica. All promises,
//! with the tests that enforce them, are in `docs/guarantees.md` of the repository.
//!
//! # One process
//!
//! Use [`MemoryStore`](crate::MemoryStore) in tests, and where it does no harm that a restart
//! forgets revocations: tokens that were revoked are then accepted again until they expire.
//!
//! [`RedbStore`](crate::RedbStore) syncs each revocation to its file before the logout is answered.
//! The file must be on a local disk; it is locked, so a second process cannot open it. All live
//! revocations are in memory as well. Its documentation says what to do when the file is removed,
//! replaced or overwritten.
//!
//! # Several nodes
//!
//! A [`Replica`](crate::Replica) keeps all live revocations in the memory of each node and follows
//! the server, so a check costs no round trip. Another node's logout arrives within milliseconds as
//! a rule, and never later than [`max_staleness`](crate::store::ReplicaOptions::max_staleness) (5
//! s): a node that has not heard from the server for longer asks it for each check, and answers 503
//! if it cannot.
//!
//! * **Redis** 6.2 or later, or Valkey, is the usual choice. A logout is as durable as the server:
//!   configure `appendonly yes`, and `appendfsync always` against a loss of power.
//! * **PostgreSQL** 13 or later, if you have one already. Each logout is committed to its disk, and
//!   to its synchronous standbys.
//! * **The server directly**, without a replica: if no staleness is acceptable, or memory is tight.
//!   Every check is a round trip; if the server is down, every request gets 503.
//!
//! [`several_nodes`](super::several_nodes) sets them up.
//!
//! # Memory and capacity
//!
//! A live revocation takes 41 to 46 bytes in the process. An entry lives as long as a token that it
//! covers can: minutes for one access token, and
//! [`max_lifetime`](crate::token::jwt::JwtVerifierBuilder::max_lifetime) (366 days unless you set
//! it) for a user or a session. Set `max_lifetime` to what your issuer gives, and the store stays
//! small.
//!
//! A store refuses more than ten million entries by default
//! ([`MemoryStore::capacity`](crate::MemoryStore::capacity),
//! [`RedbStoreOptions::capacity`](crate::store::RedbStoreOptions::capacity)): the logout is
//! answered with 503. Nothing live is ever evicted, because a revoked token would be accepted
//! again. For the same reason, a Redis that may evict keys (`maxmemory-policy allkeys-…`) is
//! refused at start.
//!
//! If another service verifies the same tokens with other settings, the store must remember for the
//! longest of them: give its revoker [`Retention::join`](crate::revocation::Retention::join) of all
//! policies.
//!
//! # Without a server of these kinds
//!
//! [`own_store`](super::own_store) implements a store over what you have.
