//! Promise: `PostgresStore` passes the conformance suite with each way to follow, directly and
//! behind a `Replica`.

use std::sync::Arc;

use tower_logout::{RevocationStore, conformance};

use super::support::{options, served};

conformance! {
    #[ignore = "needs PostgreSQL"]
    direct => served(options()).await;
    #[ignore = "needs PostgreSQL"]
    poll_only => served(options().poll_only()).await;
    #[ignore = "needs PostgreSQL"]
    erased => Arc::new(served(options()).await) as Arc<dyn RevocationStore>;
    #[ignore = "needs PostgreSQL"]
    replica => served(options()).await.replica().await;
    #[ignore = "needs PostgreSQL"]
    polling_replica => served(options().poll_only()).await.replica().await;
}
