//! Creation of a store, with options or without.

use std::sync::Arc;

use super::{PostgresStore, address::PostgresAddress, options::PostgresStoreOptions, shared::Shared};
use crate::store::StoreError;

impl PostgresStore {
    /// Connects to the server of a URL (`postgres://user:password@host:5432/database`), of
    /// `key=value` pairs, or of a [`PostgresAddress`] from parts, with the default
    /// [options](Self::options).
    ///
    /// If the tables exist, all statements of the store are tried on them, in a transaction that is
    /// rolled back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] that names the likely cause, the remedy, and the server, but neither the user
    /// nor the password:
    ///
    /// * The server does not answer in time, rejects the connection, accepts no writes, is older
    ///   than PostgreSQL 13, or is not PostgreSQL.
    /// * The role lacks a right. The text contains the `grant` statements.
    /// * Row-level security applies to the role, or the tables have a different layout than the one
    ///   that [`migrate`](Self::migrate) creates.
    /// * The connection string or an option is invalid.
    ///
    /// Missing tables are not an error, because `migrate` is called on a connected store. Until
    /// then, each call fails with an error that says so.
    pub async fn connect(address: impl Into<PostgresAddress>) -> Result<Self, StoreError> {
        Self::options().connect(address).await
    }

    /// Creates a store without connecting, so that an application can start before its server.
    ///
    /// The store connects at its first call, and calls are errors until that has succeeded. The
    /// server, the rights and the tables are verified then, as [`connect`](Self::connect) does. For
    /// a [`Replica`](crate::Replica) over such a store, every check is an error until the server
    /// and the tables are available; it then becomes ready without intervention.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the connection string or an option is invalid.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), tower_logout::store::StoreError> {
    /// use std::time::Duration;
    /// use tower_logout::{PostgresStore, Replica};
    ///
    /// let url = "postgres://app:secret@db.example/app?sslmode=verify-full";
    /// let store = PostgresStore::connect_lazily(url)?;
    /// let replica = Replica::start(store.clone());
    /// tokio::spawn(async move {
    ///     while store.migrate().await.is_err() {
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_lazily(address: impl Into<PostgresAddress>) -> Result<Self, StoreError> {
        Self::options().connect_lazily(address)
    }

    /// Returns the default options: schema, time limit, connections, polling and TLS.
    pub fn options() -> PostgresStoreOptions {
        PostgresStoreOptions::default()
    }

    async fn connect_with(address: &PostgresAddress, options: &PostgresStoreOptions) -> Result<Self, StoreError> {
        let store = Self::connect_lazily_with(address, options)?;
        let shared = &store.shared;
        shared.within_timeout("open", async { shared.statements().await.map(drop) }).await?;
        Ok(store)
    }

    fn connect_lazily_with(address: &PostgresAddress, options: &PostgresStoreOptions) -> Result<Self, StoreError> {
        let shared = Shared::new(address, options).map_err(|error| error.in_operation("open"))?;
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl PostgresStoreOptions {
    /// Connects with these options, as [`PostgresStore::connect`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`PostgresStore::connect`].
    pub async fn connect(self, address: impl Into<PostgresAddress>) -> Result<PostgresStore, StoreError> {
        PostgresStore::connect_with(&address.into(), &self).await
    }

    /// Creates a store with these options that connects at its first call, as
    /// [`PostgresStore::connect_lazily`] does.
    ///
    /// # Errors
    ///
    /// [`StoreError`], under the same conditions as [`PostgresStore::connect_lazily`].
    pub fn connect_lazily(self, address: impl Into<PostgresAddress>) -> Result<PostgresStore, StoreError> {
        PostgresStore::connect_lazily_with(&address.into(), &self)
    }
}
