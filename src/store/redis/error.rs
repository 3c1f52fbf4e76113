//! [`RedisStoreError`]: what can go wrong with the server, the likely cause and the remedy.

use std::{fmt, time::Duration};

use redis::{ErrorKind, RedisError};

use crate::store::{StoreError, StoreErrorKind};

/// Why the server could not be used, or did not do what it was asked for. Clones go to all who waited for the same connection.
///
/// Each text has that of its cause, so that none has a source.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum RedisStoreError {
    #[error("the prefix must have 1 to 128 bytes, and neither braces nor control characters")]
    Prefix,
    #[error("the timeout must not be zero")]
    NoTime,
    #[error(
        "the URL is not one of a Redis server ({}); it is redis://user:password@host:port/database, or rediss:// with TLS, and \
         user and password are percent-encoded",
        Said(.0)
    )]
    Url(RedisError),
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
    #[error("the root certificates cannot be used: {0}; give the certificates of authorities in PEM, and nothing else")]
    RootCertificates(crate::store::certificates::PemFault),
    #[cfg(feature = "redis-tls")]
    #[error("the certificate or the key of this client cannot be used: {0}; give a certificate and one key in PEM")]
    ClientCertificate(&'static str),
    #[cfg(feature = "redis-tls")]
    #[error("the certificates or the key cannot be read ({}); they are to be in PEM", Said(.0))]
    TlsFiles(RedisError),
    #[error(
        "the URL says `#insecure`, and a certificate that is not checked protects nothing; give the root certificate"
    )]
    Insecure,
    #[error(
        "{server} did not accept the connection: {}; check the address, the user, the password, the database and TLS",
        Said(error)
    )]
    Connect { server: String, error: RedisError },
    #[cfg(feature = "redis-tls")]
    #[error(
        "{server} does not speak TLS; give a URL that begins with redis://, or the port on which the server speaks TLS"
    )]
    NoTls { server: String },
    #[error(
        "{server} speaks TLS only; give a URL that begins with rediss:// (feature `redis-tls`), or the port without TLS"
    )]
    OnlyTls { server: String },
    #[error("there was no answer within {limit:?}; the server is down, out of reach, too slow, or paused")]
    Timeout { limit: Duration },
    #[error("the connection attempt was abandoned; try again")]
    Abandoned,
    #[error("Redis rejected the command: {}", Said(.0))]
    Command(RedisError),
    #[error(
        "Redis does not let this user run what the store needs: {}; allow it with `{ACL}`, and see that the server renames and \
         disables none of these commands",
        Said(.0)
    )]
    Forbidden(RedisError),
    #[error(
        "Redis does not let this user run {missing} in scripts; allow it with `{ACL}`, and see that the server renames and \
         disables none of these commands"
    )]
    Missing { missing: String },
    #[error(
        "Redis takes no writes, so that nothing can be revoked: {said}; see to its replicas and \
         `min-replicas-to-write` (NOREPLICAS), its disk (MISCONF), or give the address of the primary (READONLY)"
    )]
    TakesNoWrites { said: String },
    #[error(
        "the server's memory is full, and nothing was stored; raise its `maxmemory`, or remove other data from it \
         (live revocations are never evicted): {}",
        Said(.0)
    )]
    OutOfMemory(RedisError),
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
        "{server} does not allow `INFO` to this user, which shows whether it may evict revocations ({}); allow it: `ACL SETUSER <user> +info`, or \
         see what `RedisStoreOptions::behind_proxy` asks for",
        Said(error)
    )]
    NoInfo { server: String, error: RedisError },
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
        "a part of what was stored is gone, or was changed by others than the scripts of this layout, and nothing was stored ({}); \
         it is made whole by a running `Replica`, or see what checks say",
        Said(.0)
    )]
    NotWhole(RedisError),
    #[error("the store was emptied, or replaced by another, and nothing was stored; see what checks say")]
    NotTheSame(RedisError),
    #[error("reading everything does not come to an end")]
    Endless,
    #[cfg(feature = "redis-sentinel")]
    #[error(
        "no majority of the Sentinels names the same master for `{name}`: {agreeing} of {asked} do{}",
        because(error.as_deref())
    )]
    NoMajority { name: String, agreeing: usize, asked: usize, error: Option<Box<RedisStoreError>> },
    #[cfg(feature = "redis-sentinel")]
    #[error("the majority of the Sentinels names another master than {server}, or none")]
    Deposed { server: String },
    #[cfg(feature = "redis-cluster")]
    #[error(
        "no node of the Cluster could be asked, or none knows who has the slot of the prefix{}",
        because(error.as_deref())
    )]
    NoSlotOwner { error: Option<Box<RedisStoreError>> },
}

