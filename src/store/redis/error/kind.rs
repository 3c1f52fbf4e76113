//! Classification of errors: their [`StoreErrorKind`], and whether the connection remains valid.

use redis::{ErrorKind, RedisError};

use super::{
    RedisStoreError, Unusable,
    server_text::{code, is_from_replica},
};
use crate::store::StoreErrorKind;

impl RedisStoreError {
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Options(_)
            | Self::Forbidden(_)
            | Self::ForbiddenInScripts { .. }
            | Self::NewerLayout { .. }
            | Self::OtherShards { .. }
            | Self::OtherPrefix => StoreErrorKind::Misconfigured,
            Self::Connect { error, .. } => connect_kind(error),
            Self::Unusable { reason, .. } => reason.kind(),
            Self::Timeout { .. }
            | Self::Password { .. }
            | Self::Abandoned
            | Self::ConnectionFailed(_)
            | Self::NoWrites { .. }
            | Self::WrongReply
            | Self::Unconfirmed { .. }
            | Self::ReplacedDuringRead => StoreErrorKind::Unavailable,
            Self::Rejected(error) => rejected_kind(error),
            Self::OutOfMemory(_) => StoreErrorKind::Full,
            Self::Lost { .. } | Self::Damaged { .. } | Self::DamagedAtRevoke(_) | Self::ReplacedAtRevoke => {
                StoreErrorKind::Damaged
            }
            Self::UnexpectedReply(_) | Self::EndlessScan | Self::Random(_) => StoreErrorKind::Other,
            #[cfg(feature = "redis-sentinel")]
            Self::NoMajority { error, .. } => of_several(error.as_deref()),
            #[cfg(feature = "redis-sentinel")]
            Self::UnknownMaster { .. } => StoreErrorKind::Misconfigured,
            #[cfg(feature = "redis-cluster")]
            Self::NoSlotOwner { error } => of_several(error.as_deref()),
        }
    }

    /// Whether the server lacks data that this process has observed before.
    pub(in crate::store::redis) fn is_loss(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Damaged { .. } | Self::DamagedAtRevoke(_) | Self::ReplacedAtRevoke)
    }

    /// Whether the connection remains valid, because a new one would return the same error. After
    /// any other error, the next call opens a new connection.
    pub(in crate::store::redis) fn leaves_connection_intact(&self) -> bool {
        match self {
            Self::OutOfMemory(_) | Self::Unconfirmed { .. } | Self::Forbidden(_) | Self::Random(_) => true,
            Self::NoWrites { text } => !is_from_replica(text),
            Self::Rejected(error) => ABOUT_THE_COMMAND.contains(&code(error)),
            _ => false,
        }
    }
}

#[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
impl RedisStoreError {
    /// Keeps one error for several servers. An error that needs intervention is kept only if all of
    /// them do.
    pub(in crate::store::redis) fn keep_relevant(self, kept: &mut Option<Box<Self>>) {
        let replaces = kept.as_ref().is_none_or(|kept| of_several(Some(kept)) == StoreErrorKind::Misconfigured);
        if replaces {
            *kept = Some(Box::new(self));
        }
    }
}

impl Unusable {
    fn kind(&self) -> StoreErrorKind {
        match self {
            // Another server may take over.
            Self::Replica => StoreErrorKind::Unavailable,
            #[cfg(feature = "redis-sentinel")]
            Self::Demoted => StoreErrorKind::Unavailable,
            #[cfg(feature = "redis-tls")]
            Self::NoTls => StoreErrorKind::Misconfigured,
            #[cfg(feature = "redis-sentinel")]
            Self::NotSentinel => StoreErrorKind::Misconfigured,
            #[cfg(feature = "redis-cluster")]
            Self::NotClusterNode => StoreErrorKind::Misconfigured,
            Self::TlsOnly
            | Self::Version { .. }
            | Self::MayEvict { .. }
            | Self::InfoFieldMissing { .. }
            | Self::InfoForbidden(_)
            | Self::Sentinel
            | Self::ClusterNode => StoreErrorKind::Misconfigured,
        }
    }
}

/// The kind of an error of several servers. `error` is that of one of them, a temporary one if
/// there is any.
#[cfg(any(feature = "redis-sentinel", feature = "redis-cluster"))]
fn of_several(error: Option<&RedisStoreError>) -> StoreErrorKind {
    match error.map(RedisStoreError::kind) {
        Some(StoreErrorKind::Misconfigured) => StoreErrorKind::Misconfigured,
        _ => StoreErrorKind::Unavailable,
    }
}

