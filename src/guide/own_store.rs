//! How a store is written, and tested.
//!
//! Implement [`RevocationStore`](crate::RevocationStore). Two methods are required: `revoke` joins
//! a revocation into the store, and `is_revoked` asks for a token. Two more are worth the lines:
//! `find` looks up one revocation, which the endpoints that receive logouts from elsewhere need to
//! recognize repeated messages, and `revoke_all` adds many, which a database does in one statement.
//! Without the latter, one is added after the other.
//!
//! ```rust
//! use std::{collections::HashMap, sync::{Mutex, MutexGuard}};
//!
//! use async_trait::async_trait;
//! use tower_logout::{
//!     RevocationStore,
//!     clock::Timestamp,
//!     revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
//!     store::StoreError,
//! };
//!
//! /// Yours asks a database: all methods are `async`.
//! #[derive(Default)]
//! struct MapStore(Mutex<HashMap<RevocationKey, Revocation>>);
//!
//! #[async_trait]
//! impl RevocationStore for MapStore {
//!     async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
//!         let mut map = self.lock("revoke")?;
//!         let known = map.get(&revocation.key());
//!         // Of two revocations of one key the later counts, and it is kept for longer: they join.
//!         let is_new = known.is_none_or(|known| known.issued_through() < revocation.issued_through());
//!         let joined = known.and_then(|known| known.join(revocation)).unwrap_or(*revocation);
//!         map.insert(revocation.key(), joined);
//!         Ok(if is_new { Outcome::Newly } else { Outcome::Already })
//!     }
//!
//!     async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
//!         let map = self.lock("check")?;
//!         let applies = |known: &Revocation| token.issued_at() <= known.issued_through();
//!         Ok(token.keys().iter().any(|key| map.get(key).is_some_and(applies)))
//!     }
//!
//!     async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
//!         Ok(self.lock("find")?.get(&key).copied())
//!     }
//! }
//!
//! impl MapStore {
//!     /// Forgets what no verifier accepts any more. Never sooner: a revoked token would be accepted.
//!     fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
//!         self.lock("purge")?.retain(|_, revocation| revocation.retain_until() > now);
//!         Ok(())
//!     }
//!
//!     fn lock(&self, operation: &'static str) -> Result<MutexGuard<'_, HashMap<RevocationKey, Revocation>>, StoreError> {
//!         self.0.lock().map_err(|_| StoreError::new(operation, "an earlier caller panicked"))
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let store = MapStore::default();
//! #     let key = RevocationKey::token_id("https://login.example", "1");
//! #     let revocation = Revocation::new(key, Timestamp::MAX, Timestamp::from_unix_seconds(100));
//! #     assert_eq!(store.revoke(&revocation).await?, Outcome::Newly);
//! #     assert_eq!(store.revoke(&revocation).await?, Outcome::Already);
//! #     assert_eq!(store.find(key).await?, Some(revocation));
//! #     store.purge(Timestamp::from_unix_seconds(100))?;
//! #     assert_eq!(store.revoke(&revocation).await?, Outcome::Newly);
//! #     Ok(())
//! # }
//! ```
//!
//! With the feature `test-util`, one line turns the suite that every store must pass into tests of
//! yours. They need `tokio` with `macros` and `rt-multi-thread`:
//!
//! ```rust
//! use tower_logout::{MemoryStore, conformance};
//!
//! conformance! {
//!     mine => MemoryStore::new(); // yours
//! }
//! ```
//!
//! # The contract
//!
//! * Once `revoke` has returned `Ok`, every later check of a token with the key, issued until
//!   `issued_through`, is `Ok(true)`, until `retain_until`.
//! * Revocations of one key join by maximum. Of concurrent callers with the same revocation,
//!   exactly one receives `Newly`: in a database, one statement.
//! * No live revocation is evicted. Without room for another, `revoke` is an error.
//! * A check that cannot be answered for certain is an error, never `Ok(false)`; nor is a look-up
//!   ever `Ok(None)` then.
//! * `find` asks the original, not a copy: it returns what any process has revoked before.
//! * A dropped future leaves the revocation either written or absent.
//! * Each call ends within a time that the store limits.
//!
//! A key is 16 bytes, and holds a hash: no bytes that a client has chosen come to the store. Times
//! are milliseconds since the Unix epoch.
//! [`StoreError::with_kind`](crate::store::StoreError::with_kind) says what helps against an error;
//! clients get 503 and no details.
//!
//! # Answer from memory
//!
//! A store that keeps its revocations in this process, in a
//! [`RevocationSet`](crate::set::RevocationSet), can implement three more methods: `is_revoked_now`
//! answers without a future, `watch` ends live streams at the moment of a revocation, and
//! `generation` lets a token that was found not revoked skip the search while nothing is revoked.
//! Without `watch`, each stream is re-checked every
//! [`recheck_interval`](crate::Logout::recheck_interval).
//!
//! # Several nodes
//!
//! A store that several processes share can be followed by a [`Replica`](crate::Replica) if it also
//! implements [`RevocationLog`](crate::store::RevocationLog): `snapshot` writes everything that is
//! live to a [`SnapshotSink`](crate::store::SnapshotSink), `follow` returns what came after a
//! cursor, and [`CursorLost`](crate::store::FollowError::CursorLost) says that the log no longer
//! reaches back to it. The trait's documentation has a whole log, with tests. A replica also
//! notices a log that was trimmed or emptied or has lost something, and re-sends what it knows.
//!
//! The example `custom_store` is a whole program.