/// What the documentation lists. The prefix is the one that is chosen.
const ACL: &str = "ACL SETUSER <user> ~{tower-logout}:* +hello +auth +select +info +role +get +setnx +eval +evalsha +wait +time +persist +zadd +zrem +zcard +zscan +zscore +zmscore +zrangebyscore +hget +hset +hdel +hmget +hlen +hincrby +xadd +xrevrange +xread";

#[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
fn because(error: Option<&RedisStoreError>) -> String {
    error.map(|error| format!("; one said: {error}")).unwrap_or_default()
}

/// What a server or the system said, without the name that the library gives to the kind of a server's error twice.
struct Said<'a>(&'a RedisError);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.detail()) {
            (Some(code), Some(detail)) if self.0.kind() == ErrorKind::Extension => write!(f, "{code} {detail}"),
            _ => self.0.fmt(f),
        }
    }
}

/// An error with the server that it is of, for the users of the store.
#[derive(Debug, thiserror::Error)]
#[error("{}{error}", server.as_ref().map(|server| format!("{server}: ")).unwrap_or_default())]
struct Failed {
    /// Where the error does not name it.
    server: Option<String>,
    error: RedisStoreError,
}

impl RedisStoreError {
    /// The error of an operation of the store.
    pub(super) fn of(self, operation: &'static str, server: Option<&dyn fmt::Display>) -> StoreError {
        let kind = self.store_kind();
        let server = server.filter(|_| !self.names_server()).map(ToString::to_string);
        StoreError::new(operation, Failed { server, error: self }).with_kind(kind)
    }

    /// What the server said to a command.
    pub(super) fn said(error: RedisError) -> Self {
        match code(&error) {
            "OOM" => Self::OutOfMemory(error),
            "NOTWHOLE" => Self::NotWhole(error),
            "REPLACED" => Self::NotTheSame(error),
            code if NO_WRITES.contains(&code) => Self::TakesNoWrites { said: Said(&error).to_string() },
            _ if is_forbidden(&error.to_string()) => Self::Forbidden(error),
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
            Self::OutOfMemory(_) | Self::Unconfirmed { .. } | Self::Forbidden(_) => true,
            Self::TakesNoWrites { said } => !is_read_only(said),
            Self::Command(error) => INTACT.contains(&code(error)),
            _ => false,
        }
    }

    fn names_server(&self) -> bool {
        match self {
            #[cfg(feature = "redis-tls")]
            Self::NoTls { .. } => true,
            Self::Connect { .. }
            | Self::OnlyTls { .. }
            | Self::Version { .. }
            | Self::NotMaster { .. }
            | Self::MayEvict { .. }
            | Self::Hidden { .. }
            | Self::NoInfo { .. }
            | Self::IsSentinel { .. }
            | Self::IsCluster { .. } => true,
            #[cfg(feature = "redis-sentinel")]
            Self::Deposed { .. } => true,
            _ => false,
        }
    }

