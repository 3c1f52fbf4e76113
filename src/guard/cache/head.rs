//! [`Head`]: the state of a group that decides whether a new text is cached.

use std::{
    array,
    sync::{
        Mutex, MutexGuard, TryLockError, TryLockResult,
        atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed},
    },
};

use crate::clock::Timestamp;

/// The state of a group apart from its entries, in one cache line of the processor.
///
/// The holder of the lock sees and changes it consistently. Other threads may see a partial change,
/// which costs at most one verification, because only entries determine results.
#[repr(align(64))]
pub(super) struct Head {
    /// For each place, a part of the hash of its text, or [`FREE`] or [`CLOSED`].
    tags: [AtomicU16; PLACES],
    /// The tags of the texts that were last not cached. Only a text that is seen again competes for
    /// a place, so texts that are seen once displace nothing.
    candidates: [AtomicU16; CANDIDATES],
    /// The index of the oldest candidate.
    oldest_candidate: AtomicU8,
    /// How often a candidate was seen again.
    contests: AtomicU8,
    /// A bit for each place: whether its entry was used since the hand last passed it.
    used: AtomicU8,
    /// The remaining room for texts, in bytes.
    room: AtomicU32,
    /// A lower bound of the earliest expiry of an entry.
    soonest_end: AtomicU32,
    /// The lowest bits of the revision of the entries.
    revision: AtomicU16,
    /// The next place to consider for eviction (the hand of a clock algorithm). It is also the lock
    /// of the group.
    hand: Mutex<u8>,
}

impl Head {
    pub(super) fn new(tokens: usize, bytes: u32) -> Self {
        Self {
            tags: array::from_fn(|place| AtomicU16::new(if place < tokens { FREE } else { CLOSED })),
            candidates: array::from_fn(|_| AtomicU16::new(0)),
            oldest_candidate: AtomicU8::new(0),
            contests: AtomicU8::new(0),
            used: AtomicU8::new(0),
            room: AtomicU32::new(bytes),
            soonest_end: AtomicU32::new(u32::MAX),
            revision: AtomicU16::new(0),
            hand: Mutex::new(0),
        }
    }

    /// The places whose entries may hold the text with this tag.
    pub(super) fn places_of(&self, tag: u16) -> impl Iterator<Item = usize> {
        (0..PLACES).filter(move |&place| self.tags[place].load(Relaxed) == tag)
    }

    /// The bit is usually set already, and then the cache line is not taken from other threads.
    pub(super) fn set_used(&self, place: usize) {
        let bit = 1 << place;
        if self.used.load(Relaxed) & bit == 0 {
            self.used.fetch_or(bit, Relaxed);
        }
    }

    /// Returns whether the entry was used since the last call, and clears that.
    pub(super) fn take_used(&self, place: usize) -> bool {
        let bit = 1 << place;
        self.used.fetch_and(!bit, Relaxed) & bit != 0
    }

    /// Whether a text may be cached or compete for a place. If not, it becomes a candidate.
    pub(super) fn may_come_in(&self, tag: u16, len: usize, revision: u64, now: Timestamp) -> bool {
        self.free_place(len).is_some()
            || self.may_hold_outdated(revision, now)
            || self.places_of(tag).next().is_some()
            || (self.is_candidate(tag) && self.is_contest())
    }

    /// Whether the text is a candidate. If not, it becomes one.
    ///
    /// Concurrent threads may overwrite each other's candidates; a text is then cached later.
    fn is_candidate(&self, tag: u16) -> bool {
        let known = self.candidates.iter().any(|candidate| candidate.load(Relaxed) == tag);
        if !known {
            let oldest = self.oldest_candidate.load(Relaxed);
            self.oldest_candidate.store(oldest.wrapping_add(1), Relaxed);
            self.candidates[usize::from(oldest) % CANDIDATES].store(tag, Relaxed);
        }
        known
    }

