//! [`Table`]: the entries of a shard, which any number of threads read while one writes.

use std::array;

use crate::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    set::sync::{AtomicU64, INITIAL_LOAD, MAX_LOAD, Ordering},
};

/// A hash table with wait-free readers.
///
/// Slots are in groups of eight. Each group has a word with a byte (tag) for each of its slots:
/// whether the slot is in use, and part of the hash. A search reads the words, and a slot only if
/// its tag matches, so that a search for a missing key seldom reads any slot.
///
/// One thread at a time writes. A slot is filled once, before its tag is set, and then its times
/// only increase. A removed entry keeps its slot, so a reader that has found a slot reads the
/// revocation of that key, whatever writers do meanwhile.
pub(super) struct Table {
    tags: Box<[AtomicU64]>,
    /// Blocks of equal size, except the last, so that memory that one table returns to the
    /// allocator fits the next table, whatever its size.
    blocks: Box<[Box<[Slots]>]>,
}

type Slots = [Slot; GROUP];

#[derive(Default)]
pub(super) struct Slot {
    key: [AtomicU64; 2],
    issued_through: AtomicU64,
    retain_until: AtomicU64,
}

/// Position of an entry in its table.
#[derive(Clone, Copy)]
pub(super) struct Position {
    group: usize,
    slot: usize,
}

impl Table {
    /// Creates an empty table with slots for more than `entries` entries.
    pub(super) fn with_room_for(entries: usize) -> Self {
        let groups = Self::groups_for(entries);
        Self {
            tags: (0..groups).map(|_| AtomicU64::new(0)).collect(),
            blocks: (0..groups).step_by(BLOCK).map(|first| block(BLOCK.min(groups - first))).collect(),
        }
    }

    /// Whether a new table for `entries` entries would be smaller.
    pub(super) fn is_large_for(&self, entries: usize) -> bool {
        Self::groups_for(entries) < self.tags.len()
    }

    /// The number of slots that entries and removed entries may use. Free slots end searches for
    /// missing keys.
    pub(super) fn room(&self) -> usize {
        self.tags.len() * MAX_LOAD
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, key: RevocationKey) -> Option<&Slot> {
        let (tag, key) = (tag(hash), words(key));
        let mut group = self.first_group(hash);
        loop {
            let tags = self.tags.get(group)?.load(Ordering::Acquire);
            let mut candidates = zeros(tags ^ (u64::from(tag) * LOWEST_BITS));
            while candidates != 0 {
                let slot = &self.slots(group)[first(candidates)];
                if slot.words() == key {
                    return Some(slot);
                }
                candidates &= candidates - 1;
            }
            if zeros(tags) != 0 {
                return None;
            }
            group = self.after(group);
        }
    }

    /// Adds an entry. The key must be missing, the table must have [room](Self::room), and no other
    /// thread may write.
    pub(super) fn insert(&self, hash: u64, revocation: &Revocation) {
        let mut group = self.first_group(hash);
        let (tags, free) = loop {
            let tags = self.tags[group].load(Ordering::Relaxed);
            match zeros(tags) {
                0 => group = self.after(group),
                free => break (tags, first(free)),
            }
        };
        self.slots(group)[free].fill(revocation);
        self.tags[group].store(tags | u64::from(tag(hash)) << (8 * free), Ordering::Release);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Position, &Slot)> {
        let slots = self.blocks.iter().flat_map(|block| &**block);
        self.tags.iter().zip(slots).enumerate().flat_map(|(group, (tags, slots))| {
            let tags = tags.load(Ordering::Acquire).to_le_bytes();
            let in_use = (0..GROUP).filter(move |slot| tags[*slot] >= LEAST_TAG);
            in_use.map(move |slot| (Position { group, slot }, &slots[slot]))
        })
    }

    /// Removes an entry. No other thread may write.
    pub(super) fn remove(&self, Position { group, slot }: Position) {
        let mut tags = self.tags[group].load(Ordering::Relaxed).to_le_bytes();
        tags[slot] = REMOVED;
        self.tags[group].store(u64::from_le_bytes(tags), Ordering::Release);
    }

    fn slots(&self, group: usize) -> &Slots {
        &self.blocks[group / BLOCK][group % BLOCK]
    }

    fn groups_for(entries: usize) -> usize {
        entries.div_ceil(INITIAL_LOAD)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is less than the number of groups")]
    fn first_group(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.tags.len() as u128) >> u64::BITS) as usize
    }

    fn after(&self, group: usize) -> usize {
        if group + 1 == self.tags.len() { 0 } else { group + 1 }
    }
}

impl Slot {
    pub(super) fn issued_through(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.issued_through.load(Ordering::Acquire))
    }

    pub(super) fn retain_until(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.retain_until.load(Ordering::Relaxed))
    }

    pub(super) fn key(&self) -> RevocationKey {
        let bytes = self.words().map(u64::to_ne_bytes);
        let key = bytes.as_flattened().first_chunk().and_then(|key| RevocationKey::from_bytes(*key));
        key.expect("a slot is read only when a key is in it")
    }

    // `join` raises `retain_until` first, so reading `issued_through` first never yields a
    // `retain_until` that is too early for it.
    pub(super) fn revocation(&self) -> Revocation {
        let issued_through = self.issued_through();
        Revocation::new(self.key(), issued_through, self.retain_until())
    }

    /// Joins a revocation of the same key into the entry. No other thread may write.
    pub(super) fn join(&self, revocation: &Revocation) -> Outcome {
        self.retain_until.store(self.retain_until().max(revocation.retain_until()).as_unix_millis(), Ordering::Relaxed);
        if self.issued_through() >= revocation.issued_through() {
            return Outcome::Already;
        }
        self.issued_through.store(revocation.issued_through().as_unix_millis(), Ordering::Release);
        Outcome::Newly
    }

    fn fill(&self, revocation: &Revocation) {
        for (word, value) in self.key.iter().zip(words(revocation.key())) {
            word.store(value, Ordering::Relaxed);
        }
        self.issued_through.store(revocation.issued_through().as_unix_millis(), Ordering::Relaxed);
        self.retain_until.store(revocation.retain_until().as_unix_millis(), Ordering::Relaxed);
    }

    fn words(&self) -> [u64; 2] {
        [self.key[0].load(Ordering::Relaxed), self.key[1].load(Ordering::Relaxed)]
    }
}

fn block(groups: usize) -> Box<[Slots]> {
    (0..groups).map(|_| array::from_fn(|_| Slot::default())).collect()
}

fn words(key: RevocationKey) -> [u64; 2] {
    let words = key.as_bytes().as_chunks().0;
    [u64::from_ne_bytes(words[0]), u64::from_ne_bytes(words[1])]
}

/// The tag of a slot in use. The table uses the highest bits of a hash for the position, and the
/// set uses the middle bits for the shard.
fn tag(hash: u64) -> u8 {
    hash.to_le_bytes()[0].max(LEAST_TAG)
}

/// Marks the bytes that are zero. The lowest mark is exact; above it, bytes of one may be marked as
/// well.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOWEST_BITS) & !word & (LOWEST_BITS << 7)
}

/// The index of the lowest byte that is marked.
fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

const GROUP: usize = 8;

/// The number of groups in a block of 16 KiB.
const BLOCK: usize = 64;

/// The tag of a removed entry. A free slot has the tag zero, which ends a search.
const REMOVED: u8 = 1;
const LEAST_TAG: u8 = 2;

const LOWEST_BITS: u64 = u64::from_ne_bytes([1; 8]);
