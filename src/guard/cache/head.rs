//! [`Head`]: what decides about a text that is not in its group.

use std::{
    array,
    sync::{
        Mutex, MutexGuard, TryLockError, TryLockResult,
        atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed},
    },
};

use crate::clock::Timestamp;

/// A group without its entries, in one line of the processor's cache.
///
/// The holder of the lock sees and changes it consistently. Other threads may see a change that is
/// half done, which costs a verification at most, because answers come from the entries.
#[repr(align(64))]
pub(super) struct Head {
    /// A part of the hash of what is in each place, [`FREE`] or [`CLOSED`].
    tags: [AtomicU16; PLACES],
    /// The tags of the last texts that were turned away. Only one that comes again competes for a
    /// place, so texts that come once displace nothing.
    candidates: [AtomicU16; CANDIDATES],
    /// Which of the candidates is the oldest.
    oldest_candidate: AtomicU8,
    /// How often a candidate came again.
    contests: AtomicU8,
    /// A bit for each place: whether its entry was used since the hand was last there.
    used: AtomicU8,
    /// How many bytes more the texts may have.
    room: AtomicU32,
    /// When the first entry may expire.
    soonest_end: AtomicU32,
    /// The last bits of the revision that the entries are of.
    revision: AtomicU16,
    /// Where to look next for an entry that may make room. It is the lock of the group.
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

    /// The places whose entries may have the text with this tag.
    pub(super) fn places_of(&self, tag: u16) -> impl Iterator<Item = usize> {
        (0..PLACES).filter(move |&place| self.tags[place].load(Relaxed) == tag)
    }

    /// Most often it is noted already, and the line need not be taken from other threads.
    pub(super) fn set_used(&self, place: usize) {
        let bit = 1 << place;
        if self.used.load(Relaxed) & bit == 0 {
            self.used.fetch_or(bit, Relaxed);
        }
    }

    /// Whether the entry was used since this was last asked.
    pub(super) fn take_used(&self, place: usize) -> bool {
        let bit = 1 << place;
        self.used.load(Relaxed) & bit != 0 && self.used.fetch_and(!bit, Relaxed) & bit != 0
    }

    /// Whether a text may come in or compete for a place. If not, it is a candidate from now on.
    pub(super) fn may_come_in(&self, tag: u16, len: usize, revision: u64, now: Timestamp) -> bool {
        self.free_place(len).is_some()
            || self.may_hold_outdated(revision, now)
            || self.places_of(tag).next().is_some()
            || (self.is_candidate(tag) && self.is_contest())
    }

    /// Whether the text came before, a short while ago. From now on it did.
    ///
    /// Of two threads that come at once one may undo what the other has noted: a text then comes in
    /// later.
    fn is_candidate(&self, tag: u16) -> bool {
        let known = self.candidates.iter().any(|candidate| candidate.load(Relaxed) == tag);
        if !known {
            let oldest = self.oldest_candidate.load(Relaxed);
            self.oldest_candidate.store(oldest.wrapping_add(1), Relaxed);
            self.candidates[usize::from(oldest) % CANDIDATES].store(tag, Relaxed);
        }
        known
    }

    /// Not each time: the hand then comes round too soon to see what is used as often as the
    /// others.
    fn is_contest(&self) -> bool {
        let contests = self.contests.load(Relaxed).wrapping_add(1);
        self.contests.store(contests, Relaxed);
        contests.is_multiple_of(SIGHTINGS_PER_CONTEST)
    }

    /// Whether an entry may be of another revision, or have expired.
    pub(super) fn may_hold_outdated(&self, revision: u64, now: Timestamp) -> bool {
        self.revision.load(Relaxed) != last_bits(revision) || self.soonest_end.load(Relaxed) <= seconds(now)
    }

    /// All entries are of this revision from now on, and their [ends](Self::note_end) are yet to
    /// come.
    pub(super) fn forget_outdated(&self, revision: u64) {
        self.revision.store(last_bits(revision), Relaxed);
        self.soonest_end.store(u32::MAX, Relaxed);
    }

    pub(super) fn note_end(&self, end: Timestamp) {
        self.soonest_end.fetch_min(seconds(end).saturating_add(1), Relaxed);
    }

    /// A free place, if there is room for so many bytes too.
    pub(super) fn free_place(&self, len: usize) -> Option<usize> {
        let has_room = len <= self.room.load(Relaxed) as usize;
        self.tags.iter().position(|tag| tag.load(Relaxed) == FREE).filter(|_| has_room)
    }

    /// Nobody waits for it: a text that is not remembered now is remembered another time.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, u8>> {
        unless_locked(self.hand.try_lock())
    }

    /// Under the lock: an entry is in this place from now on, for which there is
    /// [room](Self::free_place).
    pub(super) fn put(&self, place: usize, tag: u16, len: usize, end: Timestamp) {
        self.room.fetch_sub(bytes(len), Relaxed);
        self.used.fetch_and(!(1 << place), Relaxed);
        self.note_end(end);
        self.tags[place].store(tag, Relaxed);
    }

    /// Under the lock: this place is free from now on.
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

/// No lock here is poisoned in a state that matters: nothing panics between two steps.
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

/// About so many since the epoch: what is outdated is found a second late at most.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_unix_millis() >> 10).unwrap_or(u32::MAX)
}

/// How many entries a group may hold: a bit of [`Head::used`] for each.
pub(super) const PLACES: usize = 8;
/// How many of those that were turned away a group remembers. Fewer than it has places, and tokens
/// that come in turn would never be seen again.
const CANDIDATES: usize = PLACES;
/// While all tokens are used alike, an entry is used about this often before the hand comes again.
/// More, and tokens in use displace each other more seldom, but others take over later.
const SIGHTINGS_PER_CONTEST: u8 = 2;

/// The tag of a free place.
const FREE: u16 = 0;
/// The tag of a place that stays empty, where a group may have fewer entries.
const CLOSED: u16 = 1;
/// Tags of texts begin here.
pub(super) const FIRST_TAG: u16 = 2;
