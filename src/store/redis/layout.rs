//! [`Layout`]: names and encoding of the layout that `docs/redis-layout.md` describes.

use std::sync::Arc;

use super::error::{OptionsError, RedisStoreError, Result};
use crate::{clock::Timestamp, revocation::RevocationKey};

/// The names of all Redis keys of one shard. They share a hash tag, hence a slot of a Cluster.
#[derive(Debug)]
pub(super) struct Layout {
    /// `live`, a sorted set: revocation keys by `retain_until`.
    pub(super) live: String,
    /// `through`, a hash: revocation key to `issued_through`, absent for a single token that is
    /// revoked without an end.
    pub(super) issued_through: String,
    /// `feed`, a stream: the log of recent changes.
    pub(super) log: String,
    /// `meta`, a hash: `epoch`, `seq` and `purged_through`, and the expected contents of the other
    /// parts (`live`, `through`, `last`).
    pub(super) meta: String,
    /// `layout`, a string: the version of the layout and the number of shards.
    pub(super) version: String,
    /// What `version` contains, which is also a part of the other names.
    pub(super) content: Arc<str>,
    prefix: String,
    shard: ShardNumber,
}

/// The number of a shard, which begins at zero, and how many there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ShardNumber {
    pub(super) index: usize,
    pub(super) of: usize,
}

/// The version of the layout.
const VERSION: &str = "1";

pub(super) const MAX_SHARDS: usize = 64;

/// The instant that stands for [`Timestamp::MAX`]: the greatest integer up to which Lua and sorted
/// sets represent every integer exactly.
pub(super) const FOREVER: u64 = (1 << 53) - 1;

const MAX_PREFIX_LEN: usize = 128;

impl Layout {
    pub(super) fn new(prefix: &str, shard: ShardNumber) -> Result<Self, OptionsError> {
        let is_valid = |c: char| !matches!(c, '{' | '}') && !c.is_control();
        if prefix.is_empty() || prefix.len() > MAX_PREFIX_LEN || !prefix.chars().all(is_valid) {
            return Err(OptionsError::Prefix);
        }
        let ShardNumber { index, of } = shard;
        let tag = if index == 0 { prefix.to_owned() } else { format!("{prefix}:{index}") };
        let content = if of == 1 { VERSION.to_owned() } else { format!("{VERSION}:{index}/{of}") };
        let name = |what: &str| format!("{{{tag}}}:v{content}:{what}");
        Ok(Self {
            live: name("live"),
            issued_through: name("through"),
            log: name("feed"),
            meta: name("meta"),
            version: format!("{{{tag}}}:layout"),
            content: content.as_str().into(),
            prefix: prefix.to_owned(),
            shard,
        })
    }

    /// The names in the order that the scripts expect.
    pub(super) fn names(&self) -> [&str; 5] {
        [&self.live, &self.issued_through, &self.log, &self.meta, &self.version]
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn shard(&self) -> ShardNumber {
        self.shard
    }

    /// Returns the error of a content of `version` that is not the expected one.
    pub(super) fn mismatch(&self, found: &str) -> RedisStoreError {
        let ShardNumber { index, of: configured } = self.shard;
        match ShardNumber::parse(found) {
            Some(shard) if shard.index == index => RedisStoreError::OtherShards { found: shard.of, configured },
            Some(_) => RedisStoreError::OtherPrefix,
            None => RedisStoreError::NewerLayout { found: found.to_owned() },
        }
    }
}

impl ShardNumber {
    pub(super) const ONLY: Self = Self { index: 0, of: 1 };

