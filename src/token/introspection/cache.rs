//! [`AnswerCache`]: the answers about tokens that are still good.

use std::{fmt, ops::Range};

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::{
    settings::CacheSettings,
    verdict::{Rejected, Verdict},
};
use crate::{clock::Timestamp, token::VerifiedToken};

/// The SHA-256 of a token's text, so that the cache contains no token.
pub(super) type Digest = [u8; 32];

pub(super) fn digest(token: &str) -> Digest {
    Sha256::digest(token.as_bytes()).into()
}

/// The answers about tokens that are still good.
///
/// Rejected tokens are kept apart, within a bound of their own: whoever sends garbage displaces
/// garbage.
pub(super) struct AnswerCache<C> {
    accepted: Cache<Digest, Known<VerifiedToken<C>>>,
    rejected: Cache<Digest, Known<Rejected>>,
    settings: CacheSettings,
}

#[derive(Clone)]
struct Known<T> {
    value: T,
    /// From the judgement to the end of the answer's validity.
    life: Range<Timestamp>,
}

impl<C> AnswerCache<C> {
    pub(super) fn new(settings: CacheSettings) -> Self {
        let (accepted, rejected) = (Cache::new(settings.tokens.max(1)), Cache::new(REJECTED_TOKENS));
        Self { accepted, rejected, settings }
    }

    pub(super) fn find(&self, digest: &Digest, now: Timestamp) -> Option<Verdict<C>> {
        let accepted = self.accepted.get(digest).filter(|known| known.life.contains(&now));
        if let Some(known) = accepted {
            return Some(Ok(known.value));
        }
        let rejected = self.rejected.get(digest).filter(|known| known.life.contains(&now))?;
        Some(Err(rejected.value))
    }

    /// Keeps the answer to a request that was sent at this time, and returns it with the bound for
    /// other caches.
    pub(super) fn keep(&self, digest: Digest, verdict: Verdict<C>, sent: Timestamp, now: Timestamp) -> Verdict<C> {
        match verdict {
            Ok(token) => {
                let until = sent.saturating_add(self.settings.accepted_for).min(token.identity().accepted_until());
                let token = token.cache_until(until);
                if now < until && self.settings.tokens > 0 {
                    self.accepted.insert(digest, Known { value: token.clone(), life: now..until });
                }
                Ok(token)
            }
            Err(rejected) => {
                // Before the rejection is stored, so that the older answer never outlives it.
                self.accepted.remove(&digest);
                let until = sent.saturating_add(self.settings.rejected_for);
                if now < until {
                    self.rejected.insert(digest, Known { value: rejected.clone(), life: now..until });
                }
                Err(rejected)
            }
        }
    }
}

impl<C> fmt::Debug for AnswerCache<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerCache")
            .field("accepted", &self.accepted.len())
            .field("rejected", &self.rejected.len())
            .field("settings", &self.settings)
            .finish()
    }
}

/// Each takes about 150 bytes.
const REJECTED_TOKENS: usize = 16 * 1024;
