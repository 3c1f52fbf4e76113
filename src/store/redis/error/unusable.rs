//! [`Unusable`]: why a reachable server must not be used.

use redis::RedisError;

use super::server_text::ServerText;

/// Why a reachable server must not be used. Each text follows the address of the server.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::store::redis) enum Unusable {
    #[cfg(feature = "redis-tls")]
    #[error(
        "does not speak TLS; use a URL that begins with redis://, or leave out `RedisAddress::tls`, or give the \
         server's TLS port"
    )]
    NoTls,
    #[error(
        "speaks TLS only; use a URL that begins with rediss://, or `RedisAddress::tls` (feature `redis-tls`), or the \
         server's port without TLS"
    )]
    TlsOnly,
    #[error("runs Redis {found}; Redis 6.2 or later, or Valkey, is required")]
    Version { found: String },
    #[error(
        "is a replica, which may lag behind and rejects writes; give the address of the primary, or use Sentinel or \
         Cluster"
    )]
    Replica,
    #[error(
        "may evict revocations when its memory is full (`maxmemory-policy` is `{policy}`), after which revoked tokens \
         would be accepted again; run `CONFIG SET maxmemory-policy noeviction`, and set `maxmemory-policy noeviction` \
         in redis.conf (policies that begin with `volatile-` are accepted as well)"
    )]
    MayEvict { policy: String },
    #[error(
        "does not report `{field}` in `INFO`; allow the user to run `INFO`, and if the service hides the field, see \
         `RedisStoreOptions::allow_unverified_server`"
    )]
    InfoFieldMissing { field: &'static str },
    #[error(
        "does not allow this user to run `INFO` ({}), which shows whether revocations may be evicted; run \
         `ACL SETUSER <user> +info`, or see `RedisStoreOptions::allow_unverified_server`",
        ServerText(.0)
    )]
    InfoForbidden(RedisError),
    #[error("is a Sentinel; use `connect_sentinel` (feature `redis-sentinel`) with the name of its master")]
    Sentinel,
    #[cfg(feature = "redis-sentinel")]
    #[error("is not a Sentinel; give the addresses of the Sentinels, whose port usually is 26379")]
    NotSentinel,
    #[cfg(feature = "redis-sentinel")]
    #[error("is not the primary that the majority of the Sentinels names; the next call connects to that one")]
    Demoted,
    #[error("is a Cluster node; use `connect_cluster` (feature `redis-cluster`)")]
    ClusterNode,
    #[cfg(feature = "redis-cluster")]
    #[error("is not a Cluster node; use `connect`")]
    NotClusterNode,
}