fn connect_kind(error: &RedisError) -> StoreErrorKind {
    let is_rejected = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed | ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::InvalidClientConfig
    );
    if is_tls(error) || is_rejected && !is_temporary(error) {
        StoreErrorKind::Misconfigured
    } else {
        StoreErrorKind::Unavailable
    }
}

fn rejected_kind(error: &RedisError) -> StoreErrorKind {
    match code(error) {
        _ if is_temporary(error) => StoreErrorKind::Unavailable,
        "NOAUTH" | "WRONGPASS" => StoreErrorKind::Misconfigured,
        "WRONGTYPE" => StoreErrorKind::Damaged,
        _ => StoreErrorKind::Other,
    }
}

/// Whether the server reports a temporary state.
fn is_temporary(error: &RedisError) -> bool {
    TEMPORARY.contains(&code(error)) || error.detail().is_some_and(|text| text.contains("max number of clients"))
}

/// Whether TLS failed, for example because a certificate is missing or not trusted.
#[cfg(feature = "redis-tls")]
fn is_tls(error: &RedisError) -> bool {
    use std::{error::Error, io, sync::Arc};

    // The `redis` crate returns its `Arc` as the source, and `io::Error` skips the error it wraps.
    let source = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    io.and_then(io::Error::get_ref).is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}

#[cfg(not(feature = "redis-tls"))]
fn is_tls(_: &RedisError) -> bool {
    false
}

/// Codes of errors that concern the command and not the server.
const ABOUT_THE_COMMAND: [&str; 4] = ["ERR", "NOPERM", "WRONGTYPE", "BUSY"];

const TEMPORARY: [&str; 7] = ["LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK"];

#[cfg(test)]
mod tests {
    use std::{error::Error, io, sync::Arc, time::Duration};

    use StoreErrorKind::{Damaged, Full, Misconfigured, Other, Unavailable};

    use super::{
        super::{OptionsError, server_text::server_error},
        *,
    };

    #[test]
    fn an_error_about_the_server_invalidates_the_connection() {
        for text in
            ["READONLY x", "LOADING x", "MASTERDOWN x", "CLUSTERDOWN x", "MOVED 1 a:1", "NOAUTH x", "UNKILLABLE x"]
        {
            assert!(!RedisStoreError::from(server_error(text)).leaves_connection_intact(), "{text}");
        }
        for text in ["OOM x", "WRONGTYPE x", "NOREPLICAS x", "NOPERM x", "ERR unknown command x"] {
            assert!(RedisStoreError::from(server_error(text)).leaves_connection_intact(), "{text}");
        }
        assert!(!RedisStoreError::UnexpectedReply("x").leaves_connection_intact());
        assert!(!RedisStoreError::WrongReply.leaves_connection_intact());
    }

