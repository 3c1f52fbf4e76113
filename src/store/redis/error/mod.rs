//! [`RedisStoreError`]: errors of the store, each with the likely cause and the remedy.

mod kind;
mod options;
mod server_text;
mod unusable;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use redis::{ErrorKind, RedisError};

use crate::store::StoreError;
pub(super) use options::OptionsError;
use server_text::ServerText;
pub(super) use server_text::{NO_WRITES, code, is_forbidden};
pub(super) use unusable::Unusable;

pub(super) type Result<T, E = RedisStoreError> = std::result::Result<T, E>;

/// Error of the server, of the connection to it, or of the stored data.
///
/// It is `Clone` because every caller that waited for the same connection receives it. Each text
/// includes the text of its cause, so no variant has a source, except for the error of the
/// application's own closure ([`application_error`](Self::application_error)).
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum RedisStoreError {
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(
        "{server} did not accept the connection: {}; check the address, the user, the password, the database and TLS",
        ServerText(error)
    )]
    Connect { server: String, error: RedisError },
    #[error(
        "no password for {server}: the closure given to `RedisAddress::password_from` failed; it belongs to the \
         application, and its error says why"
    )]
    Password { server: String, error: Arc<dyn Error + Send + Sync> },
    #[error("{server} {reason}")]
    Unusable { server: String, reason: Unusable },
    #[error(
        "no answer within {limit:?}; the server is down, unreachable, overloaded or paused; check it, or raise \
         `RedisStoreOptions::timeout`"
    )]
    Timeout { limit: Duration },
    #[error("the connection attempt was abandoned; try again")]
    Abandoned,
    #[error("the connection failed; check the server and the network: {}", ServerText(.0))]
    ConnectionFailed(RedisError),
    #[error("Redis rejected the command; check the state and the log of the server: {}", ServerText(.0))]
    Rejected(RedisError),
    #[error(
        "Redis does not allow this user to run a command that the store needs: {}; run `{ACL}` (with \
         shards, also `~{{tower-logout:*`), and make sure that the server neither renames nor disables any of these \
         commands",
        ServerText(.0)
    )]
    Forbidden(RedisError),
    #[error(
        "Redis does not allow this user to run {commands} in scripts; run `{ACL}` (with \
         shards, also `~{{tower-logout:*`), and make sure that the server neither renames nor disables any of these \
         commands"
    )]
    ForbiddenInScripts { commands: String },
    #[error(
        "Redis rejects writes, so nothing can be revoked: {text}; check its replicas and `min-replicas-to-write` \
         (NOREPLICAS) or its disk (MISCONF), or give the address of the primary (READONLY)"
    )]
    NoWrites { text: String },
    #[error(
        "the server's memory is full, and nothing was stored; raise its `maxmemory`, or remove other data from it \
         (live revocations are never evicted): {}",
        ServerText(.0)
    )]
    OutOfMemory(RedisError),
    #[error(
        "unexpected reply ({0}); check that the server is Redis or Valkey, and that nothing else writes under the \
         prefix"
    )]
    UnexpectedReply(&'static str),
    #[error("received a reply to a different command; a proxy may be reordering replies")]
    WrongReply,
    #[error("SCAN did not terminate; check that the server is Redis or Valkey")]
    EndlessScan,
    #[error(
        "the data under the prefix has layout {found}, but this version of tower-logout supports layout 1; use the \
         version that wrote it or a later one, or another prefix"
    )]
    NewerLayout { found: String },
    #[error(
        "the data under the prefix has {found} {}, but the store is configured for {configured}; set \
         `RedisStoreOptions::shards({found})`, or move to a store with another prefix and {configured}, as the section \
         *Growing* of `docs/redis-layout.md` describes",
        if *found == 1 { "shard" } else { "shards" }
    )]
    OtherShards { found: usize, configured: usize },
    #[error(
        "a shard of the prefix has the names of a store with another prefix (the second shard of `a` has those of \
         `a:1`); use a prefix that is not another one with a colon and a number"
    )]
    OtherPrefix,
    #[error(
        "the revocation is stored on the primary, but only {confirmed} of {wanted} replicas confirmed it in time, so \
         it may be lost in a failover; check the replicas, and revoke again"
    )]
    Unconfirmed { wanted: usize, confirmed: u64 },
    #[error("the store was emptied, or replaced by another one, while it was read; try again")]
    ReplacedDuringRead,
    #[error(
        "{reason}: acknowledged revocations may be missing, so no token is reported as not revoked; restore the data, \
         or revoke all tokens issued until now (`Revoker::everything`) and then restart every process that uses the \
         store without a `Replica`"
    )]
    Lost { reason: &'static str },
    #[error("{DAMAGED} ({part}), so no token is reported as not revoked; {REPAIR}")]
    Damaged { part: &'static str },
    #[error("{DAMAGED}, and nothing was stored ({}); {REPAIR}", ServerText(.0))]
    DamagedAtRevoke(RedisError),
    #[error(
        "the store was emptied, or replaced by another one, and nothing was stored; the error of the next check has \
         the remedy"
    )]
    ReplacedAtRevoke,
    #[error("the operating system provided no random bytes; check that the process may use `getrandom`: {0}")]
    Random(getrandom::Error),
    #[cfg(feature = "redis-sentinel")]
    #[error(
        "no majority of the Sentinels names the same primary for `{name}`: {agreeing} of {asked} do; check that they \
         are reachable and agree{}",
        including(error.as_deref())
    )]
    NoMajority { name: String, agreeing: usize, asked: usize, error: Option<Box<RedisStoreError>> },
    #[cfg(feature = "redis-sentinel")]
    #[error(
        "none of the {asked} Sentinels knows a master named `{name}`; check the name, which is the host of the \
         master's URL"
    )]
    UnknownMaster { name: String, asked: usize },
    #[cfg(feature = "redis-cluster")]
    #[error(
        "no Cluster node is reachable, or none knows the owner of the slot; check the nodes and \
         `CLUSTER INFO`{}",
        including(error.as_deref())
    )]
    NoSlotOwner { error: Option<Box<RedisStoreError>> },
}