    /// Reads the content of a layout key of this version.
    fn parse(content: &str) -> Option<Self> {
        match content.strip_prefix(VERSION)?.strip_prefix(':') {
            None => (content == VERSION).then_some(Self::ONLY),
            Some(shard) => {
                let (index, of) = shard.split_once('/')?;
                Some(Self { index: index.parse().ok()?, of: of.parse().ok()? })
            }
        }
    }
}

/// The shard of a key, of this many: the last four bytes of the key decide.
pub(super) fn shard_of(key: RevocationKey, shards: usize) -> usize {
    let [.., a, b, c, d] = *key.as_bytes();
    usize::try_from(u32::from_be_bytes([a, b, c, d])).map_or(0, |hash| hash % shards.max(1))
}

/// Whether an entry of this key always has an `issued_through`. An entry without one is then
/// incomplete.
///
/// Only a revocation of a single token may have none, which stands for [`Timestamp::MAX`].
pub(super) fn requires_issued_through(key: RevocationKey) -> bool {
    const LAST_KIND_OF_ONE_TOKEN: u8 = 2;
    key.as_bytes()[0] > LAST_KIND_OF_ONE_TOKEN
}

/// Encodes an instant in milliseconds since the Unix epoch. Instants after the year 287396 become
/// [`FOREVER`].
pub(super) fn encode_instant(instant: Timestamp) -> u64 {
    instant.as_unix_millis().min(FOREVER)
}

pub(super) fn decode_instant(millis: u64) -> Timestamp {
    if millis >= FOREVER { Timestamp::MAX } else { Timestamp::from_unix_millis(millis) }
}

/// Creates the identity of a new store: 128 random bits.
pub(super) fn new_epoch() -> Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(RedisStoreError::Random)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_would_break_the_hash_tag_is_rejected() {
        for prefix in ["", "a{b", "a}b", "{}", "a\nb", "a\0b", &"a".repeat(MAX_PREFIX_LEN + 1)] {
            assert!(matches!(Layout::new(prefix, ShardNumber::ONLY), Err(OptionsError::Prefix)), "{prefix:?}");
        }
        for prefix in ["tower-logout", "a b", "ä", "a:b", &"a".repeat(MAX_PREFIX_LEN)] {
            assert!(Layout::new(prefix, ShardNumber::ONLY).is_ok(), "{prefix:?}");
        }
    }

    fn layout(prefix: &str, index: usize, of: usize) -> Layout {
        Layout::new(prefix, ShardNumber { index, of }).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn one_shard_has_the_names_that_there_were_before_shards() {
        let one = layout("a", 0, 1);
        assert_eq!(one.names(), ["{a}:v1:live", "{a}:v1:through", "{a}:v1:feed", "{a}:v1:meta", "{a}:layout"]);
        assert_eq!(&*one.content, "1");
        let first = layout("a", 0, 4);
        assert_eq!((&*first.live, &*first.version, &*first.content), ("{a}:v1:0/4:live", "{a}:layout", "1:0/4"));
        let last = layout("a", 3, 4);
        assert_eq!((&*last.live, &*last.version, &*last.content), ("{a:3}:v1:3/4:live", "{a:3}:layout", "1:3/4"));
    }

    #[test]
    fn another_number_of_shards_and_another_prefix_are_distinguished() {
        use RedisStoreError::{NewerLayout, OtherPrefix, OtherShards};

        let mismatch = |index, of, found: &str| layout("a", index, of).mismatch(found);
        assert!(matches!(mismatch(0, 1, "1:0/4"), OtherShards { found: 4, configured: 1 }));
        assert!(matches!(mismatch(0, 4, "1"), OtherShards { found: 1, configured: 4 }));
        assert!(matches!(mismatch(2, 8, "1:2/4"), OtherShards { found: 4, configured: 8 }));
        // The second shard of `a` has the tag of the prefix `a:1`.
        assert!(matches!(mismatch(1, 4, "1"), OtherPrefix));
        assert!(matches!(mismatch(1, 4, "1:0/4"), OtherPrefix));
        for found in ["2", "10", "", "1:", "1:1", "1:x/4", "11:0/4", "2:0/4"] {
            assert!(matches!(mismatch(0, 4, found), NewerLayout { .. }), "{found}");
        }
    }

    /// Other programs compute it, too.
    #[test]
    fn the_shard_of_a_key_is_fixed() {
        let key = RevocationKey::subject("https://matar.app", "usr_123");
        assert_eq!(key.to_string(), "04971897dfbd1d3748dcb76b8f4e8db9");
        assert_eq!(u32::from_be_bytes([0x8f, 0x4e, 0x8d, 0xb9]), 2_404_289_977);
        for (shards, expected) in [(1, 0), (2, 1), (3, 1), (4, 1), (7, 5), (64, 57)] {
            assert_eq!(shard_of(key, shards), expected, "{shards}");
        }
        let mut counts = [0; 8];
        for n in 0..8000 {
            counts[shard_of(RevocationKey::token_id(None, &n.to_string()), 8)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn every_epoch_is_different() {
        let epochs: std::collections::HashSet<_> = (0..1000).filter_map(|_| new_epoch().ok()).collect();
        assert_eq!(epochs.len(), 1000);
        assert!(epochs.iter().all(|epoch| epoch.len() == 32 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[test]
    fn the_end_of_time_survives() {
        assert_eq!(decode_instant(encode_instant(Timestamp::MAX)), Timestamp::MAX);
        assert_eq!(decode_instant(encode_instant(Timestamp::MIN)), Timestamp::MIN);
        let last = Timestamp::from_unix_millis(FOREVER - 1);
        assert_eq!(decode_instant(encode_instant(last)), last);
        assert_eq!(decode_instant(encode_instant(Timestamp::from_unix_millis(FOREVER))), Timestamp::MAX);
    }
}
