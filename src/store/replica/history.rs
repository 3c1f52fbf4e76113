//! [`History`]: what was read recently, so that a log that has lost its end is read again from
//! there and not from the beginning.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::revocation::Revocation;

/// The cursors of the last minute, and what was read after each.
pub(super) struct History<C> {
    /// The oldest first.
    stages: VecDeque<Stage<C>>,
    len: usize,
}

struct Stage<C> {
    cursor: C,
    began: Instant,
    /// What was read between `cursor` and that of the next stage.
    read: Vec<Revocation>,
}

impl<C: Clone> History<C> {
    pub(super) fn new() -> Self {
        Self { stages: VecDeque::new(), len: 0 }
    }

    /// Records what was read after `cursor`.
    pub(super) fn record(&mut self, cursor: &C, read: &[Revocation], now: Instant) {
        if read.is_empty() {
            return;
        }
        if self.stages.back().is_none_or(|stage| now - stage.began > STAGE) {
            self.stages.push_back(Stage { cursor: cursor.clone(), began: now, read: Vec::new() });
        }
        if let Some(stage) = self.stages.back_mut() {
            stage.read.extend_from_slice(read);
            self.len += read.len();
        }
        let is_old = |stage: &Stage<C>| now - stage.began > KEPT;
        while self.stages.len() > 1 && (self.len > MOST || self.stages.front().is_some_and(is_old)) {
            let oldest = self.stages.pop_front();
            self.len -= oldest.map_or(0, |stage| stage.read.len());
        }
    }

    /// Goes back to a cursor of some seconds ago, and to the oldest one if `far`. Returns it with
    /// what was read since. Both are removed.
    pub(super) fn rewind(&mut self, far: bool, now: Instant) -> Option<(C, Vec<Revocation>)> {
        let is_near = |stage: &Stage<C>| !far && now - stage.began <= NEAR;
        // At least one stage, because the current cursor is known to be lost.
        let near = self.stages.iter().rev().take_while(|stage| is_near(stage)).count();
        let kept = if far { 0 } else { self.stages.len().saturating_sub(near.saturating_add(1)) };
        let removed: Vec<_> = self.stages.drain(kept..).collect();
        let read: Vec<_> = removed.iter().flat_map(|stage| &stage.read).copied().collect();
        self.len -= read.len();
        removed.into_iter().next().map(|stage| (stage.cursor, read))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}

/// Cursors are kept this far apart.
const STAGE: Duration = Duration::from_millis(250);
/// More than a failover usually loses.
const NEAR: Duration = Duration::from_secs(5);
const KEPT: Duration = Duration::from_secs(60);
/// The most revocations that are kept, of about 32 bytes each.
const MOST: usize = 100_000;