    #[test]
    fn every_error_of_a_server_has_its_kind() {
        for (text, while_connecting, later) in [
            ("LOADING Redis is loading the dataset in memory", Unavailable, Unavailable),
            ("BUSY Redis is busy running a script.", Unavailable, Unavailable),
            ("MASTERDOWN Link with MASTER is down", Unavailable, Unavailable),
            ("CLUSTERDOWN The cluster is down", Unavailable, Unavailable),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable, Unavailable),
            ("MOVED 1 127.0.0.1:7001", Unavailable, Unavailable),
            ("ASK 1 127.0.0.1:7001", Unavailable, Unavailable),
            ("ERR max number of clients reached", Unavailable, Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", Unavailable, Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", Unavailable, Unavailable),
            ("READONLY You can't write against a read only replica.", Unavailable, Unavailable),
            ("WRONGPASS invalid username-password pair or user is disabled.", Misconfigured, Misconfigured),
            ("NOAUTH Authentication required.", Misconfigured, Misconfigured),
            ("NOPERM this user has no permissions to run the 'get' command", Misconfigured, Misconfigured),
            ("DENIED Redis is running in protected mode", Misconfigured, Other),
            ("ERR DB index is out of range", Misconfigured, Other),
            ("OOM command not allowed when used memory > 'maxmemory'.", Full, Full),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Misconfigured, Damaged),
            ("NOTWHOLE live", Damaged, Damaged),
            ("REPLACED the epoch is another", Damaged, Damaged),
            ("ERR value is not an integer or out of range", Misconfigured, Other),
        ] {
            let error = || RedisStoreError::from(server_error(text));
            assert_eq!(error().kind(), later, "{text}");
            assert_eq!(error().of_connecting(&"server").kind(), while_connecting, "{text}");
        }
        for broken in [io::ErrorKind::ConnectionRefused, io::ErrorKind::BrokenPipe, io::ErrorKind::NotFound] {
            let error = || RedisStoreError::from(RedisError::from(io::Error::from(broken)));
            assert_eq!((error().kind(), error().of_connecting(&"server").kind()), (Unavailable, Unavailable));
        }
        #[cfg(feature = "redis-tls")]
        {
            let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
            let error = RedisError::from(io::Error::new(io::ErrorKind::InvalidData, unknown));
            assert_eq!(RedisStoreError::from(error).of_connecting(&"server").kind(), Misconfigured);
        }
    }

    #[test]
    fn every_other_error_has_its_kind() {
        let error = || server_error("ERR x");
        for (error, expected) in [
            (OptionsError::Prefix.into(), Misconfigured),
            (OptionsError::ZeroTimeout.into(), Misconfigured),
            (OptionsError::Url(error()).into(), Misconfigured),
            (OptionsError::TlsFeature.into(), Misconfigured),
            (OptionsError::Insecure.into(), Misconfigured),
            (RedisStoreError::Timeout { limit: Duration::ZERO }, Unavailable),
            (RedisStoreError::Abandoned, Unavailable),
            (
                RedisStoreError::Password {
                    server: String::new(),
                    error: Arc::from(Box::<dyn Error + Send + Sync>::from("x")),
                },
                Unavailable,
            ),
            (RedisStoreError::Forbidden(error()), Misconfigured),
            (RedisStoreError::ForbiddenInScripts { commands: String::new() }, Misconfigured),
            (RedisStoreError::NoWrites { text: String::new() }, Unavailable),
            (RedisStoreError::UnexpectedReply("x"), Other),
            (RedisStoreError::WrongReply, Unavailable),
            (RedisStoreError::EndlessScan, Other),
            (RedisStoreError::NewerLayout { found: String::new() }, Misconfigured),
            (RedisStoreError::OtherShards { found: 1, configured: 4 }, Misconfigured),
            (RedisStoreError::OtherPrefix, Misconfigured),
            (RedisStoreError::Unconfirmed { wanted: 1, confirmed: 0 }, Unavailable),
            (RedisStoreError::ReplacedDuringRead, Unavailable),
            (RedisStoreError::Lost { reason: "x" }, Damaged),
            (RedisStoreError::Damaged { part: "x" }, Damaged),
            (RedisStoreError::Random(getrandom::Error::UNSUPPORTED), Other),
        ] {
            assert_eq!(error.kind(), expected, "{error:?}");
            assert_eq!(error.clone().into_store_error("check", None).kind(), expected, "{error:?}");
        }
        for (reason, expected) in [
            (Unusable::TlsOnly, Misconfigured),
            (Unusable::Version { found: String::new() }, Misconfigured),
            (Unusable::Replica, Unavailable),
            (Unusable::MayEvict { policy: String::new() }, Misconfigured),
            (Unusable::InfoFieldMissing { field: "role" }, Misconfigured),
            (Unusable::InfoForbidden(error()), Misconfigured),
            (Unusable::Sentinel, Misconfigured),
            (Unusable::ClusterNode, Misconfigured),
        ] {
            assert_eq!(RedisStoreError::unusable(&"server", reason).kind(), expected);
        }
    }

    #[cfg(all(feature = "redis-sentinel", feature = "redis-cluster"))]
    #[test]
    fn several_servers_are_misconfigured_only_if_all_are() {
        let no_majority =
            |error| RedisStoreError::NoMajority { name: String::new(), agreeing: 0, asked: 2, error }.kind();
        let no_owner = |error| RedisStoreError::NoSlotOwner { error }.kind();
        assert_eq!((no_majority(None), no_owner(None)), (Unavailable, Unavailable));
        let misconfigured = || RedisStoreError::unusable(&"a", Unusable::NotClusterNode);
        let unavailable = || RedisStoreError::Abandoned;
        for (errors, expected) in [
            ([misconfigured(), misconfigured()], Misconfigured),
            ([misconfigured(), unavailable()], Unavailable),
            ([unavailable(), misconfigured()], Unavailable),
        ] {
            let mut kept = None;
            for error in errors {
                error.keep_relevant(&mut kept);
            }
            assert_eq!((no_majority(kept.clone()), no_owner(kept)), (expected, expected));
        }
        assert_eq!(RedisStoreError::UnknownMaster { name: String::new(), asked: 2 }.kind(), Misconfigured);
        assert_eq!(RedisStoreError::unusable(&"a", Unusable::Demoted).kind(), Unavailable);
        assert_eq!(RedisStoreError::unusable(&"a", Unusable::NotSentinel).kind(), Misconfigured);
    }
}
