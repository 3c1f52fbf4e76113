//! [`PostgresStore`]: a store in PostgreSQL, used directly or followed by a replica.

mod address;
mod carry;
mod check;
mod config;
mod connect;
mod connect_error;
mod connection;
mod copy;
mod cursor;
mod error;
mod find;
mod identity;
mod layout;
mod libpq;
mod listener;
mod log;
mod loss;
mod migrate;
mod notify;
mod options;
mod pool;
mod prepared;
mod probe;
mod prune;
mod revoke;
mod revoke_all;
mod rights;
mod schema;
mod server;
mod session;
mod shared;
mod snapshot;
mod sqlstate;
mod statements;
mod status;
mod target;
#[cfg(feature = "postgres-tls")]
mod tls;
mod value;

use std::{slice, sync::Arc};

use async_trait::async_trait;

use crate::{
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::{RevocationStore, StoreError},
};
pub use address::PostgresAddress;
pub use cursor::PostgresCursor;
use error::PostgresError;
pub use options::PostgresStoreOptions;
use shared::Shared;

/// Store that keeps revocations in PostgreSQL 13 or later, shared by any number of nodes.
///
/// A revocation is one statement, which concurrent revocations of a process share. It is
/// acknowledged once it is committed to the disk, and to the synchronous standbys if the server has
/// any, even if `synchronous_commit` is off by default. A check is one statement as well, however
/// many keys the token has. To answer checks from memory, follow the store with a
/// [`Replica`](crate::Replica).
///
/// Each call ends within its [time limit](PostgresStoreOptions::timeout), whatever the server does.
/// A revocation that ended in an error may have been stored: revoking again then returns
/// [`Outcome::Already`].
///
/// Only the primary is used. If the address names several hosts, the store connects to the first
/// one that accepts writes; `target_session_attrs` may be `any`, `read-write` or `primary`, which
/// all mean this. An old primary that still accepts writes after a failover must be shut off: see
/// [limits of failover](#limits-of-failover).
///
/// Servers that speak PostgreSQL's protocol but lack features that the store needs (`CockroachDB`,
/// `YugabyteDB`, Aurora DSQL and others) are rejected when the store connects.
///
/// Clones are cheap and share the connections, the background tasks and the observations of the
/// tables.
///
/// # Tables and rights
///
/// [`migrate`](Self::migrate) creates the tables. All nodes may call it whenever they start. The
/// tables contain hashes and times, no tokens. A role that may not create tables needs the
/// following rights, which are verified when the store connects:
///
/// ```sql
/// grant usage on schema tower_logout to app;
/// grant select, insert, update, delete on tower_logout.revocation to app;
/// grant select, update on tower_logout.state to app;
/// ```
///
/// Revocations that have expired by the server's clock are deleted in the background. Other
/// programs may read and write the tables: `docs/postgres-layout.md`, included below, describes the
/// layout and the SQL, with an example in plain `psql`.
///
/// # When another program changes the tables
///
/// Every statement verifies that row-level security hides no row from the role, and that the tables
/// have the right type and layout; otherwise it is an error. A store that is used directly also
/// remembers a few rows that it has observed. If they are missing because the table was emptied,
/// replaced or restored from an older copy, checks are errors until the rows are restored, and no
/// token is reported as not revoked. Restarting the application accepts the loss. A
/// [`Replica`](crate::Replica) re-sends the missing revocations instead. The limits are listed
/// under [what is not detected](#what-is-not-detected).
///
/// # Connections
///
/// Connections are opened on demand, up to [`connections`](PostgresStoreOptions::connections). A
/// replica listens on one more. If the server or a pooler grants fewer, calls wait for a free
/// connection within their time limit. One connection is sufficient; a replica then polls.
///
/// The password may be given by a closure of the application, which is asked for each connection:
/// [`PostgresAddress::password_from`].
///
/// # TLS
///
/// TLS needs the feature `postgres-tls` and `sslmode=verify-full` in the connection string.
/// `require` and `verify-ca` mean the same: the server's certificate and name are always verified.
/// **Without it, nothing is encrypted**, even if the server supports TLS; `prefer` and `allow` are
/// the same as `disable`, because anyone on the way could choose the plain connection. The
/// application must install a crypto provider of rustls.
///
/// `sslrootcert` names a file of CA certificates, which replaces those of the system, or is
/// `system`. `sslcert` and `sslkey` name the files of a client's certificate and of its key. The
/// files are read once, when the store is created. Certificates can also be given in PEM, with
/// [`root_certificates`](PostgresStoreOptions::root_certificates) and
/// [`client_certificate`](PostgresStoreOptions::client_certificate). Each of these requires TLS.
///
/// # PgBouncer
///
/// Everything except `LISTEN` works through PgBouncer in transaction mode; use
/// [`poll_only`](PostgresStoreOptions::poll_only). Statement mode is not supported.
///
/// # Examples
///
/// ```no_run
/// # async fn start() -> Result<(), tower_logout::store::StoreError> {
/// use tower_logout::{PostgresStore, Replica};
///
/// let url = "postgres://app:secret@db.example/app?sslmode=verify-full";
/// let store = PostgresStore::connect(url).await?;
/// store.migrate().await?;
/// let replica = Replica::start(store);
/// # Ok(())
/// # }
/// ```
///
/// ---
///
#[doc = include_str!("../../../docs/postgres-layout.md")]
#[derive(Clone, Debug)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

#[async_trait]
impl RevocationStore for PostgresStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let outcomes = self.shared.revoke_with_others(slice::from_ref(revocation)).await?;
        outcomes.first().copied().ok_or_else(|| PostgresError::NoRow.in_operation("revoke"))
    }

    /// One statement for up to 5000 revocations, in one transaction.
    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        if revocations.is_empty() {
            return Ok(Vec::new());
        }
        self.shared.revoke_with_others(revocations).await
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        self.shared.within_timeout("check", self.shared.is_revoked(token)).await
    }

    /// One statement, which verifies the tables as a check does.
    async fn find(&self, key: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        self.shared.within_timeout("find", self.shared.find(key)).await
    }
}
