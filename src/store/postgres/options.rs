//! [`PostgresStoreOptions`]: settings of a store and of its connections.

use std::{fmt, time::Duration};

use super::schema::Schema;

/// Options of a [`PostgresStore`](crate::PostgresStore): schema, time limit, connections, polling
/// and TLS.
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), tower_logout::store::StoreError> {
/// use std::time::Duration;
/// use tower_logout::PostgresStore;
///
/// let store = PostgresStore::options()
///     .schema("accounts_logout")
///     .timeout(Duration::from_millis(500))
///     .connect("postgres://app:secret@db.example/app?sslmode=verify-full")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct PostgresStoreOptions {
    pub(super) schema: String,
    pub(super) timeout: Duration,
    pub(super) connections: usize,
    pub(super) poll_only: bool,
    #[cfg(feature = "postgres-tls")]
    pub(super) root_certificates: Vec<Vec<u8>>,
    /// The certificate and its key.
    #[cfg(feature = "postgres-tls")]
    pub(super) client_certificate: Option<(Vec<u8>, Vec<u8>)>,
}

impl Default for PostgresStoreOptions {
    fn default() -> Self {
        Self {
            schema: Schema::DEFAULT.to_owned(),
            timeout: Duration::from_secs(1),
            connections: 8,
            poll_only: false,
            #[cfg(feature = "postgres-tls")]
            root_certificates: Vec::new(),
            #[cfg(feature = "postgres-tls")]
            client_certificate: None,
        }
    }
}

impl PostgresStoreOptions {
    /// Sets the schema that holds the tables: 1 to 63 bytes, no zero byte, not beginning with
    /// `pg_`. Default: `tower_logout`.
    ///
    /// Stores with the same schema share their revocations.
    pub fn schema(self, schema: impl Into<String>) -> Self {
        Self { schema: schema.into(), ..self }
    }

    /// Sets the time limit of a call, which includes connecting and waiting for a free connection.
    /// Default: 1 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the maximum number of connections, in addition to the one on which a
    /// [`Replica`](crate::Replica) listens. Default: 8.
    ///
    /// Fewer are opened if fewer are needed, or if the server or a pooler grants no more.
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Polls for changes every 100 ms instead of using `LISTEN`, which PgBouncer in transaction
    /// mode does not support.
    ///
    /// Only a [`Replica`](crate::Replica) is affected: it then needs no connection of its own.
    pub fn poll_only(self) -> Self {
        Self { poll_only: true, ..self }
    }

    /// Adds trusted root certificates, in PEM, to those of the system. TLS is then required, even
    /// if the connection string does not ask for it.
    #[cfg(feature = "postgres-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Sets the certificate with which the store logs in, and its key, both in PEM. TLS is then
    /// required, and `sslcert` and `sslkey` in the connection string are not read.
    ///
    /// The certificate may be followed by those of intermediate authorities. The key must not be
    /// encrypted.
    #[cfg(feature = "postgres-tls")]
    pub fn client_certificate(self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { client_certificate: Some((certificate.into(), key.into())), ..self }
    }

    #[cfg(feature = "postgres-tls")]
    pub(super) fn has_certificates(&self) -> bool {
        !self.root_certificates.is_empty() || self.client_certificate.is_some()
    }

    #[cfg(not(feature = "postgres-tls"))]
    #[expect(clippy::unused_self, reason = "it is used if the feature `postgres-tls` is enabled")]
    pub(super) fn has_certificates(&self) -> bool {
        false
    }
}

impl fmt::Debug for PostgresStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreOptions")
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("poll_only", &self.poll_only)
            .finish_non_exhaustive()
    }
}
