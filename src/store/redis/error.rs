//! [`RedisStoreError`]: what can go wrong with the server, the likely cause and the remedy.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

/// Why the server could not be used, or did not do what it was asked for. Clones go to all who waited for the same connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum RedisStoreError {
    #[error("the prefix must have 1 to 128 bytes, and neither braces nor control characters")]
    Prefix,
    #[error("the timeout must not be zero")]
    NoTime,
    #[error(
        "the URL is not one of a Redis server; it is redis://user:password@host:port/database, or rediss:// with TLS, and user \
         and password are percent-encoded"
    )]
    Url(#[source] RedisError),
    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    #[error("no URL is given; name all of them that there are")]
    NoUrls,
    #[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
    #[error("a URL of a Unix socket cannot be used here; give host and port")]
    UnixSocket,
    #[error("the URL asks for TLS, for which tower-logout needs its feature `redis-tls`")]
    TlsFeature,
    #[cfg(feature = "redis-tls")]
    #[error(
        "TLS needs a crypto provider of rustls for the process; call, for one, \
         `rustls::crypto::aws_lc_rs::default_provider().install_default()` before this"
    )]
    TlsProvider,
    #[cfg(feature = "redis-tls")]
    #[error("certificates are given, but the URL does not ask for TLS; it is to begin with rediss://")]
    TlsUnused,
    #[cfg(feature = "redis-tls")]
    #[error("the certificates or the key cannot be read; they are to be in PEM")]
    TlsFiles(#[source] RedisError),
    #[error(
        "the URL says `#insecure`, and a certificate that is not checked protects nothing; give the root certificate"
    )]
    Insecure,
    #[error("{server} did not accept the connection; check the address, the user, the password, the database and TLS")]
    Connect { server: String, source: RedisError },
    #[error("there was no answer within {limit:?}; the server is down, out of reach, or too slow")]
    Timeout { limit: Duration },
    #[error("the connection was given up while it was made; try again")]
    Abandoned,
    #[error("the server did not do it")]
    Command(#[source] RedisError),
    #[error(
        "the server's memory is full, and nothing was stored; raise its `maxmemory`, or remove other data from it \
         (live revocations are never evicted)"
    )]
    OutOfMemory(#[source] RedisError),
    #[error(
        "the server's reply is not what was to be expected ({0}); check that it is a Redis, and that nothing else writes under the prefix"
    )]
    Garbage(&'static str),
    #[error("{server} is a Redis {found}; 6.2 or later is needed, or a Valkey")]
    Version { server: String, found: String },
    #[error(
        "{server} is a replica, which may lag behind and cannot be written to; give the address of the master, or use Sentinel or Cluster"
    )]
    NotMaster { server: String },
    #[error(
        "{server} may evict what it holds when its memory is full (`maxmemory-policy` is `{policy}`), which would bring revoked tokens back \
         to life; say `CONFIG SET maxmemory-policy noeviction`, and `maxmemory-policy noeviction` in its redis.conf (policies that begin with \
         `volatile-` are accepted as well)"
    )]
    MayEvict { server: String, policy: String },
    #[error(
        "{server} does not show what was to be checked in `INFO`: {field}; allow the command `INFO` to the user, and if the service hides the field, \
         see what `RedisStoreOptions::behind_proxy` asks for"
    )]
    Hidden { server: String, field: &'static str },
    #[error(
        "{server} does not allow `INFO` to this user, which shows whether it may evict revocations; allow it: `ACL SETUSER <user> +info`, or see what `RedisStoreOptions::behind_proxy` asks for"
    )]
    NoInfo { server: String, source: RedisError },
    #[error("{server} is a Sentinel; use `connect_sentinel` (feature `redis-sentinel`) with the name of its master")]
    IsSentinel { server: String },
    #[error("{server} is a node of a Cluster; use `connect_cluster` (feature `redis-cluster`)")]
    IsCluster { server: String },
    #[error(
        "what is stored under the prefix is of layout {found}, and this version of tower-logout knows layout 1; use the version that wrote it, or a later one, or another prefix"
    )]
    Layout { found: String },
    #[error(
        "the revocation is stored on the primary, but only {confirmed} of {wanted} replicas have confirmed it in time; it may be lost in a failover"
    )]
    Unconfirmed { wanted: usize, confirmed: u64 },
    #[error("the reply belongs to another question; something between here and the server mixes them up")]
    Crossed,
    #[error("the store was emptied, or replaced by another, while it was read")]
    Replaced,
    #[error(
        "{reason}: revocations that were acknowledged may be missing, so that no token is called not revoked; restore what was there, \
         or revoke all tokens that were issued until now (`Revoker::everything`) and then restart whatever uses the store without a `Replica`"
    )]
    Gone { reason: &'static str },
    #[error(
        "a part of what was stored is gone, or was changed by others than the scripts of this layout ({part}), so that no token is called not revoked; \
         restore it, or let a running `Replica` make it whole, or remove the rest with `DEL`, revoke all tokens that were issued until now \
         (`Revoker::everything`), and then restart whatever uses the store without a `Replica`"
    )]
    Damaged { part: &'static str },
    #[error(
        "a part of what was stored is gone, or was changed by others than the scripts of this layout, and nothing was stored; \
         it is made whole by a running `Replica`, or see what checks say"
    )]
    NotWhole(#[source] RedisError),
    #[error("the store was emptied, or replaced by another, and nothing was stored; see what checks say")]
    NotTheSame(#[source] RedisError),
    #[error("reading everything does not come to an end")]
    Endless,
    #[cfg(feature = "redis-sentinel")]
    #[error("no majority of the Sentinels names the same master for `{name}`: {agreeing} of {asked} do")]
    NoMajority {
        name: String,
        agreeing: usize,
        asked: usize,
        #[source]
        source: Option<Box<RedisStoreError>>,
    },
    #[cfg(feature = "redis-sentinel")]
    #[error("the majority of the Sentinels names another master than {server}, or none")]
    Deposed { server: String },
    #[cfg(feature = "redis-cluster")]
    #[error("no node of the Cluster could be asked, or none knows who has the slot of the prefix")]
    NoSlotOwner {
        #[source]
        source: Option<Box<RedisStoreError>>,
    },
}

impl RedisStoreError {
    /// What the server said to a command.
    pub(super) fn said(error: RedisError) -> Self {
        match code(&error) {
            "OOM" => Self::OutOfMemory(error),
            "NOTWHOLE" => Self::NotWhole(error),
            "REPLACED" => Self::NotTheSame(error),
            _ => Self::Command(error),
        }
    }

    /// Whether the server does not have what was seen before, or not all of it.
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::Damaged { .. } | Self::NotWhole(_) | Self::NotTheSame(_))
    }

    /// Whether a connection that is as good as new can say this. After anything else the next caller shall have a new one.
    pub(super) fn leaves_connection_intact(&self) -> bool {
        match self {
            Self::OutOfMemory(_) | Self::Unconfirmed { .. } => true,
            Self::Command(error) => INTACT.contains(&code(error)),
            _ => false,
        }
    }
}

