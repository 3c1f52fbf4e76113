//! [`StoreState`]: the state of the layout on a server, and whether it is complete.

use std::sync::Arc;

use redis::{Pipeline, Value};

use super::{
    cursor::Position,
    entry::{LogEntry, entries_of},
    error::Result,
    layout::Layout,
    parse::{array, exactly, instant, integer, optional, text},
};
use crate::clock::Timestamp;

/// The state of the layout at one moment.
pub(super) struct StoreState {
    /// The content of the layout key: the error if it is not the expected one, and `None` if there
    /// is no such key.
    version: Option<Result<()>>,
    meta: Meta,
    /// The number of entries in `live`.
    live: u64,
    /// The number of entries in `through`.
    issued_through: u64,
    last_entry: Option<LogEntry>,
    /// The last log entry at or before the id that was asked for.
    entry_at: Option<LogEntry>,
}

/// The hash `meta`.
#[derive(PartialEq)]
struct Meta {
    epoch: Option<String>,
    seq: Option<u64>,
    purged_through: Option<Timestamp>,
    live: Option<u64>,
    issued_through: Option<u64>,
    last_id: Option<String>,
}

/// Whether the layout is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    Complete,
    Empty,
    /// The named part does not match its description in `meta`.
    Damaged(&'static str),
}

/// Why a server lacks data that was observed before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Loss {
    pub(super) reason: &'static str,
    /// Whether the store is the same and lacks acknowledged revocations. Otherwise it is another
    /// store.
    pub(super) is_rollback: bool,
}

/// The accepted proof that the log contains an observed entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Proof {
    /// The entry itself.
    Entry,
    /// The entry itself, or a log that begins after it, because entries are removed from the log
    /// after ten minutes.
    EntryOrTrimmed,
}

/// The number of replies to [`request_state`].
pub(super) const STATE_REPLIES: usize = 7;

/// Adds the commands whose replies [`StoreState::from_replies`] reads.
///
/// They are plain commands, which every server answers while writes are paused. They are not
/// atomic, because a server whose memory is full rejects transactions; `meta` is read twice
/// instead.
pub(super) fn request_state(request: &mut Pipeline, layout: &Layout, id: &str) {
    request.cmd("GET").arg(&layout.version);
    request_meta(request, layout);
    request.cmd("ZCARD").arg(&layout.live);
    request.cmd("HLEN").arg(&layout.issued_through);
    request.cmd("XREVRANGE").arg(&layout.log).arg("+").arg("-").arg("COUNT").arg(1);
    request.cmd("XREVRANGE").arg(&layout.log).arg(id).arg("-").arg("COUNT").arg(1);
    request_meta(request, layout);
}

fn request_meta(request: &mut Pipeline, layout: &Layout) {
    request.cmd("HMGET").arg(&layout.meta).arg(&["epoch", "seq", "purged_through", "live", "through", "last"]);
}

impl StoreState {
    /// Reads the replies to [`request_state`], and returns whether they are consistent: nothing was
    /// written in between.
    pub(super) fn from_replies(replies: [Value; STATE_REPLIES], layout: &Layout) -> Result<(Self, bool)> {
        let [version, meta, live, issued_through, last_entry, entry_at, meta_after] = replies;
        let state = Self::from_snapshot([version, meta, live, issued_through, last_entry, entry_at], layout)?;
        let is_consistent = state.meta == Meta::from_reply(meta_after)?;
        Ok((state, is_consistent))
    }

    /// Reads parts that were read at one moment.
    pub(super) fn from_snapshot(parts: [Value; STATE_REPLIES - 1], layout: &Layout) -> Result<Self> {
        let [version, meta, live, issued_through, last_entry, entry_at] = parts;
        let first = |entries| entries_of(entries).map(|entries| entries.into_iter().next());
        let verify = |found: String| if found == *layout.content { Ok(()) } else { Err(layout.mismatch(&found)) };
        Ok(Self {
            version: optional(version, text)?.map(verify),
            meta: Meta::from_reply(meta)?,
            live: integer(live)?,
            issued_through: integer(issued_through)?,
            last_entry: first(last_entry)?,
            entry_at: first(entry_at)?,
        })
    }

    pub(super) fn condition(&self) -> Result<Condition> {
        let Self { version, meta, live, issued_through, last_entry, .. } = self;
        if let Some(Err(mismatch)) = version {
            return Err(mismatch.clone());
        }
        if *meta == Meta::EMPTY && (*live, *issued_through) == (0, 0) && last_entry.is_none() {
            return Ok(Condition::Empty);
        }
        let (last_id, seq) = last_entry.as_ref().map_or((LOG_START, Some(0)), |last| (&last.id, last.number));
        for (is_right, part) in [
            (meta.epoch.is_some() && meta.seq.is_some(), "meta"),
            (version.is_some(), "layout"),
            (meta.live == Some(*live), "live"),
            (meta.issued_through == Some(*issued_through), "through"),
            (meta.last_id.as_deref() == Some(last_id) && meta.seq == seq, "feed"),
        ] {
            if !is_right {
                return Ok(Condition::Damaged(part));
            }
        }
        Ok(Condition::Complete)
    }

    /// Checks that the log contains all entries up to the cursor.
    ///
    /// The number of the entry is no proof by itself: a server that has lost entries may have given
    /// their numbers to others.
    pub(super) fn contains(&self, cursor: &Position, proof: Proof) -> Result<(), Loss> {
        if self.meta.epoch.as_deref() != Some(&cursor.epoch) {
            return Err(Loss { reason: "the store was emptied, or replaced by another one", is_rollback: false });
        }
        let rollback = |reason| Err(Loss { reason, is_rollback: true });
        if self.seq() < cursor.number {
            return rollback("the server has lost revocations that it had acknowledged");
        }
        let is_there = match &self.entry_at {
            _ if cursor.number == 0 => true,
            Some(entry) => entry.id == cursor.id && entry.number == Some(cursor.number),
            None => proof == Proof::EntryOrTrimmed,
        };
        if is_there { Ok(()) } else { rollback("the log entry at the cursor is missing or different") }
    }

    /// The end of the log; `None` if there is no store.
    pub(super) fn log_end(&self) -> Option<Position> {
        let epoch = Arc::from(self.meta.epoch.as_deref()?);
        Some(Position { epoch, number: self.meta.seq?, id: self.meta.last_id.clone()? })
    }

    /// The number of the last log entry.
    pub(super) fn seq(&self) -> u64 {
        self.meta.seq.unwrap_or(0)
    }

    /// The number of live revocations.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    pub(super) fn purged_through(&self) -> Timestamp {
        self.meta.purged_through.unwrap_or(Timestamp::MIN)
    }
}

impl Meta {
    const EMPTY: Self =
        Self { epoch: None, seq: None, purged_through: None, live: None, issued_through: None, last_id: None };

    fn from_reply(reply: Value) -> Result<Self> {
        let [epoch, seq, purged_through, live, issued_through, last_id] = exactly(array(reply)?)?;
        Ok(Self {
            epoch: optional(epoch, text)?,
            seq: optional(seq, integer)?,
            purged_through: optional(purged_through, instant)?,
            live: optional(live, integer)?,
            issued_through: optional(issued_through, integer)?,
            last_id: optional(last_id, text)?,
        })
    }
}

/// The id before the first entry of the log.
pub(super) const LOG_START: &str = "0-0";