/// Reported when a part of the layout does not match its description in `meta`.
pub(super) const DAMAGED: &str =
    "a part of the stored data is missing, or was changed by other means than the scripts of this layout";

const REPAIR: &str = "restore it, or let a running `Replica` repair it, or remove the rest with `DEL`, revoke all \
                      tokens issued until now (`Revoker::everything`) and then restart every process that uses the \
                      store without a `Replica`";

/// The command in `docs/redis-layout.md`, for the default prefix.
const ACL: &str = "ACL SETUSER <user> ~{tower-logout}:* +hello +auth +select +info +role +get +setnx +eval +evalsha \
                   +wait +time +persist +zadd +zrem +zcard +zrange +zscore +zmscore +zrangebyscore +hset +hdel +hmget \
                   +hlen +xadd +xrevrange +xread";

#[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
fn including(error: Option<&RedisStoreError>) -> String {
    error.map(|error| format!("; one of the errors: {error}")).unwrap_or_default()
}

/// An error with the server that it came from, as callers receive it.
#[derive(Debug)]
struct ServerError {
    /// `None` if the error names the server itself.
    server: Option<String>,
    error: RedisStoreError,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.iter().try_for_each(|server| write!(f, "{server}: "))?;
        self.error.fmt(f)
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.application_error()
    }
}

impl RedisStoreError {
    pub(super) fn unusable(server: &impl ToString, reason: Unusable) -> Self {
        Self::Unusable { server: server.to_string(), reason }
    }

    /// The error of the application's closure for the password, if that is the cause.
    fn application_error(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Password { error, .. } => Some(&**error),
            #[cfg(feature = "redis-sentinel")]
            Self::NoMajority { error: Some(error), .. } => error.application_error(),
            #[cfg(feature = "redis-cluster")]
            Self::NoSlotOwner { error: Some(error) } => error.application_error(),
            _ => None,
        }
    }

    /// Converts an error that occurred while connecting, where the address or the password may be
    /// the cause.
    pub(super) fn of_connecting(self, server: &impl ToString) -> Self {
        match self {
            Self::Rejected(error) | Self::ConnectionFailed(error) => {
                Self::Connect { server: server.to_string(), error }
            }
            error => error,
        }
    }

    /// Converts to the public error of an operation, with its kind and, if known, the server.
    pub(super) fn into_store_error(self, operation: &'static str, server: Option<&dyn fmt::Display>) -> StoreError {
        let kind = self.kind();
        let names_server = matches!(self, Self::Connect { .. } | Self::Password { .. } | Self::Unusable { .. });
        let server = server.filter(|_| !names_server).map(ToString::to_string);
        StoreError::new(operation, ServerError { server, error: self }).with_kind(kind)
    }
}

/// Classifies the error of a command by the server's reply.
impl From<RedisError> for RedisStoreError {
    fn from(error: RedisError) -> Self {
        match code(&error) {
            "OOM" => Self::OutOfMemory(error),
            "NOTWHOLE" => Self::DamagedAtRevoke(error),
            "REPLACED" => Self::ReplacedAtRevoke,
            code if NO_WRITES.contains(&code) => Self::NoWrites { text: ServerText(&error).to_string() },
            _ if is_forbidden(&error.to_string()) => Self::Forbidden(error),
            _ if error.kind() == ErrorKind::Io => Self::ConnectionFailed(error),
            _ => Self::Rejected(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{server_text::server_error, *};

    #[test]
    fn the_rights_in_the_error_are_the_documented_ones() {
        let documented = include_str!("../../../../docs/redis-layout.md");
        let rights = ACL.split(' ').filter(|word| word.starts_with('+')).collect::<Vec<_>>().join(" ");
        assert!(documented.lines().any(|line| line.starts_with("ACL SETUSER") && line.ends_with(&rights)), "{rights}");
    }

    #[test]
    fn a_missing_right_is_distinguished_from_other_errors() {
        for text in [
            "NOPERM this user has no permissions to run the 'get' command",
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            "NOPERM No permissions to access a key",
            "ERR The user executing the script can't run this command or subcommand script: 3115d, on @user_script:1.",
            "ERR ACL failure in script: User u has no permissions to run the 'zadd' command script: on @user_script:1.",
            "ERR unknown command 'EVALSHA', with args beginning with: '{t}:x'",
            "ERR Unknown Redis command called from script script: 3115d, on @user_script:1.",
            "ERR Error running script (call to f_3): @user_script:1: @user_script: 1: Unknown Redis command called \
             from Lua script",
        ] {
            let error = RedisStoreError::from(server_error(text));
            assert!(matches!(error, RedisStoreError::Forbidden(_)), "{error:?}");
            assert!(error.to_string().contains("+evalsha"), "{error}");
        }
        for text in ["ERR value is not an integer or out of range", "WRONGTYPE x", "LOADING x", "MOVED 1 a:1"] {
            let error = RedisStoreError::from(server_error(text));
            assert!(matches!(error, RedisStoreError::Rejected(_)), "{text}");
        }
        assert!(matches!(RedisStoreError::from(server_error("OOM x")), RedisStoreError::OutOfMemory(_)));
    }
}
