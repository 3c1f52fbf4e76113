//! What a server shows of the layout: whether all of it is there, and whether it is what was seen before.

use std::sync::Arc;

use redis::{Pipeline, Value};

use super::{
    RedisCursor,
    error::RedisStoreError,
    feed::{Entry, entries_of},
    layout::{Layout, VERSION},
    reply::{Reply, array, exactly, instant, integer, optional, text},
};
use crate::clock::Timestamp;

/// What a server shows of the layout at one moment.
pub(super) struct State {
    version: Option<String>,
    noted: Noted,
    live: u64,
    through: u64,
    /// The last entry of the feed.
    last: Option<Entry>,
    /// The last entry of the feed at or before the one that was asked for.
    at: Option<Entry>,
}

/// The hash `meta`.
#[derive(PartialEq)]
struct Noted {
    epoch: Option<String>,
    seq: Option<u64>,
    purged_through: Option<Timestamp>,
    live: Option<u64>,
    through: Option<u64>,
    last: Option<String>,
}

/// Whether all that belongs to the layout is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    Whole,
    /// There is nothing.
    Empty,
    /// This part is not what `meta` notes of it.
    Damaged(&'static str),
}

/// How it is known that a server does not have what was seen before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Gone {
    pub(super) reason: &'static str,
    /// Whether revocations that were acknowledged are missing in what otherwise is the same store.
    pub(super) went_back: bool,
}

/// How closely the place of an entry that was seen is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Proof {
    /// The entry must be there.
    Entry,
    /// The entry must be there, or the feed must begin after it: entries leave it after ten minutes.
    EntryOrTrimmed,
}

/// How many replies [`ask_for_state`] leads to.
pub(super) const STATE_REPLIES: usize = 7;

/// Asks by plain commands, which a server that is paused for writers answers in every version.
///
/// They are not one step, and not a transaction, of which a server without memory takes none. `meta` is asked twice instead.
pub(super) fn ask_for_state(question: &mut Pipeline, layout: &Layout, at: &str) {
    question.cmd("GET").arg(&layout.version);
    ask_for_notes(question, layout);
    question.cmd("ZCARD").arg(&layout.live);
    question.cmd("HLEN").arg(&layout.through);
    question.cmd("XREVRANGE").arg(&layout.feed).arg("+").arg("-").arg("COUNT").arg(1);
    question.cmd("XREVRANGE").arg(&layout.feed).arg(at).arg("-").arg("COUNT").arg(1);
    ask_for_notes(question, layout);
}

fn ask_for_notes(question: &mut Pipeline, layout: &Layout) {
    question.cmd("HMGET").arg(&layout.meta).arg(&["epoch", "seq", "purged_through", "live", "through", "last"]);
}

impl State {
    /// From the replies to [`ask_for_state`]. The second is whether nothing was changed in between: otherwise the parts need not fit.
    pub(super) fn read_asked(replies: [Value; STATE_REPLIES]) -> Reply<(Self, bool)> {
        let [version, noted, live, through, last, at, noted_after] = replies;
        let state = Self::read([version, noted, live, through, last, at])?;
        let is_settled = state.noted == Noted::read(noted_after)?;
        Ok((state, is_settled))
    }

    pub(super) fn read([version, noted, live, through, last, at]: [Value; STATE_REPLIES - 1]) -> Reply<Self> {
        let first = |entries| entries_of(entries).map(|entries| entries.into_iter().next());
        Ok(Self {
            version: optional(version, text)?,
            noted: Noted::read(noted)?,
            live: integer(live)?,
            through: integer(through)?,
            last: first(last)?,
            at: first(at)?,
        })
    }

    pub(super) fn condition(&self) -> Reply<Condition> {
        let Self { version, noted, live, through, last, .. } = self;
        if let Some(found) = version.as_ref().filter(|found| *found != VERSION) {
            return Err(RedisStoreError::Layout { found: found.clone() });
        }
        if *noted == Noted::NOTHING && (*live, *through) == (0, 0) && last.is_none() {
            return Ok(Condition::Empty);
        }
        let (end, seq) = last.as_ref().map_or((START, Some(0)), |last| (&last.id, last.n));
        for (fits, part) in [
            (noted.epoch.is_some() && noted.seq.is_some(), "meta"),
            (version.is_some(), "layout"),
            (noted.live == Some(*live), "live"),
            (noted.through == Some(*through), "through"),
            (noted.last.as_deref() == Some(end) && noted.seq == seq, "feed"),
        ] {
            if !fits {
                return Ok(Condition::Damaged(part));
            }
        }
        Ok(Condition::Whole)
    }

    /// Whether this is what was seen before, then or later.
    ///
    /// The number alone does not tell: a server that has lost entries may have counted others since.
    pub(super) fn reaches(&self, seen: &RedisCursor, proof: Proof) -> Result<(), Gone> {
        if self.noted.epoch.as_deref() != Some(&seen.epoch) {
            return Err(Gone { reason: "the store was emptied, or replaced by another", went_back: false });
        }
        let went_back = |reason| Err(Gone { reason, went_back: true });
        if self.seq() < seen.n {
            return went_back("the server has lost what it had acknowledged");
        }
        let is_there = match &self.at {
            _ if seen.n == 0 => true,
            Some(at) => at.id == seen.id && at.n == Some(seen.n),
            None => proof == Proof::EntryOrTrimmed,
        };
        if is_there { Ok(()) } else { went_back("the entry at the cursor is gone, or is another one") }
    }

    /// Where the feed ends, if there is one.
    pub(super) fn end(&self) -> Option<RedisCursor> {
        let epoch = Arc::from(self.noted.epoch.as_deref()?);
        Some(RedisCursor { epoch, n: self.noted.seq?, id: self.noted.last.clone()? })
    }

    /// The number of the last entry.
    pub(super) fn seq(&self) -> u64 {
        self.noted.seq.unwrap_or(0)
    }

    pub(super) fn live(&self) -> u64 {
        self.live
    }

    pub(super) fn purged_through(&self) -> Timestamp {
        self.noted.purged_through.unwrap_or(Timestamp::MIN)
    }
}

impl Noted {
    const NOTHING: Self = Self { epoch: None, seq: None, purged_through: None, live: None, through: None, last: None };

    fn read(reply: Value) -> Reply<Self> {
        let [epoch, seq, purged_through, live, through, last] = exactly(array(reply)?)?;
        Ok(Self {
            epoch: optional(epoch, text)?,
            seq: optional(seq, integer)?,
            purged_through: optional(purged_through, instant)?,
            live: optional(live, integer)?,
            through: optional(through, integer)?,
            last: optional(last, text)?,
        })
    }
}

/// A part of the layout is not what `meta` notes of it.
pub(super) const DAMAGED: &str = "a part of what was stored is gone, or was changed by others";

/// What comes before every entry of the feed.
pub(super) const START: &str = "0-0";
