//! [`Requirements`]: the requirements that a server must meet before and while it is used.

use std::sync::Arc;

use redis::{Pipeline, Value, cmd};

use super::{
    address::Address,
    connection::Connection,
    error::{RedisStoreError, Result, Unusable},
    layout::Layout,
    parse::{array, optional, text},
};

#[derive(Debug)]
pub(super) struct Requirements {
    pub(super) layout: Arc<Layout>,
    /// Whether the server may hide its role and its eviction policy.
    pub(super) allow_unverified: bool,
}

impl Requirements {
    /// Connects to a server and verifies it. This is repeated with each connection, because a
    /// server may have been restarted with other settings, or replaced.
    pub(super) async fn open(&self, address: &Address, in_cluster: bool) -> Result<Connection> {
        let connection = Connection::open(address).await?;
        let info = self.info(&connection).await?;
        self.verify_info(&info, &connection, in_cluster)?;
        self.verify_layout(&connection).await?;
        Ok(connection)
    }

    async fn info(&self, connection: &Connection) -> Result<String> {
        match connection.send(&cmd("INFO")).await {
            Ok(info) => text(info),
            Err(RedisStoreError::Forbidden(_) | RedisStoreError::Rejected(_)) if self.allow_unverified => {
                Ok(String::new())
            }
            Err(RedisStoreError::Forbidden(error)) => {
                Err(RedisStoreError::unusable(connection.address(), Unusable::InfoForbidden(error)))
            }
            Err(error) => Err(error),
        }
    }

    fn verify_info(&self, info: &str, connection: &Connection, in_cluster: bool) -> Result<()> {
        let unusable = |reason| Err(RedisStoreError::unusable(connection.address(), reason));
        // Reported values are verified even if the server is allowed to hide them.
        let required = |name| match field(info, name) {
            None if !self.allow_unverified => unusable(Unusable::InfoFieldMissing { field: name }).map(|()| None),
            found => Ok(found),
        };
        // Valkey 9 names the field `server_mode`.
        if ["redis_mode", "server_mode"].iter().any(|&mode| field(info, mode) == Some("sentinel")) {
            return unusable(Unusable::Sentinel);
        }
        if field(info, "cluster_enabled") == Some("1") && !in_cluster && !self.allow_unverified {
            return unusable(Unusable::ClusterNode);
        }
        if let Some(found) = required("redis_version")? {
            // Valkey reports a version of Redis as well as its own.
            let versions = [Some(found), field(info, "valkey_version")];
            let version = versions.into_iter().flatten().filter_map(version).max();
            if version < Some(MIN_VERSION) {
                return unusable(Unusable::Version { found: found.to_owned() });
            }
            if version >= Some(MIN_VERSION_WITH_SCRIPT_FLAGS) {
                connection.set_supports_script_flags();
            }
        }
        if required("role")?.is_some_and(|role| role != PRIMARY) {
            return unusable(Unusable::Replica);
        }
        match required("maxmemory_policy")? {
            Some(policy) if may_evict(policy) => unusable(Unusable::MayEvict { policy: policy.to_owned() }),
            _ => Ok(()),
        }
    }

    async fn verify_layout(&self, connection: &Connection) -> Result<()> {
        let Layout { version, content, .. } = &*self.layout;
        let found = async || optional(connection.send(cmd("GET").arg(version)).await?, text);
        let found = match found().await? {
            Some(found) => Some(found),
            None => match connection.send(cmd("SETNX").arg(version).arg(&**content)).await {
                // Another process may have set it first, for another number of shards.
                Ok(_) => found().await?,
                // A server without memory for it can still be read.
                Err(RedisStoreError::OutOfMemory(_)) => None,
                Err(error) => return Err(error),
            },
        };
        match found {
            Some(found) if found != **content => Err(self.layout.mismatch(&found)),
            _ => Ok(()),
        }
    }

    /// Adds the command whose reply [`verify_role`](Self::verify_role) takes.
    ///
    /// Sent after the commands of a check, it proves that a primary has answered them: a server
    /// that is a primary then was one before.
    pub(super) fn request_role(&self, request: &mut Pipeline) {
        if self.allow_unverified {
            request.cmd("GET").arg(&self.layout.version);
        } else {
            request.cmd("ROLE");
        }
    }

    /// Verifies that the server is still a primary. A primary that becomes a replica keeps its
    /// connections, and its data is out of date from then on.
    pub(super) fn verify_role(&self, role: Value, connection: &Connection) -> Result<()> {
        if self.allow_unverified {
            return Ok(());
        }
        let role = array(role)?.into_iter().next().ok_or(RedisStoreError::UnexpectedReply("`ROLE` is empty"))?;
        if text(role)? == PRIMARY {
            return Ok(());
        }
        Err(RedisStoreError::unusable(connection.address(), Unusable::Replica))
    }
}

/// The name of a primary in `ROLE` and `INFO`.
const PRIMARY: &str = "master";

const MIN_VERSION: (u32, u32) = (6, 2);
const MIN_VERSION_WITH_SCRIPT_FLAGS: (u32, u32) = (7, 0);

/// Whether a `maxmemory-policy` evicts keys without a time to live, such as those of the layout.
fn may_evict(policy: &str) -> bool {
    policy != "noeviction" && !policy.starts_with("volatile-")
}

/// The value of a field of `INFO`.
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
        assert!(version("6.0.16") < Some(MIN_VERSION));
        assert!(version("5.0.14") < Some(MIN_VERSION));
        assert!(version("garbage") < Some(MIN_VERSION));
        assert!(version("6.2.0") >= Some(MIN_VERSION));
        assert!(version("10.0.1") >= Some(MIN_VERSION));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Memory\r\nmaxmemory_policy_human:x\r\nmaxmemory_policy:noeviction\r\nrole:master\r\n";
        assert_eq!(field(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(field(info, "role"), Some("master"));
        assert_eq!(field(info, "rol"), None);
    }
}