    /// Limits how often the hand moves. If it moved each time, it would return before entries that
    /// are in use are used again.
    fn is_contest(&self) -> bool {
        let contests = self.contests.load(Relaxed).wrapping_add(1);
        self.contests.store(contests, Relaxed);
        contests.is_multiple_of(SIGHTINGS_PER_CONTEST)
    }

    /// Whether an entry may have another revision, or may have expired.
    pub(super) fn may_hold_outdated(&self, revision: u64, now: Timestamp) -> bool {
        self.revision.load(Relaxed) != last_bits(revision) || self.soonest_end.load(Relaxed) <= seconds(now)
    }

    /// Starts a new revision. The [ends](Self::note_end) of its entries are noted afterwards.
    pub(super) fn forget_outdated(&self, revision: u64) {
        self.revision.store(last_bits(revision), Relaxed);
        self.soonest_end.store(u32::MAX, Relaxed);
    }

    pub(super) fn note_end(&self, end: Timestamp) {
        self.soonest_end.fetch_min(seconds(end).saturating_add(1), Relaxed);
    }

    /// Returns a free place, if there is also room for this many bytes.
    pub(super) fn free_place(&self, len: usize) -> Option<usize> {
        let has_room = len <= self.room.load(Relaxed) as usize;
        self.tags.iter().position(|tag| tag.load(Relaxed) == FREE).filter(|_| has_room)
    }

    /// Locks the group, unless it is locked. A text that is not cached now is cached another time.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, u8>> {
        unless_locked(self.hand.try_lock())
    }

    /// Records an entry in this place, for which there must be [room](Self::free_place). Requires
    /// the lock.
    pub(super) fn put(&self, place: usize, tag: u16, len: usize, end: Timestamp) {
        self.room.fetch_sub(bytes(len), Relaxed);
        self.used.fetch_and(!(1 << place), Relaxed);
        self.note_end(end);
        self.tags[place].store(tag, Relaxed);
    }

    /// Records that this place is free. Requires the lock.
    pub(super) fn take_out(&self, place: usize, len: usize) {
        self.tags[place].store(FREE, Relaxed);
        self.room.fetch_add(bytes(len), Relaxed);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tags.iter().filter(|tag| tag.load(Relaxed) >= FIRST_TAG).count()
    }

    #[cfg(test)]
    pub(super) fn tags(&self) -> impl Iterator<Item = u16> {
        self.tags.iter().map(|tag| tag.load(Relaxed))
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.room.load(Relaxed) as usize
    }
}

/// Returns the guard unless the lock is taken. A poisoned lock is used: no step can panic halfway.
pub(super) fn unless_locked<G>(result: TryLockResult<G>) -> Option<G> {
    match result {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a part")]
const fn last_bits(revision: u64) -> u16 {
    revision as u16
}

#[expect(clippy::cast_possible_truncation, reason = "no text is longer than the room of a group")]
const fn bytes(len: usize) -> u32 {
    len as u32
}

/// Approximate seconds since the epoch (1024 ms each): outdated entries are found at most a second
/// late.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_unix_millis() >> 10).unwrap_or(u32::MAX)
}

/// The number of entries that a group may hold: [`Head::used`] has a bit for each.
pub(super) const PLACES: usize = 8;
/// The number of candidates of a group. With fewer than it has places, tokens that are used in turn
/// would be forgotten before they are seen again.
const CANDIDATES: usize = PLACES;
/// If all tokens are used equally often, an entry is used about this often between two passes of
/// the hand. A larger value makes tokens in use displace each other less often, and new tokens
/// enter later.
const SIGHTINGS_PER_CONTEST: u8 = 2;

/// The tag of a free place.
const FREE: u16 = 0;
/// The tag of a place that is never used, in a cache whose groups have fewer entries.
const CLOSED: u16 = 1;
/// The lowest tag of a text.
pub(super) const FIRST_TAG: u16 = 2;
