//! What every supported version of Redis, Valkey and PostgreSQL must do, on real servers.
//!
//! The areas `redis`, `postgres` and `fleet` have the conformance suite and all faults on the
//! installed versions; here, these are for the further versions.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

/// Turns `async fn promise(engine)` into a test for each version: `redis_6_2::promise` and so on.
macro_rules! on_every {
    (redis; $($promise:ident)+) => {
        on_every! { @ test_support::servers::RedisEngine, [$($promise)+];
            redis_6_2 Redis6, redis_7_0 Installed, valkey_9 Valkey9 }
    };
    (further redis; $($promise:ident)+) => {
        on_every! { @ test_support::servers::RedisEngine, [$($promise)+]; redis_6_2 Redis6, valkey_9 Valkey9 }
    };
    (postgres; $($promise:ident)+) => {
        on_every! { @ test_support::servers::PostgresEngine, [$($promise)+];
            postgres_13 Postgres13, postgres_15 Installed, postgres_18 Postgres18 }
    };
    (further postgres; $($promise:ident)+) => {
        on_every! { @ test_support::servers::PostgresEngine, [$($promise)+];
            postgres_13 Postgres13, postgres_18 Postgres18 }
    };
    (@ $kind:ty, $promises:tt; $($name:ident $engine:ident),+) => {$(
        mod $name {
            on_every! { @@ <$kind>::$engine, $promises }
        }
    )+};
    (@@ $engine:expr, [$($promise:ident)+]) => {$(
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "needs the servers that scripts/setup.sh installs"]
        async fn $promise() {
            super::$promise($engine).await;
        }
    )+};
}

mod poolers;
mod postgres;
mod postgres_conformance;
mod postgres_faults;
mod redis;
mod redis_conformance;
mod redis_faults;
mod sentinels_and_clusters;
mod support;
