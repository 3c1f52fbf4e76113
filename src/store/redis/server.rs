//! [`Server`]: which server it is now, and whether it may be trusted with revocations.

use std::{fmt, time::Duration};

use redis::cmd;

#[cfg(feature = "redis-cluster")]
use super::cluster::Nodes;
#[cfg(feature = "redis-sentinel")]
use super::sentinel::Sentinels;
use super::{
    address::Address,
    connection::Connection,
    error::RedisStoreError,
    layout::{Layout, VERSION},
    reply::{Reply, optional, text},
};

#[derive(Debug)]
pub(super) enum Server {
    /// Always the same.
    Single(Address),
    /// The master, as a majority of Sentinels has it.
    #[cfg(feature = "redis-sentinel")]
    Sentinel(Sentinels),
    /// The node that has the slot of the prefix.
    #[cfg(feature = "redis-cluster")]
    Cluster(Nodes),
}

impl Server {
    /// A connection to the server that has the revocations now, after it was looked at.
    pub(super) async fn connect(&self, layout: &Layout, behind_proxy: bool) -> Reply<Connection> {
        match self {
            Self::Single(address) => welcome(Connection::open(address).await?, layout, false, behind_proxy).await,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels) => {
                let address = sentinels.master().await?;
                welcome(Connection::open(&address).await?, layout, false, behind_proxy).await
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(nodes) => nodes.connect(layout, behind_proxy).await,
        }
    }
}

impl Server {
    /// Whether there are Sentinels to confirm which server it is.
    pub(super) fn has_sentinels(&self) -> bool {
        match self {
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(_) => true,
            _ => false,
        }
    }

    /// Makes sure that Sentinels name this server, if there are any and they have not done so within this time.
    #[cfg_attr(not(feature = "redis-sentinel"), expect(clippy::unused_async, reason = "with the feature it waits"))]
    pub(super) async fn confirm(&self, connection: &Connection, within: Duration) -> Reply<()> {
        match self {
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels) if !sentinels.have_confirmed(connection.address(), within) => {
                // Now and then. Checks do not carry the room for it.
                connection.judge(Box::pin(sentinels.confirm(connection.address())).await)
            }
            _ => {
                let _ = (connection, within);
                Ok(())
            }
        }
    }
}

/// As errors name it.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(address) => address.fmt(f),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(sentinels) => sentinels.fmt(f),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(nodes) => nodes.fmt(f),
        }
    }
}

/// A server that is asked or told something was the one so long ago at most.
pub(super) const CONFIRMED_FOR: Duration = Duration::from_secs(1);
/// A server that is followed is confirmed each time, but no more often than this, however many revocations come.
pub(super) const CONFIRMED_JUST_NOW: Duration = Duration::from_millis(50);

/// Looks at a server before it is used: each time, since a server that was restarted, or another one, may be set up differently.
pub(super) async fn welcome(
    connection: Connection,
    layout: &Layout,
    in_cluster: bool,
    behind_proxy: bool,
) -> Reply<Connection> {
    let server = || connection.address().to_string();
    let info = match connection.ask(&cmd("INFO")).await {
        Ok(info) => text(info)?,
        Err(RedisStoreError::Forbidden(_) | RedisStoreError::Command(_)) if behind_proxy => String::new(),
        Err(RedisStoreError::Forbidden(error)) => return Err(RedisStoreError::NoInfo { server: server(), error }),
        Err(error) => return Err(error),
    };
    let field = |name| field(&info, name);
    // What a proxy hides is not required. What it shows counts.
    let required = |name| match field(name) {
        None if !behind_proxy => Err(RedisStoreError::Hidden { server: server(), field: name }),
        found => Ok(found),
    };
    // Valkey 9 calls it `server_mode`.
    if ["redis_mode", "server_mode"].iter().any(|&mode| field(mode) == Some("sentinel")) {
        return Err(RedisStoreError::IsSentinel { server: server() });
    }
    if field("cluster_enabled") == Some("1") && !in_cluster && !behind_proxy {
        return Err(RedisStoreError::IsCluster { server: server() });
    }
    if let Some(found) = required("redis_version")? {
        // A Valkey names a version of Redis, too.
        let version = [Some(found), field("valkey_version")].into_iter().flatten().filter_map(version).max();
        if version < Some(OLDEST) {
            return Err(RedisStoreError::Version { server: server(), found: found.to_owned() });
        }
        if version >= Some(OLDEST_WITH_FLAGS) {
            connection.has_flags();
        }
    }
    if required("role")?.is_some_and(|role| role != "master") {
        return Err(RedisStoreError::NotMaster { server: server() });
    }
    if let Some(policy) = required("maxmemory_policy")?.filter(|policy| !keeps_what_has_no_end(policy)) {
        return Err(RedisStoreError::MayEvict { server: server(), policy: policy.to_owned() });
    }
    match optional(connection.ask(cmd("GET").arg(&layout.version)).await?, text)? {
        Some(found) if found != VERSION => return Err(RedisStoreError::Layout { found }),
        Some(_) => {}
        // Somebody else may be first. Without memory for it, the server can still be read from.
        None => match connection.ask(cmd("SETNX").arg(&layout.version).arg(VERSION)).await {
            Ok(_) | Err(RedisStoreError::OutOfMemory(_)) => {}
            Err(error) => return Err(error),
        },
    }
    Ok(connection)
}

/// Whether a server with this `maxmemory-policy` evicts no key without a time to live, as all keys of the layout are.
fn keeps_what_has_no_end(policy: &str) -> bool {
    policy == "noeviction" || policy.starts_with("volatile-")
}

/// In which scripts can say that they only read.
const OLDEST_WITH_FLAGS: (u32, u32) = (7, 0);
const OLDEST: (u32, u32) = (6, 2);

/// The value of a line of `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("6.0.16") < Some(OLDEST));
        assert!(version("5.0.14") < Some(OLDEST));
        assert!(version("garbage") < Some(OLDEST));
        assert!(version("6.2.0") >= Some(OLDEST));
        assert!(version("10.0.1") >= Some(OLDEST));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Memory\r\nmaxmemory_policy_human:x\r\nmaxmemory_policy:noeviction\r\nrole:master\r\n";
        assert_eq!(field(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(field(info, "role"), Some("master"));
        assert_eq!(field(info, "rol"), None);
    }
}
