//! [`Layout`]: names and encoding of the layout that `docs/redis-layout.md` describes.

use super::error::{OptionsError, RedisStoreError, Result};
use crate::{clock::Timestamp, revocation::RevocationKey};

/// The names of all Redis keys of the store. They share a hash tag, hence a slot of a Cluster.
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
    /// `layout`, a string: the version of the layout.
    pub(super) version: String,
    prefix: String,
}

/// The version of the layout, which is also a part of the names.
pub(super) const VERSION: &str = "1";

/// The instant that stands for [`Timestamp::MAX`]: the greatest integer up to which Lua and sorted
/// sets represent every integer exactly.
pub(super) const FOREVER: u64 = (1 << 53) - 1;

const MAX_PREFIX_LEN: usize = 128;

impl Layout {
    pub(super) fn new(prefix: &str) -> Result<Self, OptionsError> {
        let is_valid = |c: char| !matches!(c, '{' | '}') && !c.is_control();
        if prefix.is_empty() || prefix.len() > MAX_PREFIX_LEN || !prefix.chars().all(is_valid) {
            return Err(OptionsError::Prefix);
        }
        let name = |what: &str| format!("{{{prefix}}}:v{VERSION}:{what}");
        Ok(Self {
            live: name("live"),
            issued_through: name("through"),
            log: name("feed"),
            meta: name("meta"),
            version: format!("{{{prefix}}}:layout"),
            prefix: prefix.to_owned(),
        })
    }

    /// The names in the order that the scripts expect.
    pub(super) fn names(&self) -> [&str; 5] {
        [&self.live, &self.issued_through, &self.log, &self.meta, &self.version]
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
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
            assert!(matches!(Layout::new(prefix), Err(OptionsError::Prefix)), "{prefix:?}");
        }
        for prefix in ["tower-logout", "a b", "ä", "a:b", &"a".repeat(MAX_PREFIX_LEN)] {
            assert!(Layout::new(prefix).is_ok(), "{prefix:?}");
        }
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