    fn store_kind(&self) -> StoreErrorKind {
        match self {
            Self::Connect { error, .. } if is_refused(error) => StoreErrorKind::Misconfigured,
            Self::Connect { .. } | Self::Replaced | Self::Crossed => StoreErrorKind::Unavailable,
            Self::Timeout { .. }
            | Self::Abandoned
            | Self::NotMaster { .. }
            | Self::Unconfirmed { .. }
            | Self::TakesNoWrites { .. } => StoreErrorKind::Unavailable,
            #[cfg(feature = "redis-sentinel")]
            Self::NoMajority { .. } | Self::Deposed { .. } => StoreErrorKind::Unavailable,
            #[cfg(feature = "redis-cluster")]
            Self::NoSlotOwner { .. } => StoreErrorKind::Unavailable,
            Self::Command(error) if error.kind() == ErrorKind::Io || UNAVAILABLE.contains(&code(error)) => {
                StoreErrorKind::Unavailable
            }
            Self::Command(_) | Self::Endless | Self::Garbage(_) => StoreErrorKind::Other,
            Self::OutOfMemory(_) => StoreErrorKind::Full,
            Self::Gone { .. } | Self::Damaged { .. } | Self::NotWhole(_) | Self::NotTheSame(_) => {
                StoreErrorKind::Damaged
            }
            _ => StoreErrorKind::Misconfigured,
        }
    }
}

/// Whether a server refuses who connects, and not for the moment only.
fn is_refused(error: &RedisError) -> bool {
    let said = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::InvalidClientConfig
    );
    said && !UNAVAILABLE.contains(&code(error))
}

/// What a server says about a command, and not about itself.
const INTACT: [&str; 4] = ["ERR", "NOPERM", "WRONGTYPE", "BUSY"];

/// What a server says that only reads.
pub(super) const NO_WRITES: [&str; 3] = ["NOREPLICAS", "MISCONF", "READONLY"];

/// A replica says so, which is not where one should be connected to.
fn is_read_only(said: &str) -> bool {
    said.to_ascii_uppercase().contains("READONLY")
}

/// What a server says while it cannot do what it otherwise does.
const UNAVAILABLE: [&str; 6] = ["LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED"];

/// Whether this is about a right that the user lacks, or a command that is not there.
pub(super) fn is_forbidden(text: &str) -> bool {
    const TEXTS: [&str; 8] = [
        "has no permissions to",
        "NOPERM",
        "NoPerm",
        "ACL failure in script",
        "can't run this command or subcommand",
        "unknown command",
        "Unknown Redis command",
        "Unknown command called from script",
    ];
    TEXTS.iter().any(|&part| text.contains(part))
}

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
        for text in ["OOM x", "WRONGTYPE x", "NOREPLICAS x", "NOPERM x", "ERR unknown command x"] {
            assert!(RedisStoreError::said(error(text)).leaves_connection_intact(), "{text}");
        }
        assert!(!RedisStoreError::Garbage("x").leaves_connection_intact());
        assert!(!RedisStoreError::Crossed.leaves_connection_intact());
    }

    #[test]
    fn the_rights_that_an_error_names_are_those_that_are_documented() {
        let documented = include_str!("../../../docs/redis-layout.md");
        let rights = ACL.split(' ').filter(|word| word.starts_with('+')).collect::<Vec<_>>().join(" ");
        assert!(documented.lines().any(|line| line.starts_with("ACL SETUSER") && line.ends_with(&rights)), "{rights}");
    }

    #[test]
    fn what_a_user_may_not_do_is_told_from_what_went_wrong() {
        for text in [
            "NOPERM this user has no permissions to run the 'get' command",
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            "NOPERM No permissions to access a key",
            "ERR The user executing the script can't run this command or subcommand script: 3115d, on @user_script:1.",
            "ERR ACL failure in script: User u has no permissions to run the 'zadd' command script: on @user_script:1.",
            "ERR unknown command 'EVALSHA', with args beginning with: '{t}:x'",
            "ERR Unknown Redis command called from script script: 3115d, on @user_script:1.",
            "ERR Error running script (call to f_3): @user_script:1: @user_script: 1: Unknown Redis command called from Lua script",
        ] {
            let error = RedisStoreError::said(error(text));
            assert!(matches!(error, RedisStoreError::Forbidden(_)), "{error:?}");
            assert!(error.to_string().contains("+evalsha"), "{error}");
        }
        for text in ["ERR value is not an integer or out of range", "WRONGTYPE x", "LOADING x", "MOVED 1 a:1"] {
            assert!(matches!(RedisStoreError::said(error(text)), RedisStoreError::Command(_)), "{text}");
        }
    }
}