/// What a server says about a command, and not about itself.
const INTACT: [&str; 6] = ["ERR", "NOPERM", "NOREPLICAS", "WRONGTYPE", "BUSY", "MISCONF"];

/// The code that a server's error begins with, of the error within where a script passes one on.
pub(super) fn code(error: &RedisError) -> &str {
    let own = match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension => error.code().unwrap_or_default(),
        _ => return "",
    };
    // Before version 7: `ERR Error running script (call to f_…): @user_script:12: -OOM command not allowed …`
    let within = error.detail().filter(|_| own == "ERR").and_then(|detail| detail.split_once(": -")).map(|(_, it)| it);
    within.and_then(|it| it.split(' ').next()).filter(|it| !it.is_empty()).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
        match value {
            Ok(redis::Value::ServerError(error)) => error.into(),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn the_code_is_that_of_the_error_within() {
        for (text, expected) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
            ("READONLY You can't write against a read only replica.", "READONLY"),
            (
                "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -OOM command not allowed",
                "OOM",
            ),
            (
                "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -READONLY You can't",
                "READONLY",
            ),
            ("ERR value is not an integer or out of range", "ERR"),
            ("ERR something: -", "ERR"),
            ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
        ] {
            assert_eq!(code(&error(text)), expected, "{text}");
        }
        assert!(matches!(RedisStoreError::said(error("OOM x")), RedisStoreError::OutOfMemory(_)));
    }

    #[test]
    fn what_a_server_says_about_itself_ends_its_connection() {
        for text in
            ["READONLY x", "LOADING x", "MASTERDOWN x", "CLUSTERDOWN x", "MOVED 1 a:1", "NOAUTH x", "UNKILLABLE x"]
        {
            assert!(!RedisStoreError::said(error(text)).leaves_connection_intact(), "{text}");
        }
        for text in ["OOM x", "WRONGTYPE x", "NOREPLICAS x", "NOPERM x"] {
            assert!(RedisStoreError::said(error(text)).leaves_connection_intact(), "{text}");
        }
        assert!(!RedisStoreError::Garbage("x").leaves_connection_intact());
        assert!(!RedisStoreError::Crossed.leaves_connection_intact());
    }
}
