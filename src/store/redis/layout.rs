//! Names and numbers, as `docs/redis-layout.md` has them.

use super::error::RedisStoreError;
use crate::{clock::Timestamp, revocation::RevocationKey};

/// The names of what the store keeps. All of them have the same hash tag, hence the same slot of a Cluster.
#[derive(Debug)]
pub(super) struct Layout {
    /// Sorted set: key, by `retain_until`.
    pub(super) live: String,
    /// Hash: key to `issued_through`, but for a token that is revoked for ever.
    pub(super) through: String,
    /// Stream: what has changed lately.
    pub(super) feed: String,
    /// Hash: `epoch`, `seq`, `purged_through`, and what is in the others: `live`, `through`, `last`.
    pub(super) meta: String,
    /// String: the version of the layout that is in use.
    pub(super) version: String,
    prefix: String,
}

/// The version of the layout, which is in the names, too.
pub(super) const VERSION: &str = "1";

/// Stands for ever. It is the greatest integer that Lua and sorted sets hold exactly with all integers before it.
pub(super) const FOREVER: u64 = (1 << 53) - 1;

const LONGEST_PREFIX: usize = 128;

impl Layout {
    pub(super) fn new(prefix: &str) -> Result<Self, RedisStoreError> {
        let is_valid = |c: char| !matches!(c, '{' | '}') && !c.is_control();
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.chars().all(is_valid) {
            return Err(RedisStoreError::Prefix);
        }
        let name = |what: &str| format!("{{{prefix}}}:v{VERSION}:{what}");
        Ok(Self {
            live: name("live"),
            through: name("through"),
            feed: name("feed"),
            meta: name("meta"),
            version: format!("{{{prefix}}}:layout"),
            prefix: prefix.to_owned(),
        })
    }

    /// The names in the order in which scripts expect them.
    pub(super) fn names(&self) -> [&str; 5] {
        [&self.live, &self.through, &self.feed, &self.meta, &self.version]
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// Whether a key always has an `issued_through` of its own. Where that is missing, half of the entry was lost.
///
/// The others are those of one token, which is revoked for ever.
pub(super) fn has_instant(key: RevocationKey) -> bool {
    const LAST_OF_ONE_TOKEN: u8 = 2;
    key.as_bytes()[0] > LAST_OF_ONE_TOKEN
}

/// What stands for an instant. Whatever is later than the year 287396 is for ever.
pub(super) fn to_redis(instant: Timestamp) -> u64 {
    instant.as_unix_millis().min(FOREVER)
}

pub(super) fn from_redis(millis: u64) -> Timestamp {
    if millis >= FOREVER { Timestamp::MAX } else { Timestamp::from_unix_millis(millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_would_break_the_hash_tag_is_refused() {
        for prefix in ["", "a{b", "a}b", "{}", "a\nb", "a\0b", &"a".repeat(LONGEST_PREFIX + 1)] {
            assert!(matches!(Layout::new(prefix), Err(RedisStoreError::Prefix)), "{prefix:?}");
        }
        for prefix in ["tower-logout", "a b", "ä", "a:b", &"a".repeat(LONGEST_PREFIX)] {
            assert!(Layout::new(prefix).is_ok(), "{prefix:?}");
        }
    }

    #[test]
    fn the_end_of_time_survives() {
        assert_eq!(from_redis(to_redis(Timestamp::MAX)), Timestamp::MAX);
        assert_eq!(from_redis(to_redis(Timestamp::MIN)), Timestamp::MIN);
        let last = Timestamp::from_unix_millis(FOREVER - 1);
        assert_eq!(from_redis(to_redis(last)), last);
        assert_eq!(from_redis(to_redis(Timestamp::from_unix_millis(FOREVER))), Timestamp::MAX);
    }
}
